"""Every kind of training as its program runs it: killed and gone on with, and by two processes of torchrun."""

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from workspace import ROOT, TINY

from pipeline.config import runs, settings
from pipeline.data import groups
from pipeline.data.stream import Stream
from pipeline.datasets import demo, index
from pipeline.flow import levels, tvl1
from pipeline.inference.scores import score_clips, summarise
from pipeline.models import checkpoint, factory
from pipeline.storage import writer
from pipeline.storage.keys import key_of
from pipeline.storage.layout import PER_FRAME
from pipeline.streams import DIRECTIONS, STORES, STREAMS
from pipeline.training import loop
from pipeline.training.job import schedule
from pipeline.video.decode import decode

SCRIPTS = ROOT / "workflow" / "scripts"
ITERATIONS, EVERY = 6, 2
FRAMES, CLASSES = 14, 4


class Killed(Exception):
    """Stands for the end of a process that gets no time to save."""


def lay_out(
    folder: Path,
    rows: list[dict],
    items: Callable[[dict, str], Iterator[np.ndarray]],
    classes: list[str],
) -> Path:
    """Stores of clips, their table and a random ranking, in `folder`, as the stages before training leave them."""
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Eight clips of noise of four classes, whose brightness tells the class."""
    rng = np.random.default_rng(0)
    names = list(demo.CLASSES)[:CLASSES]
    rows = [
        {
            "clip": f"{name}/v_{name}_g{scene:02d}_c01",
            "class": name,
            "label": label,
            "group": f"g{scene:02d}",
            "path": f"{name}_{scene}.avi",
            "shard": "000",
            "frames": FRAMES,
            "width": 80,
            "height": 60,
            "sha256": f"{label}{scene}",
        }
        for label, name in enumerate(names)
        for scene in (1, 2)
    ]

    def items(row: dict, kind: str) -> Iterator[np.ndarray]:
        shape = (60, 80, 3) if kind == "frames" else (2, 60, 80)
        yield from rng.integers(0, 64, (FRAMES - PER_FRAME[kind], *shape), np.uint8) + np.uint8(
            40 * row["label"]
        )

    return lay_out(tmp_path_factory.mktemp("stores"), rows, items, names)


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
    """The command line of a training program, as its rule writes it; outputs and checkpoints go to `out`."""
    out.mkdir(parents=True, exist_ok=True)
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
        "--records",
        folder / "frames.json",
        folder / "flow.json",
        "--checkpoints",
        out / "checkpoints",
        "--model",
        out / "model.pt",
        "--history",
        out / "history.jsonl",
        "--record",
        out / "record.json",
    ]
    stores = {"appearance": folder / "frames", "motion": folder / "flow"}
    if kind == "asyn":
        common += ["--direction", of]
        for place, stream in zip(("single", "sequence"), DIRECTIONS[of], strict=True):
            common += [
                f"--shards-{place}",
                stores[stream],
                f"--groups-{place}",
                folder / f"{stream}.groups.h5",
            ]
        if chosen["asyn"]["start"] == "co2fi":
            common += ["--co2fi", *(folder / f"{stream}.co2fi.pt" for stream in DIRECTIONS[of])]
    else:
        common += ["--stream", of, "--shards", stores[of]]
        if kind == "co2fi":
            common += ["--groups", folder / f"{of}.groups.h5"]
        if chosen["network"]["kind"] == "direct" and kind == "co2fi":
            common += ["--teacher", folder / f"{of}.teacher.pt"]
    return [str(argument) for argument in common]


def program(monkeypatch, kind: str, command: list[str]) -> None:
    """Run a training program in this process."""
    monkeypatch.setattr(sys, "argv", [f"{kind}.py", *command])
    runpy.run_path(str(SCRIPTS / f"{kind}.py"), run_name="__main__")


@pytest.fixture(scope="module")
def trained(folder) -> Path:
    """The folder with a teacher and a CO2FI network of each stream in it."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for stream in STREAMS:
            for kind in ("teacher", "co2fi"):
                out = folder / stream / kind
                program(
                    monkeypatch, kind, arguments(folder, out, kind, stream, settings_of("complete"))
                )
                (out / "model.pt").rename(folder / f"{stream}.{kind}.pt")
    return folder


TRAININGS = {
    "teacher": ("teacher", "appearance", "complete", {}),
    "teacher of motion": ("teacher", "motion", "complete", {}),
    "co2fi": ("co2fi", "appearance", "complete", {}),
    "co2fi of motion": ("co2fi", "motion", "complete", {}),
    "no grouping": ("co2fi", "motion", "no_grouping", {}),
    "two granularities": ("co2fi", "motion", "two_granularities", {}),
    "no coarseness": ("co2fi", "motion", "no_coarseness", {}),
    "baseline": ("co2fi", "appearance", "baseline", {}),
    "direct": ("co2fi", "motion", "direct", {}),
    "asyn": ("asyn", "appearance-to-motion", "complete", {}),
    "asyn of motion": ("asyn", "motion-to-appearance", "complete", {}),
    "syn": ("asyn", "motion-to-appearance", "syn", {}),
    "asyn from weights": (
        "asyn",
        "appearance-to-motion",
        "complete",
        {"asyn": {"start": "weights"}},
    ),
    "asyn on frozen streams": (
        "asyn",
        "appearance-to-motion",
        "complete",
        {"asyn": {"joint": False}},
    ),
    "in parts, mixed": ("co2fi", "appearance", "complete", {"compute": {"precision": "bfloat16"}}),
}


