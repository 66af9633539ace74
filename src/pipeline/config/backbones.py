"""The backbones of stream networks by name, told without importing timm.

`backbones.txt` lists the networks of the locked timm that give feature maps of three stages, one
per line, with the tags of their pretrained weights. `python benchmarks/backbones.py --names` writes
it. It is read only where a config names another backbone than VGG-16, and takes milliseconds.
"""

from functools import cache
from pathlib import Path

from pipeline.errors import PipelineError, listed, nearest

NAMES = Path(__file__).with_name("backbones.txt")
# The paper's backbone and teacher, which are this package's own.
OWN = {"network": "vgg16", "teacher": "cnn_m"}


def check(settings: dict, where: str, source: str) -> None:
    """Refuse a backbone that there is not, and settings of it that contradict one another.

    Raises PipelineError, which names the nearest backbone.
    """
    for section, own in OWN.items():
        if settings[section]["backbone"] == own:
            continue
        _check_name(settings, section, where, source)
        _check_batch_norm(settings, section, where, source)
    _check_own_teacher(settings["teacher"], where, source)


@cache
def tags_by_name() -> dict[str, list[str]]:
    """Return the networks of timm that can be backbones: name -> tags of its weights."""
    lines = NAMES.read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in lines if not line.startswith("#")]
    return {name: tags for name, *tags in rows}


def _check_own_teacher(teacher: dict, where: str, source: str) -> None:
    """Refuse settings of pretrained weights for CNN_M_2048, of which there are none."""
    if teacher["backbone"] == OWN["teacher"] and (
        teacher["weights"] != "none" or teacher["head_lr"] != 1
    ):
        raise PipelineError(
            f"{source}: teacher.weights and teacher.head_lr of {where} are those of a pretrained "
            f"network, and teacher.backbone is {OWN['teacher']}, which starts from random weights; "
            "set it to a network of timm, or weights to 'none' and head_lr to 1"
        )


def _check_name(settings: dict, section: str, where: str, source: str) -> None:
    """Refuse a name, or a tag behind its dot, that the locked timm has not."""
    name, _, tag = settings[section]["backbone"].partition(".")
    own, names = OWN[section], tags_by_name()
    if name not in names:
        raise PipelineError(
            f"{source}: {section}.backbone of {where} is '{name}', which is neither {own} nor a "
            "network of timm with feature maps of three stages"
            f"{nearest(name, [own, *names])}"
        )
    if tag and tag not in names[name]:
        raise PipelineError(
            f"{source}: {section}.backbone of {where} is '{name}.{tag}', but weights of {name} "
            f"have the tags {listed(names[name]) or '(none)'}{nearest(tag, names[name])}"
        )
    if settings[section]["weights"] == "imagenet" and not names[name]:
        raise PipelineError(
            f"{source}: {section}.weights of {where} is imagenet, but timm has no weights of "
            f"{name}; set it to a file or to 'none', or {section}.backbone to another"
        )


def _check_batch_norm(settings: dict, section: str, where: str, source: str) -> None:
    """Refuse statistics of parts of a batch: results would depend on how a training run is run."""
    network, compute = settings[section], settings["compute"]
    by_batch = network["batch_norm"] in ("partial", "batch") or (
        network["batch_norm"] == "auto" and network["weights"] == "none"
    )
    parts = compute["processes"] * compute["accumulate"]
    if by_batch and parts > 1:
        raise PipelineError(
            f"{source}: BatchNorm of {where} would take its statistics from each of the {parts} "
            "parts that compute.processes and compute.accumulate divide a batch into; set "
            f"{section}.batch_norm to frozen, or both to 1"
        )
