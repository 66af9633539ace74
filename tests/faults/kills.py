"""Kills of every stage, at moments drawn from the stage's duration, by every signal, of everything
that takes part: each followed by the same command only, which must end in the bytes of a run that
nothing disturbed.

One workspace is run once without disturbance. A trial takes the outputs of one stage away, starts
the command, kills, and runs the command once more; afterwards the workspace is as before.
"""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from faults.trials import HANG, SAME, SILENT, TRACEBACK, UNCLEAR, Trial
from workspace import Workspace, environment

from pipeline.jobs import watch

TRIALS = 60
# Below this share of the trials only stages that are quickly made ready are killed.
SHORT = 0.2
# Seconds within which Snakemake must end, on a machine that does other things, too.
LONGEST = 300


@dataclass(frozen=True)
class Stage:
    """A stage: its program, the file to ask for, its benchmark, and more files that it makes.

    It makes every file that begins like `target` without its ending. `part` is what else than
    program, shell and Snakemake can be killed: an ffmpeg or a worker of the loader.
    """

    name: str
    target: str
    benchmark: str
    part: str = ""
    program: str = ""
    more: tuple[str, ...] = ()

    @property
    def script(self) -> str:
        return self.program or f"{self.name}.py"

    @property
    def outputs(self) -> list[str]:
        return [f"{self.target[: -len(Path(self.target).suffix)]}.*", *self.more]


RESULTS, SPLIT = "results/mini", "results/mini/split1"
BENCHMARKS = "results/mini/benchmarks"
# Stages whose program needs no torch come first: they are made ready in seconds.
STAGES = (
    Stage("examine", f"{RESULTS}/index/000.csv", f"{BENCHMARKS}/examine/000.tsv", "ffmpeg"),
    Stage("index", f"{RESULTS}/index.csv", f"{BENCHMARKS}/index.tsv"),
    Stage("subset", f"{SPLIT}/train.csv", f"{BENCHMARKS}/split1/train.tsv"),
    Stage("frames", f"{RESULTS}/frames/001.h5", f"{BENCHMARKS}/frames/001.tsv", "ffmpeg"),
    Stage("flow", f"{RESULTS}/flow/001.h5", f"{BENCHMARKS}/flow/001.tsv", "ffmpeg"),
    Stage(
        "store",
        f"{SPLIT}/train.flow.content.json",
        f"{BENCHMARKS}/split1/train.flow.tsv",
    ),
    Stage(
        "render",
        "results/drawn/videos.json",
        "results/drawn/benchmarks/render.tsv",
        program="demo.py",
        more=("results/drawn/videos", "results/drawn/lists"),
    ),
    Stage(
        "teacher",
        f"{SPLIT}/motion/teacher.pt",
        f"{BENCHMARKS}/split1/motion/teacher.tsv",
        "worker",
    ),
    Stage(
        "groups", f"{SPLIT}/motion/groups.h5", f"{BENCHMARKS}/split1/motion/groups.tsv", "worker"
    ),
    Stage("co2fi", f"{SPLIT}/motion/co2fi.pt", f"{BENCHMARKS}/split1/motion/co2fi.tsv", "worker"),
    Stage(
        "features",
        f"{SPLIT}/motion/features.h5",
        f"{BENCHMARKS}/split1/motion/features.tsv",
        "worker",
    ),
    Stage(
        "asyn",
        f"{SPLIT}/appearance-to-motion/asyn.pt",
        f"{BENCHMARKS}/split1/appearance-to-motion/asyn.tsv",
        "worker",
    ),
    Stage(
        "scores",
        f"{SPLIT}/motion/scores.h5",
        f"{BENCHMARKS}/split1/scores.tsv",
        "worker",
        more=(f"{SPLIT}/appearance*/scores.*", f"{SPLIT}/motion*/scores.*"),
    ),
    Stage("idt_sample", f"{RESULTS}/idt/001.h5", f"{BENCHMARKS}/idt/001.tsv", "ffmpeg"),
    Stage("idt_codebook", f"{SPLIT}/idt/codebook.h5", f"{BENCHMARKS}/split1/idt/codebook.tsv"),
    Stage(
        "idt_fisher",
        f"{SPLIT}/idt/fisher/001.h5",
        f"{BENCHMARKS}/split1/idt/fisher/001.tsv",
        "ffmpeg",
    ),
    Stage("idt_svm", f"{SPLIT}/idt/svm.h5", f"{BENCHMARKS}/split1/idt/svm.tsv"),
    Stage("idt_scores", f"{SPLIT}/idt/scores.h5", f"{BENCHMARKS}/split1/idt/scores.tsv"),
    Stage("fuse", f"{SPLIT}/acc.json", f"{BENCHMARKS}/split1/fuse.tsv"),
    Stage("tables", f"{RESULTS}/tables.json", f"{BENCHMARKS}/tables.tsv"),
)
# What is killed, by which signal.
KILLS = (
    ("Snakemake", signal.SIGKILL),
    ("Snakemake", signal.SIGTERM),
    ("Snakemake", signal.SIGINT),
    ("program", signal.SIGKILL),
    ("program", signal.SIGTERM),
    ("program", signal.SIGINT),
    ("shell", signal.SIGKILL),
    ("everything", signal.SIGKILL),
    ("everything", signal.SIGTERM),
    ("everything", signal.SIGINT),
    ("everything", signal.SIGHUP),
    ("part", signal.SIGKILL),
)


