"""What a doctor found, as lines of 80 columns."""

import pytest

from pipeline.report import doctor
from pipeline.workflow.machine_check import Finding
from pipeline.workflow.needs import Need


def test_a_finding_is_wrapped_beside_its_state():
    found = doctor.lines(Finding("error", "a long sentence " * 8 + "\x1b[31m"))
    assert found[0].startswith("error  a long") and max(map(len, found)) <= 80
    assert all(line.startswith(" " * 7) for line in found[1:])
    assert "\\x1b[31m" in found[-1]


def test_a_command_stays_whole():
    command = "cd data && " + "unzip a_long_name.zip && " * 5 + "true"
    assert doctor.lines(Finding("note", "packed", command)) == ["note   packed", " " * 7 + command]


@pytest.mark.parametrize(
    "seconds, text",
    [
        (None, "?"),
        (0, "a minute"),
        (59, "a minute"),
        (60, "1.0 minutes"),
        (1200, "20 minutes"),
        (4000, "1.1 hours"),
        (36 * 3600, "36 hours"),
        (48 * 3600, "2.0 days"),
        (400 * 86400, "400 days"),
    ],
)
def test_durations_are_no_more_exact_than_they_are_known(seconds, text):
    assert doctor.about(seconds) == text


def test_the_table_has_a_row_for_all():
    needs = [Need("index", 0.0, 0.0, from_run=True), Need("frames", 0.0, 30.0)]
    found = doctor.table([*needs, Need("flow", 43.9e9, None)])
    assert [line.split() for line in found] == [
        ["stage", "to", "write", "about"],
        ["index", "done"],
        ["frames", "a", "minute"],
        ["flow", "43.9", "GB", "?"],
        ["all", "43.9", "GB", "a", "minute+"],
    ]
    assert len({len(line) for line in found[:4]}) == 1


def test_a_finished_run_is_done():
    *_, last = doctor.table([Need("index", 0.0, 0.0, from_run=True)])
    assert last.split() == ["all", "done"]
