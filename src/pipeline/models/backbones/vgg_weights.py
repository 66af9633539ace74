"""Reads ImageNet weights of VGG-16 from the files of several programs, converted to torchvision's.

The weights that Simonyan and Zisserman published in 2014 come in files of Caffe, Keras and
TensorFlow, and in some files with torchvision's names. They expect pixels of 0 .. 255 minus a mean,
in BGR as Caffe reads images, or in RGB where a converter reversed the first layer. torchvision's
own weights were trained anew and expect RGB pixels, (x / 255 - mean) / std.

Names and shapes do not tell which of these a file holds. Nor does the scale of the values: the root
mean square of the original's conv1_1 is 0.21, and that of He et al.'s initialisation for inputs of
unit variance is 0.27. The values themselves do: one known filter of the original identifies it.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import torch

from pipeline.errors import PipelineError
from pipeline.jobs import record
from pipeline.models.backbones import tensor_files
from pipeline.streams import MEAN, STD

# Indices of the convolutions in torchvision's vgg16().features, stage by stage.
TORCHVISION = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
# (stage, number within the stage, torchvision's name) of each convolution.
_CONVOLUTIONS = [
    (stage, number, f"features.{index}")
    for stage, indices in enumerate(TORCHVISION, start=1)
    for number, index in enumerate(indices, start=1)
]
# Program -> the name of each layer in its files -> torchvision's name of the layer.
LAYOUTS = {
    "torchvision": {
        name: name
        for name in [*(name for *_, name in _CONVOLUTIONS), "classifier.0", "classifier.3"]
    },
    "Keras": {
        **{f"block{stage}_conv{number}": name for stage, number, name in _CONVOLUTIONS},
        "fc1": "classifier.0",
        "fc2": "classifier.3",
    },
    "Caffe": {
        **{f"conv{stage}_{number}": name for stage, number, name in _CONVOLUTIONS},
        "fc6": "classifier.0",
        "fc7": "classifier.3",
    },
}
# Names of a layer's arrays -> torchvision's names. Caffe's HDF5 files have '0' and '1'.
PARTS = {
    **dict.fromkeys(("weight", "weights", "kernel", "W", "0"), "weight"),
    **dict.fromkeys(("bias", "biases", "b", "1"), "bias"),
}
# Filter 13 of the original's conv1_1: (RGB, rows, columns). Of all filters it differs most from
# its own reversals: with its colours reversed or its axes flipped it correlates by 0.42 at most.
KNOWN = 13
FILTER = torch.tensor(
    [
        [[-0.13, -0.23, -0.31], [0.00, -0.06, -0.23], [0.04, 0.00, -0.13]],
        [[0.02, -0.08, -0.19], [0.18, 0.12, -0.09], [0.20, 0.17, 0.00]],
        [[0.05, -0.01, -0.11], [0.20, 0.17, -0.02], [0.20, 0.20, 0.03]],
    ]
)
# Cosine similarity from which a filter counts as the known one. Other filters of the original
# reach 0.96 in any orientation, and fine-tuning hardly moves conv1_1.
ALIKE = 0.98
# The original's mean of RGB pixels, 0 .. 255.
ORIGINAL_MEAN = (123.68, 116.779, 103.939)


def load(source: str, wanted: list[str], optional: Sequence[str] = ()) -> dict[str, torch.Tensor]:
    """Return weights and biases by torchvision's names, such as 'features.0.weight'.

    They include those of the layers `wanted`, by torchvision's names, and expect pixels as
    `transforms.normalise` gives them: the original's pixel scale, mean and channel order are
    converted into the first layer (`adapt`). A file has all layers `optional` or none of them.

    `source` is 'imagenet', which torchvision downloads, or a file of torch, safetensors, .npz or
    HDF5, with torchvision's names, Caffe's (conv1_1, fc6) or Keras's (block1_conv1, fc1). Kernels
    may be (out, in, h, w) or, as in Keras, (h, w, in, out). Nothing is unpickled.

    Raises PipelineError when the file cannot be read, lacks a layer or holds values that are not
    finite, or when it cannot be told which pixels it expects.
    """
    if source == "imagenet":
        return _download()
    state, names, layout = _by_layer(source, tensor_files.read(Path(source)))
    if not state:
        raise PipelineError(
            f"{source}: no layer of VGG-16 in it by torchvision's names (features.0.weight), "
            "Keras's (block1_conv1) or Caffe's (conv1_1); set network.weights to another file"
        )
    has_optional = any(key.rpartition(".")[0] in optional for key in state)
    layers = [*wanted, *(optional if has_optional else ())]
    for layer in layers:
        _check_layer(source, state, layer, names[layer], layout)
    # Of other layers nothing is known.
    state = {key: value for key, value in state.items() if key.rpartition(".")[0] in layers}
    if state["features.0.weight"].shape[:2] == (3, 3):
        state = _kernels_first(source, state)
    if state["features.0.bias"].shape != state["features.0.weight"].shape[:1]:
        raise PipelineError(
            f"{source}: layer '{names['features.0']}' has weights of shape "
            f"{tuple(state['features.0.weight'].shape)} and biases of shape "
            f"{tuple(state['features.0.bias'].shape)}, which do not fit; set network.weights to "
            "another file"
        )
    order = channel_order(state["features.0.weight"])
    if order:
        adapt(state, order)
        if not all(state[f"features.0.{part}"].isfinite().all() for part in ("weight", "bias")):
            raise PipelineError(
                f"{source}: layer '{names['features.0']}' holds values of up to float32's largest, "
                "so it is damaged; set network.weights to another file"
            )
        record.log(
            f"{source}: the original VGG-16 by {layout}'s names, for {order} of 0 .. 255; converted"
        )
    elif layout != "torchvision":
        raise PipelineError(
            f"{source}: {layout}'s names, but conv1_1 is not the original VGG-16's, so the order "
            "of its channels and the scale of its pixels cannot be told; save it under "
            "torchvision's names, for RGB as (x / 255 - mean) / std"
        )
    return state


def _check_layer(
    source: str, state: dict[str, torch.Tensor], layer: str, name: str, layout: str
) -> None:
    """Raise PipelineError where a layer, called `name` in the file, is missing or not numbers.

    Weights of convolutions have four dimensions, those of other layers two.
    """
    for part in ("weight", "bias"):
        value = state.get(f"{layer}.{part}")
        if value is None:
            raise PipelineError(
                f"{source}: {layout}'s names, but no {part} of layer '{name}', so it is not the "
                "whole VGG-16; set network.weights to a whole one"
            )
        dimensions = 1 if part == "bias" else 4 if layer.startswith("features") else 2
        if value.ndim != dimensions or not value.numel():
            raise PipelineError(
                f"{source}: the {part} of layer '{name}' is of shape {tuple(value.shape)}, where "
                f"{dimensions} dimensions are wanted; set network.weights to another file"
            )
        if not value.isfinite().all():
            raise PipelineError(
                f"{source}: the {part} of layer '{name}' holds what is no number; set "
                "network.weights to another file"
            )


def channel_order(weight: torch.Tensor) -> str | None:
    """Return the channel order, 'RGB' or 'BGR', of the original VGG-16's first layer.

    `weight` is conv1_1's, (out, 3, 3, 3). Returns None where it is not the original's, published or
    fine-tuned.
    """
    if len(weight) <= KNOWN or weight.shape[1:] != FILTER.shape:
        return None
    known = weight[KNOWN]
    for order, kernel in (("RGB", known), ("BGR", known.flip(0))):
        if torch.nn.functional.cosine_similarity(kernel.flatten(), FILTER.flatten(), dim=0) > ALIKE:
            return order
    return None


def adapt(state: dict[str, torch.Tensor], order: str) -> None:
    """Convert the original's first layer in place to expect RGB pixels y = (x / 255 - mean) / std.

    Before, it expects pixels x - m in the channel `order`, with the original's mean m.

    As x - m = 255 std y + 255 mean - m, the weights of a channel are multiplied by 255 std, and the
    sum of the weights times (255 mean - m) is added to the bias. Both networks then agree exactly
    inside the image; at its border the padding with zeros stands for the other mean, which differs
    by half a grey level.
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