def run(seed: int, scale: float, folder: Path) -> Iterator[Trial]:
    """Yield a trial for each kill, over all stages in turn."""
    rng = random.Random(seed)
    stages = STAGES if scale >= SHORT else STAGES[:5]
    kills = draw(rng, stages, max(1, round(TRIALS * scale)))
    work = workspace(folder / "work")
    targets = sorted({stage.target for stage, _, _ in kills})
    done = command(work, targets)
    if done.returncode:
        raise RuntimeError(f"the undisturbed run failed:\n{done.stdout[-4000:]}")
    undisturbed = contents(work.folder)
    for stage, victim, number in kills:
        yield _trial(work, stage, victim, number, rng, undisturbed)


def draw(
    rng: random.Random, stages: tuple[Stage, ...], count: int
) -> list[tuple[Stage, str, signal.Signals]]:
    """Return `count` kills: each stage as often as the others, and each kind as often, too."""
    drawn: list[tuple[Stage, str, signal.Signals]] = []
    kinds: list[tuple[str, signal.Signals]] = []
    order: list[Stage] = []
    while len(drawn) < count:
        order = order or rng.sample(stages, len(stages))
        kinds = kinds or rng.sample(KILLS, len(KILLS))
        stage = order.pop()
        fitting = [kind for kind in kinds if stage.part or kind[0] != "part"]
        kind = fitting[0] if fitting else KILLS[0]
        if kind in kinds:
            kinds.remove(kind)
        drawn.append((stage, stage.part if kind[0] == "part" else kind[0], kind[1]))
    return drawn


def workspace(folder: Path) -> Workspace:
    """Return a workspace with all stages that there are, which last long enough to be hit."""
    made = Workspace(folder)
    mini = made.config["sets"]["mini"]
    own = mini["settings"]
    own["compute"] = {"workers": 1}
    own["flow"]["epsilon"] = 0.0
    for name in ("teacher", "co2fi", "asyn"):
        own[name] |= {"iterations": 30, "checkpoint_every": 4}
    row = {"table": 3, "name": "CO2FI + ASYN", "variant": "complete", "sources": ["asyn"]}
    own["tables"] = {"splits": ["split1"], "rows": [row]}
    made.config["sets"]["drawn"] = {
        "format": "demo",
        "videos": "results/drawn/videos",
        "lists": "results/drawn/lists",
        "groups": 3,
        "clips": 2,
        "frames": 20,
        "shards": 2,
        "accept_damaged": [],
        "settings": {},
    }
    return made


