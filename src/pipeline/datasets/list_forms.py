"""Lines of split lists in the forms of UCF101 and of other programs.

    <class>/<file> [<label>]              UCF101
    <path> <label>                        mmaction2's lists of videos
    <path> <frames> <label>               TSN's, and mmaction2's of frames
    <path>,<label> and the like           CSV, also with a first line of names and with quotes

Blanks, tabs, commas, semicolons and bars part the columns. Of a path the last two names count,
<class>/<file>; those before them, such as '/data/UCF-101' or '.', are dropped. The class is always
the folder. A label is only compared with it, so a misread label is an error and no wrong class.
Standard library only: the Snakefile imports this module.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from pipeline.datasets.split_lists import ENDING

# What parts the columns of a line.
PARTING = " \t,;|"
# UCF101's own lines, of which 40,000 are read at every start, and those of sets of .mp4.
PLAIN = re.compile(r"([\w-]+/[\w-]+\.[a-z][a-z0-9]{0,4})(?: ([0-9]{1,9}))?")
NUMBER_AT_END = re.compile(rf"[{PARTING}]+([0-9]{{1,9}})$")
NUMBER_AT_START = re.compile(rf"^[0-9]+[{PARTING}]+")
# A file of a usual kind with more behind it.
MORE_BEHIND = re.compile(
    r"^(?P<path>.*\.(?:avi|mp4|mkv|webm|mov|mpe?g|wmv|flv))"
    rf"[{PARTING}]+(?P<more>.+)$",
    re.IGNORECASE,
)
# Names of columns, of which the first line of a CSV consists.
COLUMNS = {
    *("path", "paths", "file", "files", "filename", "file_name", "filepath", "file_path"),
    *("video", "videos", "video_path", "video_name", "clip", "clip_name", "name"),
    *("frames", "num_frames", "n_frames", "nframes", "total_frames", "split"),
    *("label", "labels", "label_id", "class", "class_id", "class_index", "class_name", "target"),
}
KINETICS = {"youtube_id", "time_start", "time_end"}


class Line(NamedTuple):
    """One line of a list.

    file: '<class>/<file>'.
    prefix: what stood before that.
    label: the number of the class as the list has it, or None.
    """

    file: str
    prefix: str
    label: int | None


class FormError(ValueError):
    """What is wrong with the form of a line: the end of a sentence about it, with a cure."""


def is_comment(line: str, classes: Iterable[str]) -> bool:
    """Return whether a line is a comment, '# ..', and no file of a class that begins with '#'."""
    return line.startswith("#") and not any(
        line.startswith(f"{name}/") for name in classes if name.startswith("#")
    )


def is_header(line: str) -> bool:
    """Return whether a line names the columns of those below it.

    Raises FormError for the columns of Kinetics, which has no files.
    """
    names = {name.strip('"').casefold() for name in re.split(rf"[{PARTING}]+", line)}
    if names >= KINETICS:
        raise FormError(
            "it is a list of Kinetics, which names videos of YouTube and no files; write "
            "'<class>/<file> <label>', a line for each video that you have"
        )
    return names <= COLUMNS


def parse(lines: list[str], labels: dict[str, int]) -> list[Line | FormError]:
    """Return what each line of a list says, or what is wrong with it.

    `labels` has a number for each class of the class list. Behind a file with an ending, numbers
    are frames and label. Where files have no ending, as many numbers are that as stand at the end
    of every line; one more is part of a name, as in 'Run/take 2'.
    """
    plain = [PLAIN.fullmatch(line) for line in lines]
    if all(plain):
        return [Line(match[1], "", int(match[2]) if match[2] else None) for match in plain]
    split = [_split_numbers(_unquoted(line, labels)) for line in lines]
    usual = min((len(numbers) for _, numbers in split), default=0)
    return [_parse(paths, numbers, usual, labels) for paths, numbers in split]


def offset(labels: Iterable[tuple[int, int]], first: int) -> int:
    """Return what the labels of lists are less than the numbers of the class list: 0, 1 or -1.

    `labels` are pairs (label, number of the class); classes are numbered from `first`. Other
    programs count labels from 0, whatever the class list does. That is taken from all labels
    together: it must hold for each of them, and they must be of several classes or begin at 0.
    """
    pairs = set(labels)
    differences = {number - label for label, number in pairs}
    other = 1 if first == 1 else -1
    if differences == {other} and (len(pairs) > 1 or other == 1 and min(pairs)[0] == 0):
        return other
    return 0


def _unquoted(line: str, labels: dict[str, int]) -> str:
    """Return a line of a CSV without the quotes around its columns."""
    if line.startswith('"') and not any(line.startswith(f"{name}/") for name in labels):
        return re.sub(r'"([^"]*)"', r"\1", line)
    return line


def _split_numbers(line: str) -> tuple[list[str], list[int]]:
    """Return a line without its last 0, 1, 2 and 3 numbers, as far as it has them, and these."""
    numbers: list[int] = []
    paths = [line.rstrip(PARTING)]
    while len(numbers) < 3 and (match := NUMBER_AT_END.search(paths[-1])):
        numbers.insert(0, int(match[1]))
        paths.append(paths[-1][: match.start()])
    return paths, numbers


def _parse(
    paths: list[str], numbers: list[int], usual: int, labels: dict[str, int]
) -> Line | FormError:
    try:
        has_ending = ENDING.search(paths[len(numbers)])
        count = len(numbers) if has_ending else min(usual, len(numbers))
        if count == 3:
            raise FormError(
                "three numbers stand behind its file; write '<class>/<file> <label>' or "
                "'<class>/<file> <frames> <label>'"
            )
        path, label = paths[count], numbers[-1] if count else None
        if not has_ending and (match := MORE_BEHIND.match(path)):
            path, label = match["path"], _label_by_name(match["more"], labels)
        return Line(*_file(path, labels), label)
    except FormError as error:
        return error


def _label_by_name(name: str, labels: dict[str, int]) -> int:
    if name not in labels:
        raise FormError(
            f"what stands behind its file, '{name}', is neither a number nor a class; remove it"
        )
    return labels[name]


def _file(path: str, labels: dict[str, int]) -> tuple[str, str]:
    """Return '<class>/<file>' of a path, and what stands before it."""
    parts = _parts(path)
    if "\\" in path and (len(parts) < 2 or parts[-2] not in labels):
        # A path of Windows, if that leads to a class; else the name has a backslash.
        other = _parts(path.replace("\\", "/"))
        if len(other) > 1 and other[-2] in labels:
            parts = other
    if len(parts) < 2 or parts[-2] == ".." or not parts[-1].strip("."):
        raise FormError("it is not of the form '<class>/<file>'; correct the line")
    *before, class_name, file = parts
    if before and (class_name not in labels or set(before) & set(labels) - {class_name}):
        raise FormError(
            "it is not of the form '<class>/<file>', and of the folders in it not one alone, the "
            "last, is a class of the class list; correct the line"
        )
    if class_name not in labels and NUMBER_AT_START.sub("", class_name) in labels:
        raise FormError("it has the label first; write '<class>/<file> <label>'")
    return f"{class_name}/{file}", "/".join(before)


def _parts(path: str) -> list[str]:
    if path.endswith("/"):
        return []
    return [part for part in path.split("/") if part not in ("", ".")]
