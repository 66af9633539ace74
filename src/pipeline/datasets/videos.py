"""Find the video file of each clip of a data set.

Standard library only: the Snakefile imports this module.
"""

import difflib
import errno
import os
import stat
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pipeline.datasets import layouts
from pipeline.datasets.clips import ClipSet
from pipeline.datasets.split_lists import stem
from pipeline.errors import FEW, PipelineError, listed, require

# What a file of the same name with another ending is, where there are several: not the subtitles.
VIDEO_ENDINGS = {
    *(".avi", ".mp4", ".m4v", ".mkv", ".webm", ".mov", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp"),
    *(".ts", ".m2ts", ".mts", ".ogv", ".asf", ".vob", ".divx"),
}


def locate(
    clip_set: ClipSet, videos: Path, skip_missing: bool = False
) -> tuple[dict[str, str], list[str]]:
    """Return the path of each clip's video by clip id, and the videos that no split list names.

    The latter are '<class>/<file>' below the folder `videos`. Names are matched exactly. Where no
    file has the exact name, case does not count, nor does the Unicode form of accents:
    redistributions of UCF101 renamed HandStandPushups. Where that finds nothing either, the one
    video that differs only in its ending is taken (`renamed`). If no clip lies in a folder of its
    class, all are looked for in `videos` itself. With `skip_missing` clips that no file matches are
    left out, unless all are.

    Raises PipelineError for a missing or empty folder; else with one line on the missing clips,
    which guesses the reason when they are most, and one line per ambiguous name, per file that two
    clips would share, and per folder or file that cannot be read.
    """
    found = _scan(clip_set, videos)
    match = _match({clip.id: clip.file for clip in clip_set.clips.values()}, found.nested)
    present = found.nested
    if not match.files and found.flat:
        names = {clip.id: clip.file.partition("/")[2] for clip in clip_set.clips.values()}
        flat = _match(names, found.flat)
        if flat.files:
            match, present = flat, found.flat
    problems = [f"{videos}: {problem}" for problem in match.problems]
    absent = [] if skip_missing and match.files else match.missing
    missing, reasons = _reasons(clip_set, absent, found, videos)
    if missing:
        cure = "add them, or remove them from the split lists"
        if 2 * len(missing) >= len(clip_set.clips):
            cure = layouts.guess(clip_set, videos, missing) or cure
        problems.insert(
            0,
            f"{videos}: {len(missing):,} of {len(clip_set.clips):,} clips of set "
            f"'{clip_set.name}' are missing: {listed(missing)}; {cure}",
        )
    problems += reasons + _shared_files(clip_set, match.files, videos)
    require(problems, missing if len(missing) > FEW else ())
    used = set(match.files.values())
    paths = {clip_id: f"{videos}/{file}" for clip_id, file in match.files.items()}
    return paths, [file for file in present if file not in used]


def renamed(clip_set: ClipSet, paths: dict[str, str]) -> list[str]:
    """Return the clips of `paths`, as `locate` gives them, whose video has another ending."""
    return [
        clip_id
        for clip_id, path in paths.items()
        if _ending(path) != _ending(clip_set.clips[clip_id].file)
    ]


class _Found(NamedTuple):
    """What lies in a folder of videos.

    nested: '<class>/<file>' of all files in the folders there, sorted.
    flat: the files in the folder itself, sorted.
    unreadable: the folders there that cannot be listed, with the reason.
    odd: What is in place of a folder, or '<class>/<name>' of what is in place of a file.
    """

    nested: list[str]
    flat: list[str]
    unreadable: dict[str, str]
    odd: set[str]


def _scan(clip_set: ClipSet, videos: Path) -> _Found:
    """List a folder of videos; raises PipelineError where there is none, or nothing in it."""
    cure = (
        "put the videos there as <class>/<file>, or correct "
        f"sets.{clip_set.name}.videos in the config"
    )
    try:
        entries = list(os.scandir(videos))
    except OSError as error:
        raise PipelineError(
            f"{videos}: the video folder of set '{clip_set.name}' {_why_no_folder(error)}; {cure}"
            f"{_similar(videos)}"
        ) from error
    found = _Found([], [], {}, set())
    for entry in entries:
        kind = _kind(entry)
        if kind == "file":
            found.flat.append(entry.name)
        if kind != "folder":
            found.odd.add(entry.name)
            continue
        try:
            files = list(os.scandir(entry))
        except OSError as error:
            found.unreadable[entry.name] = error.strerror
            continue
        for file in files:
            name = f"{entry.name}/{file.name}"
            if _kind(file) == "file":
                found.nested.append(name)
            else:
                found.odd.add(name)
    if not (found.nested or found.flat or found.unreadable or found.odd):
        raise PipelineError(
            f"{videos}: the video folder of set '{clip_set.name}' holds no videos; "
            f"{layouts.guess(clip_set, videos, _all_files(clip_set)) or cure}"
        )
    found.nested.sort()
    found.flat.sort()
    return found


def _kind(entry: os.DirEntry) -> str:
    """Return 'file', 'folder' or 'other' for an entry of a folder; links are followed."""
    try:
        return "file" if entry.is_file() else "folder" if entry.is_dir() else "other"
    except OSError:
        # A link that leads to itself, or into a folder that must not be read.
        return "other"


def _why_no_folder(error: OSError) -> str:
    """Return why a folder cannot be listed, as the end of a sentence about it."""
    reasons = {
        errno.ENOENT: "does not exist",
        errno.ENOTDIR: "is a file, not a folder",
        errno.ELOOP: "is a symbolic link that leads to itself",
    }
    return reasons.get(error.errno, f"cannot be read ({error.strerror})")


def _similar(videos: Path) -> str:
    """Return a hint at a folder beside a missing one that is called much the same, or ''."""
    try:
        beside = [entry.name for entry in os.scandir(videos.parent) if _kind(entry) == "folder"]
    except OSError:
        return ""
    folded = {fold(name): name for name in beside}
    close = difflib.get_close_matches(fold(videos.name), folded, n=1)
    return f"; did you mean '{folded[close[0]]}'?" if close else ""


def _all_files(clip_set: ClipSet) -> list[str]:
    return [clip.file for clip in clip_set.clips.values()]


class _Match(NamedTuple):
    """Clips matched with files: the file by clip id, the ids of clips without one, and a problem
    for every clip that several files match.
    """

    files: dict[str, str]
    missing: list[str]
    problems: list[str]


def _match(names: dict[str, str], present: list[str]) -> _Match:
    """Match the names of clips, by clip id, with the names of the files that are `present`."""
    exact = set(present)
    match = _Match({clip_id: name for clip_id, name in names.items() if name in exact}, [], [])
    rest = {clip_id: name for clip_id, name in names.items() if name not in exact}
    if not rest:
        return match
    by_name = _grouped(present, fold)
    by_stem = _grouped(present, lambda file: fold(stem(file)))
    for clip_id, name in rest.items():
        alike = by_name.get(fold(name))
        # A name without an ending may have a dot.
        others = by_stem.get(fold(stem(name))) or by_stem.get(fold(name), [])
        candidates = alike or _videos_among(others)
        if len(candidates) == 1:
            match.files[clip_id] = candidates[0]
        elif candidates:
            what = "case or Unicode form" if alike else "their ending"
            match.problems.append(
                f"clip '{name}' could be any of {candidates}, which differ only in {what}; keep one"
            )
        else:
            match.missing.append(clip_id)
    return match


def fold(name: str) -> str:
    """Return what names have in common that differ in case, blanks at their ends or Unicode form.

    'é' can be one character or two: macOS writes two, lists have one.
    """
    if not name.isascii():
        name = unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())
    return "/".join(part.strip() for part in name.casefold().split("/"))


