"""The whole workflow on a few rendered clips: its result, and what reruns when."""

import ast
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from workspace import (
    FRAMES,
    IDT_JOBS,
    RESULT,
    STREAM_JOBS,
    Workspace,
    environment,
    errors,
    jobs,
    kill,
)

from pipeline.datasets import index, render
from pipeline.models import checkpoint
from pipeline.video.encode import encode


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Workspace:
    """A workspace whose result is made."""
    workspace = Workspace(tmp_path_factory.mktemp("finished"))
    workspace.make()
    return workspace


@pytest.fixture
def copied(finished, tmp_path) -> Workspace:
    """A copy of the finished workspace, time stamps included, to change."""
    shutil.copytree(finished.folder, tmp_path / "copy")
    return finished.moved(tmp_path / "copy")


def stamped(path: Path, text: str) -> None:
    """Write a file and make it newer than all others."""
    path.write_text(text)
    os.utime(path, (time.time() + 5, time.time() + 5))


def test_result_follows_from_the_scores(finished):
    result = json.loads(finished.read(RESULT))
    assert (result["set"], result["split"], result["clips"], result["classes"]) == (
        "mini",
        "split1",
        16,
        8,
    )
    assert result["headline"] == "asyn"
    scores, labels = {}, None
    for source in ("appearance", "motion", "appearance-to-motion", "motion-to-appearance"):
        with h5py.File(finished.folder / f"results/mini/split1/{source}/scores.h5") as file:
            logits, labels = file["logits"][...].astype(np.float64), file["labels"][...]
            scores[source] = logits.mean(axis=1)
            assert logits.shape == (16, 10 if source in ("appearance", "motion") else 2, 8)
    with h5py.File(finished.folder / "results/mini/split1/idt/scores.h5") as file:
        scores["idt"] = file["scores"][...].astype(np.float64)
        assert (file["labels"][...] == labels).all()
    # Each less its clip's mean, in units of its source's spread: standard deviations, since a mean
    # over the classes is that of all.
    unit = {
        name: (values - values.mean(axis=1, keepdims=True))
        / (values - values.mean(axis=1, keepdims=True)).std()
        for name, values in scores.items()
    }
    scores["two_stream"] = unit["appearance"] + unit["motion"]
    scores["asyn"] = unit["appearance-to-motion"] + unit["motion-to-appearance"]
    scores["asyn_idt"] = 0.5 * scores["asyn"] / scores["asyn"].std() + 0.5 * unit["idt"]
    for key in ("accuracy", "mean_class_accuracy", "top5_accuracy"):
        assert set(result[key]) == {"appearance", "motion", "two_stream", "asyn", "idt", "asyn_idt"}
    for source, share in result["accuracy"].items():
        assert share == pytest.approx(np.mean(scores[source].argmax(axis=1) == labels))
    assert np.sum(result["confusion"]["matrix"]) == 16
    assert np.trace(result["confusion"]["matrix"]) == round(16 * result["accuracy"]["asyn"])
    stages = result["provenance"]["stages"]
    assert {
        "index",
        "frames",
        "flow",
        "teacher",
        "groups",
        "co2fi",
        "asyn",
        "scores",
        "idt_sample",
        "idt_codebook",
        "idt_fisher",
        "idt_svm",
        "fuse",
    } == set(stages)
    assert all(stages[stage]["seconds"] > 0 for stage in ("flow", "co2fi", "asyn"))
    assert (finished.folder / "results/mini/split1/acc.png").stat().st_size > 10_000


def test_ten_crops_are_scored_by_the_same_models(finished, copied):
    """The centre crop is the fifth of the ten; the scores are the mean over all."""
    copied.settings["scores"] = {"crops": "ten"}
    copied.make()
    for source in ("appearance", "motion", "appearance-to-motion", "motion-to-appearance"):
        name = f"results/mini/split1/{source}/scores.h5"
        with h5py.File(finished.folder / name) as before, h5py.File(copied.folder / name) as file:
            centre, logits = before["logits"][...], file["logits"][...]
            assert logits.shape == (16, 10 * centre.shape[1], 8)
            crops = logits.reshape(16, 10, -1, 8)
            np.testing.assert_array_equal(crops[:, 4], centre)
            assert not any(
                (crops[:, number] == centre).all() for number in range(10) if number != 4
            )
            mean = logits.astype(np.float64).mean(axis=1)
            np.testing.assert_allclose(file["scores"][...], mean, atol=1e-6)