def _trial(
    workspace: Workspace,
    stage: Stage,
    victim: str,
    number: signal.Signals,
    rng: random.Random,
    undisturbed: dict[str, bytes],
) -> Trial:
    """Take a stage's outputs away, have it killed while it makes them, and run it again."""
    take_away(workspace, stage)
    share = rng.random()
    killed, delay = _start_and_kill(workspace, stage, victim, number, share)
    again = command(workspace, [stage.target])
    where = f"{number.name} to {victim} after {delay:.2f} s"
    outcome, detail = _judge(victim, number, killed, again)
    if outcome == SAME:
        # Everything else that the undisturbed run made is looked at, too.
        if other := differing(workspace, undisturbed):
            outcome, detail = SILENT, f"other bytes: {', '.join(other[:5])}"
        elif left := _processes_of(workspace.folder):
            outcome, detail = HANG, f"processes were left: {left}"
    return Trial("kills", stage.name, outcome, f"{where}: {detail}")


def take_away(workspace: Workspace, stage: Stage) -> None:
    """Delete what a stage has made, and the links from which it would take that over."""
    for pattern in stage.outputs:
        for path in workspace.folder.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree((workspace.folder / stage.target).parent / ".kept", ignore_errors=True)


def differing(workspace: Workspace, undisturbed: dict[str, bytes]) -> list[str]:
    """Return the results that are not those of the undisturbed run."""
    found = contents(workspace.folder)
    return sorted(path for path in undisturbed if found.get(path) != undisturbed[path])


