"""What a folder of videos holds where most clips are missing, and the cure for that.

Standard library only: the Snakefile imports this module.
"""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets.clips import ClipSet
from pipeline.errors import listed

# So many missing clips are looked for in other places, evenly spread over all of them.
SAMPLE = 50
# So many folders and files are looked at, so that an error never takes minutes.
MOST_LOOKED_AT = 20_000
# The command that unpacks an archive, by its ending.
UNPACK = {
    ".rar": "unrar x",
    ".zip": "unzip",
    ".7z": "7z x",
    ".tar": "tar -xf",
    ".tgz": "tar -xf",
    ".gz": "tar -xf",
    ".bz2": "tar -xf",
    ".xz": "tar -xf",
}


def guess(clip_set: ClipSet, videos: Path, missing: list[str]) -> str:
    """Return where the `missing` clips of a set may be, and what to do: the end of a sentence.

    `missing` are '<class>/<file>', most clips of the set; `videos` is its folder of videos. The
    result is '' where nothing is found that explains it.
    """
    sample = missing[:: max(1, len(missing) // SAMPLE)]
    entries = list(_walk(videos))
    for attempt in (_elsewhere, _flat, _packed, _as_frames, _other_folders, _other_set):
        cure = attempt(clip_set, videos, sample, entries)
        if cure:
            return cure
    return ""


def _walk(videos: Path) -> Iterator[os.DirEntry]:
    """Yield what lies in a folder and in the folders there, down to the third level."""
    folders, looked_at = [(videos, 1)], 0
    for folder, depth in folders:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            looked_at += 1
            if looked_at > MOST_LOOKED_AT:
                return
            yield entry
            if depth < 3 and _is_folder(entry):
                folders.append((Path(entry.path), depth + 1))


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _elsewhere(
    clip_set: ClipSet, videos: Path, sample: list[str], entries: list[os.DirEntry]
) -> str:
    """The clips lie as <class>/<file>, but one folder higher, or one or two folders deeper."""
    folders = [Path(entry.path) for entry in entries if _is_folder(entry)]
    above = [] if videos == videos.parent else [videos.resolve().parent]
    counts = Counter(
        {folder: sum((folder / file).is_file() for file in sample) for folder in [*above, *folders]}
    )
    best = [folder for folder, count in counts.most_common() if count]
    if not best:
        return ""
    if counts[best[0]] > len(sample) / 2:
        folder = best[0]
        # A path that the config spells relative to the working folder is shown so, too.
        shown = videos.parent if above and folder == above[0] else folder
        return f"they lie in {shown}; correct sets.{clip_set.name}.videos to {shown}"
    if sum(counts.values()) > len(sample) / 2:
        return (
            f"they are spread over {listed([str(folder) for folder in best])}; move the folders "
            f"of the classes together, and correct sets.{clip_set.name}.videos"
        )
    return ""


def _flat(clip_set: ClipSet, videos: Path, sample: list[str], entries: list[os.DirEntry]) -> str:
    """The clips lie side by side in one folder, without folders of classes."""
    names = {file.partition("/")[2] for file in sample}
    counts = Counter(
        str(Path(entry.path).parent) for entry in entries if entry.name in names
    ).most_common(1)
    if not counts or counts[0][1] < 0.9 * len(names):
        return ""
    folder = counts[0][0]
    if folder != str(videos):
        return (
            f"they lie in {folder} without folders of classes; correct "
            f"sets.{clip_set.name}.videos to {folder}"
        )
    return f"move the files in {folder} into a folder for each class"


def _packed(clip_set: ClipSet, videos: Path, sample: list[str], entries: list[os.DirEntry]) -> str:
    """The clips are still in archives."""
    packed = [
        os.path.relpath(entry.path, videos)
        for entry in entries
        if os.path.splitext(entry.name)[1].casefold() in UNPACK
    ]
    if not packed:
        return ""
    command = UNPACK[os.path.splitext(packed[0])[1].casefold()]
    return (
        f"there are {len(packed):,} archives, {listed(packed)}; unpack each there by "
        f"'{command} FILE'"
    )


def _as_frames(
    clip_set: ClipSet, videos: Path, sample: list[str], entries: list[os.DirEntry]
) -> str:
    """There is a folder of pictures in place of each clip."""
    folders = [os.path.splitext(videos / file)[0] for file in sample]
    if 2 * sum(os.path.isdir(folder) for folder in folders) <= len(sample):
        return ""
    return (
        f"there are folders of frames in their place, such as {folders[0]}; put the videos "
        "themselves there, since this program decodes them"
    )


def _other_folders(
    clip_set: ClipSet, videos: Path, sample: list[str], entries: list[os.DirEntry]
) -> str:
    """The files are there, in folders that are not called as the classes are."""
    place = {entry.name: Path(entry.path).parent for entry in entries}
    moved = {
        file.partition("/")[0]: place[file.partition("/")[2]].name
        for file in sample
        if file.partition("/")[2] in place
    }
    if 2 * len(moved) <= len({file.partition("/")[0] for file in sample}):
        return ""
    pairs = [f"'{folder}' for class '{name}'" for name, folder in moved.items()]
    return (
        f"their files are in folders of other names: {listed(pairs, 3)}; rename the folders, or "
        "correct the classes in the lists"
    )


def _other_set(
    clip_set: ClipSet, videos: Path, sample: list[str], entries: list[os.DirEntry]
) -> str:
    """The folders, or the files in them, are not called as the lists have it."""
    beside = [entry for entry in entries if Path(entry.path).parent == videos]
    folders = [entry.name for entry in beside if _is_folder(entry)]
    known = {name.casefold() for name in clip_set.classes}
    where = f"correct sets.{clip_set.name}.videos or sets.{clip_set.name}.lists"
    if folders and not any(name.casefold() in known for name in folders):
        return (
            f"the folders there are {listed(folders)}, and none is a class of the lists "
            f"({listed(clip_set.classes)}); {where}"
        )
    files = [os.path.relpath(entry.path, videos) for entry in entries if not _is_folder(entry)]
    if files:
        return f"what lies there is called otherwise: {listed(files)}; {where}, or rename it"
    return ""
