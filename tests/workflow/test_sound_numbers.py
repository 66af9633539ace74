"""A result says what it rests on: few classes, bad clips that are skipped, leaks that are accepted,
and settings of what was made elsewhere.
"""

import json
import os
import re
import shutil
import time
from pathlib import Path

import pytest
from workspace import FRAMES, RESULT, Workspace, errors

from pipeline import files
from pipeline.datasets import index, render
from pipeline.video.encode import encode

CLASSES = ("RiseCrossed", "RiseMatched", "SplitCrossed")
# In train of split1, which tests on the first scene.
CUT = "RiseCrossed/v_RiseCrossed_g02_c01"
MISSING = "RiseMatched/v_RiseMatched_g01_c02"
# Equal files in train and test, of two classes.
COPIES = ["RiseCrossed/v_RiseCrossed_g02_c02", "SplitCrossed/v_SplitCrossed_g01_c01"]
TABLES = "results/mini/tables.json"


def small(folder: Path) -> Workspace:
    """A workspace of three classes, 18 clips, in one shard."""
    workspace = Workspace(folder)
    (folder / "lists/classInd.txt").write_text(
        "".join(f"{label} {name}\n" for label, name in enumerate(CLASSES, start=1))
    )
    for path in (folder / "lists").glob("t*list*.txt"):
        clips = [line.split()[0] for line in path.read_text().splitlines()]
        path.write_text("".join(f"{clip}\n" for clip in clips if clip.split("/")[0] in CLASSES))
    for path in (folder / "videos").iterdir():
        if path.name not in CLASSES:
            shutil.rmtree(path)
    workspace.config["sets"]["mini"]["shards"] = 1
    workspace.settings["idt"] |= {"window": 0, "samples_per_clip": 500, "samples": 400}
    rows = [{"table": 1, "name": "a", "variant": "complete", "sources": ["asyn", "idt"]}]
    workspace.settings["tables"] = {"splits": ["split1"], "rows": rows}
    return workspace


def video(workspace: Workspace, clip: str) -> Path:
    return workspace.folder / f"videos/{clip}.avi"


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Workspace:
    """The tables of a set with a clip that is cut short, one that is missing, and a copy."""
    workspace = small(tmp_path_factory.mktemp("finished"))
    workspace.config["sets"]["mini"] |= {"on_bad_clip": "skip", "accept_leaks": True}
    video(workspace, CUT).write_bytes(video(workspace, CUT).read_bytes()[:3000])
    video(workspace, MISSING).unlink()
    shutil.copy(video(workspace, COPIES[0]), video(workspace, COPIES[1]))
    printed = workspace.make(TABLES)
    (workspace.folder / "printed.txt").write_text(printed)
    return workspace


@pytest.fixture
def copied(finished, tmp_path) -> Workspace:
    """A copy of the finished workspace, time stamps included, to change."""
    shutil.copytree(finished.folder, tmp_path / "copy")
    return finished.moved(tmp_path / "copy")


def test_three_classes_have_a_result(finished):
    result = json.loads(finished.read(RESULT))
    assert result["classes"] == 3 and "top5_accuracy" not in result
    assert result["provenance"]["config"]["granularities"] == [3, 3, 1]
    (groups,) = result["provenance"]["stages"]["groups"]["settings"]
    assert groups["granularities"] == [3, 3, 1]
    printed = finished.read("printed.txt").decode()
    assert re.findall("^note: .*granularities.*$", printed, re.M) == [
        "note: set 'mini' has 3 classes, so its granularities 5, 3, 1 are taken as 3, 3, 1"
    ]
    # Six clips of three classes are tested, one of them missing.
    assert result["clips"] == 5 and set(result["accuracy"]) >= {"asyn", "idt", "asyn_idt"}


