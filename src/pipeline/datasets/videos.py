"""Find the video file of each clip of a data set.

Standard library only: the Snakefile imports this module.
"""

import os
from pathlib import Path

from pipeline.datasets.clips import ClipSet
from pipeline.errors import PipelineError, require


def locate(clip_set: ClipSet, videos: Path) -> tuple[dict[str, str], list[str]]:
    """Return the path of each clip's video by clip id, and the videos that no split list names.

    The latter are '<class>/<file>' below the folder `videos`. File names are matched exactly, and
    ignoring case where no exact match exists: redistributions of UCF101 renamed
    HandStandPushups.

    Raises PipelineError for a missing or empty folder; else with one line that names every missing
    clip, and one line per ambiguous name and per file that two clips would share.
    """
    present = _list_videos(clip_set, videos)
    files, missing, problems = _match(clip_set, present, videos)
    if missing:
        problems.append(
            f"{videos}: {len(missing)} of {len(clip_set.clips)} clips of set '{clip_set.name}' are "
            f"missing: {', '.join(missing)}; add them, or remove them from the split lists"
        )
    problems += _shared_files(clip_set, files, videos)
    require(problems)
    used = set(files.values())
    paths = {clip_id: str(videos / file) for clip_id, file in files.items()}
    return paths, [file for file in present if file not in used]


def _list_videos(clip_set: ClipSet, videos: Path) -> list[str]:
    """Return the sorted '<class>/<file>' of all files in the folders below `videos`."""
    cure = (
        "put the videos there as <class>/<file>, or correct "
        f"sets.{clip_set.name}.videos in the config"
    )
    if not videos.is_dir():
        raise PipelineError(
            f"{videos}: the video folder of set '{clip_set.name}' does not exist; {cure}"
        )
    present = sorted(
        f"{folder.name}/{file.name}"
        for folder in os.scandir(videos)
        if folder.is_dir()
        for file in os.scandir(folder)
        if file.is_file()
    )
    if not present:
        raise PipelineError(
            f"{videos}: the video folder of set '{clip_set.name}' holds no videos; {cure}"
        )
    return present


def _match(
    clip_set: ClipSet, present: list[str], videos: Path
) -> tuple[dict[str, str], list[str], list[str]]:
    """Match clips with the files that are present.

    Returns the file by clip id, the files of the clips that are missing, and a problem for every
    clip that several files match.
    """
    exact = set(present)
    ignoring_case: dict[str, list[str]] = {}
    for file in present:
        ignoring_case.setdefault(file.casefold(), []).append(file)
    files, missing, problems = {}, [], []
    for clip in clip_set.clips.values():
        same_but_case = ignoring_case.get(clip.file.casefold(), [])
        matches = [clip.file] if clip.file in exact else same_but_case
        if len(matches) == 1:
            files[clip.id] = matches[0]
        elif matches:
            problems.append(
                f"{videos}: clip '{clip.file}' could be any of {matches}, which differ only in "
                "case; keep one"
            )
        else:
            missing.append(clip.file)
    return files, missing, problems


def _shared_files(clip_set: ClipSet, files: dict[str, str], videos: Path) -> list[str]:
    """Return a problem for every clip whose file an earlier clip has."""
    problems = []
    first_clip: dict[str, str] = {}
    for clip_id, file in files.items():
        other_id = first_clip.setdefault(file, clip_id)
        if other_id != clip_id:
            problems.append(
                f"{videos / file}: would be both clip '{clip_set.clips[other_id].file}' and clip "
                f"'{clip_set.clips[clip_id].file}', which differ only in case; add the other file, "
                "or remove one from the split lists"
            )
    return problems
