"""Split lists in UCF101's layout: classInd.txt, trainlist01.txt, testlist01.txt, ...

Standard library only: the Snakefile imports this module.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

from pipeline.datasets import list_forms
from pipeline.datasets.clips import TEST, TRAIN, ClipSet
from pipeline.datasets.list_files import read_lines
from pipeline.datasets.split_lists import Entry, assemble, stem
from pipeline.errors import PipelineError, listed, require

# v_Archery_g01_c02 is of group g01.
GROUP = r"_(g\d+)_c\d+$"
# So many characters of a line stand in a message.
MOST_SHOWN = 120


def read(name: str, folder: Path, group: str = GROUP, accept_leaks: bool = False) -> ClipSet:
    """Read the lists in `folder` as the data set `name`.

    Lines are read in the forms of `list_forms`. Train lines have a label; test lines need none,
    since the folder is the class. Labels count from 1, as the class list does, or from 0. `group`
    is a regular expression whose first bracket picks the group out of a file name without its
    ending; a file that it does not match is a group of its own.

    Raises PipelineError, with file and line for every malformed line, for a missing list, for a
    useless `group`, and as `assemble` does.
    """
    _check_folder(name, folder)
    first, classes = read_classes(folder / "classInd.txt")
    labels = {class_name: label for label, class_name in enumerate(classes, start=first)}
    pattern = group_pattern(f"sets.{name}.group", group)
    lists = [
        (split, subset, path)
        for subset in (TRAIN, TEST)
        for split, path in _list_paths(folder, subset).items()
    ]
    lines, problems = [], []
    for split, subset, path in lists:
        try:
            lines += _read_list(path, split, subset, labels)
        except PipelineError as error:
            problems += error.problems
    require(problems)
    filled = {(line.split, line.subset) for line in lines}
    for split, subset, path in lists:
        if (split, subset) not in filled:
            raise PipelineError(
                f"{path}: {split} has no {subset} clips; fill the list, or remove the split's lists"
            )
    require(_wrong_labels(lines, labels, first) + _doubled_paths(lines))
    # Lists of several splits name the same files.
    groups = {file: group_of(file, pattern) for file in {line.file for line in lines}}
    entries = [Entry(line.split, line.subset, line.file, groups[line.file]) for line in lines]
    return assemble(name, classes, entries, folder, accept_leaks)


class _ListLine(NamedTuple):
    """A line of a train or test list: where it stands, and what it says."""

    path: Path
    number: int
    split: str
    subset: str
    file: str
    prefix: str
    label: int | None


def _check_folder(name: str, folder: Path) -> None:
    """Refuse a folder of lists that cannot be listed, or has lists of another format."""
    cure = (
        "put the set's split lists (classInd.txt, trainlist01.txt, testlist01.txt, ...) there, or "
        "correct 'lists' of the set in the config"
    )
    try:
        present = os.listdir(folder)
    except FileNotFoundError:
        present = []
    except OSError as error:
        raise PipelineError(
            f"{folder}: the folder of split lists cannot be read ({error.strerror}); {cure}"
        ) from error
    if "classInd.txt" in present:
        return
    if any(re.search(r"_test_split[0-9]+\.txt$", file) for file in present):
        raise PipelineError(
            f"{folder}: these are split lists of HMDB51; correct sets.{name}.format to hmdb51"
        )
    alike = [file for file in present if file.casefold() in ("classind.txt", "label_map.txt")]
    hint = f"; rename {alike[0]}, if that is it" if alike else ""
    raise PipelineError(f"{folder / 'classInd.txt'}: there is no such class list; {cure}{hint}")


def read_classes(path: Path) -> tuple[int, list[str]]:
    """Return the number of the first class, 1 or 0, and the class names of a class list in order.

    Lines are '<number> <class>'; the numbers run from 1, or from 0, without a gap.

    Raises PipelineError when the list is malformed.
    """
    classes: dict[int, str] = {}
    problems = []
    for line_number, line in read_lines(path):
        if line.startswith("#"):
            continue
        match = re.fullmatch(r"([0-9]{1,9})[ \t,;]+(.+)", line)
        label, class_name = (int(match[1]), match[2]) if match else (-1, "")
        if not match or label in classes or class_name in classes.values():
            problems.append(
                f"{path}:{line_number}: '{line}' is not '<number> <class>', both new; correct it"
            )
        elif "/" in class_name or not class_name.strip("."):
            problems.append(
                f"{path}:{line_number}: '{class_name}' cannot be the name of a folder; rename the "
                "class"
            )
        else:
            classes[label] = class_name
    if len(problems) > 1 and not classes:
        problems = [f"{problems[0]}, and the other lines as well"]
    require(problems)
    first = min(classes, default=1)
    if first not in (0, 1) or sorted(classes) != list(range(first, first + len(classes))):
        raise PipelineError(
            f"{path}: class numbers must run from 1 to {len(classes)} without a gap; renumber them"
        )
    return first, [classes[label] for label in sorted(classes)]


def group_pattern(where: str, group: str) -> re.Pattern:
    """Compile the regular expression that picks the group out of a file name.

    Raises PipelineError, which names the place `where` it stands, when it is none or has no
    bracket.
    """
    try:
        pattern = re.compile(group)
    except re.error as error:
        raise PipelineError(
            f"{where}: '{group}' is no regular expression ({error}); correct it"
        ) from error
    if not pattern.groups:
        raise PipelineError(f"{where}: '{group}' has no bracket that picks the group; add one")
    return pattern


def _list_paths(folder: Path, subset: str) -> dict[str, Path]:
    """Return the paths of the train or test lists by split; one without a number is of split1.

    Raises PipelineError for a name with something else than a number, and for two lists of a split.
    """
    paths = sorted(folder.glob(f"{subset}list[0-9]*.txt"))
    paths = paths or list(folder.glob(f"{subset}list.txt"))
    if not paths:
        raise PipelineError(
            f"{folder}: there is no {subset}list01.txt; put the set's split lists there"
            f"{_like_a_list(folder, subset)}"
        )
    by_split: dict[str, Path] = {}
    for path in paths:
        number = path.stem.removeprefix(f"{subset}list") or "1"
        if not re.fullmatch("[0-9]+", number):
            raise PipelineError(f"{path}: not named {subset}list<number>.txt; rename or remove it")
        split = f"split{int(number)}"
        if split in by_split:
            raise PipelineError(
                f"{path}: {by_split[split].name} is the {subset} list of {split}, too; remove one"
            )
        by_split[split] = path
    return by_split


def _like_a_list(folder: Path, subset: str) -> str:
    """Return a hint at a list that is named as other programs do it, or ''."""
    words = {TRAIN: ("train",), TEST: ("test", "val")}[subset]
    alike = sorted(
        path.name
        for path in folder.iterdir()
        if path.suffix in (".txt", ".csv", ".lst") and any(word in path.stem for word in words)
    )
    return f"; rename {alike[0]} to {subset}list01.txt, if that is it" if alike else ""


def _read_list(path: Path, split: str, subset: str, labels: dict[str, int]) -> list[_ListLine]:
    """Return the lines of one list; `labels` are the classes' by their names."""
    lines = [pair for pair in read_lines(path) if not list_forms.is_comment(pair[1], labels)]
    try:
        lines = lines[bool(lines) and list_forms.is_header(lines[0][1]) :]
    except list_forms.FormError as error:
        raise PipelineError(f"{path}: {error}") from error
    read, problems = [], []
    parsed = list_forms.parse([text for _, text in lines], labels)
    for (number, text), line in zip(lines, parsed, strict=True):
        if isinstance(line, list_forms.FormError):
            shown = text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."
            problems.append(f"{path}:{number}: '{shown}': {line}")
        else:
            read.append(_ListLine(path, number, split, subset, *line))
    require(problems)
    return read