def test_a_model_of_another_split_is_refused(copied):
    """As where a folder of models was copied: it would score clips that it was trained on."""
    path = copied.folder / "results/mini/split1/motion/co2fi.pt"
    content = torch.load(path, weights_only=True)
    about = json.loads(content["about"])
    assert about["split"] == "split1"
    checkpoint.save_torch(path, content | {"about": json.dumps(about | {"split": "split2"})})
    # The scores of the model that was there would be taken over.
    for kept in copied.folder.glob("results/mini/split1/*/.kept"):
        shutil.rmtree(kept)
    done = copied.snakemake("--forcerun", "scores")
    assert done.returncode == 1
    (said,) = errors(done.stdout)
    assert "co2fi.pt: a model for split 'split2', but 'split1' is wanted" in said


def test_clips_without_trajectories_are_scored_and_counted(finished):
    where = finished.folder / "results/mini/split1"
    still = {}
    for row in index.read(where / "test.csv"):
        with h5py.File(where / f"idt/fisher/{row['shard']}.h5") as file:
            still[row["clip"]] = not file[row["clip"]][...].any()
    assert 0 < sum(still.values()) < len(still)  # some of the demo's motions are too small to count
    with h5py.File(where / "idt/scores.h5") as file, h5py.File(where / "idt/svm.h5") as svm:
        for clip, scores in zip(file["clips"].asstr(), file["scores"], strict=True):
            assert np.isfinite(scores).all() and still[clip] == (scores == svm["bias"][...]).all()
    record = json.loads(finished.read("results/mini/split1/idt/scores.json"))
    assert record["without_trajectories"] == [clip for clip in still if still[clip]]
    log = finished.read("results/mini/logs/split1/idt/scores.log").decode()
    assert f"{sum(still.values())} of them without trajectories" in log
    assert not any(clip in log for clip, without in still.items() if not without)


TABLES = "results/mini/tables.json"


def few_rows(workspace: Workspace, seeds: list[int]) -> None:
    """Three rows of variants, beside the finished result's own."""
    rows = [
        {
            "table": 1,
            "name": name,
            "variant": name,
            "sources": ["appearance", "motion", "two_stream"],
        }
        for name in ("baseline", "direct", "complete")
    ]
    rows.append(
        {
            "table": 2,
            "name": "fused",
            "variant": "baseline_syn",
            "sources": ["asyn"],
            "paper": {"mini": {"asyn": 50.0}},
        }
    )
    workspace.settings["tables"] = {"splits": ["split1"], "seeds": seeds, "rows": rows}


def test_tables_share_what_they_can(copied):
    few_rows(copied, [1])
    assert copied.planned(TABLES) == {
        "co2fi": 4,
        "asyn": 2,
        "scores_of_streams": 2,
        "scores_of_directions": 1,
        "fuse": 3,
        "tables": 1,
    }
    few_rows(
        copied, [1, 2]
    )  # another seed: networks anew, the same flow, teachers, groups and trajectories
    assert copied.planned(TABLES) == {
        "co2fi": 4 + 6,
        "asyn": 2 + 4,
        "scores": 1,
        "scores_of_streams": 2 + 2,
        "scores_of_directions": 1 + 1,
        "fuse": 3 + 4,
        "tables": 1,
    }


def test_tables_hold_the_results_of_their_runs(copied):
    few_rows(copied, [1])
    copied.make(TABLES)
    assert copied.planned(TABLES) == {}
    cells = {row["name"]: row["cells"] for row in json.loads(copied.read(TABLES))["rows"]}
    for name, path in (
        ("baseline", "split1/baseline"),
        ("direct", "split1/direct"),
        ("complete", "split1"),
    ):
        result = json.loads(copied.read(f"results/mini/{path}/acc.json"))
        assert {c["source"]: c["accuracy"] for c in cells[name]} == {
            source: result["accuracy"][source] for source in ("appearance", "motion", "two_stream")
        }
        assert all(c["clips"] == 16 for c in cells[name])
    fused = json.loads(copied.read("results/mini/split1/baseline_syn/acc.json"))
    assert set(fused["accuracy"]) == {"asyn"} and fused["headline"] == "asyn"
    assert (cells["fused"][0]["accuracy"], cells["fused"][0]["paper"]) == (
        fused["accuracy"]["asyn"],
        50.0,
    )
    assert "| fused |" in copied.read("results/mini/tables.md").decode()


