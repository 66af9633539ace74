"""What a split both trains and tests on: clips of one group, and copies of one file.

Clips of one group show the same scene or person. `Clip.group` and the column 'group' name it within
its class. Where the name means the same in all classes, as a person's does, it is compared over all
of them. Standard library only: the Snakefile imports this module.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.datasets.clips import TEST, TRAIN, Clip, ClipSet
from pipeline.errors import PipelineError, listed


@dataclass(frozen=True)
class Leaks:
    """The leaks of a split.

    groups: the ids of a group's train clips and of its test clips, by the name of the group.
    copies: ids of clips in train and test whose files are equal.
    mislabelled: ids of clips of several classes whose files are equal.
    """

    groups: dict[str, tuple[list[str], list[str]]] = field(default_factory=dict)
    copies: list[list[str]] = field(default_factory=list)
    mislabelled: list[list[str]] = field(default_factory=list)

    def summary(self) -> dict:
        """Counts and names, as acc.json has them."""
        return {
            "groups": {
                "count": len(self.groups),
                "test_clips": sum(len(tested) for _, tested in self.groups.values()),
                "names": list(self.groups),
            },
            "copies": {"count": len(self.copies), "clips": self.copies},
            "copies_in_several_classes": {
                "count": len(self.mislabelled),
                "clips": self.mislabelled,
            },
        }


def group_name(clip_id: str, group: str, over_classes: bool) -> str | None:
    """Return what names the group of a clip; None for a clip that is a group of its own."""
    text = group.partition("/")[2]
    if clip_id.partition("/")[2] in (text, os.path.splitext(text)[0]):
        return None
    return text if over_classes else group


def matched(clips: Iterable[Clip]) -> int:
    """How many clips have a group that a pattern picked out of their file name."""
    return sum(group_name(clip.id, clip.group, False) is not None for clip in clips)


def group_leaks(clip_set: ClipSet, split: str, over_classes: bool) -> Leaks:
    """Return the groups that a split both trains and tests on."""
    sides = (
        ((clip.id, clip.group) for clip in clip_set.subset(split, subset))
        for subset in (TRAIN, TEST)
    )
    return Leaks(_shared_groups(*sides, over_classes))


def leaks(train: list[dict], test: list[dict], over_classes: bool) -> Leaks:
    """Return all leaks between the rows of a split's train and test tables."""
    sides = (((row["clip"], row["group"]) for row in rows) for rows in (train, test))
    trained = {row["clip"] for row in train}
    equal = _equal_files([*train, *test])
    return Leaks(
        _shared_groups(*sides, over_classes),
        [ids for ids in equal if 0 < sum(clip in trained for clip in ids) < len(ids)],
        [ids for ids in equal if len({clip.partition("/")[0] for clip in ids}) > 1],
    )


def check_groups(clip_set: ClipSet, entry: dict, over_classes: bool) -> list[str]:
    """Return sentences on groups in train and test of a split, which the set's `entry` accepts.

    Raises PipelineError where it does not accept them.
    """
    found = {split: group_leaks(clip_set, split, over_classes).groups for split in clip_set.splits}
    found = {split: groups for split, groups in found.items() if groups}
    if not found:
        return []
    split, groups = next(iter(found.items()))
    trained, tested = next(iter(groups.values()))
    others = "".join(f", {len(more):,} of {name}" for name, more in list(found.items())[1:])
    what = (
        f"{_many(len(groups), 'group')} in both train and test of {split}{others}: "
        f"{listed(list(groups))} (such as '{trained[0]}' and '{tested[0]}')"
    )
    return _accept(
        clip_set.name,
        entry,
        what,
        "clips of one group are near-duplicates; move the clips of each to one side",
        [f"{name}: {group}" for name, more in found.items() for group in more],
    )


def check_copies(name: str, rows: list[dict], splits: list[str], entry: dict) -> list[str]:
    """Return sentences on equal files in train and test or in several classes of the set `name`.

    `rows` are rows of the index, with a column for each of `splits`. Raises PipelineError where
    the set's `entry` does not accept them.
    """
    # By what is wrong, the clips of each file that it is wrong with.
    found: dict[str, list[list[str]]] = {}
    for split in splits:
        used = [row for row in rows if row.get(split)]
        sides = ([row for row in used if row[split] == side] for side in (TRAIN, TEST))
        found[f"in both train and test of {split}"] = leaks(*sides, False).copies
    found["in several classes"] = leaks(rows, [], False).mislabelled
    return [
        sentence
        for where, copies in found.items()
        if copies
        for sentence in _accept(
            name,
            entry,
            f"{_many(len(copies), 'file')} {where}: {listed([' = '.join(ids) for ids in copies])}",
            "these clips are byte by byte the same; remove all but one of each from the lists",
            [" = ".join(ids) for ids in copies],
        )
    ]


def _accept(name: str, entry: dict, what: str, why: str, leaking: list[str]) -> list[str]:
    if entry.get("accept_leaks"):
        return [f"set '{name}': {what}; accepted by its accept_leaks, and stated in acc.json"]
    raise PipelineError.of_names(
        f"set '{name}': {what}; {why}, or write accept_leaks: true below sets.{name} in the config "
        "to have it stated in acc.json",
        leaking,
    )


def _many(count: int, what: str) -> str:
    return f"1 {what} is" if count == 1 else f"{count:,} {what}s are"


def _shared_groups(
    train: Iterable[tuple[str, str]], test: Iterable[tuple[str, str]], over_classes: bool
) -> dict[str, tuple[list[str], list[str]]]:
    """Return the ids of the train and the test clips of each group that has both; a clip is its id
    and its group.
    """
    groups: dict[str, tuple[list[str], list[str]]] = {}
    for side, clips in enumerate((train, test)):
        for clip_id, group in clips:
            name = group_name(clip_id, group, over_classes)
            if name is not None:
                groups.setdefault(name, ([], []))[side].append(clip_id)
    return {name: both for name, both in sorted(groups.items()) if all(both)}


def _equal_files(rows: list[dict]) -> list[list[str]]:
    """Return the ids of clips whose files are equal, for each file that several clips have."""
    clips: dict[str, list[str]] = {}
    for row in rows:
        clips.setdefault(row["sha256"], []).append(row["clip"])
    return sorted(sorted(ids) for ids in clips.values() if len(ids) > 1)
