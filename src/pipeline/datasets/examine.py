"""Decode every clip of a data set once, before any long job starts.

Each shard's clips are examined by a job of its own, so that one changed video costs one shard.
`merge` joins the shards for the whole set or a subset of a split.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import repeat
from pathlib import Path

from pipeline import files
from pipeline.datasets import index
from pipeline.datasets.clips import TRAIN, Clip, ClipSet
from pipeline.errors import MachineError, PipelineError, listed, require
from pipeline.jobs.progress import Progress
from pipeline.video import container
from pipeline.video.decode import DEFAULT_LIMITS, Limits, probe

# Bytes of a video that cannot be used beyond which nothing more of it is read.
LARGEST_BAD = 1 << 30


def examine(
    clips: list[Clip],
    paths: dict[str, str],
    accept_damaged: list[str],
    workers: int = 1,
    limits: Limits = DEFAULT_LIMITS,
) -> list[dict]:
    """Decode each clip to its end and return a row of `index.EXAMINED` per clip.

    `workers` clips are decoded at a time. `paths` are those of the videos by clip id;
    `accept_damaged` are the ids of clips that may be damaged; `limits` are what a clip may cost. A
    clip that cannot be used is no error here: its row says why as 'problem', and `merge` refuses
    it.
    Raises MachineError when memory or a disk failed or ffmpeg was killed, which says nothing about
    the clip.
    """
    progress = Progress("examine", len(clips), "clips")
    accepted = [clip.id in accept_damaged for clip in clips]
    rows = []
    pool = ThreadPoolExecutor(workers)
    try:
        for row in pool.map(_examine_clip, clips, repeat(paths), accepted, repeat(limits)):
            rows.append(row)
            progress.update(1, row["clip"])
    finally:
        # After a failure of the machine, clips that were not begun are not.
        pool.shutdown(cancel_futures=True)
    progress.close()
    return rows


def merge(
    clip_set: ClipSet, clips: list[Clip], examined: dict[str, list[dict]], skip: bool = False
) -> list[dict]:
    """Return a row of the index per clip, with the clip's splits, in the order of `clips`.

    `clips` are some or all clips of `clip_set`; `examined` are the rows of `index.EXAMINED` by
    shard. With `skip` the clips of `bad_clips` have no row.

    Raises PipelineError with one line per clip that has a problem or was not examined.
    """
    row_by_clip = {
        row["clip"]: {**row, "shard": shard} for shard, rows in examined.items() for row in rows
    }
    bad = bad_clips(clips, examined) if skip else {}
    clips = [clip for clip in clips if clip.id not in bad]
    rows = [row_by_clip.get(clip.id) or _not_examined(clip_set, clip) for clip in clips]
    require([row["problem"] for row in rows if row["problem"]])
    labels = {class_name: label for label, class_name in enumerate(clip_set.classes)}
    return [
        {
            **row,
            "class": clip.class_name,
            "label": labels[clip.class_name],
            "group": clip.group,
            **clip.splits,
        }
        for clip, row in zip(clips, rows, strict=True)
    ]


def bad_clips(clips: list[Clip], examined: dict[str, list[dict]]) -> dict[str, str]:
    """Return what is wrong with each of the `clips` that cannot be used, by clip id."""
    problems = {row["clip"]: row["problem"] for rows in examined.values() for row in rows}
    return {clip.id: problems[clip.id] for clip in clips if problems.get(clip.id)}


def require_enough(clip_set: ClipSet, split: str, subset: str, bad: dict[str, str]) -> None:
    """Check that a split's 'train' or 'test' holds without its `bad` clips.

    Raises PipelineError where none of its clips is left, or no train clip of some class.
    """
    clips = clip_set.subset(split, subset)
    left = [clip for clip in clips if clip.id not in bad]
    lost = sorted({clip.class_name for clip in clips} - {clip.class_name for clip in left})
    if left and (subset != TRAIN or not lost):
        return
    what = f"of {listed(lost)} " if left else ""
    names = [clip.id for clip in clips if clip.id in bad and clip.class_name in lost]
    raise PipelineError.of_names(
        f"set '{clip_set.name}': {split} has no {subset} clip {what}left when bad clips are "
        f"skipped ({listed(names)}); replace these files, or remove what is left of their classes "
        "from the lists",
        names,
    )


def missing_rows(clips: list[Clip], paths: dict[str, str]) -> list[dict]:
    """Return a row of `index.EXAMINED` for each clip that has no video among `paths`."""
    return [
        {"clip": clip.id, "path": clip.file, "problem": f"{clip.file}: there is no such video"}
        for clip in clips
        if clip.id not in paths
    ]


def read_examined(folder: str | Path, shards: list[str]) -> dict[str, list[dict]]:
    """Return the rows of the examined `shards` '<shard>.csv' of a folder.

    Raises PipelineError for what is no such table.
    """
    return {shard: index.read(Path(folder) / f"{shard}.csv", index.EXAMINED) for shard in shards}


def _examine_clip(clip: Clip, paths: dict[str, str], accept_damage: bool, limits: Limits) -> dict:
    """Return the row of EXAMINED of one clip. A failure of the machine makes no row."""
    path = paths[clip.id]
    before = _state(path)
    try:
        video = probe(path, accept_damage, limits)
        digest = _digest(path)
        if _state(path) != before:
            # The frames of one file and the digest of another would pass for good ever after.
            raise MachineError(
                f"{path}: the video changed while it was examined; run the same snakemake command "
                "again"
            )
    except MachineError:
        raise
    except PipelineError as error:
        row = {"clip": clip.id, "path": path, "problem": str(error)}
        return row | _digest_of_bad(path, before)
    return {"clip": clip.id, "path": path, "sha256": digest, **video, "problem": ""}


def _digest_of_bad(path: str, before: tuple[int, ...] | None) -> dict[str, str]:
    """Return the digest of a video that cannot be used as 'sha256', so that a copy of it is known;
    nothing where it is not for sure what was examined, or is huge.
    """
    with suppress(OSError):
        if before and before[0] <= LARGEST_BAD:
            digest = files.digest(path)
            return {"sha256": digest} if _state(path) == before else {}
    return {}


def _state(path: str) -> tuple[int, ...] | None:
    """What of a video changes when another takes its place; None where it is gone."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino


def _digest(path: str) -> str:
    """Return the digest of a video that has just been decoded."""
    try:
        return files.digest(path)
    except OSError as error:
        raise container.unreadable(path, error) from error


def _not_examined(clip_set: ClipSet, clip: Clip) -> dict:
    """Return a row that says that the clip was not examined."""
    return {
        "problem": f"set '{clip_set.name}': clip '{clip.id}' was not examined; run "
        "the same snakemake command again with --forcerun examine"
    }
