"""Find the video file of each clip of a set."""

import os
from pathlib import Path

from pipeline.datasets.clips import ClipSet
from pipeline.errors import PipelineError, require


def locate(clip_set: ClipSet, videos: Path) -> tuple[dict[str, str], list[str]]:
    """Where each clip's file lies, by clip id, and the video files that no list names.

    Names are matched exactly, else ignoring case (redistributions of UCF101 renamed HandStandPushups).
    Raises PipelineError for a missing or empty folder, for missing clips, each by name, and for ambiguous names.
    """
    how = f"put the videos there as <class>/<file>, or correct sets.{clip_set.name}.videos in the config"
    if not videos.is_dir():
        raise PipelineError(
            f"{videos}: the video folder of set '{clip_set.name}' does not exist; {how}"
        )
    folders: dict[str, list[str]] = {}
    for folder in sorted(entry.name for entry in os.scandir(videos) if entry.is_dir()):
        folders[folder] = sorted(
            entry.name for entry in os.scandir(videos / folder) if entry.is_file()
        )
    if not any(folders.values()):
        raise PipelineError(
            f"{videos}: the video folder of set '{clip_set.name}' holds no videos; {how}"
        )
    exact = {f"{folder}/{name}" for folder, names in folders.items() for name in names}
    folded: dict[str, list[str]] = {}
    for path in sorted(exact):
        folded.setdefault(path.casefold(), []).append(path)
    found, problems, missing = {}, [], []
    for clip in clip_set.clips.values():
        matches = [clip.file] if clip.file in exact else folded.get(clip.file.casefold(), [])
        if len(matches) == 1:
            found[clip.id] = str(videos / matches[0])
        elif matches:
            problems.append(
                f"{videos}: clip '{clip.file}' could be any of {matches}, which differ only in case; keep one"
            )
        else:
            missing.append(clip.file)
    if missing:
        problems.append(
            f"{videos}: {len(missing)} of {len(clip_set.clips)} clips of set '{clip_set.name}' are missing: "
            f"{', '.join(missing)}; add them, or remove them from the split lists"
        )
    taken: dict[str, str] = {}
    for clip_id, path in found.items():
        if taken.setdefault(path, clip_id) != clip_id:
            problems.append(
                f"{path}: would be both clip '{clip_set.clips[taken[path]].file}' and clip "
                f"'{clip_set.clips[clip_id].file}', which differ only in case; add the other file, or remove "
                "one from the split lists"
            )
    require(problems)
    used = set(found.values())
    extra = [path for path in sorted(exact) if str(videos / path) not in used]
    return found, extra
