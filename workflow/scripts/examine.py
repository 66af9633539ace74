"""Decode the clips of one shard to count their frames and to find clips that are damaged."""

import argparse
from pathlib import Path

from pipeline.datasets import index
from pipeline.datasets.clips import Clip
from pipeline.datasets.examine import examine, missing_rows
from pipeline.jobs import program
from pipeline.video.decode import Limits


def build_parser() -> argparse.ArgumentParser:
    parser = program.parser(__doc__, "videos", "out", record=False)
    parser.add_argument(
        "--listing",
        type=program.read_json,
        required=True,
        help="clips as JSON, or @ and a file of it: of each its id, the file of its list, and its "
        "video, or null where there is none",
    )
    parser.add_argument("--workers", type=int, default=1, help="number of clips decoded at a time")
    return parser


def main(options: argparse.Namespace) -> None:
    clips = [Clip(clip, listed, group="") for clip, listed, _ in options.listing]
    # A clip without a video is among the bad ones, where such are skipped.
    paths = {clip: f"{options.videos}/{file}" for clip, _, file in options.listing if file}
    present = [clip for clip in clips if clip.id in paths]
    accepted, limits = options.settings["accept_damaged"], Limits.from_settings(options.settings)
    rows = examine(present, paths, accepted, options.workers, limits)
    # The table holds when the folder moves.
    rows = [row | {"path": str(Path(row["path"]).relative_to(options.videos))} for row in rows]
    index.write(options.out, [*rows, *missing_rows(clips, paths)], index.EXAMINED)


if __name__ == "__main__":
    program.run_job(main, build_parser())