def _start_and_kill(
    workspace: Workspace, stage: Stage, victim: str, number: signal.Signals, share: float
) -> tuple[subprocess.CompletedProcess, float]:
    """Start the command, and kill at a `share` of the time that the stage takes.

    Returns how the command ended, and after how many seconds of the program the signal was sent.
    """
    command = workspace.command("--", stage.target)
    log = workspace.folder / "killed.log"
    with open(log, "w") as output:
        process = subprocess.Popen(
            command,
            cwd=workspace.folder,
            env=environment(),
            start_new_session=True,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        program = _wait_for(lambda: _program(process.pid, stage), process)
        seconds = _duration(workspace, stage)
        begun = time.monotonic()
        while time.monotonic() - begun < share * seconds and process.poll() is None:
            time.sleep(0.02)
        _send(process, program, victim, number)
        delay = time.monotonic() - begun
        try:
            process.wait(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return subprocess.CompletedProcess(command, None, "no end"), delay
    return subprocess.CompletedProcess(command, process.returncode, log.read_text()), delay


def _send(
    process: subprocess.Popen, program: int | None, victim: str, number: signal.Signals
) -> None:
    """Send the signal; to nothing where the victim has ended already."""
    try:
        if victim == "Snakemake":
            process.send_signal(number)
        elif victim == "everything":
            os.killpg(process.pid, number)
        elif victim == "shell":
            os.kill(_parent(program), number)
        elif victim == "program":
            os.kill(program, number)
        else:
            part = _wait_for(lambda: _part(program, victim), process, program)
            os.kill(part, number)
    except (OSError, TypeError):
        pass


def _judge(
    victim: str,
    number: signal.Signals,
    killed: subprocess.CompletedProcess,
    again: subprocess.CompletedProcess,
) -> tuple[str, str]:
    """Return the outcome of a trial, apart from the bytes, and what to see in it."""
    for done in (killed, again):
        if done.returncode is None:
            return HANG, f"Snakemake did not end within {LONGEST} s"
        if "Traceback" in done.stdout:
            return TRACEBACK, done.stdout[done.stdout.index("Traceback") :][:2000]
    if again.returncode:
        return UNCLEAR, f"the same command failed: {again.stdout[-1500:]}"
    # Nobody is left to say anything, or all was made when the signal came.
    unable = victim in ("Snakemake", "everything") and number == signal.SIGKILL
    unable = unable or bool(re.search(r"^ *(\d+)/\1  ", killed.stdout, re.M))
    last = (killed.stdout.strip().splitlines() or [""])[-1]
    goes_on = "the same command" in last or "run the same again" in last
    if killed.returncode and not unable and not goes_on:
        return UNCLEAR, f"the last line was: {last}"
    return SAME, last if killed.returncode else "it ended before"


def command(workspace: Workspace, targets: list[str]) -> subprocess.CompletedProcess:
    """Run Snakemake to its end; the status is None where it does not end."""
    command = workspace.command("--", *targets)
    try:
        return subprocess.run(
            command,
            cwd=workspace.folder,
            env=environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=3 * LONGEST,
        )
    except subprocess.TimeoutExpired as error:
        return subprocess.CompletedProcess(command, None, str(error))


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of every result by its path, without the times that records tell."""
    found = {}
    for path in sorted((folder / "results").rglob("*")):
        name = str(path.relative_to(folder))
        if not path.is_file() or re.search(r"/(logs|benchmarks|\.[^/]*)(/|$)", name):
            continue
        content = path.read_bytes()
        if path.suffix == ".json":
            content = re.sub(rb'"(seconds|made|written)": [\d.e+-]+', b"", content)
        found[name] = content
    return found


def _duration(workspace: Workspace, stage: Stage) -> float:
    """Return the seconds that the job of the stage took in the undisturbed run."""
    table = (workspace.folder / stage.benchmark).read_text().splitlines()
    return float(table[1].split("\t")[0])


# Processes, from /proc


def _wait_for(find, process: subprocess.Popen, program: int | None = None) -> int | None:
    """Return what `find` finds, None where the process or the program has ended before."""
    deadline = time.monotonic() + LONGEST
    while time.monotonic() < deadline and process.poll() is None:
        if (found := find()) is not None:
            return found
        if program is not None and watch.start_time(program) is None:
            return None
        time.sleep(0.01)
    return None


def _children(pid: int) -> list[int]:
    """The children of a process, which may end while it is looked at, as may its threads."""
    folder, found = Path(f"/proc/{pid}/task"), []
    with suppress(OSError):
        for task in os.listdir(folder):
            with suppress(OSError):
                found += map(int, (folder / task / "children").read_text().split())
    return found


def _below(pid: int) -> Iterator[int]:
    for child in _children(pid):
        yield child
        yield from _below(child)


def _words(pid: int) -> list[str]:
    """Return the command line of a process, [] where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _program(snakemake: int, stage: Stage) -> int | None:
    """Return the process of the stage's program, below Snakemake."""
    for pid in _below(snakemake):
        words = _words(pid)
        if len(words) > 1 and "python" in words[0] and words[1].endswith(f"/{stage.script}"):
            return pid
    return None


def _part(program: int | None, victim: str) -> int | None:
    """Return a process below the program: an ffmpeg, or a worker, which is a fork of it."""
    own = _words(program)
    for pid in _below(program):
        words = _words(pid)
        # An ffmpeg without input only tells its version.
        decodes = bool(words) and "ffmpeg" in words[0] and "-i" in words
        if words and (decodes if victim == "ffmpeg" else words == own):
            return pid
    return None


def _processes_of(folder: Path) -> list[str]:
    """Return the command lines of jobs that still work in the folder, after two seconds' grace."""
    deadline = time.monotonic() + 2
    while True:
        left = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                variables = path.read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            run = next((v for v in variables if v.startswith(f"{watch.VARIABLE}={{")), None)
            if run and json.loads(run.partition("=")[2])["record"].startswith(f"{folder}/"):
                left.append(" ".join(_words(int(path.parent.name)))[:200])
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.2)
