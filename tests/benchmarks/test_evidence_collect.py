"""What is collected of one fold and seed, from small files whose numbers are known."""

import json
import shutil

import config_cases
import evidence_collect
import numpy as np
import pytest
from evidence_settings import expected_settings

from pipeline.config.runs import Run, for_run
from pipeline.config.settings import for_classes
from pipeline.datasets import index
from pipeline.errors import PipelineError
from pipeline.evaluation.score_files import write_scores
from pipeline.storage import writer
from pipeline.storage.keys import key_of

CLASSES = ["Eat", "Fall", "Run"]
LABELS = [0, 1, 2, 1]
CLIPS = ["Eat/a", "Fall/b", "Run/c", "Fall/d"]
# Two test periods of three instants in clips of 12 frames: with stacks of 3 the last instant is 8,
# so centres are 2 and 6 and instants 0, 2, 4 and 4, 6, 8. Logits at 4 are the same twice.
FRAMES, PERIOD = 12, {"count": 2, "instants": 3, "delta": 2}
SETTINGS = {"stack": 3, "period": PERIOD}


def rows() -> list[dict]:
    facts = {"shard": "000", "path": "x", "sha256": "0", "width": 8, "height": 8, "frames": FRAMES}
    return [
        {"clip": clip, "class": CLASSES[label], "label": label, "group": f"film{label}", **facts}
        for clip, label in zip(CLIPS, LABELS, strict=True)
    ]


def config() -> dict:
    made = config_cases.changed("stack", 3)
    made["period"] |= PERIOD
    made["variants"] = {"baseline": {"settings": {"network": {"kind": "baseline"}}}}
    made["sets"] = {"tiny": {"format": "ucf101", "videos": "v", "lists": "l"}}
    return made


def write_source(
    folder, source: str, peaks: list[int] | None, right: list[bool], sure=(5, 5, 5, 5)
) -> None:
    """Scores that are right of the clips in `right`, each by how `sure` they are.

    A stream's evidence peaks at `peaks`.
    """
    values = np.zeros((4, 3))
    for row, (label, is_right) in enumerate(zip(LABELS, right, strict=True)):
        values[row, label if is_right else (label + 1) % 3] = sure[row]
    logits = None
    if peaks is not None:
        instants = np.array([0, 2, 4, 4, 6, 8])
        logits = np.repeat(values[:, None], 6, axis=1)
        for row, (label, peak) in enumerate(zip(LABELS, peaks, strict=True)):
            logits[row, instants == peak, label] += 1
    path = folder / source / "scores.h5"
    path.parent.mkdir(parents=True)
    # Files of several programs need not have one order of clips.
    order = [3, 1, 0, 2] if source == "motion" else [0, 1, 2, 3]
    write_scores(
        str(path),
        source,
        [rows()[row] for row in order],
        CLASSES,
        values[order],
        {},
        "0",
        None if logits is None else logits[order],
    )


def write_result(folder, own: dict) -> None:
    """An acc.json with what `collect` reads of it, and the record of one job."""
    record = folder / "one.json"
    record.write_text(json.dumps({"stage": "co2fi", "digest": "0", "code": "c", "seconds": 90.0}))
    shares = {"two_stream": 0.5}
    stage = {"code": ["c1"], "artifacts": {str(record): "0"}}
    result = {"set": "tiny", "split": "split1", "headline": "two_stream", "clips": 4, "classes": 3}
    result |= {"accuracy": shares, "mean_class_accuracy": shares}
    result["provenance"] = {"config": own, "stages": {"co2fi": stage}}
    (folder / "acc.json").write_text(json.dumps(result))


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """The folder `results` of a set 'tiny': baseline, whole method, and trajectories."""
    monkeypatch.chdir(tmp_path)
    split = tmp_path / "results/tiny/split1"
    for variant, asyn in (("complete", True), ("baseline", False)):
        folder = split if variant == "complete" else split / variant
        folder.mkdir(parents=True, exist_ok=True)
        own = for_classes(for_run(config(), "tiny", Run("split1", variant)), len(CLASSES))
        write_result(folder, own)
        write_source(folder, "appearance", [8, 0, 2, 4], [True, False, True, False])
        write_source(folder, "motion", [0, 4, 2, 8], [True, False, True, False])
        if asyn:
            for direction in ("appearance-to-motion", "motion-to-appearance"):
                write_source(folder, direction, None, [True, True, False, False])
    write_source(split, "idt", None, [False, False, False, True], sure=(1, 1, 1, 9))
    index.write(split / "test.csv", rows(), index.COLUMNS)
    for stream in ("appearance", "motion"):
        with writer.create(
            split / stream / "groups.h5", "groups", {}, "0", classes=CLASSES
        ) as file:
            # Eat ranks first, second and third; Fall is second at both positions.
            for clip, label, ranked in (
                ("Eat/t", 0, [[0, 1, 2], [1, 0, 2], [1, 2, 0]]),
                ("Fall/t", 1, [[0, 1, 2], [2, 1, 0]]),
            ):
                data = file.create_dataset(key_of(clip), data=np.array(ranked, np.uint16))
                data.attrs.update({"clip": clip, "label": label})
    return tmp_path