def test_store_matches_the_index(finished):
    rows = index.read(finished.folder / "results/mini/index.csv")
    assert len(rows) == 48 and {row["frames"] for row in rows} == {FRAMES}
    for row in rows:
        where = finished.folder / "results/mini"
        with (
            h5py.File(where / f"frames/{row['shard']}.h5") as frames,
            h5py.File(where / f"flow/{row['shard']}.h5") as flow,
        ):
            assert frames[row["clip"]].shape == (FRAMES, 60, 80, 3)
            assert flow[row["clip"]].shape == (FRAMES - 1, 2, 60, 80)
            assert flow[row["clip"]].attrs["source"].decode() == Path(row["path"]).name


def test_no_training_sees_a_test_clip(finished):
    rows = index.read(finished.folder / "results/mini/index.csv")
    tested = {row["clip"] for row in rows if row["split1"] == "test"}
    for stream in ("appearance", "motion"):
        with h5py.File(finished.folder / f"results/mini/split1/{stream}/groups.h5") as file:
            grouped = {f"{name}/{clip}" for name, group in file.items() for clip in group}
        assert len(grouped) == 32 and not grouped & tested


def test_touching_everything_reruns_nothing(copied):
    for path in sorted(copied.folder.rglob("*"), reverse=True):
        if path.is_file() and ".snakemake" not in path.parts:
            os.utime(path)
    assert copied.planned() == {}


def test_a_changed_video_reruns_its_shard_and_what_follows(copied):
    videos = copied.folder / "videos"
    # Training clips of split 1: its test clips have a shard of their own.
    shutil.copy(videos / "SwayFew/v_SwayFew_g02_c02.avi", videos / "SwayFew/v_SwayFew_g02_c01.avi")
    assert copied.planned() == {
        "examine": 1,
        "index": 1,
        "subset": 1,
        "frames": 1,
        "flow": 1,
        # The training clips' listings of either.
        "store": 2,
        **STREAM_JOBS,
        "idt_sample": 1,
        **IDT_JOBS,
    }


def test_a_changed_test_list_trains_nothing(copied):
    path = copied.folder / "lists/testlist01.txt"
    stamped(path, path.read_text().partition("\n")[2])
    assert copied.planned() == {"index": 1, "subset": 1, "scores": 1, "idt_scores": 1, "fuse": 1}


def test_a_changed_train_list_keeps_the_flow(copied):
    path = copied.folder / "lists/trainlist01.txt"
    stamped(path, path.read_text().partition("\n")[2])
    assert copied.planned() == {"index": 1, "subset": 1, **STREAM_JOBS, **IDT_JOBS}


def test_another_order_and_line_ends_of_a_list_rerun_nothing(copied):
    path = copied.folder / "lists/trainlist01.txt"
    lines = path.read_text().splitlines()
    stamped(path, "\r\n".join(reversed(lines)) + "\r\n")
    assert copied.planned() == {}


def test_a_new_clip_changes_one_shard(copied):
    new = "SwayFew/v_SwayFew_g09_c01.avi"
    # A copy of another clip would be in both train and test.
    content = render.render(new.removesuffix(".avi"), seed=1, frames=FRAMES)
    encode(copied.folder / "videos" / new, content, render.FPS)
    for split in "123":
        path = copied.folder / f"lists/trainlist0{split}.txt"
        stamped(path, path.read_text() + f"{new} 5\n")
    copied.make("results/mini/index.csv")
    planned = copied.planned()
    assert planned["flow"] == planned["frames"] == planned["idt_sample"] == 1
    fresh = {
        row["shard"]
        for row in index.read(copied.folder / "results/mini/index.csv")
        if row["clip"] in new
    }
    # 48 clips lay in three shards, 16 in each; of equal ones the first is taken.
    assert fresh == {"000"}


STREAMS_OF_FLOW = {"teacher": 1, "groups": 1, "co2fi": 1, "asyn": 2, "scores": 1, "fuse": 1}


