"""Training programs as their rules run them, on small stores of clips."""

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import yaml
from workspace import ROOT, TINY

from pipeline.config import kinds, runs, settings
from pipeline.data import groups
from pipeline.datasets import index
from pipeline.storage import writer
from pipeline.storage.keys import key_of
from pipeline.streams import DIRECTIONS, STREAMS

SCRIPTS = ROOT / "workflow" / "scripts"
ITERATIONS = 6
EVERY = 2
FRAMES = 14
CLASSES = 4


def lay_out(
    folder: Path,
    rows: list[dict],
    items: Callable[[dict, str], Iterator[np.ndarray]],
    classes: list[str],
) -> Path:
    """Write to `folder` what training reads: stores of clips, their table, random rankings."""
    rng = np.random.default_rng(0)
    index.write(folder / "train.csv", rows, index.COLUMNS)
    for kind in ("frames", "flow"):
        digest = writer.write_shard(
            folder / kind / "000.h5",
            kind,
            rows,
            lambda row, kind=kind: items(row, kind),
            {},
            "c0de",
            "test",
        )
        (folder / f"{kind}.json").write_text(json.dumps({"digest": digest}))
    for stream in STREAMS:
        with writer.create(
            folder / f"{stream}.groups.h5", "groups", {}, "c0de", classes=classes
        ) as file:
            for row in rows:
                ranked = groups.rank(
                    torch.from_numpy(rng.normal(size=(row["frames"], len(classes)))), len(classes)
                )
                file[key_of(row["clip"])] = ranked.numpy().astype(np.uint16)
    return folder


def settings_of(variant: str, **changes) -> dict:
    """The settings of a tiny set with its `changes`, section by section."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    own = json.loads(json.dumps(TINY)) | {"granularities": [4, 3, 1]}
    for section in ("teacher", "co2fi", "asyn"):
        own[section] |= {"iterations": ITERATIONS, "checkpoint_every": EVERY, "batch": 4}
    for section, values in changes.items():
        own[section] = own.get(section, {}) | values
    config["sets"] = {"mini": {"settings": own}}
    return runs.for_run(config, "mini", runs.Run("split1", variant))


def arguments(folder: Path, out: Path, kind: str, of: str, chosen: dict) -> list[str]:
    """The options of a training program, as its rule writes them; outputs go to `out`."""
    out.mkdir(parents=True, exist_ok=True)
    if kind != "teacher":
        chosen = kinds.read_by_networks(chosen)
    groups_of = kind in ("co2fi", "asyn") and kinds.has_groups(chosen)
    common = [
        "--set",
        "mini",
        "--split",
        "split1",
        "--settings",
        settings.dump(chosen),
        "--code",
        "c0de",
        "--clips",
        folder / "train.csv",
        "--checkpoints",
        out / "checkpoints",
        "--model",
        out / "model.pt",
        "--history",
        out / "history.jsonl",
        "--record",
        out / "record.json",
    ]
    common += ["--weights", chosen["teacher" if kind == "teacher" else "network"]["weights"]]
    stores = {"appearance": folder / "frames", "motion": folder / "flow"}
    if kind == "asyn":
        common += ["--direction", of]
        for place, stream in zip(("single", "sequence"), DIRECTIONS[of], strict=True):
            common += [f"--shards-{place}", stores[stream]]
            if groups_of and chosen["asyn"]["joint"]:
                common += [f"--groups-{place}", folder / f"{stream}.groups.h5"]
        files = {"co2fi": "pt", "features": "h5"} if chosen["asyn"]["start"] == "co2fi" else {}
        for name, ending in files.items():
            common += [f"--{name}", *(folder / f"{s}.{name}.{ending}" for s in DIRECTIONS[of])]
    else:
        common += ["--stream", of, "--shards", stores[of]]
        if groups_of:
            common += ["--groups", folder / f"{of}.groups.h5"]
        if chosen["network"]["kind"] == "direct" and kind == "co2fi":
            common += ["--teacher", folder / f"{of}.teacher.pt"]
    return [str(argument) for argument in common]


def features_arguments(folder: Path, stream: str, chosen: dict) -> list[str]:
    """The options of the program that applies the network of a stream in `folder` to all clips."""
    stores = {"appearance": folder / "frames", "motion": folder / "flow"}
    options = {
        "set": "mini",
        "split": "split1",
        "stream": stream,
        "settings": settings.dump(chosen),
        "code": "c0de",
        "clips": folder / "train.csv",
        "shards": stores[stream],
        "model": folder / f"{stream}.co2fi.pt",
        "out": folder / f"{stream}.features.h5",
        "record": folder / f"{stream}.features.json",
    }
    return [str(word) for name, value in options.items() for word in (f"--{name}", value)]


def program(monkeypatch, kind: str, command: list[str]) -> None:
    """Run a training program in this process."""
    monkeypatch.setattr(sys, "argv", [f"{kind}.py", *command])
    runpy.run_path(str(SCRIPTS / f"{kind}.py"), run_name="__main__")


def torchrun(kind: str, command: list[str]) -> subprocess.Popen:
    """Two processes of a training program, on CPUs."""
    return subprocess.Popen(
        [
            sys.executable,
            str(SCRIPTS / "torchrun.py"),
            "--standalone",
            "--nproc-per-node",
            "2",
            str(SCRIPTS / f"{kind}.py"),
            *command,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ
        | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )


def losses(out: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (out / "history.jsonl").read_text().splitlines()]


def apart(first: dict, second: dict) -> float:
    """The distance of two networks' weights."""
    return (
        sum((second[name] - weight).square().sum().item() for name, weight in first.items()) ** 0.5
    )
