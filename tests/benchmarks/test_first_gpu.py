"""The script for the first GPU at hand, run whole at tiny sizes on a CPU."""

import json
import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import first_gpu_parts

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = str(ROOT / "benchmarks" / "first_gpu.py")


def run(*words: str, program: str = "") -> subprocess.CompletedProcess:
    command = ["-c", program] if program else [SCRIPT]
    return subprocess.run(
        [sys.executable, *command, *words],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )


# Python with the packages of a machine that has torch alone for GPUs.
BARE = f"""
import runpy, sys
from importlib import util
from importlib.abc import MetaPathFinder

ABSENT = ("imagecodecs", "timm", "torchvision", "tqdm", "hdf5plugin", "snakemake", "ffmpeg",
          "jsonschema", "matplotlib", "typer")

class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
find = util.find_spec
util.find_spec = lambda name: None if name in ABSENT else find(name)
sys.path.insert(0, {str(ROOT / "benchmarks")!r})
sys.argv[0] = {SCRIPT!r}
runpy.run_path({SCRIPT!r}, run_name="__main__")
"""


def test_each_part_runs_where_little_is_installed(tmp_path):
    done = run("--dry", "--out", str(tmp_path), program=BARE)
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout
    found = json.loads((tmp_path / "first_gpu_dry.json").read_text())
    assert found["device"] == "dry" and "cores" in found
    parts = found["parts"]
    names = ["flow bits", "crops", "losses", "flow rate", "flow job", "training", "loader"]
    assert list(parts) == names
    assert all(part["ok"] for part in parts.values())
    assert parts["flow bits"]["pairs"] == 2 and parts["losses"]["apart"] == 0
    assert parts["flow job"]["not measured"] == "imagecodecs, tqdm, ffmpeg: not installed here"
    trainings = parts["loader"]["trainings"]
    assert len(trainings) == 3
    assert all(0 <= training["share_waited"] < 1 for training in trainings.values())
    assert len(parts["training"]["networks"]) == 2
    assert "co2fi motion " in done.stdout and "written to" in done.stdout


def test_without_a_gpu_it_says_so():
    done = run()
    assert done.returncode == 1 and "--dry runs each part on a CPU" in done.stderr


def test_a_part_that_fails_keeps_no_other_from_its_turn(tmp_path, monkeypatch, capsys):
    def fails(plan):
        raise RuntimeError("no such kernel")

    parts = {"first": fails, "second": lambda plan: {"rate": 2.0}}
    monkeypatch.setattr(first_gpu_parts, "PARTS", parts)
    options = Namespace(dry=True, clips=None, seconds=0.1, parts=list(parts), out=tmp_path)
    assert not first_gpu_parts.measure(options)
    found = json.loads((tmp_path / "first_gpu_dry.json").read_text())["parts"]
    assert not found["first"]["ok"] and found["first"]["error"] == "RuntimeError: no such kernel"
    assert found["second"]["ok"] and found["second"]["rate"] == 2.0
    assert "FAILED" in capsys.readouterr().out
