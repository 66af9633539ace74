"""The page of results from invented parts, whose numbers are worked out by hand."""

import evidence_cases
import evidence_page
import numpy as np
import pytest
from evidence_page import write_page
from evidence_parts import (
    Difference,
    Part,
    accuracy,
    difference,
    part_path,
    read_part,
    read_parts,
    write_part,
)
from evidence_peaks import offset_gains, offsets
from evidence_rows import CLAIMS
from evidence_tables import verdict

from pipeline.errors import PipelineError

BASELINE, COMPLETE = ("baseline", "two_stream"), ("complete", "two_stream")


@pytest.fixture
def parts(tmp_path):
    evidence_cases.write_all(tmp_path / "parts")
    return read_parts(tmp_path / "parts")["tiny"]


def page(tmp_path) -> str:
    write_page(tmp_path / "parts", tmp_path / "docs/results.md")
    return (tmp_path / "docs/results.md").read_text()


@pytest.fixture
def folder(tmp_path):
    evidence_cases.write_all(tmp_path / "parts")
    (tmp_path / "docs").mkdir()
    return tmp_path


def test_clips_count_alike_and_seeds_within_them(parts):
    """Clip by clip 1, 0, 0, 1/2 of the first fold and 0, 1 of the second: 2.5 of 6."""
    found = accuracy(parts, BASELINE)
    assert found.mean == pytest.approx(2.5 / 6) and found.clips == 6
    # One seed alone was run on both folds.
    assert found.deviation is None
    # With the first fold alone: 2 of 4 and 1 of 4.
    assert accuracy(parts[:2], BASELINE).deviation == pytest.approx(0.25 / np.sqrt(2))
    assert accuracy(parts, ("tsn", "two_stream")) is None


def test_differences_of_unequal_folds(parts):
    """Gains 0, 1, 0, 1/2 and 1, -1: a quarter; of the 16 patterns of signs of 2, 1, 2, 2 ten have
    a sum of 3 or more, or of -3 or less.
    """
    found = difference(parts, COMPLETE, BASELINE)
    assert found.mean == pytest.approx(0.25) and found.clips == 6
    assert found.p_value == pytest.approx(10 / 16)
    low, high = found.interval
    assert -0.5 < low < 0 < high < 1
    assert difference(parts, COMPLETE, ("tsn", "two_stream")) is None


def test_further_variants_stand_by_themselves(folder):
    """Of the first fold's four clips the joint fusion has two right, the complete one three.

    The gains by clip are 0, -1, -1, +1.
    """
    path = part_path(folder / "parts", "tiny", "split1", 1)
    content = read_parts(folder / "parts")["tiny"][0].content
    content["predicted"]["joint"] = {"asyn": [0, 2, 1, 0]}
    write_part(path, content)
    text = page(folder)
    _, _, section = text.partition("### tiny: further variants")
    row = next(line for line in section.splitlines() if line.startswith("| joint "))
    assert row.startswith("| joint | tiny/split1/seed1 | asyn | 50.0 | 75.0 | -25.0 [")
    assert "| joint |" not in text[: text.index("### tiny: further")]


def test_offsets_by_hand(parts):
    """0, -4, -8, 0 twice, then 4 and 2."""
    found = offsets(parts, "complete")
    assert sorted(found.values) == [-8, -8, -4, -4, 0, 0, 0, 0, 2, 4]
    assert offsets(parts, "baseline") is None


def test_independent_offsets_are_brought_to_the_length_of_the_clip():
    """Motion peaks at the end of the first clip and in the middle of the second."""
    content = evidence_cases.part("split2", 1)
    content["evidence"]["complete"] |= {
        "instants": [[0, 2, 4], [0, 4, 8]],
        "peaks": {"appearance": [0, 8], "motion": [4, 4]},
    }
    found = offsets([Part(None, content)], "complete")
    # The middle of the first clip is at 2, the end of the second at 8.
    assert found.independent.tolist() == [2, 0]


def test_gains_where_streams_peak_apart(parts):
    """Gains 0, 0, 1/2, -1/2 and 0, 1; clips 2, 3 and 5 have 4 frames or more between peaks."""
    (found,) = offset_gains(parts)
    assert found.far[0] == pytest.approx(1 / 6) and found.far[2] == 3
    assert found.near[0] == pytest.approx(1 / 6) and found.near[2] == 3
    assert found.mean == pytest.approx(0)
    assert found.interval[0] < 0 < found.interval[1]