def test_predictions_are_those_of_the_scores(tree):
    part = evidence_collect.collect(config(), "tiny", "split1", 1)
    assert part["clips"] == CLIPS and part["labels"] == LABELS and part["frames"] == [12] * 4
    predicted = part["predicted"]
    assert set(predicted) == {"idt", "complete", "baseline"} and part["missing"] == {}
    # Where a clip is wrong, the next class is predicted.
    for source in ("appearance", "motion", "two_stream"):
        assert predicted["baseline"][source] == [0, 2, 2, 2]
    assert predicted["complete"]["asyn"] == [0, 1, 0, 2]
    assert predicted["idt"]["idt"] == [1, 2, 0, 1]
    assert "asyn" not in predicted["baseline"]
    # Of one spread, trajectories that are sure of the last clip alone decide that one.
    assert predicted["complete"]["asyn_idt"] == [0, 1, 0, 1]
    assert predicted["baseline"]["two_stream_idt"] == [0, 2, 2, 1]


def test_teacher_is_counted_by_class(tree):
    teacher = evidence_collect.collect(config(), "tiny", "split1", 1)["teacher"]["motion"]
    # Positions, then those with the truth first, among three, among five.
    assert teacher["by_class"] == {"Eat": [3, 1, 3, 3], "Fall": [2, 0, 2, 2]}
    assert teacher["examples"]["Fall"] == {"clip": "Fall/t", "ranked": [[0, 1, 2], [2, 1, 0]]}


def test_evidence_peaks_where_the_logits_say(tree):
    evidence = evidence_collect.collect(config(), "tiny", "split1", 1)["evidence"]
    assert evidence["complete"]["peaks"]["appearance"] == [8, 0, 2, 4]
    assert evidence["complete"]["peaks"]["motion"] == [0, 4, 2, 8]
    assert evidence["baseline"]["instants"] == [[0, 2, 4, 6, 8]] * 4
    curves = evidence["complete"]["curves"]
    # Fall/b alone is mended by asynchronous fusion; then by offset: 8, 4 and 0 frames.
    assert list(curves) == ["Fall/b", "Eat/a", "Fall/d", "Run/c"]
    # Wrong by 5 for the next class: the truth has 0, and 1 at its peak, less the mean of 5 and 0.
    assert curves["Fall/b"]["motion"] == [-2.5, -2.5, -1.5, -2.5, -2.5]


def test_settings_code_and_times_are_told(tree):
    part = evidence_collect.collect(config(), "tiny", "split1", 1)
    assert part["settings"]["baseline"]["network"]["kind"] == "baseline"
    assert part["settings"] == expected_settings(config(), "tiny", "split1", 1, 3)
    assert part["code"] == {"co2fi": ["c1"]}
    # One record each of two runs.
    assert part["seconds"] == {"co2fi": {"artifacts": 2, "seconds": 180.0}}


def test_missing_rows_are_named_and_left_out(tree):
    (tree / "results/tiny/split1/baseline/acc.json").unlink()
    (tree / "results/tiny/split1/idt/scores.h5").unlink()
    part = evidence_collect.collect(config(), "tiny", "split1", 1)
    assert set(part["missing"]) == {"baseline", "idt"}
    assert set(part["predicted"]) == {"complete"}
    assert "asyn_idt" not in part["predicted"]["complete"]


def without_baseline(tree) -> dict:
    """What was collected before the baseline's results were removed, on another machine."""
    earlier = evidence_collect.collect(config(), "tiny", "split1", 1)
    (tree / "results/tiny/split1/baseline/acc.json").unlink()
    away = {"date": "2020-02-02", "processor": "another", "gpus": ["a GPU"], "code": {"x": ["0"]}}
    return earlier | away


