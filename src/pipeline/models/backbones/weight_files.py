"""Files of pretrained weights with timm's names: read safely, and written."""

import json
from pathlib import Path

import torch

from pipeline.errors import PipelineError
from pipeline.files import replacing
from pipeline.models.backbones import tensor_files

# What programs that wrap a network put before every name.
PREFIXES = ("module.", "_orig_mod.")
# Key of the text about the tensors in a file of safetensors.
ABOUT = "pipeline"


def read_tensors(source: str | Path, backbone: str) -> dict[str, torch.Tensor]:
    """Return the float tensors of a file by their names, as `tensor_files.read` does.

    `backbone` is the network that they are for: a file that `write_tensors` wrote names its own.

    Raises PipelineError when the file cannot be read or is of another network.
    """
    path = Path(source)
    state = tensor_files.read(path)
    owner = _about(path).get("backbone", backbone)
    # The tag behind a name of timm says which weights it has, and not which network it is.
    if owner != backbone.partition(".")[0] and owner != backbone:
        raise PipelineError(
            f"{path}: weights of {owner}, and network.backbone is {backbone}; make them agree"
        )
    for prefix in PREFIXES:
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def write_tensors(path: str | Path, state: dict[str, torch.Tensor], **about: str) -> None:
    """Write tensors as safetensors, with text `about` them; equal content gives equal bytes."""
    from safetensors.torch import save

    # safetensors writes the keys of its text in random order, so there is one.
    text = {ABOUT: json.dumps(about, sort_keys=True)}
    packed = {name: value.contiguous() for name, value in state.items()}
    with replacing(path) as temporary:
        temporary.write_bytes(save(packed, metadata=text))


def _about(path: Path) -> dict[str, str]:
    """Return the text about the tensors in a file that `write_tensors` wrote; of others, none."""
    if path.suffix != ".safetensors":
        return {}
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        text = (file.metadata() or {}).get(ABOUT, "{}")
    try:
        about = json.loads(text)
    except ValueError:
        return {}
    return about if isinstance(about, dict) else {}
