"""Which videos are meant: files, folders of them, and lists of their paths."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline.datasets.list_files import read_lines
from pipeline.datasets.videos import VIDEO_ENDINGS
from pipeline.errors import PipelineError, listed, require
from pipeline.extraction.layouts import Settings
from pipeline.video.ffmpeg import shown


class Video(NamedTuple):
    """A video file, and where its flow goes: below the output folder in `target`."""

    path: str
    target: str


def find(given: Iterable[Path], settings: Settings, class_folders: bool) -> list[Video]:
    """Return the videos that are meant, each once, in the order in which they are named.

    A folder stands for all videos in it, whose folders are kept; a .txt file for the paths in its
    lines, from the folder where the program runs, or else from the list's own. The videos that are
    named singly, or in a list, keep the folder in which they lie with `class_folders` alone.
    Raises PipelineError for a folder without videos, and for videos whose flow would have one name.
    """
    found: dict[str, Video] = {}
    for path in given:
        for file, folder in _files(path, class_folders):
            target = settings.target(folder, file.stem)
            found.setdefault(os.path.realpath(file), Video(str(file), str(target)))
    videos = list(found.values())
    _check(videos)
    return videos


def _files(path: Path, class_folders: bool) -> Iterator[tuple[Path, str]]:
    """Yield the videos that `path` stands for, each with the folder that it keeps."""
    if path.is_dir():
        for file in in_folder(path):
            yield file, str(file.parent.relative_to(path))
        return
    for file in _in_list(path) if path.suffix.lower() == ".txt" else [path]:
        yield file, file.absolute().parent.name if class_folders else ""


def in_folder(folder: Path) -> list[Path]:
    """Return the videos in a folder and below it, by the endings of their names, in their order.

    Names that begin with '.' are left out. Raises PipelineError where there is none.
    """
    found = sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in VIDEO_ENDINGS
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )
    if not found:
        raise PipelineError(
            f"{shown(folder)}: there is no video in this folder, by the endings of names "
            f"({', '.join(sorted(VIDEO_ENDINGS))}); name the files themselves"
        )
    return found


def _in_list(path: Path) -> list[Path]:
    if not path.exists():
        raise PipelineError(f"{shown(path)}: there is no such list of videos; correct the path")
    lines = read_lines(path)
    if not lines:
        raise PipelineError(f"{shown(path)}: the list is empty; write a path of a video a line")
    files = [Path(line) for _, line in lines]
    return [file if file.exists() else _beside(path, file) for file in files]


def _beside(path: Path, file: Path) -> Path:
    """A path of a list as seen from the list's folder, where a file lies there."""
    return path.parent / file if (path.parent / file).exists() else file


def _check(videos: list[Video]) -> None:
    """Refuse videos whose flow would lie in one place, or where this program keeps its own."""
    problems, sources = [], {}
    for video in videos:
        sources.setdefault(video.target, []).append(shown(video.path))
    for target, paths in sources.items():
        if len(paths) > 1:
            problems.append(
                f"{listed(paths)}: the flow of all of them would be '{shown(target)}'; give one "
                "folder that holds them, take --class-folders, or run the command for each, with "
                "another --out"
            )
        if target.startswith("."):
            problems.append(f"{paths[0]}: names that begin with '.' are kept free; rename it")
        if above := [str(p) for p in Path(target).parents if str(p) in sources]:
            problems.append(
                f"{sources[above[0]][0]}: its flow would be the folder of that of {paths[0]}; "
                "rename one of them"
            )
    require(problems)
