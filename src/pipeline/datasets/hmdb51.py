"""HMDB51's official split lists: 153 files <class>_test_split<1|2|3>.txt.

Standard library only: the Snakefile imports this module.
"""

import re
from pathlib import Path

from pipeline.datasets.clips import TEST, TRAIN, ClipSet
from pipeline.datasets.split_lists import Entry, assemble, read_lines
from pipeline.errors import PipelineError

# Subset by the flag of a line; the split lists a clip of flag 0, but does not use it.
SUBSETS = {"0": "", "1": TRAIN, "2": TEST}
# File names are <source video>_<class>_<visible body parts>_<camera motion>_np<people>_<view>_
# <quality>_<number>. Clips cut from one source video are a group. In the official lists, no such
# group is in both train and test of a split.
GROUP = r"^(.*)_{class_name}_[a-z]_[a-z]+_np\d+_[a-z]+_[a-z]+_\d+$"


def read(name: str, folder: Path) -> ClipSet:
    """Read the lists in `folder` as the data set `name`.

    Lines are '<file> <flag>' with trailing blanks. There is no official order of classes: labels
    follow the alphabet.

    Raises PipelineError, with file and line for a malformed line, for missing lists, and as
    `assemble` does.
    """
    paths = sorted(folder.glob("*_test_split[0-9]*.txt"))
    if not paths:
        raise PipelineError(
            f"{folder}: there is no <class>_test_split1.txt; put HMDB51's split lists there "
            "(testTrainMulti_7030_splits), or correct 'lists' of the set in the config"
        )
    entries: list[Entry] = []
    classes_by_split: dict[str, set[str]] = {}
    for path in paths:
        class_name, split = _parse_name(path)
        classes_by_split.setdefault(split, set()).add(class_name)
        entries += _read_list(path, class_name, split)
    classes = set().union(*classes_by_split.values())
    for split, present in classes_by_split.items():
        if present != classes:
            absent = ", ".join(sorted(classes - present))
            raise PipelineError(
                f"{folder}: {split} lacks the lists of {absent}; get the lists again"
            )
    return assemble(name, sorted(classes), entries, folder)


def _parse_name(path: Path) -> tuple[str, str]:
    """Return the class and the split of a list from its file name."""
    class_name, _, split_number = path.stem.rpartition("_test_split")
    if not split_number.isdecimal():
        raise PipelineError(
            f"{path}: not named <class>_test_split<number>.txt; rename or remove it"
        )
    return class_name, f"split{int(split_number)}"


def _read_list(path: Path, class_name: str, split: str) -> list[Entry]:
    """Read the list of one class and one split."""
    pattern = re.compile(GROUP.format(class_name=re.escape(class_name)))
    entries = []
    for line_number, line in read_lines(path):
        file, _, flag = line.rpartition(" ")
        file = file.strip()
        if flag not in SUBSETS or not file or "/" in file:
            raise PipelineError(
                f"{path}:{line_number}: '{line}' is not '<file> <0, 1 or 2>'; correct the line"
            )
        match = pattern.match(file.rsplit(".", 1)[0])
        group = match.group(1) if match else file
        entries.append(Entry(split, SUBSETS[flag], f"{class_name}/{file}", group))
    return entries