def test_skipped_clips_are_left_out_counted_and_named(finished):
    data = json.loads(finished.read(RESULT))["data"]
    assert (data["train_clips"], data["test_clips"]) == (11, 5)
    assert data["skipped"]["count"] == 2
    assert "cut short" in data["skipped"]["train"][CUT] and list(data["skipped"]["train"]) == [CUT]
    assert data["skipped"]["test"] == {
        MISSING: f"{MISSING}.avi: there is no such video",
    }
    for name in ("index.csv", "split1/train.csv", "split1/test.csv"):
        clips = {row["clip"] for row in index.read(finished.folder / f"results/mini/{name}")}
        assert clips and not clips & {CUT, MISSING}
    tables = json.loads(finished.read(TABLES))
    assert tables["data"]["split1"] == data
    text = finished.read("results/mini/tables.md").decode()
    assert f"split1: bad clips left out: 2, of train 1 and of test 1: {CUT}, {MISSING}." in text
    printed = finished.read("printed.txt").decode()
    assert re.search(f"^note: 2 of 18 clips of set 'mini' are skipped.*{CUT}", printed, re.M)


def test_accepted_copies_are_stated(finished):
    leaks = json.loads(finished.read(RESULT))["data"]["leaks"]
    assert leaks["groups"]["count"] == 0
    for kind in ("copies", "copies_in_several_classes"):
        assert leaks[kind] == {"count": 1, "clips": [COPIES]}
    printed = finished.read("printed.txt").decode()
    assert f"1 file is in both train and test of split1: {' = '.join(COPIES)}; acce" in printed
    assert finished.planned(TABLES) == {}


def test_leaks_that_are_no_more_accepted_are_refused(copied):
    del copied.config["sets"]["mini"]["accept_leaks"]
    done = copied.snakemake()
    assert done.returncode and any(
        "file is in several classes" in line or "in both train and test of split1" in line
        for line in errors(done.stdout)
    )


def test_another_policy_reruns_the_tables_of_clips_alone(copied):
    """They refuse the bad clips then; once these are mended, what they are in is made again."""
    copied.config["sets"]["mini"]["on_bad_clip"] = "fail"
    done = copied.snakemake("-n")
    assert "1 of 18 clips of set 'mini' are missing" in errors(done.stdout)[0]
    content = render.render(MISSING, 1, FRAMES)
    encode(video(copied, MISSING), content, render.FPS)
    done = copied.snakemake(target="results/mini/index.csv")
    assert any(f"{CUT}.avi" in line for line in errors(done.stdout)), done.stdout[-2000:]


def test_a_shard_with_a_bad_clip_alone_is_one_sentence(copied):
    copied.config["sets"]["mini"]["on_bad_clip"] = "fail"
    encode(video(copied, MISSING), render.render(MISSING, 1, FRAMES), render.FPS)
    done = copied.snakemake("-k", target="results/mini/flow/000.h5")
    assert done.returncode and "Traceback" not in done.stdout
    (line,) = errors(done.stdout)
    assert f"{CUT}.avi" in line


def test_a_class_that_loses_its_train_clips_is_refused(copied):
    for path in (copied.folder / "videos/RiseCrossed").glob("*_g0[23]_*.avi"):
        path.write_bytes(b"")
    done = copied.snakemake(target="results/mini/split1/train.csv")
    (line,) = errors(done.stdout)
    assert "split1 has no train clip of RiseCrossed left when bad clips are skipped" in line


@pytest.mark.parametrize("age", [-1e9, 0], ids=["older", "same time"])
def test_a_replaced_video_is_seen_whatever_its_time_stamp(copied, age):
    """As tar, rsync -a, mv and cp -p leave it."""
    path = video(copied, "RiseMatched/v_RiseMatched_g02_c01")
    stat, content = path.stat(), bytearray(path.read_bytes())
    # The same size, and frames that decode.
    content[-1] ^= 1
    new = path.with_suffix(".new")
    new.write_bytes(content)
    os.utime(new, (stat.st_atime, stat.st_mtime + age))
    os.replace(new, path)
    planned = copied.planned()
    assert planned["examine"] == planned["flow"] == planned["frames"] == 1


