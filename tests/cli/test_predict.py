"""`pipeline predict` on real videos and a run of the workflow's own programs."""

import csv
import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import trained_runs
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.evaluation import fusion
from pipeline.evaluation.score_files import read_scores


@pytest.fixture(scope="module")
def acc(tmp_path_factory) -> Path:
    return trained_runs.once(tmp_path_factory)


@pytest.fixture(scope="module")
def clips(acc) -> list[Path]:
    """The test clips of the run, then its training clip."""
    videos = acc.parents[3] / "videos"
    tested = [Path(row["path"]) for row in trained_runs.tested(acc)]
    return [*tested, videos / "SwayFew" / "v_SwayFew_g02_c01.avi"]


def predict(*arguments, width: int = 80):
    runner = CliRunner(env={"COLUMNS": str(width)})
    return runner.invoke(app, ["predict", *map(str, arguments)])


def test_it_says_what_the_result_says_of_a_test_clip(acc, clips, tmp_path):
    """Bit for bit, of every source and fusion."""
    done = predict(acc, *clips[:2], "--json", tmp_path / "said.json")
    assert done.exit_code == 0, done.output
    said = json.loads((tmp_path / "said.json").read_text())
    assert said["classes"] == trained_runs.CLASSES and said["run"]["set"] == "tiny"
    result = json.loads(acc.read_text())
    files = [acc.parent / source / "scores.h5" for source in (*trained_runs.SOURCES, "idt")]
    sources = fusion.align({file.parent.name: read_scores(str(file)) for file in files})
    settings = result["provenance"]["config"]["fusion"]
    fused = fusion.fuse(sources, settings).values
    for number, video in enumerate(said["videos"]):
        assert video["scores"].keys() == {*fused, *sources}
        for name, values in fused.items():
            assert video["scores"][name] == values[number].tolist()
        best = int(np.argmax(fused["asyn"][number]))
        assert video["class"] == trained_runs.CLASSES[best]
        assert video["top"]["asyn"][0]["class"] == video["class"]
        assert video["frames"] == 18 and video["width"] == 80 and video["notes"] == []


def test_what_is_printed(acc, clips):
    done = predict(acc.parent, clips[0], "--top", 2)
    assert done.exit_code == 0 and done.stderr == ""
    head, title, first, second, own, *sources = done.stdout.splitlines()
    assert head.startswith(f"{clips[0]}: 18 frames, 0:00.7, 80 x 60, in ")
    assert title == "asynchronous fusion of tiny split1"
    shares = [float(line.split()[1].rstrip("%")) for line in (first, second)]
    assert shares[0] >= shares[1] > 0
    assert own == "each source's own first" and len(sources) == 8
    assert [line for line in sources if line.endswith("<- the result")][0].startswith(
        "  asynchronous fusion "
    )
    # The name of the video is as long as it is.
    assert max(map(len, [title, first, second, own, *sources])) <= 80


def test_probabilities_are_in_the_order_of_the_scores_and_sum_to_one(acc, clips, tmp_path):
    predict(acc, clips[0], "--json", tmp_path / "said.json")
    (video,) = json.loads((tmp_path / "said.json").read_text())["videos"]
    for name, scores in video["scores"].items():
        top = video["top"][name]
        assert sum(entry["probability"] for entry in top) == pytest.approx(1)
        order = sorted(trained_runs.CLASSES, key=lambda c: -scores[trained_runs.CLASSES.index(c)])
        assert [entry["class"] for entry in top] == order


def test_a_clip_of_the_training_is_said_to_be_one(acc, clips, tmp_path):
    """By its content: another name and place change nothing."""
    copy = tmp_path / "-holiday \u00e9.avi"
    shutil.copy(clips[2], copy)
    done = predict(acc, "--json", tmp_path / "said.json", "--", copy)
    assert done.exit_code == 0
    assert "note: the run was trained on this very video" in done.stdout
    (video,) = json.loads((tmp_path / "said.json").read_text())["videos"]
    assert len(video["notes"]) == 1
    assert "trained on this" not in predict(acc, clips[0]).stdout


