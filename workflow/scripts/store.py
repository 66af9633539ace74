"""List what the train or test clips of a split read of the frames or flow of a set."""

import argparse

from pipeline.jobs import listings, program


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", required=True, help="folder of the shards (<shard>.h5)")
    parser.add_argument(
        "--shards",
        type=program.read_json,
        required=True,
        help="names of the shards to list, as JSON, or @ and a file of it",
    )
    parser.add_argument("--out", required=True, help="listing to write (JSON)")
    return parser


def main() -> None:
    options = build_parser().parse_args()
    listings.write(options.out, options.store, options.shards)


if __name__ == "__main__":
    program.run(main)
