"""The job of one shard: write its clips, or reuse those of an interrupted run, then its record.

A clip that cannot be used, or has changed since it was examined, is never written.
"""

import argparse
from collections.abc import Callable, Iterator

import numpy as np

from pipeline import files
from pipeline.datasets import index
from pipeline.errors import PipelineError, require
from pipeline.jobs import program, record
from pipeline.jobs.progress import Progress
from pipeline.storage import writer
from pipeline.storage.codecs import DEFAULT_CODEC, Codec


def parser(description: str, *more: str) -> argparse.ArgumentParser:
    """Return a parser of the options that all jobs of shards share, and of the options `more`."""
    result = program.parser(description, "clips", "videos", *more, "out")
    result.add_argument(
        "--on-bad-clip",
        choices=("fail", "skip"),
        default="fail",
        help="what is done with clips that cannot be used (default fail)",
    )
    return result


def read_rows(options: argparse.Namespace) -> list[dict]:
    """Return the rows of the examined clips of the shard that can be used.

    Raises PipelineError with one line per clip that cannot, unless such are skipped.
    """
    rows = index.read(options.clips, index.EXAMINED, options.videos)
    if options.on_bad_clip == "fail":
        require([row["problem"] for row in rows if row["problem"]])
    return [row for row in rows if not row["problem"]]


def run_shard(
    options: argparse.Namespace,
    settings: dict,
    stage: str,
    kind: str,
    rows: list[dict],
    make_arrays: Callable[[dict], Iterator[np.ndarray]],
    progress: Progress,
    units: Callable[[dict], int],
    made_with: str,
    facts: dict | None = None,
    codec: Codec = DEFAULT_CODEC,
    write_clips: Callable[[list[writer.Clip]], None] | None = None,
    **attributes: str,
) -> None:
    """Write the shard --out clip by clip, then the record --record, which counts the clips.

    `make_arrays` itself advances `progress` for the clips that are computed. A clip that an
    interrupted run has finished is reused; its `units` count as done before.

    Args:
        options: the options `out`, `record` and `code` of the program.
        settings: what the content depends on, for the file and the record; clips of other settings
            are not reused.
        stage: name of the stage in the record.
        kind: kind of the file, as in `writer.write_shard`.
        rows: index rows of the clips, with the columns clip, path, sha256 and frames.
        make_arrays: takes an index row and yields the arrays of the clip, as in
            `writer.write_shard`.
        progress: that of the whole shard; it is closed after the last clip.
        units: takes an index row and returns how many units of `progress` the clip counts.
        made_with: names and versions of the programs that the content depends on, for the file.
        facts: what the record says in place of `made_with`, where that is not None.
        codec: how frames or fields are compressed.
        write_clips: as in `writer.write_shard`, in place of `make_arrays`; the arrays of a clip are
            those of `of_examined`.
        attributes: more attributes of the file, which the record has, too.

    Raises:
        PipelineError: a clip gives another number of frames or fields than the index wants, or its
            video is another one than was examined.
    """
    digest = writer.write_shard(
        options.out,
        kind,
        rows,
        lambda row: of_examined(row, make_arrays),
        settings,
        options.code,
        made_with,
        on_reused=lambda row: progress.skip(units(row)),
        codec=codec,
        write_clips=write_clips,
        **attributes,
    )
    progress.close()
    facts = {"made_with": made_with} if facts is None else facts
    record.write(
        options.record,
        stage,
        digest,
        settings,
        options.code,
        clips=len(rows),
        **facts,
        **attributes,
    )


def of_examined(
    row: dict, make_arrays: Callable[[dict], Iterator[np.ndarray]]
) -> Iterator[np.ndarray]:
    """Yield the arrays of a clip; at the end its video must still be the one that was examined.

    So nothing of a video that was replaced meanwhile is kept, also where half of it was read.
    """
    try:
        yield from make_arrays(row)
    except PipelineError:
        # What is wrong may be that it was replaced, and then this says so.
        _check_unchanged(row)
        raise
    _check_unchanged(row)


def _check_unchanged(row: dict) -> None:
    with files.reading(row["path"]):
        try:
            found = files.digest(row["path"])
        except FileNotFoundError:
            found = "nothing"
    if found != row["sha256"]:
        raise PipelineError(
            f"{row['path']}: clip '{row['clip']}' has changed since it was examined; run the same "
            "snakemake command again, which examines it again"
        )
