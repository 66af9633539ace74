"""Split lists in UCF101's layout: classInd.txt, trainlist01.txt, testlist01.txt, ...

Standard library only: the Snakefile imports this module.
"""

import re
from pathlib import Path

from pipeline.datasets.clips import TEST, TRAIN, ClipSet
from pipeline.datasets.split_lists import Entry, assemble, read_lines
from pipeline.errors import PipelineError

# v_Archery_g01_c02 is of group g01.
GROUP = r"_(g\d+)_c\d+$"


def read(name: str, folder: Path, group: str = GROUP) -> ClipSet:
    """Read the lists in `folder` as the data set `name`.

    Lines end in LF or CRLF. Train lines have a label; test lines need none, since the folder is
    the class. `group` is a regular expression whose first bracket picks the group out of a file
    name without its extension; a file that it does not match is a group of its own.

    Raises PipelineError, with file and line for a malformed line, for a missing list, for a
    useless `group`, and as `assemble` does.
    """
    classes = read_classes(folder / "classInd.txt")
    labels = {class_name: label for label, class_name in enumerate(classes, start=1)}
    pattern = _group_pattern(name, group)
    entries = []
    for subset in (TRAIN, TEST):
        for path in _list_paths(folder, subset):
            entries += _read_list(path, subset, labels, pattern)
    return assemble(name, classes, entries, folder)


def read_classes(path: Path) -> list[str]:
    """Return the class names of a class list in the order of their numbers.

    Lines are '<number> <class>'; the numbers run from 1 without a gap.

    Raises PipelineError when the list is missing or malformed.
    """
    if not path.is_file():
        raise PipelineError(
            f"{path}: there is no such class list; put the set's split lists (classInd.txt, "
            "trainlist01.txt, testlist01.txt, ...) there, or correct 'lists' of the set in the "
            "config"
        )
    classes: dict[int, str] = {}
    for line_number, line in read_lines(path):
        label, class_name = (*line.split(None, 1), "")[:2]
        if (
            not label.isdecimal()
            or not class_name
            or int(label) in classes
            or class_name in classes.values()
        ):
            raise PipelineError(
                f"{path}:{line_number}: '{line}' is not '<number> <class>', both new; correct it"
            )
        classes[int(label)] = class_name.strip()
    if sorted(classes) != list(range(1, len(classes) + 1)):
        raise PipelineError(
            f"{path}: class numbers must run from 1 to {len(classes)} without a gap; renumber them"
        )
    return [classes[label] for label in sorted(classes)]


def _group_pattern(name: str, group: str) -> re.Pattern:
    """Compile the regular expression that picks the group out of a file name."""
    try:
        pattern = re.compile(group)
    except re.error as error:
        raise PipelineError(
            f"sets.{name}.group: '{group}' is no regular expression ({error}); correct it"
        ) from error
    if not pattern.groups:
        raise PipelineError(
            f"sets.{name}.group: '{group}' has no bracket that picks the group; add one"
        )
    return pattern


def _list_paths(folder: Path, subset: str) -> list[Path]:
    """Return the paths of the train or test lists of all splits."""
    paths = sorted(folder.glob(f"{subset}list[0-9]*.txt"))
    if not paths:
        raise PipelineError(
            f"{folder}: there is no {subset}list01.txt; put the set's split lists there"
        )
    return paths


def _read_list(path: Path, subset: str, labels: dict[str, int], pattern: re.Pattern) -> list[Entry]:
    """Read the train or test list of one split; `labels` are those of the classes, from 1."""
    split_number = path.stem.removeprefix(f"{subset}list")
    if not split_number.isdecimal():
        raise PipelineError(f"{path}: not named {subset}list<number>.txt; rename or remove it")
    split = f"split{int(split_number)}"
    lines = read_lines(path)
    if not lines:
        raise PipelineError(
            f"{path}: {split} has no {subset} clips; fill the list, or remove the split's lists"
        )
    entries = []
    for line_number, line in lines:
        file = _parse_line(line, labels, f"{path}:{line_number}")
        file_name = file.partition("/")[2]
        match = pattern.search(file_name.rsplit(".", 1)[0])
        # The bracket may be in a branch that took no part in the match; then its text is None.
        entries.append(Entry(split, subset, file, (match and match.group(1)) or file_name))
    return entries


def _parse_line(line: str, labels: dict[str, int], where: str) -> str:
    """Return the file of a line '<class>/<file> [<label>]'; file names may hold blanks."""
    file, label = (*line.rsplit(None, 1), "")[:2]
    if not label.isdecimal():
        file, label = line, ""
    class_name, slash, file_name = file.partition("/")
    # Names of dots alone would lead out of the video folder.
    if not slash or "/" in file_name or class_name in (".", "..") or not file_name.strip("."):
        raise PipelineError(
            f"{where}: '{line}' is not of the form '<class>/<file>'; correct the line"
        )
    # A class that the class list does not have is reported by `assemble`, with all others.
    if label and labels.get(class_name, int(label)) != int(label):
        raise PipelineError(
            f"{where}: label {label} for '{file}', but classInd.txt numbers {class_name} "
            f"{labels[class_name]}; correct one of them"
        )
    return file