@pytest.mark.parametrize(
    ("section", "key", "value", "expected"),
    [
        ("flow", "bound", 4.0, {"flow": 3, "store": 2, **STREAMS_OF_FLOW}),
        (
            "decode",
            "short_side",
            48,
            {"frames": 3, "flow": 3, "store": 4, **STREAM_JOBS, "idt_sample": 2, **IDT_JOBS},
        ),
        # Solvers of the same bits: the result alone names the one that is asked for.
        ("flow", "backend", "cpu", {"fuse": 1}),
        ("teacher", "lr", 0.02, STREAM_JOBS),
        ("groups", "stride", 2, {**STREAM_JOBS, "teacher": 0}),
        ("co2fi", "lr", 0.02, {**STREAM_JOBS, "teacher": 0, "groups": 0}),
        (
            "loss",
            "gamma",
            1.0,
            {"asyn": 2, "scores": 1, "fuse": 1},
        ),  # scores of the streams, too: one job reads for all
        ("period", "delta", 1, {"asyn": 2, "scores": 1, "fuse": 1}),
        ("period", "count", 3, {"scores": 1, "fuse": 1}),
        ("scores", "crops", "ten", {"scores": 1, "fuse": 1}),
        ("fusion", "weights", {"motion": 1.5}, {"fuse": 1}),
        ("fusion", "idt", {"weight": 0.4}, {"fuse": 1}),
        ("compute", "precision", "bfloat16", STREAM_JOBS),
        ("compute", "processes", 2, {}),
        ("compute", "accumulate", 2, {}),
        ("compute", "workers", 2, {}),
        ("idt", "window", 16, {"idt_sample": 2, **IDT_JOBS, "fuse": 1}),
        ("idt", "draw", "clips", {**IDT_JOBS, "fuse": 1}),
        ("idt", "components", 5, {**IDT_JOBS, "fuse": 1}),
        ("idt", "penalty", 1.0, {"idt_svm": 1, "idt_scores": 1, "fuse": 1}),
        ("idt", "enabled", False, {"fuse": 1}),
    ],
)
def test_a_changed_setting_reruns_the_rules_that_read_it(copied, section, key, value, expected):
    copied.settings.setdefault(section, {})[key] = value
    assert copied.planned() == {rule: count for rule, count in expected.items() if count}


@pytest.mark.parametrize(
    ("variant", "section", "key", "value", "teachers"),
    [
        ("baseline", "teacher", "lr", 0.02, 0),
        ("tsn", "groups", "stride", 2, 0),
        ("direct", "teacher", "lr", 0.02, 2),
        ("direct", "groups", "stride", 2, 0),
    ],
)
def test_networks_without_groups_wait_for_none(copied, variant, section, key, value, teachers):
    """Nor for a teacher, unless they have it beside them."""
    copied.settings.setdefault(section, {})[key] = value
    planned = copied.planned(f"results/mini/split1/{variant}/acc.json")
    assert planned.get("teacher", 0) == teachers and "groups" not in planned
    assert (planned["co2fi"], planned["scores_of_streams"], planned["fuse"]) == (2, 1, 1)


# Tables of clips that are made again are planned with all behind them, which then takes over what
# it made before.
EVERYTHING = {
    "examine": 3,
    "index": 1,
    "subset": 2,
    "frames": 3,
    "flow": 3,
    "store": 4,
    **STREAM_JOBS,
    "idt_sample": 2,
    **IDT_JOBS,
}


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("src/pipeline/report/inspect.py", {}),
        ("src/pipeline/datasets/hmdb51.py", {}),
        ("src/pipeline/datasets/ucf101.py", {}),
        ("src/pipeline/datasets/demo.py", {}),
        ("src/pipeline/datasets/clips.py", EVERYTHING),
        ("src/pipeline/storage/reader.py", {"idt_fisher": 3, **STREAM_JOBS, **IDT_JOBS}),
        ("src/pipeline/flow/levels.py", {"flow": 3, "store": 2, **STREAM_JOBS}),
        ("src/pipeline/flow/cpu.py", {"flow": 3, "store": 2, **STREAMS_OF_FLOW}),
        ("src/pipeline/idt/farneback.py", {"idt_sample": 2, **IDT_JOBS, "fuse": 1}),
        ("src/pipeline/idt/fisher.py", {**IDT_JOBS, "fuse": 1}),
        ("src/pipeline/idt/svm.py", {"idt_svm": 1, "idt_scores": 1, "fuse": 1}),
        ("src/pipeline/training/losses.py", {"co2fi": 2, "asyn": 2, "scores": 1, "fuse": 1}),
        ("src/pipeline/inference/apply.py", {**STREAM_JOBS, "teacher": 0}),
        ("src/pipeline/inference/scores.py", {"scores": 1, "fuse": 1}),
        ("src/pipeline/evaluation/fusion.py", {"fuse": 1}),
        ("workflow/scripts/asyn.py", {"asyn": 2, "scores": 1, "fuse": 1}),
    ],
)
def test_changed_code_reruns_the_rules_whose_programs_import_it(copied, file, expected):
    path = copied.folder / file
    stamped(path, path.read_text() + "\nCHANGED = 1\n")
    assert copied.planned() == {rule: count for rule, count in expected.items() if count}


