"""A whole run of networks that learned nothing, made by the workflow's own programs in seconds."""

import csv
import json
import os
import runpy
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
import yaml
from workspace import ROOT, TINY

from pipeline import files
from pipeline.config.settings import overlay
from pipeline.datasets import index, render
from pipeline.idt import fisher
from pipeline.inference.trained import build
from pipeline.jobs import record
from pipeline.jobs.code_id import code_id
from pipeline.models import checkpoint
from pipeline.storage import writer
from pipeline.streams import DIRECTIONS, STREAMS
from pipeline.video.decode import probe
from pipeline.video.encode import encode

SCRIPTS = ROOT / "workflow" / "scripts"
CLASSES = ["RiseCrossed", "RiseMatched", "SwayFew"]
COMPONENTS, FRAMES = 2, 18
SOURCES = (*STREAMS, *DIRECTIONS)


def settings(**changes) -> dict:
    """The settings of a tiny set with `changes`, section by section."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    own = {key: config[key] for key in config if key not in ("sets", "variants", "all_sets")}
    tiny = json.loads(json.dumps(TINY)) | {"granularities": [3, 2, 1]}
    return overlay(overlay(own, tiny), changes)


def rendered(folder: Path) -> dict[str, Path]:
    """Clips of the demo, by id; the first is the one to train on."""
    found = {}
    for clip in (
        "SwayFew/v_SwayFew_g02_c01",
        "RiseMatched/v_RiseMatched_g01_c01",
        "RiseCrossed/v_RiseCrossed_g01_c02",
    ):
        path = found[clip] = folder / f"{clip}.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        encode(path, render.render(clip, seed=1, frames=FRAMES), render.FPS)
    return found


def make(
    folder: Path,
    clips: dict[str, Path],
    chosen: dict,
    classes: list[str] = CLASSES,
    run: str = "split1",
    sources: tuple[str, ...] = SOURCES,
    idt: bool = True,
) -> Path:
    """Make a run in `folder` as set 'tiny': store, networks, scores, result; returns its acc.json.

    The first of `clips` is the training clip, the others are tested.
    """
    rows = [_row(number, clip, path, classes) for number, (clip, path) in enumerate(clips.items())]
    with _inside(folder):
        root, home = Path("results/tiny"), Path("results/tiny") / run
        split = root / run.partition("/")[0]
        index.write(root / "examined.csv", [row | {"problem": ""} for row in rows], index.EXAMINED)
        index.write(split / "train.csv", rows[:1], index.COLUMNS)
        index.write(split / "test.csv", rows[1:], index.COLUMNS)
        record.write(root / "index.json", "index", "0", {}, "c0de")
        for kind in ("frames", "flow"):
            _shard(kind, root / "examined.csv", root / kind / "000.h5", chosen)
        torch.manual_seed(0)
        for source in sources:
            _network(home / source, source, chosen, classes, rows[:1])
        _score(home, split, root, chosen, sources)
        if idt:
            _trajectories(split / "idt", root, split, chosen, classes)
        _fuse(home, split, root, run, chosen, sources, idt)
        return folder / home / "acc.json"


def once(tmp_path_factory) -> Path:
    """The acc.json of a run on rendered clips with trajectories, made once for all tests."""
    folder = tmp_path_factory.getbasetemp() / "trained-run"
    acc = folder / "results" / "tiny" / "split1" / "acc.json"
    return acc if acc.is_file() else make(folder, rendered(folder / "videos"), settings())


def _row(number: int, clip: str, path: Path, classes: list[str]) -> dict:
    name, group = clip.partition("/")[0], f"g{number}"
    return {
        "clip": clip,
        "class": name,
        "label": classes.index(name),
        "group": group,
        "shard": "000",
        "path": str(path.absolute()),
        "sha256": files.digest(path),
        **probe(path),
    }


@contextmanager
def _inside(folder: Path):
    before = Path.cwd()
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _program(name: str, **options) -> None:
    """Run a program of the workflow here, without a process of its own."""
    words = []
    for key, value in options.items():
        values = value if isinstance(value, list) else [value]
        words += [f"--{key}", *(json.dumps(v) if isinstance(v, dict) else str(v) for v in values)]
    program = runpy.run_path(str(SCRIPTS / f"{name}.py"))
    program["main"](
        program["build_parser"]().parse_args([*words, "--code", code_id(SCRIPTS / f"{name}.py")])
    )


def _shard(name: str, clips: Path, out: Path, chosen: dict, **more) -> None:
    _program(
        name,
        clips=clips,
        # Paths in the tables are whole.
        videos="/",
        settings=chosen | {"accept_damaged": []},
        out=out,
        record=out.with_suffix(".json"),
        **more,
    )


def _network(folder: Path, source: str, chosen: dict, classes: list[str], rows: list[dict]) -> None:
    kind, what = ("asyn", "direction") if source in DIRECTIONS else ("co2fi", "stream")
    about = {"kind": kind, "set": "tiny", "split": "split1", what: source, "classes": classes}
    checkpoint.save(folder / f"{kind}.pt", build(source, chosen, len(classes)), rows, **about)


def _score(home: Path, split: Path, root: Path, chosen: dict, sources: tuple[str, ...]) -> None:
    kinds = ["asyn" if source in DIRECTIONS else "co2fi" for source in sources]
    _program(
        "scores",
        set="tiny",
        split="split1",
        clips=split / "test.csv",
        frames=root / "frames",
        flow=root / "flow",
        settings=chosen,
        sources=list(sources),
        models=[home / name / f"{kind}.pt" for name, kind in zip(sources, kinds, strict=True)],
        out=[home / source / "scores.h5" for source in sources],
        record=[home / source / "scores.json" for source in sources],
    )


def _trajectories(folder: Path, root: Path, split: Path, chosen: dict, classes: list[str]) -> None:
    """Codebooks and classifiers of noise, and the scores by them."""
    rng, size = np.random.default_rng(0), 0
    with writer.create(folder / "codebook.h5", "codebook", {}, "c0de") as file:
        for name, length in fisher.LENGTHS.items():
            half = length // 2
            size += 2 * COMPONENTS * half
            for key, shape in (("mean", (length,)), ("axes", (half, length))):
                file[f"{name}_{key}"] = rng.normal(0, 0.1, shape).astype(np.float32)
            file[f"{name}_weights"] = np.full(COMPONENTS, 1 / COMPONENTS, np.float32)
            file[f"{name}_means"] = rng.normal(0, 0.1, (COMPONENTS, half)).astype(np.float32)
            file[f"{name}_variances"] = rng.uniform(1, 2, (COMPONENTS, half)).astype(np.float32)
    record.write(folder / "codebook.json", "idt_codebook", "c0deb00c", {}, "c0de")
    record.write(root / "idt" / "000.json", "idt_sample", "0", {}, "c0de")
    with writer.create(folder / "svm.h5", "svm", {}, "c0de", set="tiny", split="split1") as file:
        file["weights"] = rng.normal(size=(len(classes), size)).astype(np.float32)
        file["bias"] = rng.normal(size=len(classes)).astype(np.float32)
        file["classes"] = classes
    fisher_file = folder / "fisher" / "000.h5"
    table = root / "examined.csv"
    more = {"split": "split1", "codebook": folder / "codebook.h5"}
    _shard("idt_fisher", table, fisher_file, chosen, **more)
    _program(
        "idt_scores",
        set="tiny",
        split="split1",
        clips=split / "test.csv",
        fisher=folder / "fisher",
        svm=folder / "svm.h5",
        settings=chosen,
        out=folder / "scores.h5",
        record=folder / "scores.json",
    )


def _fuse(
    home: Path,
    split: Path,
    root: Path,
    run: str,
    chosen: dict,
    sources: tuple[str, ...],
    idt: bool,
) -> None:
    records = [root / "index.json", *(home / source / "scores.json" for source in sources)]
    records += [split / "idt" / f"{name}.json" for name in ("codebook", "scores")] if idt else []
    _program(
        "fuse",
        set="tiny",
        run=run,
        entry={"format": "ucf101"},
        results=root,
        train=split / "train.csv",
        test=split / "test.csv",
        settings=chosen,
        config=chosen,
        scores=[home / source / "scores.h5" for source in sources],
        idt=[split / "idt" / "scores.h5"] if idt else [],
        records=records,
        json=home / "acc.json",
        png=home / "acc.png",
    )


def tested(acc: Path) -> list[dict]:
    """The rows of the test clips of the run of an acc.json."""
    folder = next(parent for parent in acc.parents if (parent / "test.csv").is_file())
    with open(folder / "test.csv", newline="") as file:
        return list(csv.DictReader(file))
