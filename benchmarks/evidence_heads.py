"""Backbones, and rates and dropout of what lies behind them, tried on training clips alone.

    python benchmarks/evidence_heads.py
    python benchmarks/evidence_heads.py --sizes 112 224 --dropouts 0.2 0.5 0.8 --device cuda

Run it where `make evidence` has made results/jhmdb14. The backbone's maps of the clips of split4,
four instants each, are computed once and stay fixed; a baseline's and CO2FI's layers behind them
are trained on its training clips and tried on those that it holds out. split4 divides the training
clips of fold 1 by film, so no test clip of that fold is seen. Of each backbone whose weights lie
where `pipeline weights fetch NAME` leaves them. Prints a table and writes
benchmarks/results/evidence_heads.json. A network takes a minute on a core at 112 pixels, and some
seconds on a GPU that does nothing else.
"""

import argparse
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import torch
from descent import descend, drawn_groups
from evidence_parts import config_of
from report import write
from torch import nn

from pipeline.config import runs
from pipeline.data.stream import Stream
from pipeline.data.transforms import normalise
from pipeline.datasets import index
from pipeline.models import factory
from pipeline.streams import STORES, STREAMS
from pipeline.training.losses import stream_loss

SET, SPLIT, INSTANTS = "jhmdb14", "split4", 4
# Backbones, and the files of their weights.
BACKBONES = {
    "tf_efficientnet_lite0": "weights/efficientnet-lite0.safetensors",
    "vgg16": "weights/hed.safetensors",
}
# Rates that are tried for each kind of network, as many for one as for the other.
RATES = {
    "baseline": (0.001, 0.003, 0.01, 0.03),
    "complete": (0.005, 0.015, 0.045, 0.135),
    "no_grouping": (0.005, 0.015, 0.045, 0.135),
}
ITERATIONS, BATCH, CLIP = 400, 16, 5


class Fixed(nn.Module):
    """Stands for a backbone: its input is maps already."""

    def forward(self, maps: "Maps") -> list[torch.Tensor]:
        return list(maps)


class Maps(list):
    """Maps of a batch, in place of its pixels."""

    def new_zeros(self, *shape: int) -> torch.Tensor:
        return self[0].new_zeros(*shape)

    def __len__(self) -> int:
        return len(self[0])


def maps_of_clips(
    net: nn.Module, stream: str, subset: str, own: dict, device: torch.device
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """The maps (clips INSTANTS, C, h, w) of each stage, and the labels (clips,), on the device."""
    rows = index.read(f"results/{SET}/{SPLIT}/{subset}.csv")
    store = Stream(stream, f"results/{SET}/{STORES[stream]}", own["crops"], own["stack"], rows)
    maps = []
    for row in rows:
        instants = np.linspace(0, store.last_instant(row), INSTANTS).astype(int)
        pixels = np.stack([store(row, int(t), store.centre_crop()) for t in instants])
        with torch.no_grad():
            maps.append(net(normalise(torch.from_numpy(pixels).to(device), stream)))
    stages = [torch.cat(stage) for stage in zip(*maps, strict=True)]
    return stages, torch.tensor([row["label"] for row in rows], device=device)


def learn(net: nn.Module, maps: list, labels: torch.Tensor, own: dict, rate: float) -> float:
    """Train the layers of `net` behind the maps; returns the mean loss of the last 50 batches."""
    rng, classes = np.random.default_rng(1), int(labels.max()) + 1

    def loss_of(iteration: int) -> torch.Tensor:
        clips = rng.choice(len(labels), BATCH, replace=False)
        chosen = clips * INSTANTS + rng.integers(INSTANTS, size=BATCH)
        batch = labels[clips]
        formed = drawn_groups(batch, classes, own["granularities"], rng)
        output = net(Maps(stage[chosen] for stage in maps))
        return stream_loss(output, batch, formed, own["loss"]["alpha"], own["loss"]["beta"])

    return float(np.mean(descend(net, loss_of, rate, ITERATIONS, clip=CLIP)[-50:]))


@torch.no_grad()
def accuracy(net: nn.Module, maps: list, labels: torch.Tensor) -> float:
    """The share of clips whose mean logits over instants are largest for their class."""
    net.eval()
    logits = net(Maps(maps)).units[-1].unflatten(0, (len(labels), INSTANTS)).mean(dim=1)
    return float((logits.argmax(dim=1) == labels).float().mean())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[112], help="pixels of a crop")
    parser.add_argument("--dropouts", type=float, nargs="+", default=[0.2, 0.5])
    parser.add_argument("--streams", nargs="+", choices=STREAMS, default=STREAMS)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    device, tried = torch.device(options.device), []
    columns = f"{'size':>5}  {'stream':<12}{'network':<13}{'dropout':>7}{'rate':>7}"
    print(f"{'backbone':<24}{columns}{'loss':>8}{'held out':>10}")
    for size, (name, weights) in product(options.sizes, BACKBONES.items()):
        if not Path(weights).is_file():
            print(f"{name:<24}left out: there is no {weights}")
            continue
        config = config_of(SET)
        config["all_sets"]["network"] |= {"backbone": name, "weights": weights}
        config["all_sets"]["crops"] |= {"size": size}
        for stream in options.streams:
            for row in of_stream(config, stream, options.dropouts, device):
                tried.append({"backbone": name, "size": size, "stream": stream} | row)
                print(
                    f"{name:<24}{size:>5}  {stream:<12}{row['variant']:<13}{row['dropout']:>7}"
                    f"{row['rate']:>7}{row['loss']:>8.3f}{row['held_out']:>10.1%}",
                    flush=True,
                )
    clips = len(index.read(f"results/{SET}/{SPLIT}/test.csv"))
    where = torch.cuda.get_device_name() if options.device == "cuda" else None
    content = {"iterations": ITERATIONS, "clips": clips, "gpu": where, "tried": tried}
    write("evidence_heads", content)


def of_stream(
    config: dict, stream: str, dropouts: list[float], device: torch.device
) -> Iterator[dict]:
    """Yield what each kind of network comes to on a stream, by its dropout and its rate."""
    own = runs.for_run(config, SET, runs.Run(SPLIT))
    torch.manual_seed(1)
    backbone = factory.backbone(own, stream)
    backbone.start_from(own["network"]["weights"])
    backbone.eval().to(device)
    train, test = (maps_of_clips(backbone, stream, side, own, device) for side in ("train", "test"))
    for variant, dropout in product(RATES, dropouts):
        own = runs.for_run(config, SET, runs.Run(SPLIT, variant))
        own["network"]["dropout"] = dict.fromkeys(own["network"]["dropout"], dropout)
        for rate in RATES[variant]:
            torch.manual_seed(1)
            net = factory.stream_net(own, stream, int(train[1].max()) + 1)
            net.vgg = Fixed()
            net.to(device)
            loss, share = learn(net, *train, own, rate), accuracy(net, *test)
            yield {
                "variant": variant,
                "dropout": dropout,
                "rate": rate,
                "loss": round(loss, 4),
                "held_out": round(share, 4),
            }


if __name__ == "__main__":
    main()