@pytest.mark.parametrize("kind, of, variant, changes", TRAININGS.values(), ids=TRAININGS)
def test_a_killed_training_goes_on_and_ends_alike(
    trained, tmp_path, monkeypatch, kind, of, variant, changes
):
    """Killed after each of its checkpoints in turn, it ends with the bytes of the uninterrupted one."""
    own = settings_of(variant, **changes)
    parts = ["--accumulate", "2"] if "compute" in changes else []
    program(monkeypatch, kind, [*arguments(trained, tmp_path / "whole", kind, of, own), *parts])
    save = loop.save_checkpoint
    saved = []

    def save_and_die(path, state, *parts):
        save(path, state, *parts)
        saved.append(state.iteration)
        raise Killed

    command = [*arguments(trained, tmp_path / "killed", kind, of, own), *parts]
    monkeypatch.setattr(loop, "save_checkpoint", save_and_die)
    for _ in range(ITERATIONS // EVERY - 1):
        with pytest.raises(Killed):
            program(monkeypatch, kind, command)
        assert not (tmp_path / "killed" / "model.pt").exists()
    assert saved == [2, 4]
    program(monkeypatch, kind, command)
    for name in ("model.pt", "history.jsonl"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert json.loads((tmp_path / "killed" / "record.json").read_text())["accumulate"] == (
        2 if parts else 1
    )


def test_no_more_workers_than_cores(monkeypatch):
    options = Namespace(
        settings={"co2fi": {"batch": 16}, "compute": {"threads": 1}}, workers=8, accumulate=2
    )
    expected = {"batch": 16, "threads": 1, "accumulate": 2}
    for cores, workers in ((2, 2), (16, 8)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda process, cores=cores: set(range(cores)))
        assert schedule(options, "co2fi") == expected | {"workers": workers}


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


SHARED = {
    "co2fi": ("co2fi", "motion", {}),
    "asyn": ("asyn", "appearance-to-motion", {}),
    "asyn on frozen streams": ("asyn", "motion-to-appearance", {"asyn": {"joint": False}}),
}


@pytest.mark.parametrize("kind, of, changes", SHARED.values(), ids=SHARED)
def test_two_processes_give_the_loss_of_one_with_twice_the_batch(
    trained, tmp_path, monkeypatch, kind, of, changes
):
    """Each takes two of the four draws of a batch; without dropout, whose masks are each rank's own."""
    own = settings_of(
        "complete", **changes, fusion_network={"dropout": 0.0}, network={"dropout": 0.0}
    )
    ranks = torchrun(kind, arguments(trained, tmp_path / "two", kind, of, own))
    program(monkeypatch, kind, arguments(trained, tmp_path / "one", kind, of, own))
    printed, _ = ranks.communicate(timeout=300)
    assert ranks.returncode == 0, printed[-3000:]
    np.testing.assert_allclose(losses(tmp_path / "two"), losses(tmp_path / "one"), rtol=1e-5)
    assert (
        json.loads((tmp_path / "two" / "record.json").read_text())["device"] == "2 x cpu, 1 threads"
    )
    if kind == "co2fi":
        one, two = (
            torch.load(tmp_path / name / "model.pt", weights_only=True)["state"]
            for name in ("one", "two")
        )
        torch.manual_seed(own["seed"])
        start = factory.stream_net(own, of, CLASSES).state_dict()
        assert apart(one, two) < 0.02 * apart(one, start)  # rounding grows with every step


def apart(first: dict, second: dict) -> float:
    """The distance of two networks' weights."""
    return (
        sum((second[name] - weight).square().sum().item() for name, weight in first.items()) ** 0.5
    )


def test_two_processes_that_are_asked_to_stop_go_on_as_if_they_had_not(trained, tmp_path):
    own = settings_of("complete", co2fi={"iterations": 400, "checkpoint_every": 1000})
    whole = torchrun("co2fi", arguments(trained, tmp_path / "whole", "co2fi", "motion", own))
    printed, _ = whole.communicate(timeout=300)
    assert whole.returncode == 0, printed[-3000:]
    stopped = torchrun("co2fi", arguments(trained, tmp_path / "stopped", "co2fi", "motion", own))
    for line in stopped.stdout:
        if "400 iterations" in line:
            break
    time.sleep(1)
    stopped.send_signal(signal.SIGTERM)
    printed, _ = stopped.communicate(timeout=300)
    assert (
        stopped.returncode and "stopped at iteration" in printed and "Traceback" not in printed
    ), printed[-3000:]
    (checkpoint,) = (tmp_path / "stopped" / "checkpoints").iterdir()
    assert 0 < torch.load(checkpoint, weights_only=True)["iteration"] < 400
    going_on = torchrun("co2fi", arguments(trained, tmp_path / "stopped", "co2fi", "motion", own))
    printed, _ = going_on.communicate(timeout=300)
    assert going_on.returncode == 0, printed[-3000:]
    for name in ("model.pt", "history.jsonl"):
        assert (tmp_path / "stopped" / name).read_bytes() == (
            tmp_path / "whole" / name
        ).read_bytes()


def test_what_is_wrong_is_said_in_a_sentence_by_several_processes_too(trained, tmp_path):
    own = settings_of("complete", network={"weights": "missing.pth"})
    ranks = torchrun("co2fi", arguments(trained, tmp_path, "co2fi", "motion", own))
    printed, _ = ranks.communicate(timeout=300)
    assert ranks.returncode == 1
    assert set(printed.splitlines()) == {
        "error: missing.pth: there is no such weight file; correct network.weights "
        "('imagenet', 'none' or a file)"
    }


def test_a_process_that_is_killed_is_named(trained, tmp_path):
    own = settings_of("complete", co2fi={"iterations": 4000, "checkpoint_every": 5})
    ranks = torchrun("co2fi", arguments(trained, tmp_path, "co2fi", "motion", own))
    while not list(tmp_path.glob("checkpoints/*.pt")):
        assert ranks.poll() is None, ranks.stdout.read()
        time.sleep(0.1)
    children = Path(f"/proc/{ranks.pid}/task/{ranks.pid}/children").read_text().split()
    os.kill(int(children[-1]), signal.SIGKILL)
    printed, _ = ranks.communicate(timeout=300)
    assert ranks.returncode == 1 and "Traceback" not in printed
    assert "of the training was ended by signal 9; if memory ran out" in printed, printed


# --- Learning


@pytest.fixture(scope="module")
def genuine(shared, tmp_path_factory) -> Path:
    """The first 24 frames of eight genuine clips of UCF101, of six classes, 64 pixels high."""
    videos = sorted((shared / "ucf101_6class/videos").glob("*/*_g0[12]_c01.avi"))
    chosen = [path for path in videos if "g01" in path.name] + [
        path for path in videos if "g02" in path.name
    ][:2]
    names = sorted({path.parent.name for path in chosen})
    rows = [
        {
            "clip": f"{path.parent.name}/{path.stem}",
            "class": path.parent.name,
            "label": names.index(path.parent.name),
            "group": path.stem.split("_")[2],
            "path": str(path),
            "shard": "000",
            "frames": 24,
            "width": 320,
            "height": 240,
            "sha256": path.stem,
        }
        for path in chosen
    ]
    assert len(rows) == 8 and len(names) == 6

    def items(row: dict, kind: str) -> Iterator[np.ndarray]:
        frames = islice(decode(row["path"], 64, False), row["frames"])
        if kind == "frames":
            yield from frames
        for field in tvl1.fields(map(tvl1.grey, frames), **parameters) if kind == "flow" else ():
            yield levels.quantise(field, 5.0).transpose(2, 0, 1)

    parameters = {
        name: value for name, value in settings_of("complete")["flow"].items() if name != "bound"
    }
    parameters["backend"] = "cpu"
    return lay_out(tmp_path_factory.mktemp("genuine"), rows, items, names)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_complete_network_learns_eight_genuine_clips(genuine, tmp_path, monkeypatch, direction):
    """CO2FI of both streams and ASYN, from nothing, jointly by Eq. 6; then the test periods of each clip are right."""
    own = settings_of(
        "complete",
        network={"fc1": 32, "fc2": 32, "hidden": 32, "dropout": 0.0},
        period={"delta": 2, "count": 12},
        fusion_network={"hidden": 32, "dropout": 0.0},
        crops={"appearance": [60, 56], "motion": [60, 56]},
        asyn={
            "start": "weights",
            "iterations": 300,
            "batch": 8,
            "lr": 0.05,
            "lr_step": 250,
            "clip": 5,
        },
    )
    program(monkeypatch, "asyn", arguments(genuine, tmp_path, "asyn", direction, own))
    rows = index.read(genuine / "train.csv")
    model = checkpoint.load(tmp_path / "model.pt", factory.asyn(own, direction, 6)).eval()
    streams = {
        name: Stream(name, genuine / STORES[name], own["crops"], own["stack"], rows)
        for name in STREAMS
    }
    crops = [streams["motion"].centre_crop()]
    every = score_clips(
        {direction: model}, streams, rows, crops, own["period"], 60, torch.device("cpu")
    )
    for row, logits in zip(rows, every, strict=True):
        assert summarise(logits[direction], "softmax").argmax() == row["label"], row["clip"]
