"""The table of trials, by hand."""

from faults.trials import HARMLESS, REFUSED, SILENT, Trial, table, wrong

TRIALS = [
    Trial("damage", "model, bit flipped", REFUSED),
    Trial("damage", "model, bit flipped", REFUSED),
    Trial("damage", "model, bit flipped", SILENT, "byte 7"),
    Trial("damage", "table, tail cut", HARMLESS),
]


def test_table_counts_outcomes_by_kind():
    head, model, cut = (line.split() for line in table(TRIALS).splitlines())
    assert head == ["suite", "kind", "trials", "outcomes"]
    assert " ".join(model) == "damage model, bit flipped 3 2 refused, 1 silent"
    assert " ".join(cut) == "damage table, tail cut 1 1 harmless"


def test_wrong_names_only_what_ended_wrong():
    assert wrong(TRIALS) == ["damage, model, bit flipped: silent: byte 7"]
