"""Files that users bring, changed at random: each is read or refused in a sentence, and no reader
crashes, hangs or takes all memory.

A trial takes a good file, changes its bytes or its values, and reads it in a process of its own.
Archives are also changed inside, so that their checksums do not stop every change.
"""

import contextlib
import copy
import faulthandler
import io
import json
import os
import random
import resource
import select
import shutil
import signal
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch
import yaml
from faults.trials import HANG, HARMLESS, REFUSED, SAME, SILENT, TRACEBACK, UNCLEAR, Trial
from scipy.io import savemat

from pipeline.cli.inspect import show_file
from pipeline.config import check, spelling
from pipeline.config.settings import overlay
from pipeline.datasets import index
from pipeline.datasets.load import load_set
from pipeline.errors import MachineError, PipelineError
from pipeline.evaluation import external_scores, fusion, tables
from pipeline.evaluation.matching import match_scores
from pipeline.jobs import limits
from pipeline.models.backbones import vgg_weights
from pipeline.models.backbones.vgg import VGG16
from pipeline.report.tables import markdown
from pipeline.report.text import read_result, result_lines
from pipeline.storage import writer

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "tests" / "configs"
# Seconds after which a reader hangs, on a machine that does other things, too; the process that a
# reader starts has less, of processor time. Memory of a reader beyond what it has at its start.
LONGEST, LONGEST_INSIDE, MEMORY = 300, 10, 6 << 30
# Characters of a line for a person.
LONGEST_LINE = 2000


@dataclass(frozen=True)
class Kind:
    """One kind of file: how a good one is made and read, and how many trials it has.

    make: writes good files into a folder and returns those that are changed, one at a time.
    read: reads a changed file as the pipeline does and returns what can be compared; it raises
        AssertionError for contents that cannot be.
    values: how the values in it are changed, beside its bytes.
    """

    name: str
    trials: int
    make: Callable[[Path], list[Path]]
    read: Callable[[Path], object]
    values: Callable[[bytes, random.Random], bytes] | None = None


def run(seed: int, scale: float, folder: Path) -> Iterator[Trial]:
    """Yield the trials of all kinds; see `faults.trials`."""
    torch.set_num_threads(1)
    for kind in KINDS:
        place = folder / kind.name.replace(" ", "_").replace("/", "_")
        place.mkdir()
        good = kind.make(place)
        contents = {path: path.read_bytes() for path in good}
        expected = {path: _in_a_process(kind, path) for path in good}
        for path, (outcome, detail, _) in expected.items():
            if outcome != SAME:
                raise AssertionError(f"the good {path} is not read: {outcome}: {detail}")
        for number in range(max(round(kind.trials * scale), 2)):
            rng = random.Random(f"{seed} {kind.name} {number}")
            path = rng.choice(good)
            how, content = mutate(contents[path], kind, rng)
            path.write_bytes(content)
            outcome, detail, value = _in_a_process(kind, path)
            path.write_bytes(contents[path])
            if outcome == SAME and value != expected[path][2]:
                outcome = HARMLESS
            yield Trial(
                "mutations", kind.name, outcome, f"{seed}/{number}, {path.name}, {how}: {detail}"
            )
        shutil.rmtree(place)


# Processes


