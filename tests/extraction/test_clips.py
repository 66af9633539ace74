"""The flow of one clip: complete or absent, never overwritten."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from extraction_cases import contents, settings, video

from pipeline.errors import PipelineError
from pipeline.extraction import clips, formats
from pipeline.extraction.videos import Video
from pipeline.flow import tvl1
from pipeline.jobs import machine
from pipeline.video.decode import decode


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return video(tmp_path_factory.mktemp("videos") / "a.avi")


def extract(out: Path, path: Path, target: str = "a", **changes) -> dict:
    given = settings(format="npy", **changes)
    clips.prepare(out, given)
    return clips.extract(given, out, Video(str(path), target), lambda count: None)


def test_a_clip_and_its_record(tmp_path, path):
    steps = []
    given = settings(format="npy")
    record = clips.extract(given, tmp_path, Video(str(path), "Run/a.npy"), steps.append)
    flow = list(tvl1.fields(map(tvl1.grey, decode(path)), backend="cpu"))
    assert np.array_equal(np.load(tmp_path / "Run" / "a.npy"), flow)
    assert steps == [1] * 6 and record["was_there"] is False
    assert (record["frames"], record["fields"], record["files"]) == (7, 6, 1)
    assert (record["width"], record["height"]) == (64, 48)
    kept = json.loads((tmp_path / ".done" / "Run" / "a.npy").read_text())
    assert kept | {"was_there": False} == record
    # Nothing else is left.
    clips.clear(tmp_path)
    assert contents(tmp_path).keys() == {"Run/a.npy", ".done/Run/a.npy"}
    assert not (tmp_path / ".partial").exists() and not (tmp_path / ".pending").exists()


def test_a_finished_clip_is_left_as_it_is(tmp_path, path, monkeypatch):
    extract(tmp_path, path)
    before = (tmp_path / "a").stat()
    monkeypatch.setattr(formats, "write", None)
    assert extract(tmp_path, path)["was_there"] is True
    assert (tmp_path / "a").stat() == before


@pytest.mark.parametrize("moves", [0, 1])
def test_a_kill_around_the_renaming(tmp_path, path, monkeypatch, moves):
    """Before it the clip is computed again; after it the clip is known for finished."""
    extract(tmp_path / "whole", path)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(*((os, "rename") if moves == 0 else (clips, "_move")), killed)
        with pytest.raises(KeyboardInterrupt):
            extract(tmp_path / "out", path)
    assert (tmp_path / "out" / "a").exists() == bool(moves)
    assert not (tmp_path / "out" / ".done" / "a").exists()
    assert extract(tmp_path / "out", path)["was_there"] == bool(moves)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_what_is_there_is_never_overwritten(tmp_path, path):
    (tmp_path / "a").write_text("mine")
    with pytest.raises(PipelineError, match="a: it is there, and not made by this command"):
        extract(tmp_path, path)
    assert (tmp_path / "a").read_text() == "mine"


@pytest.mark.parametrize("kind, name", [("jpg", "a/x"), ("npy", "a")])
def test_what_comes_meanwhile_is_never_overwritten(tmp_path, path, kind, name):
    given = settings(format=kind)

    def other_run(_):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")

    with pytest.raises(PipelineError, match="it came while it was computed"):
        clips.extract(given, tmp_path, Video(str(path), "a"), other_run)
    assert (tmp_path / name).read_text() == "mine" and not (tmp_path / ".done").exists()


def test_flow_of_another_video_is_kept(tmp_path, path):
    extract(tmp_path / "out", path)
    other = video(tmp_path / "b.avi", frames=3)
    with pytest.raises(PipelineError, match="made from another video than .*b.avi is now"):
        extract(tmp_path / "out", other)
    assert len(np.load(tmp_path / "out" / "a")) == 6


def test_a_clip_of_other_settings_is_kept(tmp_path, path):
    """Also where the settings that all clips share are gone."""
    extract(tmp_path, path)
    (tmp_path / ".flow.json").unlink()
    with pytest.raises(PipelineError, match="a: the flow in it was made with step 1 and not 2;"):
        clips.extract(
            settings(format="npy", step=2), tmp_path, Video(str(path), "a"), lambda count: None
        )


def test_images_that_are_missing_are_told(tmp_path, path):
    given, clip = settings(), Video(str(path), "a")
    clips.extract(given, tmp_path, clip, lambda count: None)
    (tmp_path / "a" / "flow_x_00003.jpg").unlink()
    with pytest.raises(PipelineError, match="a: 11 files of .* bytes where 12 of"):
        clips.extract(given, tmp_path, clip, lambda count: None)


def test_flow_that_was_moved_away_is_computed_again(tmp_path, path):
    extract(tmp_path, path)
    (tmp_path / "a").unlink()
    assert extract(tmp_path, path)["was_there"] is False


@pytest.mark.parametrize(
    "change, said",
    [
        ({"bound": 15.0}, "bound 20.0 and not 15.0"),
        ({"step": 2, "short_side": 0}, "step 1 and not 2, short_side 256 and not 0"),
        ({"solver": "opencv 4"}, "solver cpu 1 and not opencv 4"),
        ({"layout": "tsn"}, "layout denseflow and not tsn"),
    ],
)
def test_other_settings_are_refused(tmp_path, change, said):
    clips.prepare(tmp_path, settings())
    for folder in (tmp_path, tmp_path / ".done"):
        (folder / "Run").mkdir(parents=True)
        (folder / "Run" / "a").touch()
    clips.prepare(tmp_path, settings())
    with pytest.raises(PipelineError) as error:
        clips.prepare(tmp_path, settings(**change))
    assert said in str(error.value) and "\n" not in str(error.value)


def test_settings_without_flow_bind_nobody(tmp_path):
    """As after a run that was stopped at once, or whose clips were all moved away."""
    clips.prepare(tmp_path, settings(bound=2.0))
    (tmp_path / ".done").mkdir()
    (tmp_path / ".done" / "a").touch()
    clips.prepare(tmp_path, settings())
    assert json.loads((tmp_path / ".flow.json").read_text())["bound"] == 20.0


def test_flow_whose_settings_are_missing(tmp_path):
    clips.prepare(tmp_path, settings())
    (tmp_path / ".done").mkdir()
    for folder in (tmp_path, tmp_path / ".done"):
        (folder / "a").touch()
    (tmp_path / ".flow.json").write_text("{")
    with pytest.raises(PipelineError, match="settings of the flow in this folder are missing"):
        clips.prepare(tmp_path, settings())


def test_an_output_that_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PipelineError, match="file: this is no folder"):
        clips.prepare(tmp_path / "file", settings())


@pytest.mark.parametrize(
    "frames, changes, said",
    [
        (1, {}, "the video has 1 frame, and flow over a step of 1 needs 2"),
        (3, {"step": 3}, "the video has 3 frames, and flow over a step of 3 needs 4"),
        (3, {"step": 3, "layout": "tsn"}, "the video has 3 frames"),
    ],
)
def test_too_few_frames(tmp_path, frames, changes, said):
    short = video(tmp_path / "short.avi", frames=frames)
    with pytest.raises(PipelineError, match=said):
        extract(tmp_path / "out", short, **changes)
    assert contents(tmp_path / "out").keys() == {".flow.json"}


def test_a_damaged_video_leaves_nothing(tmp_path):
    cut = video(tmp_path / "cut.avi", frames=12)
    content = cut.read_bytes()
    # Without the index at the end and the last frames.
    cut.write_bytes(
        content[: content.index(b"movi") + (len(content) - content.index(b"movi")) // 2]
    )
    with pytest.raises(PipelineError, match="cut short"):
        extract(tmp_path / "out", cut)
    assert contents(tmp_path / "out").keys() == {".flow.json"}
    assert 0 < extract(tmp_path / "more", cut, damaged=True)["fields"] < 11


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(formats, "write", full)
    with pytest.raises(OSError) as error:
        extract(tmp_path, path)
    said = machine.sentence(error.value)
    assert said.startswith(f"disk full: {tmp_path}/a could not be written (No space left on dev")
    assert contents(tmp_path).keys() == {".flow.json"}


def test_what_dead_processes_left_is_cleared(tmp_path):
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], text=True,
                          capture_output=True, check=True)  # fmt: skip
    node = os.uname().nodename
    for owner in (f"{node}.{dead.stdout.strip()}", f"{node}.{os.getpid()}", "elsewhere.1"):
        (tmp_path / ".partial" / owner).mkdir(parents=True)
        (tmp_path / ".partial" / owner / "clip").touch()
    clips.clear(tmp_path)
    kept = {folder.name for folder in (tmp_path / ".partial").iterdir()}
    assert kept == {f"{node}.{os.getpid()}", "elsewhere.1"}
    shutil.rmtree(tmp_path / ".partial")
