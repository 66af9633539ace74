"""The flow of a shard by many processes around one solver: the files are those of one process, and
whatever ends, ends well.
"""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pretend_gpu
import pytest
from extraction_cases import video
from pretend_gpu import batches, index_rows, write
from waiting import wait_for
from workspace import ROOT, environment

from pipeline.datasets import fields, index
from pipeline.errors import MachineError, PipelineError
from pipeline.storage import writer
from pipeline.video.encode import encode

FAST = 1e6
LONG = b"v_Archery_g01_c01.avi"


def serving(tmp_path: Path, rate: float = FAST):
    return partial(pretend_gpu.serve, rate=rate, log=tmp_path / "log")


@pytest.fixture
def short(tmp_path) -> Path:
    """A video of two frames, which has one field."""
    frames = np.random.default_rng(0).integers(0, 256, (2, 32, 48, 3), dtype="uint8")
    path = tmp_path / "videos" / "short.avi"
    path.parent.mkdir()
    encode(path, frames, 25)
    return path


@pytest.fixture
def clips(shared, short) -> list[Path]:
    """Genuine clips of several sizes, and the short one."""
    names = [
        "weizmann/videos/run/daria_run.avi",
        "weizmann/videos/jump/eli_jump.avi",
        "weizmann/videos/wave1/lena_wave1.avi",
    ]
    catches = sorted((shared / "jhmdb14/videos/catch").glob("*.avi"))[:2]
    waves = sorted((shared / "hmdb51_samples").rglob("*wave*.avi"))[:1]
    return [*(shared / name for name in names), *catches, short, *waves]


@pytest.fixture
def few(shared) -> list[Path]:
    """Four short clips, and one that is decoded for as long as a slow solver takes."""
    short = sorted((shared / "weizmann/videos/run").glob("*.avi"))[:4]
    return [*short, shared / "ucf101_6class/videos/Archery/v_Archery_g01_c01.avi"]


def left_clips(out: Path) -> list[Path]:
    """The finished clips of a shard that is not."""
    return [path for path in (out.parent / ".partial" / out.stem).glob("*.h5")]


def children(pid: int) -> set[int]:
    """The processes below a process."""
    below = Path(f"/proc/{pid}/task/{pid}/children")
    own = {int(text) for text in below.read_text().split()} if below.exists() else set()
    return own.union(*map(children, own))


