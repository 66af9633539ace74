"""Split lists in UCF101's layout: classInd.txt, trainlist01.txt, testlist01.txt, ... (standard library only)."""

import re
from pathlib import Path

from pipeline.datasets.clips import TEST, TRAIN, ClipSet, assemble, read_lines
from pipeline.errors import PipelineError

GROUP = r"_(g\d+)_c\d+$"  # v_Archery_g01_c02 is of group g01


def read(name: str, folder: Path, group: str = GROUP) -> ClipSet:
    """Read a folder of lists.

    Lines end in LF or CRLF; train lines carry a label, test lines need none: the class is the folder.
    `group` is a regular expression whose first bracket picks the group out of a clip's name; a name that it does not
    match is a group of its own. Raises PipelineError naming file and line.
    """
    classes = read_classes(folder / "classInd.txt")
    labels = {class_name: label for label, class_name in enumerate(classes, start=1)}
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
    entries = []
    for part in (TRAIN, TEST):
        lists = sorted(folder.glob(f"{part}list[0-9]*.txt"))
        if not lists:
            raise PipelineError(
                f"{folder}: there is no {part}list01.txt; put the set's split lists there"
            )
        for path in lists:
            if not path.stem[len(part) + 4 :].isdecimal():
                raise PipelineError(
                    f"{path}: not named {part}list<number>.txt; rename or remove it"
                )
            split = f"split{int(path.stem[len(part) + 4 :])}"
            lines = read_lines(path)
            if not lines:
                raise PipelineError(
                    f"{path}: {split} has no {part} clips; fill the list, or remove the split's lists"
                )
            for number, line in lines:
                file, label = (*line.rsplit(None, 1), "")[:2]
                if not label.isdecimal():
                    file, label = line, ""
                class_name, slash, stem = file.partition("/")
                if not slash or "/" in stem or class_name in (".", "..") or not stem.strip("."):
                    raise PipelineError(
                        f"{path}:{number}: '{line.strip()}' is not of the form '<class>/<file>'; "
                        "correct the line"
                    )
                if label and labels.get(class_name, int(label)) != int(label):
                    raise PipelineError(
                        f"{path}:{number}: label {label} for '{file}', but classInd.txt numbers "
                        f"{class_name} {labels[class_name]}; correct one of them"
                    )
                match = pattern.search(stem.rsplit(".", 1)[0])
                entries.append((split, part, file, (match and match.group(1)) or stem))
    clip_set = assemble(name, classes, entries, folder)
    return clip_set


def read_classes(path: Path) -> list[str]:
    """Class names in the order of their numbers, which run from 1 without a gap."""
    if not path.is_file():
        raise PipelineError(
            f"{path}: there is no such class list; put the set's split lists (classInd.txt, "
            "trainlist01.txt, testlist01.txt, ...) there, or correct 'lists' of the set in the config"
        )
    classes: dict[int, str] = {}
    for number, line in read_lines(path):
        label, class_name = (*line.split(None, 1), "")[:2]
        if (
            not label.isdecimal()
            or not class_name
            or int(label) in classes
            or class_name in classes.values()
        ):
            raise PipelineError(
                f"{path}:{number}: '{line.strip()}' is not '<number> <class>', both new; correct it"
            )
        classes[int(label)] = class_name.strip()
    if sorted(classes) != list(range(1, len(classes) + 1)):
        raise PipelineError(
            f"{path}: class numbers must run from 1 to {len(classes)} without a gap; renumber them"
        )
    return [classes[label] for label in sorted(classes)]
