"""`pipeline flow` as a user meets it, and what it writes as the loaders of others read it.

The loaders are written down here from what they do, not imported: mmaction2's RawframeDataset with
SampleFrames, RawFrameDecode and FormatShape, and tsn-pytorch's TSNDataSet.
"""

import glob
import inspect
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import yaml
from extraction_cases import DOWN, RIGHT, contents, video
from PIL import Image
from typer.testing import CliRunner

from pipeline import files
from pipeline.cli.app import app
from pipeline.datasets import index
from pipeline.flow import levels, tvl1
from pipeline.storage.keys import key_of
from pipeline.video.decode import decode

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, "-c", "from pipeline.cli.app import app; app()", "flow"]


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    """Two classes of clips of several sizes and rates."""
    folder = tmp_path_factory.mktemp("videos")
    video(folder / "Run" / "v_Run_g01_c01.avi", frames=9)
    video(folder / "Sit" / "v_Sit_g01_c01.avi", frames=12, height=54, width=40, fps=12.5)
    return folder


def flow(*arguments):
    return CliRunner(env={"COLUMNS": "80"}).invoke(app, ["flow", *map(str, arguments)])


def fields_of(path: Path) -> np.ndarray:
    return np.array(list(tvl1.fields(map(tvl1.grey, decode(path)), backend="cpu")))


# What mmaction2 does with a list of raw frames.


def mmaction_stack(root: Path, line: str, template: str, start: int, clip_len: int) -> np.ndarray:
    """The middle clip of a line `folder total_frames label`: (2 clip_len, H, W), x before y."""
    folder, total, _ = line.split()
    first = (int(total) - clip_len) // 2
    images = []
    for number in np.arange(first, first + clip_len) + start:
        for direction in ("x", "y"):
            content = (root / folder / template.format(direction, number)).read_bytes()
            images.append(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE))
    return np.stack(images)


def mmaction_list(root: Path, level: int = 2) -> dict[str, int]:
    """Counts of flow images by folder, as build_file_list.py finds them with its prefixes."""
    counts = {}
    # Not of pathlib, whose '*' stands for names that begin with '.', too.
    for folder in sorted(glob.glob("/".join([glob.escape(str(root)), *"*" * level]))):
        names = os.listdir(folder)
        count = [
            sum(name.startswith(prefix) for name in names) for prefix in ("flow_x_", "flow_y_")
        ]
        assert count[0] == count[1]
        counts[os.path.relpath(folder, root)] = count[0]
    return counts


@pytest.mark.parametrize("kind, largest", [("jpg", 6), ("png", 0)])
def test_mmaction2_reads_it(videos, tmp_path, kind, largest):
    done = flow(videos, "--out", tmp_path / "raw", "--layout", "mmaction", "--format", kind)
    assert done.exit_code == 0, done.output
    counts = mmaction_list(tmp_path / "raw")
    assert counts == {"Run/v_Run_g01_c01": 8, "Sit/v_Sit_g01_c01": 11}
    for label, (name, count) in enumerate(counts.items()):
        template = "flow_{}_{:05d}." + kind
        line = f"{name} {count} {label}"
        stack = mmaction_stack(tmp_path / "raw", line, template, start=1, clip_len=5)
        fields = fields_of(videos / f"{name}.avi")
        first = (count - 5) // 2
        wanted = levels.quantise(fields[first : first + 5]).transpose(0, 3, 1, 2)
        wanted = wanted.reshape(10, *wanted.shape[2:])
        assert np.abs(stack.astype(int) - wanted).max() <= largest
        # Its normalisation is mean 128: what is left is the motion, in 20 / 127.5 pixels.
        inner = (stack[:, 8:-8, 8:-8].astype(float) - 127.5) * 20 / 127.5
        assert np.allclose(np.median(inner[::2]), RIGHT, atol=0.12)
        assert np.allclose(np.median(inner[1::2]), DOWN, atol=0.12)
        last = Path(name, template.format("x", count))
        assert (tmp_path / "raw" / last).exists()
        assert not (tmp_path / "raw" / name / template.format("x", count + 1)).exists()
        assert not (tmp_path / "raw" / name / template.format("x", 0)).exists()


