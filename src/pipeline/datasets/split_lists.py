"""Build a ClipSet from the entries of split lists, and refuse lists that make results unsound.

What all formats of split lists share. Standard library only: the Snakefile imports this module.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from pipeline.datasets.clips import TEST, TRAIN, Clip, ClipSet
from pipeline.errors import PipelineError, listed, require

# What a file name says of its kind: .avi, .mp4, .3gp; not .5, nor a name that is all ending.
ENDING = re.compile(r"(?<=[^/])\.(?=[0-9]*[A-Za-z])[A-Za-z0-9]{1,5}$")


class Entry(NamedTuple):
    """One line of a split list.

    split: The name of the split, such as 'split1'.
    subset: 'train' or 'test', or '' for a clip that the split lists but does not use.
    file: '<class folder>/<file name>'.
    group: What names the scene of the clip within its class.
    """

    split: str
    subset: str
    file: str
    group: str


# Cached because lists of several splits, and the folder of videos, have the same names.
@lru_cache(maxsize=2**17)
def stem(file: str) -> str:
    """Return a file name, or a path, without the ending of a kind of file, such as '.avi'.

    An ending has a letter, so the name 'v_1.5' has none.
    """
    return ENDING.sub("", file)


def assemble(
    name: str,
    classes: list[str],
    entries: Iterable[Entry],
    source: Path,
    accept_leaks: bool = False,
) -> ClipSet:
    """Return the ClipSet that the entries describe; `source` is the folder of the lists.

    With `accept_leaks` a split may both train and test on a group.

    Raises PipelineError with one line per problem: a clip of an unknown class, a clip or a group
    that a split both trains and tests on, two files that differ only in their extension. Without
    such problems, it refuses the first split that lacks train or test clips, or train clips of
    some class.
    """
    collector = _Collector(classes, source, accept_leaks)
    splits = set()
    for entry in entries:
        splits.add(entry.split)
        collector.add(entry)
    # Lists of several splits repeat the same mistake.
    require(list(dict.fromkeys(collector.problems)))
    clip_set = ClipSet(name, classes, dict(sorted(collector.clips.items())), sorted(splits))
    for split in clip_set.splits:
        _check_split(clip_set, split, source)
    return clip_set


def check_counts(clip_set: ClipSet, expected: dict[str, list[int]], source: Path) -> None:
    """Compare the numbers of train and test clips of splits with the published ones.

    `expected` is [train, test] by split; `source` is the folder of the lists.

    Raises PipelineError with one line per split that differs, or when the set lacks a split.
    """
    problems = []
    for split, counts in expected.items():
        train, test = (len(clip_set.subset(split, subset)) for subset in (TRAIN, TEST))
        if [train, test] != list(counts):
            problems.append(
                f"{source}: {split} lists {train} train and {test} test clips, but the official "
                f"lists have {counts[0]} and {counts[1]}; get the lists again, or remove "
                f"sets.{clip_set.name}.counts from the config if you cut them on purpose"
            )
    require(problems)


class _Collector:
    """The clips of the entries that were added so far, and the problems with them."""

    def __init__(self, classes: list[str], source: Path, accept_leaks: bool):
        self.clips: dict[str, Clip] = {}
        self.problems: list[str] = []
        self._classes, self._source, self._accept_leaks = set(classes), source, accept_leaks
        # (split, group) -> subset -> the first file of the group in that subset
        self._first_files: dict[tuple[str, str], dict[str, str]] = {}

    def add(self, entry: Entry) -> None:
        """Add the clip of an entry, unless its class is unknown, and note what is wrong."""
        clip_id = stem(entry.file)
        class_name = clip_id.split("/", 1)[0]
        if class_name not in self._classes:
            self._note(
                f"clip '{entry.file}' is of class '{class_name}', which the class list does not "
                "have; correct the line or add the class"
            )
            return
        clip = self.clips.get(clip_id)
        if clip is None:
            clip = Clip(clip_id, entry.file, f"{class_name}/{entry.group}")
            self.clips[clip_id] = clip
        if clip.file != entry.file:
            self._note(f"'{clip.file}' and '{entry.file}' differ only in their ending; rename one")
        if entry.subset in (TRAIN, TEST):
            self._add_to_split(clip, entry)

    def _add_to_split(self, clip: Clip, entry: Entry) -> None:
        """Put a clip into a subset of a split, unless it is in the other subset already."""
        split, subset, file = entry.split, entry.subset, entry.file
        if clip.splits.setdefault(split, subset) != subset:
            self._note(f"clip '{file}' is in both train and test of {split}; remove it from one")
            return
        first_files = self._first_files.setdefault((split, clip.group), {subset: file})
        if subset not in first_files and not self._accept_leaks:
            other_file = next(iter(first_files.values()))
            self._note(
                f"group '{clip.group}' is in both train and test of {split} ('{other_file}' and "
                f"'{file}'); clips of one group are near-duplicates, move them to one side"
            )
            first_files[subset] = file

    def _note(self, problem: str) -> None:
        self.problems.append(f"{self._source}: {problem}")


def _check_split(clip_set: ClipSet, split: str, source: Path) -> None:
    """Refuse a split without train clips, without test clips, or without train clips of a class."""
    for subset in (TRAIN, TEST):
        if not clip_set.subset(split, subset):
            raise PipelineError(f"{source}: {split} has no {subset} clips; fill its list")
    trained = {clip.class_name for clip in clip_set.subset(split, TRAIN)}
    untrained = sorted(set(clip_set.classes) - trained)
    if untrained:
        raise PipelineError.of_names(
            f"{source}: {split} has no train clip of {listed(untrained)}; add some, or remove the "
            "classes from the class list",
            untrained,
        )
