"""Write the table of the train or test clips of a split."""

import argparse

from pipeline.datasets import index, leaks
from pipeline.datasets.examine import bad_clips, merge, read_examined, require_enough
from pipeline.datasets.load import load_set, skips_bad
from pipeline.jobs import program


def build_parser() -> argparse.ArgumentParser:
    names = ("set", "split", "subset", "entry", "examined", "out")
    parser = program.parser(__doc__, *names, record=False)
    parser.add_argument(
        "--tables",
        type=program.read_json,
        required=True,
        help="names of the examined shards to read, as JSON, or @ and a file of it",
    )
    return parser


def main(options: argparse.Namespace) -> None:
    clip_set = load_set(options.set, options.entry)
    clips = clip_set.subset(options.split, options.subset)
    examined = read_examined(options.examined, options.tables)
    skip = skips_bad(options.entry)
    rows = merge(clip_set, clips, examined, skip)
    if skip:
        require_enough(clip_set, options.split, options.subset, bad_clips(clips, examined))
    # Copies in train and test are found by the index, which has both.
    leaks.check_copies(options.set, rows, [], options.entry)
    index.write(options.out, rows, index.COLUMNS)


if __name__ == "__main__":
    program.run_job(main, build_parser())
