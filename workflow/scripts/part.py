"""Write the table of the clips that a split trains or tests on."""

from pathlib import Path

from pipeline.datasets import index
from pipeline.datasets.load import load_set
from pipeline.jobs import program


def main() -> None:
    parser = program.parser(__doc__, "set", "split", "part", "out", record=False)
    parser.add_argument(
        "--examined", nargs="+", type=Path, required=True, help="a table a shard, <shard>.csv"
    )
    options = parser.parse_args()
    clip_set = load_set(options.set, options.settings)
    rows = index.merge(
        clip_set,
        clip_set.part(options.split, options.part),
        {path.stem: index.read(path, index.EXAMINED) for path in options.examined},
    )
    index.write(options.out, rows, index.COLUMNS)


if __name__ == "__main__":
    program.run(main)