def _wrong_labels(lines: list[_ListLine], labels: dict[str, int], first: int) -> list[str]:
    """Return a problem for every line whose label is not that of the class list."""
    # A class that the class list does not have is reported by `assemble`, with all others.
    labelled = [
        (line, name)
        for line in lines
        if line.label is not None and (name := line.file.partition("/")[0]) in labels
    ]
    less = list_forms.offset({(line.label, labels[name]) for line, name in labelled}, first)
    return [
        f"{line.path}:{line.number}: label {line.label} for '{line.file}', but classInd.txt "
        f"numbers {name} {labels[name]}; correct one of them"
        for line, name in labelled
        if line.label + less != labels[name]
    ]


def _doubled_paths(lines: list[_ListLine]) -> list[str]:
    """Return a problem for every file that lists have in two folders: they may be two videos."""
    prefixes: dict[str, set[str]] = {}
    for line in lines:
        if line.prefix:
            prefixes.setdefault(line.file, set()).add(line.prefix)
    return [
        f"{listed([f'{prefix}/{file}' for prefix in sorted(found)])} would be one clip, since "
        "only the last folder counts; remove all but one from the lists, or rename the files"
        for file, found in prefixes.items()
        if len(found) > 1
    ]


def group_of(file: str, pattern: re.Pattern) -> str:
    """Return the group of '<class>/<file name>' within its class; the file name is its own."""
    file_name = file.partition("/")[2]
    match = pattern.search(stem(file_name))
    # The bracket may be in a branch that took no part in the match; then its text is None.
    return (match and match.group(1)) or file_name