def test_videos_that_are_moved_linked_or_copied_are_the_same(copied):
    # A bad one is examined again whatever has happened to it.
    videos = [path for path in (copied.folder / "videos").glob("*/*.avi") if CUT not in str(path)]
    os.chmod(videos[0], 0o600)
    os.link(videos[1], copied.folder / "link.avi")
    os.rename(videos[2], copied.folder / "moved.avi")
    os.rename(copied.folder / "moved.avi", videos[2])
    shutil.copy(videos[3], copied.folder / "copy.avi")
    os.replace(copied.folder / "copy.avi", videos[3])
    assert copied.planned(TABLES) == {}


def test_a_clip_that_is_replaced_while_the_run_goes_on_is_named_and_remade(copied):
    """Flow meets another video than the one that was examined in the same run."""
    target, clip = "results/mini/flow/000.h5", "SplitCrossed/v_SplitCrossed_g03_c02"
    copied.settings["flow"]["bound"] = 6
    process = copied.start(target)
    finished_clips = copied.folder / "results/mini/flow/.partial/000"
    deadline = time.monotonic() + 300
    while not list(finished_clips.glob("*.h5")):
        assert process.poll() is None and time.monotonic() < deadline, "flow has not begun"
        time.sleep(0.02)
    new = video(copied, clip).with_suffix(".new.avi")
    encode(new, render.render(clip, 2, FRAMES), render.FPS)
    os.utime(new, (1e9, 1e9))
    os.replace(new, video(copied, clip))
    assert process.wait() != 0 and not (copied.folder / target).exists()
    log = copied.read("results/mini/logs/flow/000.log").decode()
    assert f"error: videos/{clip}.avi: clip '{clip}' has changed since it was examined" in log
    copied.make(target)
    rows = index.read(copied.folder / "results/mini/index/000.csv", index.EXAMINED)
    (row,) = (row for row in rows if row["clip"] == clip)
    assert row["sha256"] == files.digest(video(copied, clip))


def handed_on(finished: Workspace, folder: Path, *names: str) -> Workspace:
    """A new workspace with results of another one, without what Snakemake knows of them."""
    workspace = finished.moved(folder)
    shutil.copytree(
        finished.folder, folder, ignore=shutil.ignore_patterns("results", ".snakemake", "printed*")
    )
    for name in names:
        shutil.copytree(finished.folder / f"results/mini/{name}", folder / f"results/mini/{name}")
    return workspace


def test_flow_of_another_config_is_refused_before_anything_is_trained(finished, tmp_path):
    workspace = handed_on(finished, tmp_path / "other", "index", "frames", "flow")
    workspace.settings["flow"]["bound"] = 20
    target = "results/mini/split1/motion/teacher.pt"
    done = workspace.snakemake(target=target)
    (line,) = errors(done.stdout)
    assert line == (
        "results/mini/flow/000.h5: made with flow.bound 5, where the config has 20; correct the "
        "config, or have it made again: the same snakemake command with --forcerun flow"
    )
    assert not (workspace.folder / target).exists()
    done = workspace.snakemake("--forcerun", "flow", target=target)
    assert done.returncode == 0, done.stdout[-3000:]


def test_networks_of_another_config_are_refused(finished, tmp_path):
    names = ("index", "frames", "flow", "idt", "split1")
    workspace = handed_on(finished, tmp_path / "other", *names)
    for name in ("acc.json", "acc.png"):
        (workspace.folder / f"results/mini/split1/{name}").unlink()
    workspace.settings["co2fi"]["lr"] = 0.02
    done = workspace.snakemake()
    (line,) = errors(done.stdout)
    assert line.startswith("results/mini/split1/appearance/co2fi.pt and 1 more: made with co2fi.lr")
    assert "0.01, where the config has 0.02" in line and not (workspace.folder / RESULT).exists()
    del workspace.settings["co2fi"]["lr"]
    workspace.settings["store"]["flow"] = "gzip"
    workspace.make()