def _in_a_process(kind: Kind, path: Path) -> tuple[str, str, str]:
    """Read a file in a process of its own; returns the outcome, a detail, and what was read."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.setpgid(0, 0)
            result = _read_here(kind, path)
            os.write(writing, json.dumps([part[:3000] for part in result]).encode())
        finally:
            os._exit(0)
    os.close(writing)
    answer = b""
    try:
        ready, _, _ = select.select([reading], [], [], LONGEST)
        answer = os.read(reading, 1 << 16) if ready else b""
        if not ready:
            os.killpg(process, signal.SIGKILL)
    finally:
        os.close(reading)
        _, status = os.waitpid(process, 0)
    if not ready:
        return HANG, f"no end within {LONGEST} s", ""
    if not answer:
        return TRACEBACK, f"status {status}", ""
    return tuple(json.loads(answer))


def _read_here(kind: Kind, path: Path) -> tuple[str, str, str]:
    """What `_in_a_process` returns, from this process: SAME for whatever is read without error."""
    faulthandler.disable()
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    limits.SECONDS = LONGEST_INSIDE
    try:
        return SAME, "", repr(kind.read(path))
    except MachineError as error:
        # Nothing but the file is wrong.
        return UNCLEAR, str(error), ""
    except PipelineError as error:
        return _judge(str(error), path)
    except AssertionError as error:
        return SILENT, str(error), ""
    except BaseException as error:
        return TRACEBACK, f"{type(error).__name__}: {error}", ""


def _judge(message: str, path: Path) -> tuple[str, str, str]:
    """Whether a refusal names the file, or the folder that it lies in, in lines for a person."""
    named = path.name in message or str(path.parent) in message
    short = all(len(line) <= LONGEST_LINE for line in message.split("\n"))
    return (REFUSED if named and short and "Traceback" not in message else UNCLEAR), message, ""


# Changes


# Words of the formats, and values at the ends of their ranges.
TOKENS = [
    *(b"\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\x7f" * 8, b"\0" * 8),
    *(b"\xff" * 8, b"\xef\xbb\xbf", b"\xff\xfe", b"\r\n", b"\n", b"\t", b"\r", b" ", b"\xc2\x85"),
    *(b"\xe2\x80\xa8", b"\x0b", b"'", b'"', b"#", b"%", b"\\", b"{x}", b"$HOME", b"/../", b"-1"),
    *(b"999999999999999999999", b"nan", b"1e999", b"1e-2", b"null", b"~", b"!!python/object:os"),
    *(b"&a [*a]", b"[" * 5000, b"{" * 5000, b"---", b": ", b"- ", b"?", b"TREE", b"HEAP", b"SNOD"),
    *(b"OHDR", b"FRHP", b"PK\x01\x02", b"PK\x05\x06", b"\x93NUMPY", b"\x80\x02c", b"}", b"]"),
    *(b"(1099511627776, 3)", b"(-1, 2)", b"|O", b"<f2", b"<c16", b"<U100000000", b"fortran_order"),
    *("\u7a7a".encode(), "e\u0301".encode(), b"\x1b[2J", b"\xed\xa0\x80", b"A" * 70000),
]


def mutate(content: bytes, kind: Kind, rng: random.Random) -> tuple[str, bytes]:
    """Return what was done to a file, in a few words, and its new content."""
    if kind.values and rng.random() < 0.6:
        return "values changed", kind.values(content, rng)
    if zipfile.is_zipfile(io.BytesIO(content)) and rng.random() < 0.5:
        return "changed inside", _mutate_member(content, rng)
    return _mutate_bytes(content, rng)


def _mutate_bytes(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    changed, size = bytearray(content), len(content)
    how = rng.choice(
        ["flips", "flips", "bytes", "cut", "doubled", "removed", "zeroed", "token", "token", "swap"]
    )
    start = rng.randrange(max(size, 1))
    length = rng.choice([1, 4, 8, 64, 512, 4096])
    block = changed[start : start + length]
    if how == "flips":
        for _ in range(rng.choice([1, 1, 2, 8, 64])):
            changed[rng.randrange(size)] ^= 1 << rng.randrange(8)
    elif how == "bytes":
        for _ in range(rng.choice([1, 4, 32])):
            changed[rng.randrange(size)] = rng.randrange(256)
    elif how == "cut":
        del changed[start:]
    elif how == "doubled":
        changed[start:start] = block * rng.choice([1, 1, 50])
    elif how == "removed":
        del changed[start : start + length]
    elif how == "zeroed":
        changed[start : start + length] = bytes(len(block))
    elif how == "token":
        token = rng.choice(TOKENS)
        changed[start : start + (len(token) if rng.random() < 0.5 else 0)] = token
    else:
        other = rng.randrange(size)
        changed[start : start + length] = changed[other : other + length]
    return how, bytes(changed)


def _mutate_member(content: bytes, rng: random.Random) -> bytes:
    """Change one member of an archive, or its name, and write the archive with right checksums."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        members = [(entry.filename, file.read(entry)) for entry in file.infolist()]
        packed = file.infolist()[0].compress_type
    place = rng.randrange(len(members))
    # torch's list of names and shapes is one of many members.
    pickles = [n for n, (name, _) in enumerate(members) if name.endswith("data.pkl")]
    if pickles and rng.random() < 0.7:
        place = pickles[0]
    name, member = members[place]
    what = rng.random()
    if what < 0.1:
        members[place] = (rng.choice(["../" + name, "/" + name, name + "x", "a" * 300]), member)
    elif what < 0.2:
        members.append((name, member) if rng.random() < 0.5 else (f"{name}2", b"x" * 1000))
    else:
        # The first bytes say what the rest is.
        head, rest = member[:128], member[128:]
        changed = _mutate_bytes(head, rng)[1] + rest if rng.random() < 0.7 else b""
        members[place] = (name, changed or _mutate_bytes(member, rng)[1])
    stream = io.BytesIO()
    # zipfile warns of a name that stands twice.
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(stream, "w", packed) as file:
        for name, member in members:
            # An entry of no date: the time of writing would be in the bytes.
            file.writestr(zipfile.ZipInfo(name), member, packed)
    return stream.getvalue()


