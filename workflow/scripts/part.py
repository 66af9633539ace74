"""Write the table of the train or test clips of a split."""

from pathlib import Path

from pipeline.datasets import index
from pipeline.datasets.load import load_set
from pipeline.jobs import program


def main() -> None:
    parser = program.parser(__doc__, "set", "split", "part", "out", record=False)
    parser.add_argument(
        "--examined", nargs="+", type=Path, required=True, help="one table per shard, <shard>.csv"
    )
    options = parser.parse_args()
    clip_set = load_set(options.set, options.settings)
    rows = index.merge(
        clip_set,
        clip_set.subset(options.split, options.part),
        {path.stem: index.read(path, index.EXAMINED) for path in options.examined},
    )
    index.write(options.out, rows, index.COLUMNS)


if __name__ == "__main__":
    program.run(main)
