"""Small networks, and clips of texture, for tests of inference."""

import torch

from pipeline.models.asyn import ASYN, Fusion
from pipeline.models.backbones.vgg import VGG16
from pipeline.models.co2fi import CO2FI
from pipeline.streams import DIRECTIONS, STREAMS, channels

CLASSES, HIDDEN = 7, 6
CPU = torch.device("cpu")


def co2fi(stream: str) -> CO2FI:
    return CO2FI(
        VGG16(channels(stream, 2), 1 / 32),
        CLASSES,
        size=16,
        side_maps=2,
        fc1=8,
        fc2=8,
        hidden=HIDDEN,
        dropout=0.5,
    )


def all_models() -> dict:
    """What scores a run of the complete method, on noise: nothing is trained."""
    torch.manual_seed(0)
    models = {stream: co2fi(stream) for stream in STREAMS}
    for direction, names in DIRECTIONS.items():
        models[direction] = ASYN(
            *(co2fi(name) for name in names), Fusion(HIDDEN, CLASSES, hidden=5, dropout=0.5)
        )
    return {source: model.eval() for source, model in models.items()}


SIZE, WIDTH, HEIGHT = 16, 40, 30
CROPS = {
    "frame": [WIDTH, HEIGHT],
    "size": SIZE,
    "test": 20,
    "appearance": [20],
    "motion": [20],
    "flip": True,
}
ROWS = [
    {
        "clip": f"Archery/v_Archery_g01_c0{number}",
        "path": f"{number}.avi",
        "sha256": "0",
        "frames": frames,
        "label": 0,
        "shard": "000",
    }
    for number, frames in enumerate((40, 3, 12), start=1)
]
