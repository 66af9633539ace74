"""The package as a wheel, installed away from the checkout: what it holds, and its commands."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import numpy as np
import pytest
from result_cases import RESULT

from pipeline.config.shipped import DISTRIBUTION
from pipeline.datasets import demo, render
from pipeline.storage import writer
from pipeline.video.encode import encode

ROOT = Path(__file__).resolve().parents[1]
# What a wheel is built from.
SOURCES = (
    "pyproject.toml",
    "setup.py",
    "requirements.in",
    "README.md",
    "LICENSE",
    "config.yaml",
    "src",
    "profiles",
    "workflow",
)
# What setup.py takes from beside the package.
SHIPPED = {
    "config.yaml",
    "profiles/default/config.yaml",
    "workflow/presets/cpu.yaml",
    "workflow/presets/gpu.yaml",
    "workflow/profiles/cluster-generic/config.yaml",
    "workflow/profiles/cluster-generic/status.sh",
    "workflow/profiles/slurm/config.yaml",
    "workflow/schemas/config.schema.yaml",
}
# What comes with packages that are asked for, such as typer, jinja2, snakemake, timm and torch.
ALONG = {
    "rich",
    "markupsafe",
    "snakemake-interface-logger-plugins",
    "huggingface-hub",
    "llvmlite",
    "triton",
    "pillow",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel of this checkout, built from a copy of it."""
    folder = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder / name)
    pip("wheel", "--no-build-isolation", "--wheel-dir", str(folder / "wheels"), str(folder))
    (found,) = (folder / "wheels").glob("*.whl")
    return found


@pytest.fixture(scope="module")
def program(wheel, tmp_path_factory) -> Path:
    """The command of the wheel in an environment that has the packages of this one, but not the
    checkout: paths in a .pth file are not searched for .pth files.
    """
    folder = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    pip("--python", str(folder), "install", str(wheel))
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "pipeline"


def pip(*arguments: str) -> None:
    """Run pip without a network; dependencies are here already."""
    words = list(arguments)
    command = next(index for index, word in enumerate(words) if word in ("wheel", "install"))
    words[command + 1 : command + 1] = ["--no-deps", "--no-index", "--quiet"]
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", *words], check=True)


def run(program: Path, folder: Path, *arguments: str, said: str = "") -> str:
    """Run the command in `folder`; it must succeed, and say what is `said`. Returns what it
    printed.
    """
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [str(program), *arguments], cwd=folder, env=variables, capture_output=True, text=True
    )
    assert done.returncode == 0, (arguments, done.stdout[-2000:], done.stderr[-2000:])
    assert said in done.stderr
    return done.stdout


def test_a_wheel_holds_the_package_and_what_it_reads_beside_it(wheel):
    assert wheel.name.startswith("co2fi_pipeline-")
    names = zipfile.ZipFile(wheel).namelist()
    of_package = {
        str(path.relative_to(ROOT / "src"))
        for path in (ROOT / "src").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and "egg-info" not in str(path)
    }
    shipped = {f"pipeline/shipped/{name}" for name in SHIPPED}
    assert {name for name in names if ".dist-info/" not in name} == of_package | shipped


def test_a_wheel_asks_for_what_requirements_in_names(wheel):
    archive = zipfile.ZipFile(wheel)
    (path,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    asked = re.findall("^Requires-Dist: ([A-Za-z0-9_.-]+)", archive.read(path).decode(), re.M)
    lines = (ROOT / "requirements.in").read_text().splitlines()
    assert asked == [re.match("[A-Za-z0-9_.-]+", line)[0] for line in lines if line[0] != "#"]
    assert not {"pytest", "ruff"} & set(asked)


def test_what_the_package_imports_is_asked_for():
    asked = {
        re.match("[A-Za-z0-9_.-]+", line)[0].lower()
        for line in (ROOT / "requirements.in").read_text().splitlines()
        if line[0] != "#"
    }
    packages = packages_distributions()
    found = {
        packages[name][0].lower().replace("_", "-")
        for path in (ROOT / "src").rglob("*.py")
        for name in imported(path)
        if name in packages
    }
    assert "torch" in found and found <= asked | ALONG | {DISTRIBUTION}


def imported(path: Path) -> set[str]:
    """The first names of the modules that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def test_commands_of_a_wheel_answer_away_from_the_checkout(program, tmp_path):
    project = (ROOT / "pyproject.toml").read_text()
    version = re.search('^version = "(.*)"$', project, re.M)[1]
    assert run(program, tmp_path, "--version") == f"pipeline {version}\n"
    code = f"""
import pipeline.cli.app as app, importlib.metadata as metadata
from typer.main import get_command
from typer.testing import CliRunner
assert {str(program.parents[1])!r} in app.__file__, app.__file__
assert metadata.version({DISTRIBUTION!r}) == {version!r}
for name in get_command(app.app).commands:
    done = CliRunner().invoke(app.app, [name, "--help"])
    assert done.exit_code == 0 and "Usage: " in done.output, (name, done.output)
    print(name)
"""
    names = run(program.with_name("python"), tmp_path, "-c", code).split()
    assert {"split", "check", "inspect", "show", "predict", "flow"} <= set(names)


def test_a_set_of_ones_own_is_split_and_checked(program, tmp_path):
    clips = demo.clip_set("mini", groups=3, clips=1)
    for clip in clips.clips.values():
        path = tmp_path / "videos" / clip.file
        path.parent.mkdir(parents=True, exist_ok=True)
        encode(path, render.render(clip.id, 1, 3), render.FPS)
    options = ["--out", "lists", "--name", "mine", "--preset", "cpu"]
    run(program, tmp_path, "split", "videos", *options, said="Snakefile, which is no part of the")
    (config,) = tmp_path.rglob("mine.yaml")
    said = run(program, tmp_path, "check", str(config))
    assert said.rstrip().endswith("its sets: ucf101, hmdb51, demo, mine")
    config.write_text(config.read_text().replace("format:", "fromat:"))
    done = subprocess.run(
        [str(program), "check", str(config)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1 and "did you mean 'format'?" in done.stdout + done.stderr


def test_files_and_results_are_shown(program, tmp_path):
    rows = [{"clip": "Run/run_1", "path": "run_1.avi", "sha256": "ab", "frames": 2}]
    black = np.zeros((2, 6, 8, 3), np.uint8)
    path = tmp_path / "000.h5"
    writer.write_shard(path, "frames", rows, lambda row: iter(black), {}, "c0de", "by hand")
    assert "Run" in run(program, tmp_path, "inspect", "000.h5")
    (tmp_path / "acc.json").write_text(json.dumps(RESULT))
    assert "81.2%" in run(program, tmp_path, "show", "acc.json")
