"""The tables of docs/results.md, as lines of Markdown, from the parts of one set."""

import numpy as np
from evidence_parts import Difference, Part, accuracy, difference
from evidence_peaks import Offsets, offset_gains, offsets
from evidence_rows import BASELINE, CLAIMS, COLUMNS, COMPLETE, PAIRS, ROWS, Claim, Row, rows_of

from pipeline.errors import listed
from pipeline.evaluation.comparison import holm
from pipeline.streams import STREAMS

NOTHING = "-"
# Of p below it a claim counts as seen, and of an interval of 95 %.
LEVEL = 0.05


def table(heads: list[str], rows: list[list[str]]) -> list[str]:
    """A table of Markdown; the first column is text, all others are numbers."""
    lines = [[cell.replace("|", "\\|") for cell in row] for row in (heads, *rows)]
    head, *body = (f"| {' | '.join(line)} |" for line in lines)
    return [head, f"|---{'|--:' * (len(heads) - 1)}|", *body]


def percent(share: float) -> str:
    return f"{100 * share:.1f}"


def signed(share: float) -> str:
    """'+3.2', without a sign where it rounds to nothing."""
    text = f"{100 * share:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def interval_text(interval: tuple[float, float]) -> str:
    return f"[{signed(interval[0])}, {signed(interval[1])}]"


def p_text(p_value: float) -> str:
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


# What is at hand


def part_rows(parts: list[Part]) -> list[str]:
    """Each part: its clips, the rows that it lacks, how its rows were made, and the command."""
    rows = [
        [
            part.name,
            str(part.clips),
            listed(list(part.content["missing"])) or "none",
            "; ".join([_made(part.content), *map(_kept, part.content.get("kept", []))]),
            f"`make evidence ONLY={part.name}`",
        ]
        for part in parts
    ]
    heads = ["part", "test clips", "missing rows", "made: date, machine, hours of jobs", "command"]
    return table(heads, rows)


def machine_of(making: dict) -> str:
    """The processor, its cores, and the GPUs where there were any."""
    return ", ".join([making["processor"], f"{making['cores']} cores", *making.get("gpus", [])])


def _made(making: dict) -> str:
    """When and where rows were made, and what their jobs took where that is known."""
    hours = f", {_hours(making['seconds']):.1f} h" if making["seconds"] else ""
    return f"{making['date']} on {machine_of(making)}{hours}"


def _kept(making: dict) -> str:
    """The same, of rows of a part that were made before the others."""
    return f"{listed(making['rows'])}: {_made(making)}"


def _hours(seconds: dict[str, dict]) -> float:
    """Of all stages of a making."""
    return sum(entry["seconds"] for entry in seconds.values()) / 3600


def time_rows(parts: list[Part]) -> list[str]:
    """Minutes of the jobs of each stage for a part, by the mean of the parts of a machine.

    Of all rows made at once, also where some of them are others by now.
    """
    by_machine: dict[str, list[dict]] = {}
    for part in parts:
        kept = part.content.get("kept", [])
        now = [] if kept else [part.content]
        for making in (*now, *(one for one in kept if one["whole"])):
            by_machine.setdefault(machine_of(making), []).append(making["seconds"])
    stages = list(dict.fromkeys(stage for of in by_machine.values() for own in of for stage in own))
    rows = []
    for stage in stages:
        # By machine the entries of its parts that have the stage.
        columns = [[own[stage] for own in of if stage in own] for of in by_machine.values()]
        files = np.mean([entry["artifacts"] for entries in columns for entry in entries])
        minutes = [_mean([entry["seconds"] / 60 for entry in entries]) for entries in columns]
        rows.append([stage, f"{files:.0f}", *minutes])
    total = [_mean([60 * _hours(own) for own in of]) for of in by_machine.values()]
    return table(["stage", "files", *by_machine], [*rows, ["all", "", *total]])


def _mean(numbers: list[float]) -> str:
    return f"{np.mean(numbers):.1f}" if numbers else NOTHING


# Accuracies


def row_name(row: Row, parts: list[Part]) -> str:
    """The name of a row, with the D of its variant."""
    for part in parts:
        own = part.content["settings"].get(row.variant)
        if own:
            return row.name.format(delta=own["period"]["delta"])
    return row.name.format(delta="?")


