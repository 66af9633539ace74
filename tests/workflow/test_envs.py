"""The pins agree: what is asked for, what is locked, and what --sdm conda installs."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
IMPORTED_WITHOUT_TORCH = {
    "ffmpeg-python",
    "h5py",
    "imagecodecs",
    "imageio-ffmpeg",
    "numpy",
    "opencv-contrib-python",
    "tqdm",
}


def locked() -> dict[str, set[str]]:
    """Versions of each package in requirements.lock; more than one where they differ by Python."""
    versions: dict[str, set[str]] = {}
    for name, version in re.findall(
        r"^([\w.-]+)==([^\s;]+)", (ROOT / "requirements.lock").read_text(), re.M
    ):
        versions.setdefault(name, set()).add(version)
    return versions


def test_every_requirement_is_locked():
    files = [ROOT / "requirements.in", ROOT / "requirements.dev.in"]
    asked = re.findall(r"^([\w.-]+)", "".join(path.read_text() for path in files), re.M)
    assert asked and not [name for name in asked if name.lower() not in locked()]


def test_torch_and_torchvision_belong_together():
    assert locked()["torch"] == {"2.12.1"} and locked()["torchvision"] == {"0.27.1"}


def test_the_lock_names_no_address():
    assert not re.findall(r"://|--index|--find-links|@ ", (ROOT / "requirements.lock").read_text())


@pytest.mark.parametrize("name", ["video", "train", "report"])
def test_conda_environments_have_the_locked_versions(name):
    environment = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())
    pins = dict(pin.split("==") for pin in environment["dependencies"][-1]["pip"])
    assert pins and all(version in locked()[package] for package, version in pins.items())
    assert set(pins) >= IMPORTED_WITHOUT_TORCH
    assert ("torch" in pins) == (name == "train")


def test_flow_has_what_a_gpu_wants():
    """Triton comes with torch, and compiles with a C compiler and the headers of Python."""
    rule = (ROOT / "workflow/rules/flow.smk").read_text()
    (name,) = re.findall(r"envs/(\w+)\.yaml", rule)
    environment = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())
    assert "c-compiler" in environment["dependencies"]
    assert any(pin.startswith("torch==") for pin in environment["dependencies"][-1]["pip"])
