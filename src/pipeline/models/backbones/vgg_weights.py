"""VGG-16's ImageNet weights in the layouts that they come in, brought to torchvision's.

The weights that Simonyan and Zisserman published in 2014 live on in Caffe's, Keras's and TensorFlow's files, and in some of
torchvision's names. They want pixels of 0 .. 255 less a mean, in BGR as Caffe reads them, or in RGB where a converter turned
the first layer around. torchvision's own weights, trained anew, want RGB, (x / 255 - mean) / std. Names and shapes do not
tell which, nor does the size of the values (the root mean square of the original's conv1_1 is 0.21, that of He et al.'s
start for inputs of unit scale 0.27): the values themselves do, so one filter of the original is kept to know it by.
"""

import re
import zipfile
from pathlib import Path

import h5py
import numpy as np
import torch

from pipeline.errors import PipelineError, first_line
from pipeline.jobs import record
from pipeline.streams import MEAN, STD

# Places of the convolutions in torchvision's vgg16().features, stage by stage.
TORCHVISION = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
_CONVOLUTIONS = [
    (stage, number, f"features.{place}")
    for stage, places in enumerate(TORCHVISION, start=1)
    for number, place in enumerate(places, start=1)
]
LAYOUTS = {  # what a file calls each layer -> what torchvision calls it
    "torchvision": {
        name: name
        for name in [*(place for *_, place in _CONVOLUTIONS), "classifier.0", "classifier.3"]
    },
    "Keras": {
        **{f"block{stage}_conv{number}": place for stage, number, place in _CONVOLUTIONS},
        "fc1": "classifier.0",
        "fc2": "classifier.3",
    },
    "Caffe": {
        **{f"conv{stage}_{number}": place for stage, number, place in _CONVOLUTIONS},
        "fc6": "classifier.0",
        "fc7": "classifier.3",
    },
}
PARTS = {
    **dict.fromkeys(("weight", "weights", "kernel", "W", "0"), "weight"),  # 0 and 1 in Caffe's HDF5
    **dict.fromkeys(("bias", "biases", "b", "1"), "bias"),
}
# Filter 13 of the original's conv1_1: RGB, rows, columns. It is the one least like itself turned around: with its colours
# reversed or mirrored it correlates by 0.42 at most.
KNOWN = 13
FILTER = torch.tensor(
    [
        [[-0.13, -0.23, -0.31], [0.00, -0.06, -0.23], [0.04, 0.00, -0.13]],
        [[0.02, -0.08, -0.19], [0.18, 0.12, -0.09], [0.20, 0.17, 0.00]],
        [[0.05, -0.01, -0.11], [0.20, 0.17, -0.02], [0.20, 0.20, 0.03]],
    ]
)
ALIKE = 0.98  # correlation; other filters of the original reach 0.96, however turned. Fine-tuning hardly moves conv1_1
ORIGINAL_MEAN = (123.68, 116.779, 103.939)  # RGB, of pixels 0 .. 255


def load(source: str, wanted: list[str]) -> dict[str, torch.Tensor]:
    """The weights and biases of the layers `wanted`, torchvision's names, for pixels as `inputs.normalise` gives them.

    `source`: 'imagenet', which torchvision downloads, or a file: torch's, .npz or HDF5, with torchvision's names, Caffe's
    (conv1_1, fc6) or Keras's (block1_conv1, fc1). Kernels may be (out, in, h, w) or, as in Keras, (h, w, in, out).
    The original's pixel scale, mean and channel order go into the first layer (`adapt`). Nothing is unpickled.

    Raises PipelineError when the file cannot be read, lacks a layer, or wants pixels that cannot be told.
    """
    if source == "imagenet":
        return _download()
    state, names, layout = _by_layer(_read(Path(source)))
    if not state:
        raise PipelineError(
            f"{source}: no layer of VGG-16 in it by torchvision's names (features.0.weight), Keras's "
            "(block1_conv1) or Caffe's (conv1_1); set network.weights to another file"
        )
    for key in (f"{layer}.{part}" for layer in wanted for part in ("weight", "bias")):
        layer, part = key.rsplit(".", 1)
        if key not in state:
            raise PipelineError(
                f"{source}: {layout}'s names, but no {part} of layer '{names[layer]}', so it is not the "
                "whole VGG-16; set network.weights to a whole one"
            )
        if not state[key].isfinite().all():
            raise PipelineError(
                f"{source}: the {part} of layer '{names[layer]}' holds what is no number; set "
                "network.weights to another file"
            )
    if state["features.0.weight"].shape[:2] == (3, 3):
        state = _kernels_first(state)
    order = channel_order(state["features.0.weight"])
    if order:
        adapt(state, order)
        record.log(
            f"{source}: the original VGG-16 by {layout}'s names, for {order} of 0 .. 255; converted"
        )
    elif layout != "torchvision":
        raise PipelineError(
            f"{source}: {layout}'s names, but conv1_1 is not the original VGG-16's, so the order of its "
            "channels and the scale of its pixels cannot be told; save it under torchvision's names, for "
            "RGB as (x / 255 - mean) / std"
        )
    return state