def present_rows(parts: list[Part]) -> list[Row]:
    """The rows of which any part has a prediction, in the order of the tables.

    Variants that are no row of the paper's are left out: they may be those of a few parts, whose
    clips are others than the rest.
    """
    return [row for row in _all_rows(parts) if row in ROWS]


def _all_rows(parts: list[Part]) -> list[Row]:
    variants = list(dict.fromkeys(key for part in parts for key in part.content["predicted"]))
    return [
        row
        for row in rows_of(variants)
        if any(accuracy(parts, (row.variant, source)) for source in row.sources.values())
    ]


def further_rows(parts: list[Part]) -> list[str]:
    """Further variants, beside the complete method on the same clips."""
    found = [
        (row, source, difference(parts, (row.variant, source), (COMPLETE, source)))
        for row in _all_rows(parts)
        if row not in ROWS
        for source in row.sources.values()
    ]
    found = [(row, source, one) for row, source, one in found if one is not None]
    corrected = holm([one.p_value for *_, one in found])
    rows = []
    for (row, source, one), p_value in zip(found, corrected, strict=True):
        own = [part for part in parts if row.variant in part.content["predicted"]]
        rows.append(
            [
                row_name(row, parts),
                listed([part.name for part in own]),
                source.replace("_idt", " with IDT").replace("_", "-"),
                percent(accuracy(own, (row.variant, source)).mean),
                percent(accuracy(own, (COMPLETE, source)).mean),
                f"{signed(one.mean)} {interval_text(one.interval)}",
                p_text(p_value),
            ]
        )
    return table(["", "parts", "of", "accuracy", "complete", "difference", "p by Holm"], rows)


def accuracy_rows(parts: list[Part]) -> list[str]:
    """Accuracies in percent, with their deviation over seeds."""
    rows = []
    for row in present_rows(parts):
        cells = []
        for column in COLUMNS:
            found = accuracy(parts, (row.variant, row.sources.get(column, "")))
            cells.append("" if found is None else percent(found.mean))
            if found is not None and found.deviation is not None:
                cells[-1] += f" ± {percent(found.deviation)}"
        rows.append([row_name(row, parts), *cells])
    return table(["", *COLUMNS.values()], rows)


def difference_rows(parts: list[Part]) -> list[str]:
    """By how much each row differs from the baseline; p is corrected for the rows of a column.

    Rows that have no prediction in common with it are left out.
    """
    rows = [row for row in present_rows(parts) if row.variant != "baseline"]
    columns = {}
    for column in COLUMNS:
        found = [
            difference(parts, (row.variant, row.sources.get(column, "")), BASELINE[column])
            for row in rows
        ]
        columns[column] = _with_p(found)
    body = [
        [row_name(row, parts), *(columns[column][number] for column in COLUMNS)]
        for number, row in enumerate(rows)
    ]
    return table(["", *COLUMNS.values()], [cells for cells in body if any(cells[1:])])


def _with_p(found: list[Difference | None]) -> list[str]:
    """'+3.2 [+0.5, +5.9], p 0.021' of each difference, p corrected by Holm; '' for None."""
    corrected = iter(holm([one.p_value for one in found if one is not None]))
    return [
        ""
        if one is None
        else f"{signed(one.mean)} {interval_text(one.interval)}, p {p_text(next(corrected))}"
        for one in found
    ]


def pair_rows(parts: list[Part]) -> list[str]:
    """The whole method less its rivals, without and with trajectories."""
    found = [(pair, difference(parts, pair[2], pair[3])) for pair in PAIRS]
    found = [(pair, one) for pair, one in found if one is not None]
    corrected = holm([one.p_value for _, one in found])
    rows = [
        [
            f"{better} less {worse}",
            signed(one.mean),
            interval_text(one.interval),
            p_text(one.p_value),
            p_text(p_value),
            str(one.clips),
        ]
        for ((better, worse, *_), one), p_value in zip(found, corrected, strict=True)
    ]
    return table(["", "difference", "95 % interval", "p", "p by Holm", "clips"], rows)


# Claims


