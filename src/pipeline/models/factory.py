"""Builds networks from the settings: the teacher, a stream's network, and the asynchronous network.

This is the only module of the networks that knows the settings. The order in which parts are built
is the order in which their weights draw from torch's generator, so a change of it changes results.
"""

from pipeline.models.asyn import ASYN, Fusion
from pipeline.models.backbones.timm_net import TimmNet
from pipeline.models.backbones.vgg import VGG16
from pipeline.models.baseline import Baseline, PooledBaseline, PooledTeacher
from pipeline.models.cnn_m import CNNM2048
from pipeline.models.co2fi import CO2FI
from pipeline.streams import DIRECTIONS, channels

# The paper's networks, which are this package's own; all others are timm's.
VGG, CNN_M = "vgg16", "cnn_m"
# Keys of the section network that are arguments of CO2FI by the same name.
CO2FI_ARGUMENTS = ("side_connections", "side_maps", "fc1", "fc2", "hidden", "shared")


def teacher(settings: dict, stream: str, classes: int) -> CNNM2048 | PooledTeacher:
    """Build the teacher of a stream: CNN_M_2048, or another network with a classifier.

    Reads the settings stack, crops.size, teacher.backbone, teacher.width and teacher.dropout, and
    for another network teacher.batch_norm and teacher.weights.
    """
    section, size = settings["teacher"], settings["crops"]["size"]
    if section["backbone"] == CNN_M:
        return CNNM2048(
            channels(stream, settings["stack"]),
            classes,
            stream,
            section["width"],
            size,
            section["dropout"],
        )
    base = _timm(section, settings, stream)
    return PooledTeacher(base, classes, size=size, dropout=section["dropout"])


def backbone(settings: dict, stream: str) -> VGG16 | TimmNet:
    """Build the backbone of a stream's network, with random weights.

    Reads the settings stack, crops.size, network.backbone, network.width, network.batch_norm and
    network.weights.
    """
    section = settings["network"]
    if section["backbone"] == VGG:
        return VGG16(channels(stream, settings["stack"]), section["width"])
    return _timm(section, settings, stream)


def _timm(section: dict, settings: dict, stream: str) -> TimmNet:
    """Build the network of timm that a section names; see `backbone`."""
    batch_norm = section["batch_norm"]
    if batch_norm == "auto":
        # Statistics that are stored with random weights are those of no images.
        batch_norm = "batch" if section["weights"] == "none" else "frozen"
    planes, size = channels(stream, settings["stack"]), settings["crops"]["size"]
    return TimmNet(section["backbone"], planes, size=size, batch_norm=batch_norm)


def stream_net(settings: dict, stream: str, classes: int) -> CO2FI | Baseline | PooledBaseline:
    """Build the network of a stream, of the kind network.kind.

    Reads the settings stack, crops.size, network and granularities; kind direct also reads what
    `teacher` reads.
    """
    section = settings["network"]
    size, dropout = settings["crops"]["size"], section["dropout"]
    beside = teacher(settings, stream, classes) if section["kind"] == "direct" else None
    base = backbone(settings, stream)
    if section["kind"] == "co2fi":
        return CO2FI(
            base,
            classes,
            size=size,
            dropout=dropout,
            granularities=len(settings["granularities"]),
            **{key: section[key] for key in CO2FI_ARGUMENTS},
        )
    if isinstance(base, TimmNet):
        return PooledBaseline(base, classes, size=size, dropout=dropout, beside=beside)
    return Baseline(base, classes, size=size, fc=section["fc"], dropout=dropout, beside=beside)


def asyn(settings: dict, direction: str, classes: int) -> ASYN:
    """Build the asynchronous network of a direction.

    Reads what `stream_net` reads and the settings fusion_network and period.instants.
    """
    single, sequence = (stream_net(settings, stream, classes) for stream in DIRECTIONS[direction])
    fusion = Fusion(
        single.features,
        classes,
        instants=settings["period"]["instants"],
        **settings["fusion_network"],
    )
    return ASYN(single, sequence, fusion)