def test_comments_docstrings_and_layout_rerun_nothing(copied):
    """In every file of the package and every program at once."""
    for folder in ("src/pipeline", "workflow/scripts"):
        for path in (copied.folder / folder).rglob("*.py"):
            text = path.read_text()
            docstring = ast.get_docstring(ast.parse(text), clean=False)
            if docstring:
                text = text.replace(docstring, f"In other words. {docstring}", 1)
            stamped(path, f"# A comment.\n{text}\n\n# Another comment.\n")
    assert copied.planned() == {}


@pytest.mark.parametrize("spelling", ["videos/", "./videos", "absolute", "moved", "copied"])
def test_paths_are_not_content(copied, spelling):
    mini = copied.config["sets"]["mini"]
    if spelling in ("moved", "copied"):
        for name in ("videos", "lists"):
            where = copied.folder / f"elsewhere/{name}"
            shutil.copytree(copied.folder / name, where)
            shutil.rmtree(copied.folder / name)
            mini[name] = f"elsewhere/{name}" if spelling == "moved" else str(where)
    elif spelling == "absolute":
        mini["videos"], mini["lists"] = (str(copied.folder / name) for name in ("videos", "lists"))
    else:
        mini["videos"], mini["lists"] = spelling, spelling.replace("videos", "lists")
    assert copied.planned() == {}