def channel_order(weight: torch.Tensor) -> str | None:
    """'RGB' or 'BGR' where conv1_1's `weight` (out, 3, 3, 3) is the original VGG-16's, as it is or fine-tuned; else None."""
    if len(weight) <= KNOWN or weight.shape[1:] != FILTER.shape:
        return None
    found = weight[KNOWN]
    for order, kernel in (("RGB", found), ("BGR", found.flip(0))):
        if torch.nn.functional.cosine_similarity(kernel.flatten(), FILTER.flatten(), dim=0) > ALIKE:
            return order
    return None


def adapt(state: dict[str, torch.Tensor], order: str) -> None:
    """Change the original's first layer in place to take RGB as (x / 255 - mean) / std, and not `order` less its own mean.

    As x - m = 255 std y + 255 mean - m for such a y, the weights of a channel are multiplied by 255 std, and the sum of
    weights times (255 mean - m) goes to the bias. Both networks then agree exactly inside; at the border the padding with
    zeros stands for the other mean, which differs by half a grey level.
    """
    weight = state["features.0.weight"].double()
    if order == "BGR":
        weight = weight.flip(1)
    own, mean, std = (
        torch.tensor(values, dtype=torch.float64)[:, None, None]  # (3, 1, 1)
        for values in (ORIGINAL_MEAN, MEAN["appearance"], STD["appearance"])
    )
    bias = state["features.0.bias"].double() + (weight * (255 * mean - own)).sum(dim=(1, 2, 3))
    state["features.0.weight"], state["features.0.bias"] = (
        (weight * 255 * std).float(),
        bias.float(),
    )


def _kernels_first(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Keras's (h, w, in, out) and (in, out) to (out, in, h, w) and (out, in); fc1's inputs are h w c there, c h w here."""
    channels = state["features.28.weight"].shape[-1]  # of what fc1 reads
    turned = dict(state)
    for key, value in state.items():
        if value.ndim == 4:
            turned[key] = value.permute(3, 2, 0, 1)
        elif key == "classifier.0.weight":
            side = round((len(value) / channels) ** 0.5)  # 7 at 224
            turned[key] = (
                value.reshape(side, side, channels, -1).permute(3, 2, 0, 1).flatten(1)
            )  # -> (out, c h w)
        elif value.ndim == 2:
            turned[key] = value.T
    return turned


def _by_layer(
    arrays: dict[str, torch.Tensor],
) -> tuple[dict[str, torch.Tensor], dict[str, str], str]:
    """The layers' arrays by torchvision's names, what the file calls these layers, and whose names those are."""
    for layout, places in LAYOUTS.items():
        pattern = re.compile(rf"(?:^|[/.])({'|'.join(map(re.escape, places))})([/._].*)")
        found = {}
        for key, value in arrays.items():
            match = pattern.search(key)
            words = re.split("[/._:]", match[2]) if match else []
            part = next((PARTS[word] for word in words if word in PARTS), None)
            if part:  # a saved Keras model also holds its optimiser's, behind its own
                found.setdefault(f"{places[match[1]]}.{part}", value)
        if found:
            return found, {place: name for name, place in places.items()}, layout
    return {}, {}, ""


def _read(path: Path) -> dict[str, torch.Tensor]:
    """The float arrays of a file by their names, in its order; a torch file may hold them under 'state_dict' or 'model'."""
    if not path.is_file():
        raise PipelineError(
            f"{path}: there is no such weight file; correct network.weights ('imagenet', 'none' or a file)"
        )
    try:
        if h5py.is_hdf5(path):
            found = _read_hdf5(path)
        elif _is_npz(path):
            with np.load(path, allow_pickle=False) as file:
                found = dict(file)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a file that is no plain set of tensors
        raise PipelineError(
            f"{path}: not a file of plain tensors that torch, NumPy or HDF5 can load safely "
            f"({first_line(error)}); convert it, or set network.weights to another"
        ) from error
    if not isinstance(found, dict):
        raise PipelineError(
            f"{path}: holds {type(found).__name__}, not a dict of tensors; save the model's state_dict()"
        )
    for key in ("state_dict", "model"):
        found = found[key] if isinstance(found.get(key), dict) else found
    tensors = {}
    for key, value in found.items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            value = torch.from_numpy(np.asarray(value, np.float32))
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            tensors[str(key)] = value.float()
    return tensors


def _is_npz(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as file:  # torch's are zip files, too
        return all(name.endswith(".npy") for name in file.namelist())


def _read_hdf5(path: Path) -> dict[str, np.ndarray]:
    found = {}

    def keep(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = item[...]

    with h5py.File(path) as file:
        file.visititems(keep)
    return found


def _download() -> dict[str, torch.Tensor]:
    from torchvision.models import VGG16_Weights

    try:
        return VGG16_Weights.IMAGENET1K_V1.get_state_dict(
            progress=False, check_hash=True, weights_only=True
        )
    except (OSError, RuntimeError) as error:
        url = VGG16_Weights.IMAGENET1K_V1.url
        raise PipelineError(
            f"the ImageNet weights of VGG-16 cannot be downloaded ({error}); download {url} elsewhere and "
            "set network.weights to the file, or to 'none' to train from scratch"
        ) from error
