"""The videos of a folder <class>/<file> that has no split lists yet."""

import os
import unicodedata
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from pipeline.datasets.layouts import UNPACK
from pipeline.datasets.split_lists import stem
from pipeline.datasets.videos import VIDEO_ENDINGS
from pipeline.errors import PipelineError, listed, require

PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".ppm"}


class Found(NamedTuple):
    """What lies in a folder of videos.

    files: the videos of each class as lists spell them, in Unicode's composed form; both sorted.
    deeper: videos in folders below those of classes, where the pipeline does not look.
    others: files of other kinds in the folders of classes, by their ending.
    empty: folders without a video.
    """

    files: dict[str, list[str]]
    deeper: list[str]
    others: Counter[str]
    empty: list[str]


def find(videos: Path) -> Found:
    """Return the videos of a folder by class: a folder in it is a class, whatever it is called.

    What begins with a dot is left out, as the files '._name' that macOS leaves behind.

    Raises PipelineError where there is no folder, no class, or a name that lists cannot have.
    """
    found, problems = Found({}, [], Counter(), []), []
    names: dict[str, str] = {}
    for folder in sorted(_entries(videos), key=lambda entry: entry.name):
        if not folder.is_dir():
            continue
        files = _class_files(folder, found)
        if not files:
            found.empty.append(folder.name)
            continue
        name = _as_listed(folder.name).strip(" \t")
        problems += _name_problems(videos, folder.name, name, files)
        other = names.setdefault(name, folder.name)
        if other != folder.name:
            problems.append(
                f"{videos}: folders {[other, folder.name]} are one name for a computer that "
                "compares text by its Unicode form or without blanks at its ends; rename one"
            )
        found.files[name] = sorted(map(_as_listed, files))
    require(problems)
    if not found.files:
        raise PipelineError(f"{videos}: {_why_no_class(videos, found)}")
    return found._replace(files=dict(sorted(found.files.items())))


def _entries(folder: Path) -> list[os.DirEntry]:
    """What lies in a folder, but for what begins with a dot."""
    try:
        return [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
    except FileNotFoundError as error:
        raise PipelineError(f"{folder}: there is no such folder; correct the path") from error
    except NotADirectoryError as error:
        raise PipelineError(
            f"{folder}: this is a file; name the folder that holds a folder for each class"
        ) from error
    except OSError as error:
        raise PipelineError(
            f"{folder}: the folder cannot be read ({error.strerror}); correct its permissions"
        ) from error


def _class_files(folder: os.DirEntry, found: Found) -> list[str]:
    """Return the videos of a class; what else lies there is added to `found`."""
    files = []
    for entry in _entries(Path(folder.path)):
        if entry.is_dir():
            found.deeper.extend(
                f"{folder.name}/{entry.name}/{file.name}"
                for file in _entries(Path(entry.path))
                if _ending(file.name) in VIDEO_ENDINGS
            )
        elif _ending(entry.name) in VIDEO_ENDINGS:
            files.append(entry.name)
        else:
            found.others[_ending(entry.name)] += 1
    return files


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].casefold()


def _as_listed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _name_problems(videos: Path, folder: str, name: str, files: list[str]) -> list[str]:
    """Return a problem for every name of a class that cannot stand in a list."""
    problems = [
        f"{videos / folder}: the name {text!r} holds a line break or is no UTF-8, so that it "
        "cannot stand in a list; rename it"
        for text in (folder, *files)
        if _is_unfit(text)
    ]
    if not name.strip("."):
        problems.append(f"{videos / folder}: '{folder}' cannot be the name of a class; rename it")
    first: dict[str, str] = {}
    for file in sorted(files):
        other = first.setdefault(stem(_as_listed(file)), file)
        if other != file:
            problems.append(
                f"{videos / folder}: {[other, file]} differ only in their ending or Unicode form, "
                "so that they would be one clip; rename one"
            )
    return problems


def _is_unfit(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return "\n" in name or "\r" in name


def _why_no_class(videos: Path, found: Found) -> str:
    """Return why no folder of a class was found, and what to do: the end of a sentence."""
    flat = [entry.name for entry in _entries(videos) if entry.is_file()]
    is_video = [name for name in flat if _ending(name) in VIDEO_ENDINGS]
    if is_video:
        return (
            f"{len(is_video):,} videos lie side by side in it ({listed(sorted(is_video), 2)}), and "
            "nothing says which class each is of; move them into a folder for each class"
        )
    if found.deeper:
        folders = sorted({os.path.dirname(os.path.dirname(file)) for file in found.deeper})
        inside = listed([str(videos / folder) for folder in folders], 3)
        return (
            f"its videos lie two folders deep, such as {found.deeper[0]}; name the folder that "
            f"holds those of the classes ({inside}), or move these together"
        )
    packed = [name for name in flat if _ending(name) in UNPACK]
    if packed:
        command = UNPACK[_ending(packed[0])]
        return (
            f"there are archives and no videos ({listed(sorted(packed), 2)}); unpack each there "
            f"by '{command} FILE'"
        )
    if found.others and set(found.others) <= PICTURES:
        return "there are pictures and no videos in its folders; put the videos themselves there"
    return (
        "there is no folder of a class with a video in it; lay the videos out as <class>/<file>, "
        f"with an ending of videos ({', '.join(sorted(VIDEO_ENDINGS)[:6])}, ..)"
    )
