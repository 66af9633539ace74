"""HMDB51's official split lists: 153 files <class>_test_split<1|2|3>.txt.

Standard library only: the Snakefile imports this module.
"""

import re
import unicodedata
from pathlib import Path

from pipeline.datasets.clips import TEST, TRAIN, ClipSet
from pipeline.datasets.list_files import read_lines
from pipeline.datasets.split_lists import Entry, assemble, stem
from pipeline.errors import PipelineError, listed, require

# Subset by the flag of a line; the split lists a clip of flag 0, but does not use it.
SUBSETS = {"0": "", "1": TRAIN, "2": TEST}
LINE = re.compile(r"(?P<file>[^/]+?)[ \t,;]+(?P<flag>[012])")
# File names are <source video>_<class>_<visible body parts>_<camera motion>_np<people>_<view>_
# <quality>_<number>. Clips cut from one source video are a group. In the official lists, no such
# group is in both train and test of a split.
GROUP = r"^(.*)_{class_name}_[a-z]_[a-z]+_np\d+_[a-z]+_[a-z]+_\d+$"


def read(name: str, folder: Path, accept_leaks: bool = False) -> ClipSet:
    """Read the lists in `folder` as the data set `name`.

    Lines are '<file> <flag>' with trailing blanks. There is no official order of classes: labels
    follow the alphabet.

    Raises PipelineError, with file and line for every malformed line, for missing lists, and as
    `assemble` does.
    """
    # macOS leaves files '._<name>' of its own in archives.
    paths = sorted(
        path for path in folder.glob("*_test_split[0-9]*.txt") if not path.name.startswith("._")
    )
    if not paths:
        raise PipelineError(
            f"{folder}: there is no <class>_test_split1.txt; put HMDB51's split lists there "
            "(testTrainMulti_7030_splits), or correct 'lists' of the set in the config"
        )
    entries: list[Entry] = []
    classes_by_split: dict[str, set[str]] = {}
    problems: list[str] = []
    for path in paths:
        class_name, split = _parse_name(path)
        present = classes_by_split.setdefault(split, set())
        if class_name in present:
            problems.append(f"{path}: there are two lists of {class_name} and {split}; remove one")
        present.add(class_name)
        try:
            entries += _read_list(path, class_name, split)
        except PipelineError as error:
            problems += error.problems
    require(problems)
    classes = set().union(*classes_by_split.values())
    for split, present in classes_by_split.items():
        if present != classes:
            absent = sorted(classes - present)
            raise PipelineError.of_names(
                f"{folder}: {split} lacks the lists of {listed(absent)}; get the lists again",
                absent,
            )
    return assemble(name, sorted(classes), entries, folder, accept_leaks)


def _parse_name(path: Path) -> tuple[str, str]:
    """Return the class and the split of a list from its file name."""
    class_name, _, split_number = path.stem.rpartition("_test_split")
    if not re.fullmatch("[0-9]+", split_number):
        raise PipelineError(
            f"{path}: not named <class>_test_split<number>.txt; rename or remove it"
        )
    return unicodedata.normalize("NFC", class_name), f"split{int(split_number)}"


def _read_list(path: Path, class_name: str, split: str) -> list[Entry]:
    """Read the list of one class and one split."""
    pattern = re.compile(GROUP.format(class_name=re.escape(class_name)))
    entries, problems = [], []
    for line_number, line in read_lines(path):
        parts = LINE.fullmatch(line)
        if not parts or not parts["file"].strip("."):
            problems.append(
                f"{path}:{line_number}: '{line}' is not '<file> <0, 1 or 2>'; correct the line"
            )
            continue
        file = parts["file"]
        match = pattern.match(stem(file))
        group = match.group(1) if match else file
        entries.append(Entry(split, SUBSETS[parts["flag"]], f"{class_name}/{file}", group))
    require(problems)
    return entries
