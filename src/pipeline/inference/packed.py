"""A trained run as one file, for people without its data set: written, and read safely.

The file is a zip archive that packs nothing smaller: 'run.json' with settings, classes and fusion,
a model card 'README.md', and a file of safetensors for each network and for trajectories. Nothing
in it is unpickled, and nothing is unpacked to a disk.
"""

import json
import zipfile
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch

from pipeline.errors import PipelineError, first_line
from pipeline.files import reading, replacing
from pipeline.idt import fisher
from pipeline.inference.trained import (
    Trained,
    Trajectories,
    build,
    check_fusion,
    check_settings,
    fitting,
)
from pipeline.streams import DIRECTIONS, STREAMS

FORMAT, VERSION = "pipeline/run", 1
ABOUT, CARD, IDT = "run.json", "README.md", "idt"
# Bytes of run.json. That of 9,537 training clips and 101 classes has 0.2 MB.
LARGEST_ABOUT = 64 << 20
MEMBERS = {ABOUT, CARD, *(f"{name}.safetensors" for name in (*STREAMS, *DIRECTIONS, IDT))}
# What run.json holds, and of which type.
TYPES = {
    "result": dict,
    "settings": dict,
    "classes": list,
    "fusion": dict,
    "training": list,
    "made": dict,
    "sources": list,
}
CURE = "name a file as 'pipeline export' writes it"


def is_packed(path: Path) -> bool:
    """Whether a file begins as an archive does, whatever else it holds."""
    # To open a pipe would take for ever.
    if not path.is_file():
        return False
    with reading(path), open(path, "rb") as file:
        return file.read(4) == b"PK\x03\x04"


def write(trained: Trained, path: Path, card: str) -> None:
    """Write a run with its model card; equal runs give equal bytes."""
    from safetensors.torch import save

    about = {
        "format": FORMAT,
        "version": VERSION,
        "result": trained.result,
        "settings": trained.settings,
        "classes": trained.classes,
        "fusion": trained.fusion,
        "training": sorted(trained.training),
        "made": trained.made,
        "sources": trained.sources,
    }
    with (
        replacing(path, sealed=False) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as file,
    ):
        # A date of its own would make each file another.
        file.writestr(zipfile.ZipInfo(CARD), card)
        file.writestr(zipfile.ZipInfo(ABOUT), json.dumps(about, indent=1) + "\n")
        for source, model in trained.models.items():
            # Networks may share tensors, which a file of safetensors may not.
            state = {key: value.cpu().clone() for key, value in model.state_dict().items()}
            file.writestr(zipfile.ZipInfo(f"{source}.safetensors"), save(state))
        if trained.trajectories:
            arrays = {
                key: torch.from_numpy(np.ascontiguousarray(value))
                for key, value in _arrays(trained.trajectories).items()
            }
            file.writestr(zipfile.ZipInfo(f"{IDT}.safetensors"), save(arrays))


def read(path: Path) -> Trained:
    """The run in a file that `write` wrote.

    Raises PipelineError for anything else: what is no such archive, would take more room than the
    file has, or holds settings, networks and classes that do not fit one another.
    """
    with reading(path), open(path, "rb") as opened:
        try:
            with zipfile.ZipFile(opened) as file:
                _check_members(file, path)
                about = _about(file)
                check_settings(about["settings"], path)
                check_fusion(about["fusion"], about["sources"], path)
                return _trained(file, about, path)
        except (PipelineError, OSError, MemoryError):
            raise
        # Archives, JSON and tensors that somebody made raise exceptions of many types.
        except Exception as error:
            raise _refusal(path, f"{type(error).__name__}: {first_line(error)}") from error


def _refusal(path: Path, reason: str) -> PipelineError:
    return PipelineError(f"{path}: not an exported run ({reason[:200]}); {CURE}")


