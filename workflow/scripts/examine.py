"""Decode the clips of one shard to count their frames and to find clips that are damaged."""

from pathlib import Path

from pipeline.datasets import index
from pipeline.datasets.load import load_set
from pipeline.datasets.videos import locate
from pipeline.jobs import program


def main() -> None:
    parser = program.parser(__doc__, "set", "shard", "out", record=False)
    parser.add_argument("--workers", type=int, default=1, help="number of clips decoded at a time")
    options = parser.parse_args()
    settings = options.settings
    clip_set = load_set(options.set, settings)
    clips = clip_set.shards(settings["shards"])[options.shard]
    paths, _ = locate(clip_set, Path(settings["videos"]))
    index.write(
        options.out,
        index.examine(clips, paths, settings["accept_damaged"], options.workers),
        index.EXAMINED,
    )


if __name__ == "__main__":
    program.run(main)