def verdict(claim: Claim, found: Difference) -> str:
    """What the interval and p say of a claim.

    Where few clips differ, all of them in one direction, no draw of clips turns the difference
    round: the interval by bootstrap is too narrow then, and the exact p is not.
    """
    low, high = found.interval
    if not low <= 0 <= high and found.p_value < LEVEL:
        return "seen here" if (low > 0) == claim.more else "the other way round here"
    why = "the interval holds 0" if low <= 0 <= high else "too few clips differ"
    return f"{'not seen here' if claim.more else 'nothing against it here'}: {why}"


def claim_rows(parts: list[Part]) -> list[str]:
    """Each claim with its difference, interval, p and verdict."""
    found = [(claim, difference(parts, claim.better, claim.worse)) for claim in CLAIMS]
    corrected = iter(holm([one.p_value for _, one in found if one is not None]))
    rows = []
    for claim, one in found:
        if one is None:
            rows.append([claim.text, *[NOTHING] * 4, "not tried: a row is missing"])
            continue
        rows.append(
            [
                claim.text,
                signed(one.mean),
                interval_text(one.interval),
                p_text(one.p_value),
                p_text(next(corrected)),
                verdict(claim, one),
            ]
        )
    return table(["claim", "difference", "95 % interval", "p", "p by Holm", "verdict"], rows)


# The teacher


def teacher_counts(parts: list[Part], stream: str) -> dict[str, np.ndarray]:
    """By class the training positions, and how many have the truth among each number of tops.

    All seeds of a fold share a teacher, so one part of each fold counts.
    """
    counts: dict[str, np.ndarray] = {}
    seen = set()
    for part in parts:
        told = part.content["teacher"].get(stream)
        if told and part.split not in seen:
            seen.add(part.split)
            for name, row in told["by_class"].items():
                counts[name] = counts.get(name, 0) + np.array(row)
    return counts


def teacher_tops(parts: list[Part]) -> list[int]:
    """The numbers of likeliest classes that are told; none where no part has a teacher."""
    told = [one for part in parts for one in part.content["teacher"].values()]
    return told[0]["tops"] if told else []


def teacher_rows(parts: list[Part]) -> list[str]:
    """Shares of training positions whose truth is among the teacher's likeliest, by class."""
    tops = teacher_tops(parts)
    counts = {stream: teacher_counts(parts, stream) for stream in STREAMS}
    counts = {stream: of_stream for stream, of_stream in counts.items() if of_stream}
    for of_stream in counts.values():
        of_stream["all classes"] = sum(of_stream.values())
    names = list(next(iter(counts.values()), {}))
    rows = [
        [
            name,
            *(
                percent(hits / of_stream[name][0])
                for of_stream in counts.values()
                for hits in of_stream[name][1:]
            ),
        ]
        for name in names
    ]
    return table(["class", *(f"{stream}, top {top}" for stream in counts for top in tops)], rows)


# Asynchrony


def offset_rows(parts: list[Part]) -> list[str]:
    """At which offsets the evidence of both streams peaks, by variant."""
    rows = []
    for variant, name in (("baseline", "baseline"), (COMPLETE, "CO2FI")):
        found = offsets(parts, variant)
        if found is not None:
            rows.append(_offset_row(name, found))
    heads = [
        "streams",
        "mean distance",
        "if independent",
        "appearance first",
        "same instant",
        "motion first",
        "apart by D or more",
    ]
    return table(heads, rows)


def _offset_row(name: str, found: Offsets) -> list[str]:
    signs = np.sign(found.values)
    return [
        name,
        f"{np.abs(found.values).mean():.1f}",
        f"{found.independent_mean:.1f}",
        # Motion peaks later than appearance.
        *(f"{percent((signs == sign).mean())} %" for sign in (1, 0, -1)),
        f"{percent((np.abs(found.values) >= found.delta).mean())} %",
    ]


def offset_gain_rows(parts: list[Part]) -> list[str]:
    """What asynchronous fusion gains on clips whose streams peak far apart, and on the rest."""
    rows = []
    for gain in offset_gains(parts):
        cells = [
            f"{signed(mean)} {interval_text(interval)} ({clips})"
            for mean, interval, clips in (gain.far, gain.near)
        ]
        rows.append([gain.name, *cells, f"{signed(gain.mean)} {interval_text(gain.interval)}"])
    heads = ["", "apart by D or more (clips)", "the rest (clips)", "the former less the latter"]
    return table(heads, rows)