def _grouped(files: Iterable[str], key) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for file in files:
        groups.setdefault(key(file), []).append(file)
    return groups


def _videos_among(files: list[str]) -> list[str]:
    """Return the videos among files that differ in their ending; all of them, where none is."""
    return [file for file in files if _ending(file) in VIDEO_ENDINGS] or files


def _ending(file: str) -> str:
    return file[len(stem(file)) :].casefold()


def _reasons(
    clip_set: ClipSet, absent: list[str], found: _Found, videos: Path
) -> tuple[list[str], list[str]]:
    """Part the clips that no file matches: the files that are missing, and problems with others.

    The latter are one for each folder of a class, or what is in its place, and one for each thing
    that bears the name of a clip but is no file.
    """
    folders = {fold(name): name for name in (*found.unreadable, *found.odd) if "/" not in name}
    missing, problems = [], {}
    for clip_id in absent:
        file = clip_set.clips[clip_id].file
        folder = folders.get(fold(clip_set.clips[clip_id].class_name))
        if folder in found.unreadable:
            problems[folder] = (
                f"{videos / folder}: the folder cannot be read ({found.unreadable[folder]}); "
                "correct its permissions"
            )
        elif folder is not None and folder not in found.flat:
            problems[folder] = f"{videos / folder}: {_why_odd(videos / folder)}; replace it"
        elif file in found.odd:
            problems[file] = f"{videos / file}: {_why_odd(videos / file)}; replace it by the video"
        else:
            missing.append(file)
    return missing, list(problems.values())


def _why_odd(path: Path) -> str:
    """Return what a path is that is neither a file nor a folder that can be listed."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        return {
            errno.ENOENT: "a symbolic link to what does not exist",
            errno.ELOOP: "a symbolic link that leads to itself",
        }.get(error.errno, f"it cannot be read ({error.strerror})")
    if stat.S_ISDIR(mode):
        return "a folder, not a video"
    return "a pipe, not a file" if stat.S_ISFIFO(mode) else "not a regular file"


def _shared_files(clip_set: ClipSet, files: dict[str, str], videos: Path) -> list[str]:
    """Return a problem for every clip whose file an earlier clip has."""
    problems = []
    first_clip: dict[str, str] = {}
    for clip_id, file in files.items():
        other_id = first_clip.setdefault(file, clip_id)
        if other_id != clip_id:
            problems.append(
                f"{videos / file}: would be both clip '{clip_set.clips[other_id].file}' and clip "
                f"'{clip_set.clips[clip_id].file}'; add the other file, or remove one from the "
                "split lists"
            )
    return problems