# Values that are of another type or size than is wanted.
STRANGE = [
    *(None, True, False, 0, -1, 1, 3, 2**63, -(2**70), 10**30, 0.5, -0.5, 1e308, 1e-320),
    *(float("nan"), float("inf"), "", " ", "x", "no", "1", "nan", "../..", "/dev/zero", "a" * 5000),
    *("\x1b[2J", "\n", "\u7a7a", "{x}", "$(x)", "%s", "\0", [], {}, [[]], [0], [None], {"": 0}),
    *({"a": {"b": []}}, [1, "a"], {"accuracy": 1}, list(range(200)), [[[[[[[[[[1]]]]]]]]]]),
]


def _places(value, found: list) -> list:
    """All (holder, key) of a value of nested dictionaries and lists."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(items):
        found.append((value, key))
        if isinstance(inner, dict | list):
            _places(inner, found)
    return found


def _mutate_values(value, rng: random.Random):
    """A value of nested dictionaries and lists with one to three of its parts changed."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice([1, 1, 2, 3])):
        places = _places(value, [])
        if not places:
            break
        holder, key = rng.choice(places)
        what = rng.choice(["other", "other", "other", "gone", "renamed", "moved"])
        if what == "gone":
            del holder[key]
        elif what == "renamed" and isinstance(holder, dict):
            name = rng.choice(["", "x", str(key) + "s", str(key).upper(), "\u7a7a", "a" * 300])
            holder[name] = holder.pop(key)
        elif what == "moved":
            other, there = rng.choice(places)
            # A part that holds itself could not be written.
            with contextlib.suppress(LookupError):
                holder[key] = copy.deepcopy(other[there])
        else:
            holder[key] = copy.deepcopy(rng.choice(STRANGE))
    return value


def change_json(content: bytes, rng: random.Random) -> bytes:
    return json.dumps(_mutate_values(json.loads(content), rng)).encode()


def change_yaml(content: bytes, rng: random.Random) -> bytes:
    return yaml.safe_dump(_mutate_values(yaml.safe_load(content), rng), allow_unicode=True).encode()