def test_page_has_the_numbers(folder):
    text = page(folder)
    assert "At hand: split1 with seeds 1, 2; split2 with seed 1. 6 test clips of 3 classes." in text
    assert "| Two-stream baseline |  |  | 41.7 |  |  |" in text
    assert "| CO2FI, complete |  |  | 66.7 |  |  |" in text
    # 1, 1, 1/2, 1/2, 1, 1.
    assert "| CO2FI+ASYN (D = 4) |  |  |  | 83.3 |  |" in text
    assert "| CO2FI, complete |  |  | +25.0 [" in text and "], p 0.625 |" in text
    # The teacher of a fold counts once: 6, 10 and 14 of 20.
    assert "| Eat | 30.0 | 50.0 | 70.0 |" in text
    assert "| CO2FI | 3.0 | " in text and " | 20.0 % | 40.0 % | 40.0 % | 50.0 % |" in text
    # 6, 3 and 6 minutes.
    assert "| co2fi | 4 | 5.0 |" in text
    assert "| tiny/split1/seed2 | 4 | tsn | 2026-11-25 on a processor, 2 cores, 0.1 h |" in text
    assert "| grouping helps | - | - | - | - | not tried: a row is missing |" in text
    pictures = {path.name for path in (folder / "docs/pictures").iterdir()}
    assert pictures == {f"tiny-{name}.png" for name in ("accuracy", "groups", "offsets", "curves")}
    assert all(f"(pictures/{name})" in text for name in pictures)


def test_times_stand_by_machine(folder):
    """The part of 3 minutes is from a machine with a GPU, those of 6 from one without."""
    path = part_path(folder / "parts", "tiny", "split1", 2)
    write_part(path, read_part(path).content | {"cores": 16, "gpus": ["a GPU"]})
    text = page(folder)
    assert "| stage | files | a processor, 2 cores | a processor, 16 cores, a GPU |" in text
    assert "| co2fi | 4 | 6.0 | 3.0 |" in text
    assert "| all |  | 6.0 | 3.0 |" in text
    assert "on a processor, 16 cores, a GPU, 0.1 h | `make evidence ONLY=tiny/split1/seed2`" in text


@pytest.mark.parametrize("how", ["settings", "missing"])
def test_parts_that_want_rows_are_in_no_table(folder, monkeypatch, how):
    """The first fold's second seed: without it, clip by clip 1, 0, 0, 1 and 0, 1."""
    others = {"tiny/split1/seed2": ["complete"]} if how == "settings" else {}
    monkeypatch.setattr(evidence_page, "other_settings", lambda part: others.get(part.name, []))
    for part in read_parts(folder / "parts")["tiny"]:
        wants = how == "missing" and part.name == "tiny/split1/seed2"
        missing = {"complete": "there is no result"} if wants else {}
        write_part(part.path, part.content | {"missing": missing})
    text = page(folder)
    assert "At hand: split1 with seed 1; split2 with seed 1." in text
    assert "| Two-stream baseline |  |  | 50.0 |  |  |" in text
    assert "| tiny/split1/seed2 |" not in text
    why = "complete by other settings" if how == "settings" else "without complete"
    assert f"Not whole: tiny/split1/seed2 ({why}). Such parts are in no table" in text


def test_where_all_parts_want_rows_they_are_shown(folder, monkeypatch):
    monkeypatch.setattr(evidence_page, "other_settings", lambda part: ["complete"])
    text = page(folder)
    assert "| Two-stream baseline |  |  | 41.7 |  |  |" in text
    why = "(without tsn; complete by other settings)"
    assert f"Not whole: tiny/split1/seed1 {why}, tiny/split1/seed2 {why}, tiny/split2" in text


def test_a_part_without_a_further_variant_is_whole(folder):
    """Such as one that is tried on one fold with one seed alone, and in no other part."""
    for part in read_parts(folder / "parts")["tiny"]:
        absent = ["joint"] if part.name == "tiny/split1/seed2" else []
        write_part(part.path, part.content | {"missing": dict.fromkeys(absent, "no result")})
    text = page(folder)
    assert "| Two-stream baseline |  |  | 41.7 |  |  |" in text and "Not whole" not in text
    assert "| tiny/split1/seed2 | 4 | joint | 2026-11-25 " in text


