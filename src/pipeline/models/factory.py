"""?"""

from pipeline.models.asyn import ASYN, Fusion
from pipeline.models.baseline import Baseline
from pipeline.models.cnn_m import CNNM2048
from pipeline.models.co2fi import CO2FI
from pipeline.streams import DIRECTIONS, channels


def teacher(settings: dict, stream: str, classes: int) -> CNNM2048:
    """CNN_M_2048 for a stream; reads settings stack, crops.size, teacher.width, teacher.dropout."""
    own = settings["teacher"]
    return CNNM2048(
        channels(stream, settings["stack"]),
        classes,
        stream,
        own["width"],
        settings["crops"]["size"],
        own["dropout"],
    )


def stream_net(settings: dict, stream: str, classes: int) -> CO2FI | Baseline:
    """The network of a stream, of the kind network.kind; reads settings stack, crops.size, network, granularities.

    kind direct also reads the teacher's width and dropout.
    """
    own = settings["network"]
    common = {"size": settings["crops"]["size"], "width": own["width"], "dropout": own["dropout"]}
    planes = channels(stream, settings["stack"])
    if own["kind"] == "co2fi":
        sizes = {
            key: own[key] for key in ("reading", "side_maps", "fc1", "fc2", "hidden", "shared")
        }
        return CO2FI(
            planes, classes, granularities=len(settings["granularities"]), **common, **sizes
        )
    beside = teacher(settings, stream, classes) if own["kind"] == "direct" else None
    return Baseline(planes, classes, fc=own["fc"], beside=beside, **common)


def asyn(settings: dict, direction: str, classes: int) -> ASYN:
    """The asynchronous network of a direction; reads also settings fusion_network and period."""
    one, many = (stream_net(settings, stream, classes) for stream in DIRECTIONS[direction])
    fusion = Fusion(
        one.features, classes, instants=settings["period"]["instants"], **settings["fusion_network"]
    )
    return ASYN(one, many, fusion)