def test_equal_values_rerun_nothing_however_they_are_written(copied):
    """Numbers, order of keys, quotes and comments of the config."""
    settings = copied.settings
    assert settings["flow"]["bound"] == 5.0
    settings["flow"]["bound"] = 5
    settings["teacher"]["iterations"] = 4.0
    copied.config["sets"]["mini"]["settings"] = dict(reversed(settings.items()))
    assert copied.planned() == {}
    text = (copied.folder / "mini.yaml").read_text()
    (copied.folder / "mini.yaml").write_text("# A comment.\n" + text.replace("none", "'none'"))
    done = subprocess.run(
        [*copied.command("-n", "--", RESULT)[:5], "--configfile", "mini.yaml", "-n", "--", RESULT],
        cwd=copied.folder,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and jobs(done.stdout) == {}


def test_a_remake_with_equal_bytes_ends_there(copied):
    """Made by itself, an artifact with the same content plans nothing behind it."""
    for path in ("results/mini/flow/000.h5", "results/mini/split1/motion/teacher.pt"):
        (copied.folder / path).unlink()
        shutil.rmtree((copied.folder / path).parent / ".kept")
        copied.make(path)
        assert copied.planned() == {}


def test_jobs_behind_a_remake_take_over_what_they_made(copied):
    """In one run Snakemake starts all jobs behind a job that runs again: none of them computes."""
    names = [f"results/mini/split1/{name}" for name in ("motion/co2fi.pt", "motion/scores.h5")]
    before = {name: copied.read(name) for name in names}
    shutil.rmtree(copied.folder / "results/mini/flow/.kept")
    done = copied.snakemake("--forcerun", "flow")
    assert done.returncode == 0, done.stdout[-3000:]
    assert {name: copied.read(name) for name in names} == before
    logs = copied.folder / "results/mini/logs"
    for log in ("split1/motion/teacher.log", "split1/motion/co2fi.log", "split1/scores.log"):
        assert "taken over" in (logs / log).read_text()
    assert "taken over" not in (logs / "flow/000.log").read_text()
    assert copied.planned() == {}


def test_weights_are_an_input_by_content(copied):
    """The small networks cannot take them, so the result is marked as made with them."""
    weights = copied.folder / "vgg16.npz"
    np.savez(weights, a=np.zeros(3))
    copied.settings["network"]["weights"] = "vgg16.npz"
    trained = {"co2fi": 2, "asyn": 2, "scores": 1, "fuse": 1}
    assert copied.planned() == trained
    assert copied.snakemake("--touch").returncode == 0
    assert copied.planned() == {}
    os.utime(weights)
    weights.rename(copied.folder / "renamed.npz")
    copied.settings["network"]["weights"] = "renamed.npz"
    assert copied.planned() == {}
    np.savez(copied.folder / "renamed.npz", a=np.ones(3))
    assert copied.planned() == trained


def test_results_of_the_version_before_are_made_again_and_named_once(copied):
    """That version kept no content files, and its programs had other ids."""
    for path in (copied.folder / "results").rglob("*.content.json"):
        path.unlink()
    for path in (copied.folder / "workflow/scripts").glob("*.py"):
        path.write_text(path.read_text() + "\nCHANGED = 1\n")
    done = copied.snakemake("-n")
    (note,) = re.findall("^note: .*$", done.stdout, re.M)
    assert "results/mini was made by an earlier version" in note and "again" in note
    planned = jobs(done.stdout)
    assert planned["frames"] == planned["flow"] == 3 and planned["co2fi"] == 2
    assert "note:" not in copied.snakemake("-n").stdout


def test_changes_of_lists_and_settings_at_once_are_both_seen(copied):
    """Snakemake overlooks changes of jobs behind an ancient() input that is to be remade: there
    must be none.
    """
    path = copied.folder / "lists/testlist01.txt"
    stamped(path, path.read_text().partition("\n")[2])
    copied.settings["teacher"]["lr"] = 0.02
    copied.settings["flow"]["bound"] = 4.0
    flow = {"flow": 3, "store": 2}
    assert copied.planned() == {"index": 1, "subset": 1, **flow, **STREAM_JOBS, "idt_scores": 1}


def test_scores_from_elsewhere_take_the_place_of_computed_ones(copied):
    rows = index.read(copied.folder / "results/mini/split1/test.csv")
    order = np.random.default_rng(0).permutation(len(rows))
    labels = np.array([rows[i]["label"] for i in order])
    np.savez(
        copied.folder / "split1.npz",
        scores=np.eye(8)[labels],
        labels=labels,
        names=[Path(rows[i]["path"]).name for i in order],
        classes=index.class_names(rows),
    )
    copied.settings["idt"]["scores"] = "{split}.npz"
    assert copied.planned() == {"idt_given": 1, "fuse": 1}
    copied.make()
    accuracy = json.loads(copied.read(RESULT))["accuracy"]
    assert accuracy["idt"] == 1 and accuracy["asyn_idt"] >= accuracy["asyn"]
    assert copied.planned() == {}
    np.savez(
        copied.folder / "split1.npz",
        scores=np.eye(8)[labels[1:]],
        labels=labels[1:],
        names=[Path(rows[i]["path"]).name for i in order[1:]],
    )
    done = copied.snakemake()
    (line,) = errors(done.stdout)
    assert done.returncode and line.startswith(
        f"split1.npz: 1 of 16 clips have no scores: {rows[order[0]]['clip']};"
    )
    (copied.folder / "split1.npz").unlink()
    (line,) = errors(copied.snakemake().stdout)
    assert "there is no file split1.npz" in line and "'mini'" in line


def test_the_slurm_profile_plans_the_same_jobs(copied):
    copied.settings["loss"] = {"gamma": 1.0}
    local = copied.planned()
    done = copied.snakemake("-n", "--workflow-profile", "workflow/profiles/slurm")
    assert done.returncode == 0, done.stdout[-3000:]
    assert jobs(done.stdout) == local and local["asyn"] == 2


def test_a_deleted_artifact_is_made_again_alike(copied):
    before = {
        path: copied.read(path)
        for path in ("results/mini/flow/000.h5", "results/mini/split1/motion/co2fi.pt")
    }
    for path in before:
        (copied.folder / path).unlink()
        # Computed anew, and not taken over from the run before.
        shutil.rmtree((copied.folder / path).parent / ".kept")
        copied.make(path)
    assert {path: copied.read(path) for path in before} == before


def test_a_deleted_shard_is_made_again_for_a_new_reader_alone(copied):
    """Flow takes much room, and is deleted once all is trained: nothing is missed until something
    reads it, and what was trained on it stays.
    """
    flow = [f"results/mini/flow/{shard}.h5" for shard in ("000", "001", "002")]
    before = {path: copied.read(path) for path in flow}
    for path in flow:
        (copied.folder / path).unlink()
    shutil.rmtree(copied.folder / "results/mini/flow/.kept")
    assert copied.planned() == {}
    # A baseline learns no groups, so that nothing stands between.
    baseline = "results/mini/split1/baseline/motion/co2fi.pt"
    assert copied.planned(baseline) == {"flow": 2, "store": 1, "co2fi": 1}
    new = baseline.replace("baseline", "no_grouping")
    # What stands between them is planned, and taken over.
    behind = {"store": 1, "teacher": 1, "groups": 1}
    assert copied.planned(new) == {"flow": 2, **behind, "co2fi": 1}
    copied.make(new)
    # Of the training clips' shards.
    made = [path for path in flow if (copied.folder / path).is_file()]
    assert len(made) == 2 and all(copied.read(path) == before[path] for path in made)
    assert "taken over" in copied.read("results/mini/logs/split1/motion/teacher.log").decode()


def test_two_processes_train_by_the_same_rules(finished, copied):
    """Other dropout masks, the same losses but for them; what the record says of it."""
    target = "results/mini/split1/motion/co2fi.pt"
    copied.settings["compute"] = {"processes": 2, "accumulate": 2}
    (copied.folder / target).unlink()
    shutil.rmtree((copied.folder / target).parent / ".kept")
    copied.make(target)
    record = json.loads(copied.read(target.replace(".pt", ".json")))
    assert (
        record["device"].startswith("2 x ") and record["accumulate"] == 2 and record["clips"] == 32
    )
    histories = [
        json.loads(workspace.read(target.replace(".pt", ".history.jsonl")).splitlines()[-1])
        for workspace in (finished, copied)
    ]
    assert histories[0]["iteration"] == histories[1]["iteration"] == 4
    assert histories[1]["loss"] == pytest.approx(histories[0]["loss"], rel=0.2)
    copied.settings["compute"] = {"processes": 3}
    (line,) = errors(copied.snakemake("-n", target=target).stdout)
    assert "teacher.batch of set 'mini' is 16, which 3 processes cannot share equally" in line


def test_killed_runs_go_on_and_end_alike(finished, tmp_path):
    """kill -9 to everything: in a shard of flow it keeps the finished clips, in a training the last
    checkpoint.
    """
    workspace = Workspace(tmp_path)
    workspace.settings["flow"] |= {"epsilon": 0.0}  # no early stop: long enough to be killed
    workspace.settings["co2fi"] |= {"iterations": 60, "checkpoint_every": 5}
    flow, checkpoints = tmp_path / "results/mini/flow", tmp_path / "results/mini/split1"
    killed_at = []
    for pattern, where, target, log in (
        ("*/*.h5", flow / ".partial", "results/mini/flow/000.h5", "flow/000.log"),
        (
            "*/.checkpoints/co2fi/*.pt",
            checkpoints,
            "results/mini/split1/motion/co2fi.pt",
            "split1/motion/co2fi.log",
        ),
    ):
        process = workspace.start(target)
        deadline = time.monotonic() + 300
        while not list(where.glob(pattern)):
            assert process.poll() is None and time.monotonic() < deadline, "nothing to kill"
            time.sleep(0.02)
        kill(process)
        assert not (tmp_path / target).exists()
        killed_at.append(len(list(where.glob(pattern))))
        workspace.make(target)
        assert b"done before" in workspace.read(f"results/mini/logs/{log}")
    straight = Workspace(tmp_path / "straight")
    straight.config = workspace.config
    for target in ("results/mini/flow/000.h5", "results/mini/split1/motion/co2fi.pt"):
        straight.make(target)
        assert workspace.read(target) == straight.read(target)
    assert not list(flow.glob(".partial/000")) and killed_at[0] >= 1