def tsn_images(folder: Path, frames: int, segments: int, length: int) -> list[np.ndarray]:
    """The images of a clip in testing, as TSNDataSet's `_get_test_indices` and `get` load them."""
    tick = (frames - length + 1) / float(segments)
    images = []
    for segment in range(segments):
        number = int(tick / 2.0 + tick * segment) + 1
        for _ in range(length):
            for direction in ("x", "y"):
                name = f"flow_{direction}_{number:05d}.jpg"
                images.append(np.asarray(Image.open(folder / name).convert("L")))
            number += number < frames
    return images


def test_tsn_reads_it(videos, tmp_path):
    done = flow(videos, "--out", tmp_path, "--layout", "tsn", "--bound", 15)
    assert done.exit_code == 0, done.output
    assert mmaction_list(tmp_path, level=1) == {"v_Run_g01_c01": 8, "v_Sit_g01_c01": 11}
    images = tsn_images(tmp_path / "v_Sit_g01_c01", frames=11, segments=3, length=5)
    codes = levels.quantise(fields_of(videos / "Sit" / "v_Sit_g01_c01.avi"), 15.0)
    # tick = 7 / 3, so that the segments begin at fields 1, 3 and 5, from 0.
    wanted = [codes[t + k, ..., axis] for t in (1, 3, 5) for k in range(5) for axis in (0, 1)]
    assert len(images) == 30
    assert max(np.abs(a.astype(int) - b).max() for a, b in zip(images, wanted, strict=True)) <= 6


def test_denseflow_names_and_marks(videos, tmp_path):
    done = flow(videos / "Run", "--out", tmp_path, "--step", 2)
    assert done.exit_code == 0, done.output
    names = sorted(os.listdir(tmp_path / "v_Run_g01_c01"))
    assert names == [f"flow_{a}_p2_{t:05d}.jpg" for a in "xy" for t in range(7)]
    assert (tmp_path / ".done" / "v_Run_g01_c01").is_file()
    done = flow(videos / "Run", "--out", tmp_path / "h5", "--format", "h5")
    with h5py.File(tmp_path / "h5" / "v_Run_g01_c01.h5") as file:
        wanted = fields_of(videos / "Run" / "v_Run_g01_c01.avi")
        assert len(file) == 16
        for t, field in enumerate(wanted):
            assert np.array_equal(file[f"flow_x_{t:05d}"], field[..., 0])
            assert np.array_equal(file[f"flow_y_{t:05d}"], field[..., 1])


def test_the_bytes_are_those_of_the_store(videos, tmp_path):
    """Of `flow/<shard>.h5`, which the program of the rule writes for the same videos."""
    names = ["Run/v_Run_g01_c01", "Sit/v_Sit_g01_c01"]
    rows = [
        {"clip": name, "path": f"{name}.avi", "sha256": "0" * 16, "frames": frames, "width": 64,
         "height": 48, "problem": ""}
        for name, frames in zip(names, (9, 12), strict=True)
    ]  # fmt: skip
    for row in rows:
        row["sha256"] = files.digest(videos / row["path"])
    index.write(tmp_path / "clips.csv", rows, index.EXAMINED)
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    used = {key: config[key] for key in ("decode", "flow", "store")} | {"accept_damaged": []}
    used["flow"]["backend"], used["store"]["flow"] = "cpu", "gzip"
    command = [
        sys.executable, ROOT / "workflow/scripts/flow.py", "--clips", tmp_path / "clips.csv",
        "--videos", videos, "--settings", json.dumps(used), "--out", tmp_path / "000.h5",
        "--record", tmp_path / "000.json",
    ]  # fmt: skip
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    # All else by default.
    done = flow(
        *(videos, "--out", tmp_path / "png", "--format", "png", "--layout", "mmaction"),
        *("--backend", "cpu"),
    )
    assert done.exit_code == 0, done.output
    with h5py.File(tmp_path / "000.h5") as store:
        for name in names:
            for t, planes in enumerate(store[key_of(name)], start=1):
                for axis, plane in zip("xy", planes, strict=True):
                    path = tmp_path / "png" / name / f"flow_{axis}_{t:05d}.png"
                    assert np.array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), plane)


