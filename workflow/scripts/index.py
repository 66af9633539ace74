"""Join the examined shards of a set to its index.

Refuses the set, naming every clip that cannot be decoded, when there is any.
"""

from pathlib import Path

from pipeline import files
from pipeline.datasets import index
from pipeline.datasets.load import load_set
from pipeline.datasets.videos import locate
from pipeline.jobs import program, record
from pipeline.video import ffmpeg


def main() -> None:
    parser = program.parser(__doc__, "set", "index")
    parser.add_argument(
        "--examined", nargs="+", type=Path, required=True, help="one table per shard, <shard>.csv"
    )
    options = parser.parse_args()
    settings = options.settings
    clip_set = load_set(options.set, settings)
    _, unlisted = locate(clip_set, Path(settings["videos"]))
    for video in unlisted:
        record.log(f"note: {settings['videos']}/{video} is in no split list and is not used")
    rows = index.merge(
        clip_set,
        list(clip_set.clips.values()),
        {path.stem: index.read(path, index.EXAMINED) for path in options.examined},
    )
    index.write(options.index, rows, index.COLUMNS + clip_set.splits)
    record.write(
        options.record,
        "index",
        files.digest(options.index),
        settings,
        options.code,
        ffmpeg=ffmpeg.version(),
        clips=len(rows),
        frames=sum(row["frames"] for row in rows),
        extra=unlisted,
    )


if __name__ == "__main__":
    program.run(main)
