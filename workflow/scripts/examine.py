"""Decode the clips of one shard to count their frames and to find clips that are damaged."""

import argparse
from pathlib import Path

from pipeline.datasets import index
from pipeline.datasets.examine import examine, missing_rows
from pipeline.datasets.load import load_set, skips_bad
from pipeline.datasets.videos import locate
from pipeline.jobs import program
from pipeline.video.decode import Limits


def build_parser() -> argparse.ArgumentParser:
    parser = program.parser(__doc__, "set", "shard", "entry", "out", record=False)
    parser.add_argument("--workers", type=int, default=1, help="number of clips decoded at a time")
    return parser


def main(options: argparse.Namespace) -> None:
    clip_set, folder = load_set(options.set, options.entry), Path(options.entry["videos"])
    clips = clip_set.shards(options.entry["shards"])[options.shard]
    paths, _ = locate(clip_set, folder, skips_bad(options.entry))
    present = [clip for clip in clips if clip.id in paths]
    accepted, limits = options.settings["accept_damaged"], Limits.from_settings(options.settings)
    rows = examine(present, paths, accepted, options.workers, limits)
    # The table holds when the folder moves.
    rows = [row | {"path": str(Path(row["path"]).relative_to(folder))} for row in rows]
    index.write(options.out, [*rows, *missing_rows(clips, paths)], index.EXAMINED)


if __name__ == "__main__":
    program.run_job(main, build_parser())
