"""What every fault suite has in common: a trial, its outcome, and the table of all of them.

A suite is a module of this folder with a function `run(seed, scale, folder)`. It does its trials
in the empty `folder`, from random numbers of `seed` alone, and yields them one after the other.
`scale` is the share of the full number of trials: 1 for `make faults`, less for the short form in
the tests.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

# Outcomes that are right: the bytes of an undisturbed run; a sentence for the user, with status 1;
# harmless, as where a flipped bit lies between the contents of a file; unseen by any program, as
# where a video without checksums decodes without an error to other pixels.
SAME, REFUSED, HARMLESS, UNSEEN = "same", "refused", "harmless", "unseen"
# Outcomes that are wrong: other bytes or numbers without a word; a message that is no sentence; no
# end; healthy input that is refused; a sentence that lacks the file, the reason or the cure.
SILENT, TRACEBACK, HANG, FALSE_ALARM, UNCLEAR = (
    "silent",
    "traceback",
    "hang",
    "false alarm",
    "unclear",
)
RIGHT = {SAME, REFUSED, HARMLESS, UNSEEN}


@dataclass(frozen=True)
class Trial:
    """One fault that was brought about, and how it ended.

    suite: the suite, such as 'kills'.
    kind: what was done to what, in a few words; a row of the table, such as 'model, bit flipped'.
    outcome: one of the outcomes above.
    detail: what one needs to see it again: the file, the offset, the message.
    """

    suite: str
    kind: str
    outcome: str
    detail: str = ""

    @property
    def right(self) -> bool:
        return self.outcome in RIGHT


def table(trials: Iterable[Trial]) -> str:
    """Return a table as text: for each suite and kind, how many trials had which outcome."""
    counts: dict[tuple[str, str], Counter] = {}
    for trial in trials:
        counts.setdefault((trial.suite, trial.kind), Counter())[trial.outcome] += 1
    lines = [f"{'suite':<10}{'kind':<42}{'trials':>6}  outcomes"]
    for (suite, kind), outcomes in counts.items():
        told = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
        lines.append(f"{suite:<10}{kind:<42}{outcomes.total():>6}  {told}")
    return "\n".join(lines)


def wrong(trials: Iterable[Trial]) -> list[str]:
    """Return a line for each trial that did not end right."""
    return [
        f"{trial.suite}, {trial.kind}: {trial.outcome}: {trial.detail}"
        for trial in trials
        if not trial.right
    ]
