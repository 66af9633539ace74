"""The job of one shard: write its clips, or reuse those of an interrupted run, then its record."""

import argparse
from collections.abc import Callable, Iterator

import numpy as np

from pipeline.jobs import record
from pipeline.jobs.progress import Progress
from pipeline.storage import writer
from pipeline.storage.codecs import DEFAULT_CODEC, Codec


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
        attributes: more attributes of the file, which the record has, too.

    Raises:
        PipelineError: a clip gives another number of frames or fields than the index wants.
    """
    digest = writer.write_shard(
        options.out,
        kind,
        rows,
        make_arrays,
        settings,
        options.code,
        made_with,
        on_reused=lambda row: progress.skip(units(row)),
        codec=codec,
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
