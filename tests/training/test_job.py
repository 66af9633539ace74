"""Every training program: killed and resumed, shared by two processes, and finished."""

import json
import os
import signal
import time
from argparse import Namespace
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from loop_cases import Loss, net, run, same
from training_programs import (
    CLASSES,
    EVERY,
    ITERATIONS,
    apart,
    arguments,
    lay_out,
    losses,
    program,
    settings_of,
    torchrun,
)

from pipeline import files
from pipeline.data.stream import Stream
from pipeline.datasets import index
from pipeline.errors import PipelineError
from pipeline.flow import levels, tvl1
from pipeline.inference.scores import score_clips, summarise
from pipeline.models import checkpoint, factory
from pipeline.streams import DIRECTIONS, STORES, STREAMS
from pipeline.training import loop
from pipeline.training.job import finish, rankings, schedule, weights
from pipeline.video.decode import decode


class Killed(Exception):
    """Stands for the end of a process that gets no time to save."""


TRAININGS = {
    "teacher": ("teacher", "appearance", "complete", {}),
    "teacher of motion": ("teacher", "motion", "complete", {}),
    "teacher of timm": (
        "teacher",
        "appearance",
        "complete",
        {"teacher": {"backbone": "resnet10t", "head_lr": 3.0}},
    ),
    "co2fi": ("co2fi", "appearance", "complete", {}),
    "co2fi of motion": ("co2fi", "motion", "complete", {}),
    "no grouping": ("co2fi", "motion", "no_grouping", {}),
    "two granularities": ("co2fi", "motion", "two_granularities", {}),
    "no coarseness": ("co2fi", "motion", "no_coarseness", {}),
    "baseline": ("co2fi", "appearance", "baseline", {}),
    "direct": ("co2fi", "motion", "direct", {}),
    "snippets": ("co2fi", "motion", "tsn", {}),
    "snippets of direct": ("co2fi", "motion", "direct", {"co2fi": {"segments": 3}}),
    # Its BatchNorm layers keep statistics of the batches, which a checkpoint must hold, too.
    "timm's backbone": ("co2fi", "motion", "complete", {"network": {"backbone": "resnet10t"}}),
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
    "asyn of baselines": (
        "asyn",
        "appearance-to-motion",
        "baseline_syn",
        {"asyn": {"start": "weights"}},
    ),
    "asyn on timm's backbone": (
        "asyn",
        "motion-to-appearance",
        "complete",
        {"asyn": {"start": "weights"}, "network": {"backbone": "resnet10t"}},
    ),
    "in parts, mixed": ("co2fi", "appearance", "complete", {"compute": {"precision": "bfloat16"}}),
}


@pytest.mark.parametrize("kind, of, variant, changes", TRAININGS.values(), ids=TRAININGS)
def test_a_killed_training_goes_on_and_ends_alike(
    trained, tmp_path, monkeypatch, kind, of, variant, changes
):
    """Killed after each of its checkpoints, it ends bit-identical to the uninterrupted run."""
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
        settings={"co2fi": {"batch": 16}, "compute": {"threads": 1}},
        workers=8,
        accumulate=2,
        checkpoint_minutes=5.0,
        compile="never",
    )
    expected = {"batch": 16, "threads": 1, "accumulate": 2, "checkpoint_minutes": 5.0}
    expected["compile"] = "never"
    for cores, workers in ((2, 2), (16, 8)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda process, cores=cores: set(range(cores)))
        assert schedule(options, "co2fi") == expected | {"workers": workers}


SHARED = {
    "co2fi": ("co2fi", "motion", {}),
    "asyn": ("asyn", "appearance-to-motion", {}),
    "asyn on frozen streams": ("asyn", "motion-to-appearance", {"asyn": {"joint": False}}),
}