def test_defaults_are_those_of_the_config():
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    text = " ".join(flow("--help").stdout.split())
    defaults = dict(re.findall(r"--([a-z-]+) [A-Z]+ [^\[]*\[default: ([^\];]+)", text))
    assert float(defaults["bound"]) == config["flow"]["bound"]
    assert int(defaults["short-side"]) == config["decode"]["short_side"]
    assert defaults["backend"] == config["flow"]["backend"]
    # `tvl1.solver` has the other parameters as its defaults.
    for name, parameter in inspect.signature(tvl1.solver).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY:
            assert parameter.default == config["flow"][name]


def test_odd_names_and_a_damaged_clip(videos, tmp_path):
    """The damaged clip is named, the others are done, and the end says how many are missing."""
    folder, content = tmp_path / "in", (videos / "Run" / "v_Run_g01_c01.avi").read_bytes()
    odd = ["-b $(x);'.avi", "naïve [1] %5d.avi", "c.d.avi", os.fsdecode(b"\xff.avi"), "e\nf.avi"]
    folder.mkdir()
    for name in odd:
        # Bytes behind the end of an AVI file change nothing but its digest.
        (folder / name).write_bytes(content)
    frames = content.index(b"movi")
    (folder / "cut.avi").write_bytes(content[: (frames + len(content)) // 2])
    (folder / "text.avi").write_text("no video")
    done = flow(folder, "--out", tmp_path / "out", "--layout", "mmaction")
    assert done.exit_code == 1
    errors = done.stderr.splitlines()
    assert len(errors) == 3
    assert any("cut.avi: the file is cut short" in line for line in errors[:2])
    assert any("text.avi: no frame can be decoded" in line for line in errors[:2])
    assert errors[2].startswith("error: 2 of 7 videos have no flow: ")
    assert not [line for line in errors if "split lists" in line or "accept_damaged" in line]
    assert "--damaged" in done.stderr
    for name in odd:
        assert len(os.listdir(tmp_path / "out" / name.removesuffix(".avi"))) == 16
    assert not (tmp_path / "out" / "cut").exists() and not (tmp_path / "out" / "text").exists()
    # The same again: what is there is not computed again.
    again = flow(folder, "--out", tmp_path / "out", "--layout", "mmaction", "--damaged")
    assert again.exit_code == 1 and "1 of 7 videos computed, 5 were there before" in again.stdout
    assert (tmp_path / "out" / "cut").exists() and not (tmp_path / "out" / "text").exists()


def test_one_video_that_has_no_flow_is_one_sentence(videos, tmp_path):
    done = flow("none.avi", "--out", tmp_path)
    assert done.exit_code == 1 and done.stdout == ""
    assert done.stderr == "error: none.avi: there is no such video; correct its path\n"


def test_output_of_a_name_that_is_no_text(videos, tmp_path):
    out = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\n")
    done = flow(videos / "Run", "--out", out, "--format", "h5")
    assert done.exit_code == 0 and done.stderr == ""
    (line,) = done.stdout.splitlines()
    assert re.search(r"/\\udcff\\n: 1 of 1 videos computed; 8 fields, \d+\.\d/s in 0:\d\d$", line)
    assert os.listdir(out).count("v_Run_g01_c01.h5") == 1


def test_other_settings_are_refused(videos, tmp_path):
    assert flow(videos, "--out", tmp_path).exit_code == 0
    before = contents(tmp_path)
    done = flow(videos, "--out", tmp_path, "--bound", 15)
    assert done.exit_code == 1 and done.stdout == ""
    assert done.stderr == (
        f"error: {tmp_path}: the flow in it was made with bound 20.0 and not 15.0; name another "
        "folder with --out, or give the same settings\n"
    )
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "options, said",
    [
        (["--format", "jpeg"], "--format is 'jpeg'; take one of h5, jpg, png, flo, npy; did you "),
        (["--layout", "mmaction2"], "--layout is 'mmaction2'; take one of denseflow, tsn, mmac"),
        (["--backend", "gpu"], "--backend is 'gpu'; take one of auto, opencv, cpu, cuda"),
        (["--bound", "0"], "--bound is 0; take a number of pixels above 0"),
        (["--bound", "nan"], "--bound is nan; "),
        (["--short-side", "8"], "--short-side is 8; take 16 at least, or 0"),
    ],
)
def test_options_that_cannot_be(videos, tmp_path, options, said):
    done = flow(videos, "--out", tmp_path / "out", *options)
    assert done.exit_code == 1 and done.stderr.startswith(f"error: {said}")
    assert done.stderr.count("\n") == 1 and not (tmp_path / "out").exists()


def test_commands_and_snippets_of_the_page_run(videos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    clip = videos / "Run" / "v_Run_g01_c01.avi"
    shutil.copy(clip, "clip.avi")
    shutil.copytree(videos, "UCF-101")
    Path("videos.txt").write_text("clip.avi\n")
    page = (ROOT / "docs" / "flow-for-others.md").read_text()
    blocks = re.findall(r"^```(.*?)\n(.*?)^```$", page, re.M | re.S)
    for line in (line for kind, text in blocks if not kind for line in text.splitlines()):
        if line.startswith("pipeline"):
            done = CliRunner().invoke(app, shlex.split(line)[1:])
            assert done.exit_code == 0, f"{line}: {done.output}"
    names = {}
    for code in (text for kind, text in blocks if kind == "python"):
        exec(code, names)
    assert Path("flow_list.txt").read_text() == "Run/v_Run_g01_c01 8 0\nSit/v_Sit_g01_c01 11 1\n"
    wanted = fields_of(clip)[0]
    for name in ("from_npy", "from_h5", "from_flo"):
        assert np.array_equal(names[name], wanted)
    assert np.abs(names["from_jpg"] - wanted).max() < 6 * 40 / 255
    assert len(list(Path("apart/clip").iterdir())) == 2 * 7


def test_help_fits_a_terminal():
    done = flow("--help")
    assert "pipeline flow clip.avi --out flow" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.fixture(scope="module")
def long_videos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("long")
    for number in range(4):
        video(folder / f"{number}.avi", frames=30, height=72, width=96)
    return folder


@pytest.fixture(scope="module")
def whole(long_videos, tmp_path_factory) -> dict[str, bytes]:
    """What an undisturbed run writes."""
    out = tmp_path_factory.mktemp("whole")
    assert flow(long_videos, "--out", out, "--workers", 1).exit_code == 0
    return contents(out)


def kill_program(process, out):
    process.kill()


def kill_worker(process, out):
    """The process that works on a clip has a folder in `.partial`."""
    (owner, *_) = (out / ".partial").iterdir()
    os.kill(int(owner.name.rpartition(".")[2]), signal.SIGKILL)


def interrupt(process, out):
    """As Ctrl-C does it: to all processes of the terminal."""
    os.killpg(process.pid, signal.SIGINT)


@pytest.mark.parametrize(
    "stop, workers, status, said",
    [
        (kill_program, 1, -9, ""),
        (kill_program, 2, -9, ""),
        (kill_worker, 2, 1, r"error: the process that worked on .* was killed \(SIGKILL\), .*\n"),
        (interrupt, 2, 130, "error: stopped by SIGINT; the same command goes on\n"),
    ],
)
def test_a_stopped_run_goes_on_to_the_same_bytes(
    long_videos, whole, tmp_path, stop, workers, status, said
):
    command = [*PROGRAM, str(long_videos), "--out", str(tmp_path), "--workers", str(workers)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    partial = tmp_path / ".partial"
    # In the midst of a clip.
    end = time.monotonic() + 180
    while not list(partial.glob("*/clip/flow_y_00003.jpg")):
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.01)
    stop(process, tmp_path)
    assert process.wait(60) == status
    assert re.fullmatch(said, process.stderr.read())
    finished = [name for name in contents(tmp_path) if name.startswith(".done")]
    assert len(finished) < 4
    for name in finished:
        assert len(os.listdir(tmp_path / Path(name).name)) == 2 * 29
    again = flow(long_videos, "--out", tmp_path, "--workers", workers)
    assert again.exit_code == 0, again.output
    assert contents(tmp_path) == whole