def test_rows_that_the_file_has_by_the_same_settings_are_kept(tree):
    earlier = without_baseline(tree)
    earlier["predicted"]["baseline"]["motion"] = [1, 1, 1, 1]
    earlier["predicted"]["complete"]["motion"] = [1, 1, 1, 1]
    part = evidence_collect.collect(config(), "tiny", "split1", 1, earlier)
    assert part["missing"] == {} and set(part["settings"]) == {"complete", "baseline"}
    assert part["predicted"]["baseline"]["motion"] == [1, 1, 1, 1]
    # What has results is taken from these.
    assert part["predicted"]["complete"]["motion"] == [0, 2, 2, 2]
    assert list(part["evidence"]) == list(part["settings"]) == ["complete", "baseline"]
    assert part["code"] == {"co2fi": ["c1"], "x": ["0"]}
    (kept,) = part["kept"]
    assert (kept["rows"], kept["date"], kept["processor"]) == (
        ["baseline"],
        "2020-02-02",
        "another",
    )
    assert kept["seconds"] == earlier["seconds"] and kept["whole"]
    assert part["processor"] != "another"
    # Once more, it is told as before, and not as of this machine.
    again = evidence_collect.collect(config(), "tiny", "split1", 1, part)
    assert again == part


def test_trajectories_that_the_file_has_are_kept_while_their_settings_are(tree):
    """Where a row was made alone, in a folder without them."""
    earlier = evidence_collect.collect(config(), "tiny", "split1", 1)
    (tree / "results/tiny/split1/idt/scores.h5").unlink()
    part = evidence_collect.collect(config(), "tiny", "split1", 1, earlier)
    assert part["predicted"]["idt"] == earlier["predicted"]["idt"] and part["missing"] == {}
    # In the order of the config, whatever was made when.
    assert list(part["predicted"]) == ["idt", "complete", "baseline"]
    assert [one["rows"] for one in part["kept"]] == [["idt"]]
    again = evidence_collect.collect(config(), "tiny", "split1", 1, part)
    assert again == part
    earlier["settings"]["complete"]["idt"]["components"] += 1
    part = evidence_collect.collect(config(), "tiny", "split1", 1, earlier)
    assert "idt" not in part["predicted"] and set(part["missing"]) == {"idt"}


def test_a_result_by_other_settings_does_not_replace_a_row_by_the_configs(tree):
    """Such as one of a trial that was left in the folder of results."""
    earlier = evidence_collect.collect(config(), "tiny", "split1", 1)
    path = tree / "results/tiny/split1/baseline/acc.json"
    result = json.loads(path.read_text())
    result["provenance"]["config"]["stack"] = 4
    path.write_text(json.dumps(result))
    shutil.rmtree(path.parent / "motion")
    write_source(path.parent, "motion", [0, 4, 2, 8], [True] * 4)
    part = evidence_collect.collect(config(), "tiny", "split1", 1, earlier)
    assert part["predicted"] == earlier["predicted"] and part["settings"] == earlier["settings"]
    assert [one["rows"] for one in part["kept"]] == [["baseline"]]
    # Where the file has no better one, it is taken and told as what it is.
    earlier["settings"]["baseline"]["stack"] = 7
    part = evidence_collect.collect(config(), "tiny", "split1", 1, earlier)
    assert part["predicted"]["baseline"]["motion"] == LABELS
    assert part["settings"]["baseline"]["stack"] == 4 and "kept" not in part


def test_rows_of_a_part_that_was_never_whole_are_told_as_such(tree):
    earlier = without_baseline(tree) | {"missing": {"direct": "there is no result"}}
    part = evidence_collect.collect(config(), "tiny", "split1", 1, earlier)
    assert [(one["rows"], one["whole"]) for one in part["kept"]] == [(["baseline"], False)]


@pytest.mark.parametrize("changed", ["settings", "clips", "labels", "classes"])
def test_rows_of_other_settings_or_clips_are_not_kept(tree, changed):
    earlier = without_baseline(tree)
    if changed == "settings":
        earlier["settings"]["baseline"]["stack"] = 4
    else:
        earlier[changed] = earlier[changed][::-1]
    part = evidence_collect.collect(config(), "tiny", "split1", 1, earlier)
    assert set(part["missing"]) == {"baseline"} and "kept" not in part
    assert set(part["predicted"]) == {"complete", "idt"}


def test_rows_that_the_config_has_no_more_are_not_kept(tree):
    earlier, fewer = without_baseline(tree), config()
    fewer["variants"] = {}
    part = evidence_collect.collect(fewer, "tiny", "split1", 1, earlier)
    assert set(part["predicted"]) == {"complete", "idt"} and part["missing"] == {}


def test_a_part_without_results_is_refused(tree):
    with pytest.raises(PipelineError, match="no run of seed 2 has a result"):
        evidence_collect.collect(config(), "tiny", "split1", 2)
