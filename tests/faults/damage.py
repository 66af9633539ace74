"""Damage to every kind of file that the pipeline writes: bits flipped, pages zeroed, tails cut.

The files are written as the programs write them, and read as the programs read them, by a process
of its own that has to end in time. What is read must be what was written, or be refused by a
sentence with the file's name, the reason and a command.
"""

import hashlib
import json
import multiprocessing
import os
import pickle
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch
from faults.trials import (
    FALSE_ALARM,
    HANG,
    HARMLESS,
    REFUSED,
    SILENT,
    TRACEBACK,
    UNCLEAR,
    Trial,
)
from torch import nn

from pipeline import files
from pipeline.data.groups import CachedRankings
from pipeline.datasets import index
from pipeline.errors import PipelineError
from pipeline.evaluation.score_files import read_scores, write_scores
from pipeline.idt import fisher
from pipeline.idt.extract import COLUMNS
from pipeline.inference.features import read_features, write_features
from pipeline.inference.rankings import write_rankings
from pipeline.jobs import record
from pipeline.jobs.reuse import Reuse, input_digest
from pipeline.models import checkpoint
from pipeline.report.text import read_result
from pipeline.storage import attributes, decoding, reader, writer
from pipeline.storage.codecs import Codec
from pipeline.training.resume import TrainingState, load_checkpoint, save_checkpoint
from pipeline.workflow.contents import Contents

# Trials of each kind of file and damage.
TRIALS = 40
PAGE = 4096
# Seconds for one reading, which takes less than one. HDF5 itself has `damage.MOST_SECONDS`.
LIMIT = 60
CLASSES = ["Bow", "Jump", "Run"]
CODE, FRAMES = "0123456789abcdef", 18


@dataclass
class Kind:
    """A kind of file: one of it, and what a program reads of it, as anything that pickles.

    One that only `saves_work` can be computed again, so nothing may be refused.
    """

    path: Path
    read: Callable[[Path], object]
    saves_work: bool = False


def run(seed: int, scale: float, folder: Path) -> Iterator[Trial]:
    """Yield the trials, 120 x `scale` of each kind of file, in the empty `folder`."""
    torch.set_num_threads(1)
    count = max(1, round(TRIALS * scale))
    for name, kind in make_files(folder).items():
        tries = [
            (how, f"{seed} {name} {how} {number}") for how in DAMAGES for number in range(count)
        ]
        expected = hashlib.sha256(pickle.dumps(kind.read(kind.path))).hexdigest()
        for (how, _), (where, *found) in zip(tries, _read_all(kind, tries), strict=True):
            outcome, detail = _outcome(kind, *found, expected)
            yield Trial("damage", f"{name}, {how}", outcome, f"{kind.path}, {where}: {detail}")


# Damage: of a content and random numbers to another content and where it differs