def command_of(pid: int) -> bytes:
    """The command line of a process; none where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody waits for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_file_is_the_same_as_that_of_one_process(tmp_path, clips):
    """To the last byte: clips of several sizes and lengths, in whatever order they are done."""
    rows = index_rows(clips)
    assert len({row["frames"] for row in rows}) > 5 and rows[-2]["frames"] == 2
    write(tmp_path / "one.h5", rows)
    progress = write(tmp_path / "many.h5", rows, serving(tmp_path))
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "many.h5").read_bytes()
    pairs = sum(row["frames"] - 1 for row in rows)
    assert progress.done == pairs == batches(tmp_path / "log")[:, 2].sum()
    one, many = (json.loads((tmp_path / f"{n}.json").read_text()) for n in ("one", "many"))
    assert one | {"seconds": 0} == many | {"seconds": 0} and one["clips"] == len(clips)


@pytest.mark.parametrize("codec", ["gzip", "jpeg"])
def test_codecs_are_those_of_one_process(tmp_path, few, codec):
    rows = index_rows(few[:2])
    write(tmp_path / "one.h5", rows, codec=codec)
    write(tmp_path / "many.h5", rows, serving(tmp_path), codec=codec)
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "many.h5").read_bytes()


def test_several_cores_without_a_gpu_write_the_same(tmp_path, few):
    """As where a job was given cores for a GPU that it does not find."""
    rows = index_rows(few[:2])
    own = pretend_gpu.settings() | {"flow": {"bound": 20.0, "warps": 1, "outer": 1, "scales": 1}}
    clips = [
        writer.Clip(row, tmp_path / f"{n}.h5", "flow", own, "c0de", fields.Codec("lz4"))
        for n, row in enumerate(rows)
    ]
    done = []
    fields.write_clips(own, "cpu", 2, done.append, clips)
    assert sum(done) == sum(row["frames"] - 1 for row in rows)
    for clip in clips:
        alone = tmp_path / "alone.h5"
        serial = writer.Clip(clip.row, alone, "flow", own, "c0de", fields.Codec("lz4"))
        serial.write(fields.codes(clip.row, own, fields.solver(own, "cpu"), done.append))
        assert alone.read_bytes() == clip.file.read_bytes()


def test_few_cores_compress_faster_and_the_pixels_are_the_same(tmp_path, few):
    own = pretend_gpu.settings()
    assert fields.codec(own, "cuda", 8) == fields.codec(own, "cpu", 1) == fields.Codec("lz4")
    fast = fields.codec(own, "cuda", 7)
    assert fast.fast and str(fast) == str(fields.Codec("lz4"))
    (row,) = index_rows(few[:1])
    found = []
    for number, codec in enumerate((fields.Codec("lz4"), fast)):
        clip = writer.Clip(row, tmp_path / f"{number}.h5", "flow", own, "c0de", codec)
        clip.write(fields.codes(row, own, pretend_gpu.pairs_of, lambda count: None))
        with h5py.File(clip.file) as file:
            found.append((file.attrs["pixels"], clip.file.stat().st_size))
    assert found[0][0] == found[1][0] and found[0][1] < found[1][1]


@pytest.fixture
def job(tmp_path, few):
    """A job in a process of its own, whose solver takes its time."""
    rows = index_rows(few)
    command = [sys.executable, pretend_gpu.__file__, "--out", str(tmp_path / "000.h5")]
    command += ["--rows", json.dumps(rows), "--rate", "100", "--log", str(tmp_path / "log")]
    process = subprocess.Popen(command, text=True, stderr=subprocess.PIPE)
    process.rows, process.out = rows, tmp_path / "000.h5"
    yield process
    process.kill()
    process.wait()


def check_resumes(job, tmp_path) -> None:
    """The next run computes what is left alone, and its file is that of one process."""
    kept = len(left_clips(job.out))
    assert not job.out.exists()
    progress = write(job.out, job.rows)
    pairs = sorted(row["frames"] - 1 for row in job.rows)
    assert progress.done == sum(pairs) and progress.start >= sum(pairs[:kept])
    write(tmp_path / "one.h5", job.rows)
    assert job.out.read_bytes() == (tmp_path / "one.h5").read_bytes()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_job_that_is_stopped_ends_all_its_processes_and_resumes(tmp_path, job, number):
    """A terminal and a queue tell all its processes, and a kill none but itself."""
    wait_for(lambda: left_clips(job.out), 120)
    started = children(job.pid)
    # Two that have clips, and the solver.
    assert len(started) >= 3
    for pid in [] if number == signal.SIGKILL else sorted(started):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    job.send_signal(number)
    _, said = job.communicate(timeout=60)
    wait_for(lambda: not any(map(alive, started)), 20)
    assert "Traceback" not in said
    assert number == signal.SIGKILL or f"stopped by {number.name}; the same command goes" in said
    check_resumes(job, tmp_path)


@pytest.mark.parametrize("who", ["decoder", "solver"])
def test_a_process_that_is_killed_ends_the_job_with_a_sentence(tmp_path, job, who):
    # The long clip is begun first, and waits for the solver before it is decoded to its end.
    def decoders():
        commands = {pid: command_of(pid) for pid in children(job.pid)}
        return [pid for pid, command in commands.items() if b"file:" in command and LONG in command]

    decoder = wait_for(decoders, 120)[0]
    wait_for(lambda: (tmp_path / "log").exists(), 120)
    direct = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
    python = [pid for pid in direct if b"spawn_main" in command_of(pid)]
    assert len(python) == 3
    started = children(job.pid)
    # The solver is started last.
    os.kill(decoder if who == "decoder" else int(python[-1]), signal.SIGKILL)
    _, said = job.communicate(timeout=60)
    (error,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert job.returncode == 1 and "Traceback" not in said
    if who == "decoder":
        assert "v_Archery_g01_c01.avi: " in error and "ffmpeg" in error
    else:
        # Whichever of the processes notices it first.
        assert "served the others was killed (SIGKILL)" in error or "has ended; the sa" in error
    wait_for(lambda: not any(map(alive, started)), 20)
    check_resumes(job, tmp_path)


@pytest.mark.parametrize("processes", [False, True])
def test_a_clip_that_cannot_be_used_ends_the_job_with_its_sentence(tmp_path, few, processes):
    """The same one, however many processes there are; what is finished stays."""
    broken = tmp_path / "videos" / "broken.avi"
    broken.parent.mkdir()
    content = few[0].read_bytes()
    broken.write_bytes(content[: len(content) // 2])
    rows = index_rows([*few[1:3], broken])
    # Long clips come first.
    rows[-1]["frames"] = 5
    with pytest.raises(PipelineError) as caught:
        write(tmp_path / "000.h5", rows, serving(tmp_path) if processes else None, cores=1)
    assert not isinstance(caught.value, MachineError)
    assert str(caught.value).startswith(f"{broken}: ") and len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "000.h5").exists() and left_clips(tmp_path / "000.h5")


def test_a_clip_that_has_changed_is_refused(tmp_path, few):
    rows = index_rows(few[:2])
    rows[1]["sha256"] = "0" * 16
    with pytest.raises(PipelineError, match=f"{few[1].name}: clip '.*' has changed since it was"):
        write(tmp_path / "000.h5", rows, serving(tmp_path))


def refuse(pipes: list, settings: dict) -> None:
    raise PipelineError("the driver is too old for torch; install a newer one")


def fill(pipes: list, settings: dict) -> None:
    raise MemoryError


@pytest.mark.parametrize(
    "serve, kind, words",
    [(refuse, PipelineError, "the driver is too old"), (fill, MachineError, "memory ran out")],
)
def test_a_solver_that_cannot_work_says_why(tmp_path, few, serve, kind, words):
    with pytest.raises(kind, match=words):
        write(tmp_path / "000.h5", index_rows(few[:2]), serve)


def test_a_shard_without_clips_needs_no_gpu(tmp_path):
    write(tmp_path / "000.h5", [], refuse)
    with h5py.File(tmp_path / "000.h5") as file:
        assert len(file) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="Triton is for Linux")
def test_the_job_of_the_real_solver_has_the_flow_of_a_cpu(tmp_path):
    """The job's own program, with the GPU's kernels in Triton's interpreter; clips of two sizes."""
    videos = {"Run/a.avi": (3, 18, 20), "Run/b.avi": (2, 16, 22)}
    rows = []
    for file, (count, height, width) in videos.items():
        path = video(tmp_path / "videos" / file, count, height, width)
        (row,) = index_rows([path])
        rows.append(row | {"path": file, "width": width, "height": height, "problem": ""})
    index.write(tmp_path / "000.csv", rows, index.EXAMINED)
    contents = {}
    for backend in ("cpu", "cuda"):
        own = pretend_gpu.settings("gzip")
        own["flow"] |= {"backend": backend, "scales": 1, "warps": 1, "outer": 2, "inner": 2}
        program = [sys.executable, ROOT / "workflow" / "scripts" / "flow.py", "--cores", "1"]
        program += ["--clips", tmp_path / "000.csv", "--videos", tmp_path / "videos"]
        program += ["--out", tmp_path / f"{backend}.h5", "--record", tmp_path / f"{backend}.json"]
        done = subprocess.run(
            [*program, "--settings", json.dumps(own)],
            env=environment() | {"TRITON_INTERPRET": "1"},
            text=True,
            stderr=subprocess.PIPE,
        )
        assert done.returncode == 0, done.stderr
        with h5py.File(tmp_path / f"{backend}.h5") as file:
            assert file.attrs["solver"].decode() == f"{backend} 1"
            contents[backend] = {row["clip"]: file[row["clip"]][:] for row in rows}
    for clip, codes in contents["cpu"].items():
        assert (codes == contents["cuda"][clip]).all() and codes.std() > 0
    one, other = (json.loads((tmp_path / f"{b}.content.json").read_text()) for b in contents)
    assert one == other