def change_lines(content: bytes, rng: random.Random) -> bytes:
    """Change the lines of a list: some away, doubled, in another order, or with other columns."""
    lines = content.decode().splitlines()
    for _ in range(rng.choice([1, 1, 2, 5])):
        place = rng.randrange(len(lines)) if lines else 0
        line = lines[place] if lines else ""
        words = line.split()
        strange = rng.choice(
            ["", " ", "#", "1", "-1", "0", "9" * 30, "x", "../a.avi 1", "/a/b/c.avi", "a//b.avi 1"]
            + ["\ufeff", "\0", "\u2028", "\x85", "\r", ",", "a,b,c", '"', "\u7a7a/\u7a7a.avi 1"]
        )
        match rng.choice(["gone", "doubled", "other", "word", "joined", "form", "end"]):
            case "gone":
                lines[place : place + rng.choice([1, 1, 10])] = []
            case "doubled":
                lines[place:place] = [line] * rng.choice([1, 1, 300])
            case "other":
                lines[place : place + 1] = [strange]
            case "word" if words:
                words[rng.randrange(len(words))] = strange
                lines[place : place + 1] = [" ".join(words)]
            case "joined":
                lines[place : place + 2] = ["".join(lines[place : place + 2])]
            case "form":
                parting = rng.choice([",", "\t", ";", "  ", " 17 "])
                lines = [parting.join(line.split()) for line in lines]
            case _:
                lines[place : place + 1] = [line + strange]
    ending = rng.choice(["\n", "\n", "\r\n", "\r"])
    return ending.join([*lines, ""]).encode(rng.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16"]))


# Good files


NAMES = [f"{name}/v_{name}_g{group:02}_c01" for name in ("Bow", "Run") for group in range(1, 13)]
LABELS = np.array([int(name.startswith("Run")) for name in NAMES])
VALUES = np.random.default_rng(0).normal(size=(24, 2))
SCORES = {"scores": VALUES, "names": np.array(NAMES), "labels": LABELS, "classes": ["Bow", "Run"]}
SHARES = {"appearance": 0.5, "motion": 0.625, "two_stream": 0.75}
RESULT = {
    "set": "demo",
    "split": "split1",
    "clips": 24,
    "classes": 2,
    "headline": "two_stream",
    "accuracy": SHARES,
    "mean_class_accuracy": SHARES,
    "per_class": {name: {"clips": 12, **SHARES} for name in ("Bow", "Run")},
    "confusion": {"classes": ["Bow", "Run"], "matrix": [[6, 6], [0, 12]]},
    "provenance": {"seed": 0, "stages": {"fuse": {"code": ["c0de"]}}},
}
PLAN = {
    "seeds": [0],
    "splits": ["split1"],
    "rows": [
        {"table": 2, "name": "all", "variant": "complete", "sources": ["two_stream"]},
        {
            "table": 0,
            "name": "one",
            "variant": "complete",
            "sources": list(SHARES),
            "classes": ["Run"],
        },
    ],
}
ROWS = [
    {
        "clip": name,
        "class": name.split("/")[0],
        "label": label,
        "group": name[-7:-4],
        "shard": "000",
        "path": f"{name}.avi",
        "sha256": "ab",
        "frames": 20 + label,
        "width": 320,
        "height": 240,
    }
    for name, label in zip(NAMES, LABELS.tolist(), strict=True)
]


def write_mat(path: Path, compressed: bool = False) -> None:
    names = np.empty((len(NAMES), 1), object)
    names[:, 0] = NAMES
    arrays = {"scores_idt": VALUES, "vn_idt": names, "gt_idt": (LABELS + 1).astype(np.uint8)}
    savemat(path, arrays, do_compression=compressed)


def write_hdf5(path: Path, arrays: dict = SCORES) -> None:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            is_text = np.asarray(array).dtype.kind == "U"
            file[name] = [str(text) for text in array] if is_text else array


def write_shard(path: Path) -> None:
    """A file of frames as the pipeline writes them, without a seal, as from somebody else."""
    images = np.random.default_rng(0).integers(0, 255, (3, 8, 10, 3)).astype(np.uint8)
    rows = [row | {"frames": 3} for row in ROWS[10:14]]
    sealed = path.with_name("sealed.h5")
    writer.write_shard(sealed, "frames", rows, lambda row: iter(images), {}, "c0de", "by hand")
    sealed.rename(path)


def write_table(path: Path) -> None:
    """A table of clips without a seal."""
    sealed = path.with_name("sealed.csv")
    index.write(sealed, ROWS, index.COLUMNS)
    sealed.rename(path)


def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    convolutions = [conv for stage in VGG16(3, 1 / 32).convolutions() for conv in stage]
    places = [place for stage in vgg_weights.TORCHVISION for place in stage]
    return {
        f"features.{place}.{part}": getattr(conv, part).detach().clone()
        for place, conv in zip(places, convolutions, strict=True)
        for part in ("weight", "bias")
    }


def write_weights(path: Path, old: bool = False) -> None:
    content = {"epoch": 3, "state_dict": weights()}
    torch.save(content, path, _use_new_zipfile_serialization=not old)


def arrays_of_weights() -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in weights().items()}


# Readers: what a user would run on the file. Each returns what can be compared.


def read_config(path: Path):
    config = overlay(yaml.safe_load((ROOT / "config.yaml").read_text()), spelling.read(path))
    check.check(config, str(path))
    return json.dumps(config, sort_keys=True, default=str)


