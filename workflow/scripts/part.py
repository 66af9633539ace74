"""Write the table of the clips that a split trains or tests on."""

from pathlib import Path

from pipeline import program
from pipeline.datasets import index, sets


def main() -> None:
    parser = program.parser(__doc__, "set", "split", "part", "out", record=False)
    parser.add_argument("--examined", nargs="+", type=Path, required=True, help="a table a shard, <shard>.csv")
    options = parser.parse_args()
    clip_set = sets.read(options.set, options.settings)
    rows = index.merge(clip_set, {path.stem: index.read(path, index.EXAMINED) for path in options.examined})
    wanted = {clip.id for clip in clip_set.part(options.split, options.part)}
    index.write(options.out, [row for row in rows if row["clip"] in wanted], index.COLUMNS)


if __name__ == "__main__":
    program.run(main)