@pytest.mark.parametrize("kind, of, changes", SHARED.values(), ids=SHARED)
def test_two_processes_give_the_loss_of_one_with_twice_the_batch(
    trained, tmp_path, monkeypatch, kind, of, changes
):
    """Each takes two of a batch's four samples. Dropout is off: masks differ between ranks."""
    own = settings_of(
        "complete", **changes, fusion_network={"dropout": 0.0}, network={"dropout": 0.0}
    )
    # The clock of rank 0 has a checkpoint written after each iteration.
    command = [*arguments(trained, tmp_path / "two", kind, of, own), "--checkpoint-minutes", "1e-9"]
    ranks = torchrun(kind, command)
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
    (checkpoint,) = (tmp_path / "stopped" / "checkpoints").glob("*.pt")
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
    error, *others = {line for line in printed.splitlines() if not line.startswith("device: ")}
    assert not others and error == (
        "error: missing.pth: there is no such weight file; correct network.weights "
        "('imagenet', 'none' or a file)"
    )


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
    """CO2FI of both streams and ASYN learn jointly by Eq. 6 to classify each clip correctly."""
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


SETTINGS = {"compute": {"precision": "auto"}}


def test_finish_writes_model_history_and_record_and_forgets_checkpoints(tmp_path):
    checkpoints = tmp_path / "checkpoints"
    model = net()
    history = run(checkpoints, model, Loss())
    assert list(checkpoints.iterdir())
    rows = [
        {"clip": f"Run/v_Run_g{number:02d}_c01", "group": f"g{number:02d}"} for number in range(7)
    ]
    options = Namespace(
        set="ucf101",
        split="split1",
        stream="motion",
        model=tmp_path / "co2fi.pt",
        settings=SETTINGS,
        history=tmp_path / "history.jsonl",
        record=tmp_path / "co2fi.json",
        code="c0de",
        checkpoints=str(checkpoints),
        accumulate=1,
    )
    finish(options, "co2fi", model, history, ["Archery", "Bowling"], torch.device("cpu"), rows)
    loaded = checkpoint.load(
        options.model,
        net(seed=99),
        kind="co2fi",
        set="ucf101",
        split="split1",
        stream="motion",
        classes=["Archery", "Bowling"],
    )
    assert same(loaded, model)
    assert [json.loads(line) for line in options.history.read_text().splitlines()] == history
    record = json.loads(options.record.read_text())
    assert (record["stage"], record["code"], record["settings"], record["clips"]) == (
        "co2fi",
        "c0de",
        SETTINGS,
        7,
    )
    with pytest.raises(PipelineError, match="trained on 1 of the 2 clips"):
        checkpoint.load(options.model, net(), [rows[3], {"clip": "new", "group": "g99"}])
    assert (record["precision"], record["accumulate"]) == ("float32", 1)
    assert not checkpoints.exists()


def test_only_networks_with_groups_want_rankings(folder):
    """CO2FI without them, or with those of one of two streams, would learn something else."""
    paths = [str(folder / f"{stream}.groups.h5") for stream in STREAMS]
    own = settings_of("complete")
    found = rankings(own, paths, count=2)
    assert [Path(one.path).name for one in found] == ["appearance.groups.h5", "motion.groups.h5"]
    assert rankings(settings_of("baseline"), []) == []
    with pytest.raises(PipelineError, match="2 wanted, 1 named; name them by --groups"):
        rankings(own, paths[:1], count=2)
    with pytest.raises(PipelineError, match="1 wanted, 0 named"):
        rankings(own, [])


def test_weights_that_were_replaced_are_not_started_from(tmp_path):
    """The result would state those that it was planned with."""
    path = tmp_path / "vgg16.pth"
    path.write_text("weights")
    stated = {"network": {"weights": f"file {files.digest(path)}"}}
    options = Namespace(settings=stated, weights=str(path))
    assert weights(options) == str(path)
    path.write_text("other weights")
    with pytest.raises(PipelineError, match="vgg16.pth: the weights have changed since this run"):
        weights(options)
    for word in ("imagenet", "none"):
        assert weights(Namespace(settings={"network": {"weights": word}}, weights=word)) == word
