"""Files of weights with timm's names: what is read, and what is refused."""

from pathlib import Path

import pytest
import torch

from pipeline.errors import PipelineError
from pipeline.models.backbones.weight_files import read_tensors, write_tensors

STATE = {"conv.weight": torch.arange(6.0).reshape(2, 3), "bn.bias": torch.ones(2)}


def same(found: dict, wanted: dict) -> bool:
    return found.keys() == wanted.keys() and all(torch.equal(found[k], wanted[k]) for k in wanted)


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"state_dict": STATE, "epoch": 3},
        {"model": {f"module.{key}": value for key, value in STATE.items()}},
    ],
    ids=["plain", "checkpoint", "of several GPUs"],
)
def test_files_of_torch(tmp_path, content):
    torch.save(content, tmp_path / "a.pth")
    assert same(read_tensors(tmp_path / "a.pth", "resnet18"), STATE)


def test_files_are_read_back_and_equal_content_gives_equal_bytes(tmp_path):
    for name in "ab":
        write_tensors(tmp_path / f"{name}.safetensors", STATE, backbone="resnet18", licence="MIT")
    assert same(read_tensors(tmp_path / "a.safetensors", "resnet18"), STATE)
    one, other = ((tmp_path / f"{name}.safetensors").read_bytes() for name in "ab")
    assert one == other


def test_a_file_says_whose_weights_it_holds(tmp_path):
    write_tensors(tmp_path / "a.safetensors", STATE, backbone="resnet18")
    with pytest.raises(PipelineError, match="a.safetensors: weights of resnet18, and network.back"):
        read_tensors(tmp_path / "a.safetensors", "resnet50")
    assert same(read_tensors(tmp_path / "a.safetensors", "resnet18.a1_in1k"), STATE)


REFUSED = {
    "missing": (lambda path: None, "no such weight file"),
    "empty": (lambda path: path.write_bytes(b""), "load safely"),
    "text": (lambda path: path.write_bytes(b"hello"), "load safely"),
    "pickle": (lambda path: torch.save(Path("a/pickle"), path), "load safely"),
    "a header of a terabyte": (
        lambda path: path.write_bytes((1 << 40).to_bytes(8, "little") + b"{}"),
        "load safely",
    ),
    "cut": (
        lambda path: (write_tensors(path, STATE), path.write_bytes(path.read_bytes()[:-3])),
        "load safely",
    ),
}


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("make, words", REFUSED.values(), ids=REFUSED)
def test_files_that_are_none_are_refused(tmp_path, suffix, make, words):
    make(tmp_path / f"a.{suffix}")
    with pytest.raises(PipelineError, match=f"a.{suffix}: .*{words}") as caught:
        read_tensors(tmp_path / f"a.{suffix}", "resnet18")
    assert "\n" not in str(caught.value)