def test_rows_that_were_made_elsewhere_are_told(folder):
    """The part's own times are those of fewer jobs; those of the whole part were 9 minutes."""
    path = part_path(folder / "parts", "tiny", "split1", 2)
    away = {"date": "2020-02-02", "processor": "another", "cores": 4}
    kept = [
        away | {"rows": rows, "whole": whole, "seconds": {"co2fi": {"artifacts": 4, "seconds": s}}}
        for rows, whole, s in ((["baseline"], True, 540), (["direct", "tsn"], False, 60))
    ]
    write_part(path, read_part(path).content | {"kept": kept})
    text = page(folder)
    where, last = "2020-02-02 on another, 4 cores", "2026-11-25 on a processor, 2 cores, 0.1 h"
    # 540 and 60 seconds.
    assert f"| {last}; baseline: {where}, 0.1 h; direct, tsn: {where}, 0.0 h |" in text
    assert "| stage | files | a processor, 2 cores | another, 4 cores |" in text
    assert "| co2fi | 4 | 6.0 | 9.0 |" in text


def test_page_is_the_same_when_written_again(folder):
    page(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}
    page(folder)
    assert before == {path: path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}


def test_page_of_one_part(folder):
    for path in (folder / "parts").iterdir():
        if "split2" not in path.name:
            path.unlink()
    assert "At hand: split2 with seed 1. 2 test clips of 3 classes." in page(folder)


def test_page_of_a_part_with_one_row(folder):
    """Nothing to compare, no teacher, no evidence: those sections are left out."""
    content = evidence_cases.part("split2", 1)
    content |= {"teacher": {}, "evidence": {}, "seconds": {}}
    content["predicted"] = {"idt": {"idt": [1, 1]}}
    for path in (folder / "parts").iterdir():
        path.unlink()
    write_part(part_path(folder / "parts", "tiny", "split2", 1), content)
    text = page(folder)
    assert "| IDT alone |  |  |  |  | 50.0 |" in text
    assert "tiny: teacher" not in text and "tiny: less the baseline" not in text


def test_remarks_survive(folder):
    remarks = (
        "What people say.\n\n## tiny: claims\n\nToo few clips.\n\n## tiny\n\nA [link](a.md).\n"
    )
    (folder / "docs/results.remarks.md").write_text(remarks)
    for _ in range(2):
        text = page(folder)
        claims = text.partition("### tiny: claims")[2].partition("### ")[0]
        assert claims.rstrip().endswith("Too few clips.")
        assert "A [link](a.md)." in text.partition("### ")[0]
        assert "What people say" not in text
    (folder / "docs/results.remarks.md").write_text("## tiny: claim\n\nx\n")
    with pytest.raises(PipelineError, match="no section 'tiny: claim'.*tiny: claims"):
        page(folder)


def test_folder_without_parts_and_foreign_files_are_refused(folder):
    with pytest.raises(PipelineError, match="no files of parts; make them first"):
        write_page(folder / "nowhere", folder / "docs/results.md")
    (folder / "parts/other.json").write_text('{"set": "tiny"}')
    with pytest.raises(PipelineError, match="other.json: not the file of a part .it lacks split"):
        page(folder)


def test_parts_of_other_clips_are_refused(folder):
    content = evidence_cases.part("split1", 2)
    content["labels"] = [0, 1, 2, 1]
    write_part(part_path(folder / "parts", "tiny", "split1", 2), content)
    with pytest.raises(PipelineError, match="not of the same test clips"):
        page(folder)


@pytest.mark.parametrize(
    ("interval", "p_value", "helps", "does_not"),
    [
        ((0.01, 0.2), 0.04, "seen here", "the other way round here"),
        ((-0.2, -0.01), 0.04, "the other way round here", "seen here"),
        ((-0.1, 0.1), 0.5, "not seen here", "nothing against it here"),
        ((0.0, 0.1), 0.5, "not seen here", "nothing against it here"),
        # Four clips of 60 that one side alone gets right: no draw of clips turns the difference
        # round, and as many heads in a row come once in eight.
        ((0.017, 0.133), 0.125, "not seen here: too few", "nothing against it here: too few"),
        ((-0.133, -0.017), 0.125, "not seen here: too few", "nothing against it here: too few"),
    ],
)
def test_verdicts(interval, p_value, helps, does_not):
    claims = {claim.more: claim for claim in CLAIMS}
    found = Difference(sum(interval) / 2, interval, p_value, 10)
    assert verdict(claims[True], found).startswith(helps)
    assert verdict(claims[False], found).startswith(does_not)


def test_names_in_tables_keep_their_bars(folder):
    content = evidence_cases.part("split2", 1)
    content["teacher"]["appearance"]["by_class"] = {"Eat|Drink": [4, 1, 2, 3]}
    write_part(part_path(folder / "parts", "tiny", "split2", 1), content)
    assert "| Eat\\|Drink | 25.0 | 50.0 | 75.0 |" in page(folder)