def test_a_folder_gives_csv_and_goes_on_after_bad_videos(acc, clips, tmp_path):
    videos = tmp_path / "videos"
    (videos / "b").mkdir(parents=True)
    shutil.copy(clips[0], videos / "b" / "one,1.avi")
    shutil.copy(clips[1], videos / "two.AVI")
    (videos / "a.mp4").write_bytes(b"no video")
    (videos / "cut.avi").write_bytes(clips[0].read_bytes()[:-600])
    (videos / "notes.txt").write_text("no video either")
    done = predict(acc, videos, "--top", 1)
    assert done.exit_code == 1
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [Path(row["video"]).name for row in rows] == ["a.mp4", "one,1.avi", "cut.avi", "two.AVI"]
    assert [bool(row["problem"]) for row in rows] == [True, False, True, False]
    assert rows[1]["frames"] == "18" and rows[1]["class1"] in trained_runs.CLASSES
    assert rows[1]["motion"] in trained_runs.CLASSES and rows[0]["class1"] == ""
    assert "no frame can be decoded" in rows[0]["problem"]
    assert rows[2]["problem"].endswith("take what decodes with --damaged")
    assert "split lists" not in done.output
    assert "2 of 4 videos could not be classified" in done.stderr
    damaged = predict(acc, videos / "cut.avi", "--damaged")
    assert damaged.exit_code == 0 and " frames, " in damaged.stdout


def test_names_that_are_no_text(acc, clips, tmp_path):
    """As of a disk of another time: bytes that are no UTF-8."""
    folder = tmp_path / "videos"
    folder.mkdir()
    shutil.copy(clips[0], os.fsencode(folder) + b"/caf\xe9\n.avi")
    done = predict(acc, folder, "--csv", tmp_path / "a.csv", "--json", tmp_path / "a.json")
    assert done.exit_code == 0, done.output
    assert (
        (tmp_path / "a.csv").read_text().splitlines()[1].startswith(f"{folder}/caf\\udce9\\n.avi,")
    )
    (video,) = json.loads((tmp_path / "a.json").read_text())["videos"]
    assert os.fsencode(video["video"]).endswith(b"/caf\xe9\n.avi")


def test_csv_goes_to_a_file(acc, clips, tmp_path):
    done = predict(acc, *clips[:2], "--csv", tmp_path / "table.csv")
    assert done.exit_code == 0 and done.stdout.count("each source's own first") == 2
    with open(tmp_path / "table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["video"] for row in rows] == [str(clip) for clip in clips[:2]]
    shares = [float(rows[0][f"probability{rank}"]) for rank in (1, 2, 3)]
    assert shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(1, abs=1e-3)


def test_windows(acc, clips, tmp_path):
    done = predict(acc, clips[0], "--window", 0.24, "--json", tmp_path / "said.json")
    assert done.exit_code == 0, done.output
    assert "over time, in windows of 0.2 s" in done.stdout
    (video,) = json.loads((tmp_path / "said.json").read_text())["videos"]
    parts = video["parts"]
    assert parts[0]["from"] == 0 and parts[-1]["to"] == pytest.approx(18 / 25)
    for one, next_one in zip(parts, parts[1:], strict=False):
        assert one["to"] == next_one["from"] and one["class"] != next_one["class"]
    seconds = video["over_time"]["seconds"]
    # Two test periods in each of three windows.
    assert len(seconds) == 6 and seconds == sorted(seconds)


def test_pictures_of_one_video(acc, clips, tmp_path):
    done = predict(acc, clips[0], "--png", tmp_path / "a.png", "--mp4", tmp_path / "a.mp4")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert b"ftyp" in (tmp_path / "a.mp4").read_bytes()[:16]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--png", "{tmp}/a.png", "{clip}"], "--png and --mp4 show one video"),
        (["--mp4", "{clip}"], "this is a video to classify"),
        (["--json", "{tmp}"], "this is a folder"),
        (["--device", "tpu"], "--device is 'tpu'; take auto, cpu or cuda"),
        (["{tmp}/none.avi"], "there is no such video"),
        (["{tmp}/empty"], "there is no video in this folder"),
    ],
)
def test_what_cannot_be_is_said_at_once(acc, clips, tmp_path, options, reason):
    (tmp_path / "empty").mkdir()
    words = [option.format(tmp=tmp_path, clip=clips[0]) for option in options]
    done = predict(acc, clips[0], *words)
    assert done.exit_code == 1 and reason in done.stderr
    assert "Traceback" not in done.output


def test_device_that_is_not_here(acc, clips, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    done = predict(acc, clips[0], "--device", "cuda")
    assert done.exit_code == 1 and "--device is cuda: " in done.stderr


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        ("none", "there is no such run; name results/<set>/<split>"),
        (".", "there is no acc.json in this folder"),
        ("text.json", "not a result of this program"),
    ],
)
def test_runs_that_are_none(clips, tmp_path, run, reason):
    (tmp_path / "text.json").write_text("text")
    done = predict(tmp_path / run, clips[0])
    assert done.exit_code == 1 and reason in done.stderr and done.stderr.count("\n") == 1


def test_help_has_an_example():
    done = predict("--help")
    assert done.exit_code == 0 and "pipeline predict results/demo/split1 clip.avi" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
