"""Files of pretrained weights with the names of timm: read safely, and written."""

import json
from pathlib import Path

import torch

from pipeline.errors import PipelineError
from pipeline.files import replacing
from pipeline.models.backbones import tensor_files

# Where a training program keeps the weights among other things, the most useful first.
HOLDERS = ("state_dict_ema", "model_ema", "state_dict", "model")
# What wrappers put before every name.
PREFIXES = ("module.", "_orig_mod.")
# Key of the text about the tensors in a file of safetensors.
ABOUT = "pipeline"


def read_tensors(source: str | Path, backbone: str) -> dict[str, torch.Tensor]:
    """Return the tensors of a file of torch or safetensors by their names. Nothing is unpickled.

    `backbone` is the network that they are for: a file that `write_tensors` wrote names its own.

    Raises PipelineError when the file cannot be read or is of another network.
    """
    path = Path(source)
    if not path.is_file():
        raise PipelineError(
            f"{path}: there is no such weight file; correct network.weights ('imagenet', 'none' or "
            "a file)"
        )
    if path.suffix == ".safetensors":
        content, about = _read_safetensors(path)
    else:
        content, about = tensor_files.load_torch(path), {}
    if about.get("backbone", backbone) != backbone:
        raise PipelineError(
            f"{path}: weights of {about['backbone']}, and network.backbone is {backbone}; make "
            "them agree"
        )
    return _tensors(content)


def write_tensors(path: str | Path, state: dict[str, torch.Tensor], **about: str) -> None:
    """Write tensors as safetensors, with text `about` them; equal content gives equal bytes."""
    from safetensors.torch import save

    # safetensors writes the keys of its text in random order, so there is one.
    text = {ABOUT: json.dumps(about, sort_keys=True)}
    with replacing(path) as temporary:
        packed = {name: value.contiguous() for name, value in state.items()}
        temporary.write_bytes(save(packed, metadata=text))


def _read_safetensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Return the tensors of a file, and the text about them."""
    from safetensors import safe_open

    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            about = json.loads((file.metadata() or {}).get(ABOUT, "{}"))
            # A file of another program may say anything.
            return tensors, about if isinstance(about, dict) else {}
    # safetensors raises exceptions of many types for a file that is none.
    except Exception as error:
        raise tensor_files.unreadable(path, error) from error


def _tensors(content: object) -> dict[str, torch.Tensor]:
    """Return the tensors of what a file holds, without the wrappers of training programs."""
    for key in HOLDERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    tensors = {}
    for key, value in content.items() if isinstance(content, dict) else ():
        for prefix in PREFIXES:
            key = str(key).removeprefix(prefix)
        if isinstance(value, torch.Tensor):
            tensors[key] = value
    return tensors