def read_lists(name: str) -> Callable:
    def read(path: Path):
        found = load_set("mine", {"format": name, "lists": str(path.parent)})
        return repr((found.classes, sorted(found.clips), found.splits))

    return read


def read_scores(path: Path):
    scores = external_scores.read(path)
    columns = scores.values.shape[1]
    assert np.isfinite(scores.values).all(), "scores that are no numbers"
    assert 0 <= scores.labels.min() <= scores.labels.max() < columns, "labels without a column"
    assert len(scores.clips) == len(scores.labels) == len(scores.values), "rows without a clip"
    matched = match_scores(scores, scores, str(path))
    return matched.clips, fusion.normalise(matched.values, "l2").tolist(), matched.classes


def read_acc(path: Path):
    result = read_result(path)
    # Whether a set has the classes that the config's tables want is another matter.
    rows = PLAN["rows"] if "Run" in result.get("per_class", {}) else PLAN["rows"][:1]
    filled = tables.fill("demo", PLAN | {"rows": rows}, {("complete", "split1", 0): result})
    return result_lines(result), markdown(filled)


def read_weights(path: Path):
    net = VGG16(3, 1 / 32)
    net.start_from(str(path))
    assert all(value.isfinite().all() for value in net.state_dict().values()), "no numbers"
    return [float(value.double().sum()) for value in net.state_dict().values()]


def read_shard(path: Path):
    return _shown(path, None, True)


def read_clip(path: Path):
    return _shown(path, NAMES[12], False)


def _shown(path: Path, clip: str | None, everything: bool):
    cure = "it is damaged, or this pipeline did not make it"
    return limits.call(show_file, path, clip, None, None, everything, 100, cure=cure)["lines"]


def read_table(path: Path):
    rows = index.read(path)
    return index.class_names(rows), rows


# Kinds


def _copy_of(folder: Path) -> Callable[[Path], list[Path]]:
    def make(place: Path) -> list[Path]:
        return [Path(shutil.copy(source, place)) for source in sorted(folder.iterdir())]

    return make


def _one(name: str, write: Callable[[Path], object]) -> Callable[[Path], list[Path]]:
    def make(place: Path) -> list[Path]:
        write(place / name)
        return [place / name]

    return make


def _write_config(path: Path) -> None:
    shutil.copy(CONFIGS / "weizmann.yaml", path)


KINDS = [
    Kind("config", 200, _one("mine.yaml", _write_config), read_config, change_yaml),
    Kind(
        "UCF101's lists", 200, _copy_of(CONFIGS / "ucf101_few"), read_lists("ucf101"), change_lines
    ),
    Kind(
        "HMDB51's lists",
        100,
        _copy_of(CONFIGS / "hmdb51_samples"),
        read_lists("hmdb51"),
        change_lines,
    ),
    Kind("scores .mat", 150, _one("a.mat", write_mat), read_scores),
    Kind("scores .mat, packed", 50, _one("b.mat", lambda path: write_mat(path, True)), read_scores),
    Kind("scores .npz", 125, _one("a.npz", lambda path: np.savez(path, **SCORES)), read_scores),
    Kind("scores .h5", 125, _one("a.h5", write_hdf5), read_scores),
    Kind(
        "result",
        150,
        _one("acc.json", lambda path: path.write_text(json.dumps(RESULT, indent=1))),
        read_acc,
        change_json,
    ),
    Kind("weights .pt", 180, _one("vgg.pt", write_weights), read_weights),
    Kind(
        "weights .pt, old", 20, _one("old.pt", lambda path: write_weights(path, True)), read_weights
    ),
    Kind(
        "weights .npz",
        30,
        _one("vgg.npz", lambda path: np.savez(path, **arrays_of_weights())),
        read_weights,
    ),
    Kind(
        "weights .h5",
        50,
        _one("vgg.h5", lambda path: write_hdf5(path, arrays_of_weights())),
        read_weights,
    ),
    Kind("file to inspect", 50, _one("000.h5", write_shard), read_shard),
    Kind("clip to inspect", 40, _one("000.h5", write_shard), read_clip),
    Kind(
        "table of clips",
        30,
        _one("index.csv", write_table),
        read_table,
    ),
]