def _check_members(file: zipfile.ZipFile, path: Path) -> None:
    """Refuse an archive of other members than those of a run, or of more than the file holds."""
    members = file.infolist()
    names = [member.filename for member in members]
    packed = any(
        member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size
        for member in members
    )
    if unknown := sorted(set(names) - MEMBERS):
        raise _refusal(path, f"it holds {unknown[0][:100]!r}, which is no part of one")
    if len(names) != len(set(names)) or not {ABOUT} <= set(names):
        raise _refusal(path, f"it holds {ABOUT} not at all, or parts twice")
    size = path.stat().st_size
    if packed or sum(member.file_size for member in members) > size:
        raise _refusal(path, f"it unpacks to more than its {size:,} bytes")
    if file.getinfo(ABOUT).file_size > LARGEST_ABOUT:
        raise _refusal(path, f"its {ABOUT} is larger than {LARGEST_ABOUT >> 20} MB")


def _about(file: zipfile.ZipFile) -> dict:
    """What an archive says of its run. Raises ValueError where it lacks something."""
    about = json.loads(file.read(ABOUT))
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT}")
    if about.get("version") != VERSION:
        raise ValueError(f"its version is {about.get('version')!r}, this program reads {VERSION}")
    for key, wanted in TYPES.items():
        if not isinstance(about.get(key), wanted):
            raise ValueError(f"'{key}' is missing in {ABOUT}, or of another type")
    texts = {"classes": about["classes"], "training": about["training"]}
    for key, values in texts.items():
        if not all(isinstance(value, str) for value in values):
            raise ValueError(f"'{key}' holds other than text")
    classes = about["classes"]
    if len(set(classes)) != len(classes) or len(classes) < 2:
        raise ValueError("classes are fewer than two, or stand twice")
    sources = about["sources"]
    if len(sources) != len(set(sources)) or not set(sources) <= {*STREAMS, *DIRECTIONS, IDT}:
        raise ValueError("sources are unknown, or stand twice")
    return about


def _trained(file: zipfile.ZipFile, about: dict, path: Path) -> Trained:
    classes, models, found = about["classes"], {}, None
    for source in about["sources"]:
        state = _tensors(file, source)
        if source == IDT:
            found = fitting(_of_arrays(state), classes, classes, path)
            continue
        # On this device networks take no room, however large they claim to be.
        with torch.device("meta"):
            wanted = build(source, about["settings"], len(classes)).state_dict()
        _check_state(source, state, wanted)
        models[source] = build(source, about["settings"], len(classes)).eval()
        models[source].load_state_dict(state)
    return Trained(
        about["result"],
        about["settings"],
        classes,
        models,
        found,
        about["fusion"],
        frozenset(about["training"]),
        about["made"],
    )


def _tensors(file: zipfile.ZipFile, source: str) -> dict[str, torch.Tensor]:
    from safetensors.torch import load

    return load(file.read(f"{source}.safetensors"))


def _check_state(source: str, state: dict, wanted: dict) -> None:
    """Raise ValueError where tensors are not those of the network that the settings describe."""
    for name in sorted(state.keys() | wanted.keys()):
        have, want = state.get(name), wanted.get(name)
        if have is None or want is None or (have.shape, have.dtype) != (want.shape, want.dtype):
            raise ValueError(f"tensor '{name[:100]}' of {source} is not that of its settings")


def _arrays(trajectories: Trajectories) -> dict[str, np.ndarray]:
    """The arrays of trajectories by name, as `_of_arrays` takes them."""
    arrays = {"weights": trajectories.weights, "bias": trajectories.bias}
    for name, codebook in trajectories.codebooks.items():
        for field in fields(codebook):
            arrays[f"{name}_{field.name}"] = getattr(codebook, field.name)
    return arrays


def _of_arrays(state: dict[str, torch.Tensor]) -> Trajectories:
    """Trajectories of tensors by name. Raises KeyError and ValueError where they are not those."""
    arrays = {name: value.numpy() for name, value in state.items()}
    if any(array.dtype != np.float32 for array in arrays.values()):
        raise ValueError("arrays of trajectories are not all float32")
    codebooks = {
        name: fisher.Codebook(
            *(arrays[f"{name}_{field.name}"] for field in fields(fisher.Codebook))
        )
        for name in fisher.DESCRIPTORS
    }
    return Trajectories(codebooks, arrays["weights"], arrays["bias"])