def flip_bit(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    offset, bit = rng.randrange(len(content)), rng.randrange(8)
    changed = bytes([content[offset] ^ 1 << bit])
    return content[:offset] + changed + content[offset + 1 :], f"bit {bit} of byte {offset}"


def zero_page(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    start = rng.randrange(0, len(content), PAGE)
    stop = min(start + PAGE, len(content))
    return content[:start] + bytes(stop - start) + content[stop:], f"bytes {start} to {stop}"


def cut_tail(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    size = rng.randrange(len(content))
    return content[:size], f"cut to {size} bytes"


DAMAGES = {"bit flipped": flip_bit, "page zeroed": zero_page, "tail cut": cut_tail}


# Readings


def _outcome(kind: Kind, what: str, detail: str, expected: str) -> tuple[str, str]:
    """How the reading of a damaged file ends, as of `_read_all`, and what it said.

    `expected` is the digest of what is read of the undamaged file.
    """
    if what == "content":
        return (HARMLESS, "") if detail == expected else (SILENT, "other contents")
    if what != "error":
        return what, detail
    if kind.saves_work:
        return FALSE_ALARM, detail
    # Of a file that is proven to be the pipeline's `rm`; else it is moved out of the way.
    clear = str(kind.path) in detail and "\n" not in detail and ("rm " in detail or "mv " in detail)
    return (REFUSED if clear else UNCLEAR), detail


def _read_all(kind: Kind, tries: list[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    """Yield what is read of a file, damaged anew each time: where the damage lies, and "content"
    with its digest, "error" with the sentence, or a wrong outcome with its detail.

    `tries` are names of DAMAGES and seeds. Afterwards the file is undamaged.
    """
    whole, context = kind.path.read_bytes(), multiprocessing.get_context("fork")
    done = 0
    while done < len(tries):
        here, there = context.Pipe(duplex=False)
        child = context.Process(target=_send_all, args=(kind, whole, tries[done:], there))
        child.start()
        there.close()
        try:
            while done < len(tries):
                where = here.recv()
                found = here.recv() if here.poll(LIMIT) else (HANG, f"no answer in {LIMIT} s")
                done += 1
                yield where, *found
                if found[0] == HANG:
                    break
        except EOFError:
            child.join()
            done += 1
            yield "its last damage", TRACEBACK, f"ended by {_ending(child.exitcode)}"
        finally:
            child.kill()
            child.join()
            here.close()
    _put(kind.path, whole)


def _send_all(kind: Kind, whole: bytes, tries: list[tuple[str, str]], there) -> None:
    # Notes are for people.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    for how, seed in tries:
        damaged, where = DAMAGES[how](whole, random.Random(seed))
        _put(kind.path, damaged)
        there.send(where)
        try:
            content = pickle.dumps(kind.read(kind.path))
            found = "content", hashlib.sha256(content).hexdigest()
        except PipelineError as error:
            found = "error", str(error)
        except Exception as error:
            found = TRACEBACK, f"{type(error).__name__}: {error}"
        there.send(found)


def _put(path: Path, content: bytes) -> None:
    """Put a new file in place of `path`: one that HDF5 has not opened before, and no link."""
    new = path.with_name("new")
    new.write_bytes(content)
    os.replace(new, path)


def _ending(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"status {status}"


# Files


def make_files(folder: Path) -> dict[str, Kind]:
    """Write one file of each kind into the empty `folder`."""
    rows = _rows()
    return {
        **_tables(folder, rows),
        **_stores(folder, rows),
        **_networks(folder, rows),
        **_trajectories(folder, rows),
        **_results(folder, rows),
        **_helpers(folder, rows),
    }


def _rows() -> list[dict]:
    """Rows of the index: 24 clips of three classes."""
    return [
        {
            "clip": f"{name}/v_{name}_g{group:02}_c01",
            "class": name,
            "label": label,
            "group": f"g{group:02}",
            "shard": "000",
            "path": f"{name}/v_{name}_g{group:02}_c01.avi",
            "sha256": hashlib.sha256(f"{name} {group}".encode()).hexdigest()[:16],
            "frames": FRAMES,
            "width": 80,
            "height": 60,
            "problem": "",
            "split1": "train",
        }
        for label, name in enumerate(CLASSES)
        for group in range(8)
    ]


def _rng(name: str) -> np.random.Generator:
    return np.random.default_rng(list(name.encode()))


def _tables(folder: Path, rows: list[dict]) -> dict[str, Kind]:
    columns = {
        "index/000.csv": index.EXAMINED,
        "index.csv": [*index.COLUMNS, "split1"],
        "train.csv": index.COLUMNS,
        "test.csv": index.COLUMNS,
    }
    kinds = {}
    for name, wanted in columns.items():
        index.write(folder / name, rows, wanted)
        kinds[name] = Kind(folder / name, lambda path, wanted=wanted: index.read(path, wanted))
    kinds["clips of a job"] = Kind(
        folder / "train.csv", lambda path: input_digest([path], [folder / "flow"], path)
    )
    path = folder / "flow" / "000.json"
    record.write(path, "flow", "abc", {"flow": {"bound": 20.0}}, CODE, solver="cpu 1", clips=24)
    kinds["record"] = Kind(path, record.read)
    kinds["content file"] = Kind(record.content_path(path), record.read)
    return kinds


def _stores(folder: Path, rows: list[dict]) -> dict[str, Kind]:
    """Frames and flow of six clips in each codec."""
    kinds = {}
    for kind, name in product(("frames", "flow"), ("gzip", "lz4", "jpeg")):
        shape = (FRAMES, 60, 80, 3) if kind == "frames" else (FRAMES - 1, 2, 60, 80)
        path = folder / f"{kind}-{name}" / "000.h5"

        def arrays(row: dict, shape=shape) -> Iterator[np.ndarray]:
            # Steps of eight levels, as flow has few.
            return iter(_rng(row["clip"]).integers(0, 32, shape, dtype=np.uint8) * 8)

        codec = Codec(name, 85 if name == "jpeg" else 0)
        writer.write_shard(path, kind, rows[::4], arrays, {}, CODE, "by hand", codec=codec)
        kinds[f"{kind}, {name}"] = Kind(path, lambda path, kind=kind: _read_store(path, kind, rows))
    # One that was copied alone: its own checksums are all there is.
    path = folder / "alone" / "000.h5"
    path.parent.mkdir()
    shutil.copy(folder / "flow-lz4" / "000.h5", path)
    kinds["flow, lz4, without seal"] = Kind(path, lambda path: _read_store(path, "flow", rows))
    return kinds


def _read_store(path: Path, kind: str, rows: list[dict]) -> list[bytes]:
    shards = reader.Shards(path.parent, kind)
    shards.check_same_settings(rows[::4])
    whole = [decoding.read(shards.dataset(row)).tobytes() for row in rows[::4]]
    crops = decoding.frames_or_fields(
        shards.dataset(rows[0]), [0, 7, 9], slice(4, 52), slice(9, 57)
    )
    return [*whole, *(crop.tobytes() for crop in crops)]


def _net(weights: int = 0) -> nn.Module:
    torch.manual_seed(weights)
    return nn.Sequential(nn.Conv2d(3, 16, 3), nn.Flatten(), nn.Linear(16 * 100, 3))


def _networks(folder: Path, rows: list[dict]) -> dict[str, Kind]:
    kinds = {}
    for number, name in enumerate(("teacher", "co2fi", "asyn"), start=1):
        path = folder / f"{name}.pt"
        about = {"kind": name, "set": "mini", "split": "split1", "classes": CLASSES}
        checkpoint.save(path, _net(number), rows[:4], **about)

        def read(path: Path, about=about) -> tuple:
            model = checkpoint.load(path, _net(), rows[5:7], **about)
            return checkpoint.classes_of(path), _bytes_of(model.state_dict())

        kinds[f"{name}.pt"] = Kind(path, read)
    path, model, optimizer = folder / ".checkpoints" / "a.pt", *_training()
    model(torch.ones(2, 3, 12, 12)).sum().backward()
    optimizer.step()
    save_checkpoint(path, TrainingState(40, [{"iteration": 20, "loss": 1.0}]), model, optimizer)

    def read_checkpoint(path: Path) -> tuple:
        model, optimizer = _training()
        state = load_checkpoint(path, model, optimizer, torch.device("cpu"))
        momenta = [entry["momentum_buffer"] for entry in optimizer.state.values()]
        return vars(state), _bytes_of(model.state_dict()), [m.numpy().tobytes() for m in momenta]

    kinds["checkpoint"] = Kind(path, read_checkpoint)
    return kinds


def _training() -> tuple[nn.Module, torch.optim.Optimizer]:
    model = _net(5)
    return model, torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)


def _bytes_of(state: dict) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in state.items()}


def _trajectories(folder: Path, rows: list[dict]) -> dict[str, Kind]:
    folder = folder / "idt"
    samples, vectors = folder / "000.h5", folder / "fisher" / "000.h5"
    for path, kind, shape in ((samples, "samples", (20, COLUMNS)), (vectors, "fisher", (2000,))):

        def array(row: dict, shape=shape) -> Iterator[np.ndarray]:
            return iter([_rng(row["clip"]).standard_normal(shape).astype(np.float32)])

        writer.write_shard(path, kind, rows, array, {}, CODE, "by hand")

    def read_shard(path: Path, kind: str) -> list[bytes]:
        shards = reader.Shards(path.parent, kind)
        return [shards.dataset(row)[...].tobytes() for row in rows]

    codebook, svm = folder / "codebook.h5", folder / "svm.h5"
    with writer.create(codebook, "codebook", {}, CODE) as file:
        for name, length in fisher.LENGTHS.items():
            for field, shape in (
                ("mean", (length,)),
                ("axes", (length // 2, length)),
                ("weights", (4,)),
                ("means", (4, length // 2)),
                ("variances", (4, length // 2)),
            ):
                file[f"{name}_{field}"] = _rng(name).random(shape).astype(np.float32) + 0.1
    with writer.create(svm, "svm", {}, CODE, set="mini", split="split1") as file:
        file["weights"] = _rng("svm").standard_normal((3, 2000)).astype(np.float32)
        file["bias"], file["classes"] = np.arange(3, dtype=np.float32), CLASSES

    def read_codebook(path: Path) -> list:
        return [
            {field: array.tobytes() for field, array in vars(codebook).items()}
            for codebook in fisher.read(path).values()
        ]

    def read_svm(path: Path) -> tuple:
        with reader.opened(path, "svm") as file:
            arrays = [file[name][...].tobytes() for name in ("weights", "bias")]
            return attributes.read(file), arrays, list(file["classes"].asstr())

    return {
        "idt samples": Kind(samples, lambda path: read_shard(path, "samples")),
        "codebook.h5": Kind(codebook, read_codebook),
        "fisher": Kind(vectors, lambda path: read_shard(path, "fisher")),
        "svm.h5": Kind(svm, read_svm),
    }


def _results(folder: Path, rows: list[dict]) -> dict[str, Kind]:
    groups, kinds = folder / "groups.h5", {}
    rankings = [
        _rng(row["clip"]).permuted(np.tile(np.arange(3, dtype=np.uint16), (50, 1)), axis=1)
        for row in rows
    ]
    write_rankings(groups, rows, rankings, CLASSES, 3, {}, CODE)

    def read_groups(path: Path) -> list[bytes]:
        cached = CachedRankings(path, 1)
        return [cached(row, np.arange(50)).tobytes() for row in rows]

    kinds["groups.h5"] = Kind(groups, read_groups)
    features, seen = folder / "features.h5", _rng("features.h5")
    of_clips = [seen.standard_normal((40, 64)).astype(np.float32) for _ in rows]
    write_features(features, rows, of_clips, {}, CODE)

    def read_both(path: Path) -> list[bytes]:
        return [part.numpy().tobytes() for pair in read_features([path] * 2, rows) for part in pair]

    kinds["features.h5"] = Kind(features, read_both)
    for name, source in (("scores.h5", "motion"), ("idt scores.h5", "idt")):
        logits = _rng(name).standard_normal((len(rows), 25, 3)).astype(np.float32)
        write_scores(
            folder / name,
            source,
            rows,
            CLASSES,
            logits.mean(axis=1),
            {},
            CODE,
            logits if source == "motion" else None,
        )

        def read(path: Path) -> tuple:
            scores = read_scores(path)
            return scores.clips, scores.labels.tobytes(), scores.classes, scores.values.tobytes()

        kinds[name] = Kind(folder / name, read)
    path, shares = folder / "acc.json", {"appearance": 0.5, "motion": 0.6, "asyn": 0.75}
    result = {
        "set": "mini",
        "split": "split1",
        "clips": 24,
        "classes": 3,
        "headline": "asyn",
        "accuracy": shares,
        "mean_class_accuracy": shares,
        "per_class": {name: {"clips": 8, **shares} for name in CLASSES},
    }
    with files.replacing(path) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n")
    kinds["acc.json"] = Kind(path, read_result)
    return kinds


def _helpers(folder: Path, rows: list[dict]) -> dict[str, Kind]:
    """Files that only save work: without them all is computed as if they were not there."""
    seal = files.seal_of(folder / "test.csv")
    kinds = {"seal": Kind(seal, lambda _: index.read(folder / "test.csv"), saves_work=True)}

    # What a job made last, and what it was made of.
    made = folder / "kept" / "model.pt"
    with files.replacing(made) as temporary:
        temporary.write_bytes(_rng("model").bytes(10_000))
    Reuse([made], "identity").keep()
    (kept,) = (folder / "kept" / ".kept" / "model").glob("0-*")

    def take_over(_: Path) -> bytes:
        own = _copy(made.parent)
        if not Reuse([own / "model.pt"], "identity").take_over():
            shutil.copy(made, own)
        return files.read_intact(own / "model.pt")

    kinds["kept output"] = Kind(kept, take_over, saves_work=True)
    kinds["identity of a kept output"] = Kind(kept.parent / "job.json", take_over, saves_work=True)

    identities = folder / "identities"
    Contents(identities).digest(made)
    kinds["identities of users' files"] = Kind(
        identities / ".files.json", lambda path: Contents(path.parent).digest(made), saves_work=True
    )
    kinds["finished clip of a killed job"] = _finished_clip(folder / "killed", rows[:2])
    return kinds


def _finished_clip(folder: Path, rows: list[dict]) -> Kind:
    """The file of a clip that a killed job has finished; the next job goes on with it."""

    def write(path: Path, killed: bool) -> str:
        def arrays(row: dict) -> Iterator[np.ndarray]:
            if killed and row is rows[1]:
                raise KeyboardInterrupt
            return iter(_rng(row["clip"]).integers(0, 256, (FRAMES, 30, 40, 3), dtype=np.uint8))

        writer.write_shard(path, "frames", rows, arrays, {}, CODE, "by hand", codec=Codec("lz4"))
        return hashlib.sha256(path.read_bytes()).hexdigest()

    try:
        write(folder / "000.h5", killed=True)
    except KeyboardInterrupt:
        (path,) = (folder / ".partial" / "000").glob("*.h5")

    def go_on(_: Path) -> str:
        return write(_copy(folder) / "000.h5", killed=False)

    return Kind(path, go_on, saves_work=True)


def _copy(folder: Path) -> Path:
    """A copy of a folder, for a reading that changes it."""
    copy = folder.with_name(f"{folder.name}-{time.monotonic_ns()}")
    shutil.copytree(folder, copy)
    return copy