def _kernels_first(source: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Convert Keras's layouts (h, w, in, out) and (in, out) to (out, in, h, w) and (out, in).

    The inputs of fc1 are flattened from (h, w, c) in Keras and from (c, h, w) in torch.
    """
    # Channels of the feature map that fc1 reads: the outputs of conv5_3.
    channels = state["features.28.weight"].shape[-1]
    turned = dict(state)
    for key, value in state.items():
        if value.ndim == 4:
            turned[key] = value.permute(3, 2, 0, 1)
        elif key == "classifier.0.weight":
            # Height and width of the feature map: 7 at 224.
            side = round((len(value) / channels) ** 0.5)
            if side * side * channels != len(value):
                raise PipelineError(
                    f"{source}: fc1 reads {len(value)} values, which are no square map of "
                    f"{channels} channels; set network.weights to another file"
                )
            # (h w c, out) -> (h, w, c, out) -> (out, c, h, w) -> (out, c h w)
            turned[key] = (
                value.reshape(side, side, channels, -1).permute(3, 2, 0, 1).flatten(1)
            )  # -> (out, c h w)
        elif value.ndim == 2:
            turned[key] = value.T
    return turned


def _by_layer(
    source: str,
    arrays: dict[str, torch.Tensor],
) -> tuple[dict[str, torch.Tensor], dict[str, str], str]:
    """Return the arrays by torchvision's names, the file's names of the layers, and the layout.

    The file's names are by torchvision's names, and the layout is a key of LAYOUTS. Raises
    PipelineError where a file with torchvision's names has two networks.
    """
    for layout, layers in LAYOUTS.items():
        pattern = re.compile(rf"(?:^|[/.])({'|'.join(map(re.escape, layers))})([/._].*)")
        state: dict[str, torch.Tensor] = {}
        found: dict[str, str] = {}
        for key, value in arrays.items():
            match = pattern.search(key)
            words = re.split("[/._:]", match[2]) if match else []
            part = next((PARTS[word] for word in words if word in PARTS), None)
            # The first array counts: in a saved Keras model the optimiser's arrays follow the
            # model's under like names.
            if not part:
                continue
            name = f"{layers[match[1]]}.{part}"
            first = state.setdefault(name, value)
            if found.setdefault(name, key) != key and layout == "torchvision":
                _require_equal(source, found[name], first, key, value)
        if state:
            return state, {layer: name for name, layer in layers.items()}, layout
    return {}, {}, ""


def _require_equal(
    source: str, name: str, first: torch.Tensor, other: str, value: torch.Tensor
) -> None:
    """Refuse two arrays of one layer: nothing says which network is wanted."""
    if not torch.equal(first, value):
        raise PipelineError(
            f"{source}: '{name}' and '{other}' are of the same layer, so it holds more than one "
            "VGG-16; save the state_dict() of one"
        )


def _download() -> dict[str, torch.Tensor]:
    """Return torchvision's own weights, which it downloads and keeps."""
    from torchvision.models import VGG16_Weights

    try:
        return VGG16_Weights.IMAGENET1K_V1.get_state_dict(
            progress=False, check_hash=True, weights_only=True
        )
    except (OSError, RuntimeError) as error:
        url = VGG16_Weights.IMAGENET1K_V1.url
        raise PipelineError(
            f"the ImageNet weights of VGG-16 cannot be downloaded ({error}); download {url} "
            "elsewhere and set network.weights to the file, or to 'none' to train from scratch"
        ) from error
