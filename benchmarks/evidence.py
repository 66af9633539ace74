"""The comparisons of docs/results.md: made, collected, and shown.

    python benchmarks/evidence.py run
    python benchmarks/evidence.py run --only jhmdb14/split1/seed1
    python benchmarks/evidence.py collect jhmdb14 split1 1
    python benchmarks/evidence.py page

A part is one fold and seed of a set. `run` makes by Snakemake every part whose file is not there,
and of others the rows that are not there or were made with other settings, then the page; a run
that was stopped goes on where it was. A part that earlier code made is told, and made anew with
--again. `collect` writes benchmarks/results/evidence/<set>-<split>-seed<n>.json from results that
are there, and keeps those rows of the file that are not among them, if their settings are the same.
`page` writes docs/results.md and its pictures from all these files. Call it in the folder of the
project.
"""

import argparse
from pathlib import Path

from evidence_parts import CONFIGS, PARTS, config_files, config_of, part_path, read_part, write_part

from pipeline.jobs import program


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="make all parts that are missing, then the page")
    run.add_argument("--cores", default="all", help="for Snakemake (default all)")
    run.add_argument(
        "--only", nargs="+", metavar="PART", help="parts such as jhmdb14/split1/seed1, or jhmdb14"
    )
    run.add_argument("--again", action="store_true", help="make also parts that are there")
    run.add_argument("--list", action="store_true", help="say what would be made, and make nothing")
    run.add_argument(
        "--data", type=Path, help="genuine clips (default $PIPELINE_TEST_DATA, or ../shared/data)"
    )
    collect = commands.add_parser("collect", help="write the file of one part from its results")
    collect.add_argument("set")
    collect.add_argument("split")
    collect.add_argument("seed", type=int)
    collect.add_argument(
        "--configfile",
        nargs="+",
        type=Path,
        help=f"as for Snakemake (default those of {CONFIGS} for this part)",
    )
    page = commands.add_parser("page", help="write docs/results.md from the files of all parts")
    for command in (run, collect, page):
        command.add_argument(
            "--parts", type=Path, default=PARTS, help="folder of the files of parts"
        )
    for command in (run, page):
        command.add_argument(
            "--out", type=Path, default=Path("docs/results.md"), help="(default docs/results.md)"
        )
    return parser


def main(options: argparse.Namespace) -> None:
    if options.command == "run":
        from evidence_run import run

        run(options)
    elif options.command == "collect":
        from evidence_collect import collect

        files = config_files(options.set, options.split, options.seed)
        config = config_of(options.set, options.configfile or files)
        path = part_path(options.parts, options.set, options.split, options.seed)
        earlier = read_part(path).content if path.is_file() else None
        write_part(path, collect(config, options.set, options.split, options.seed, earlier))
        print(f"written to {path}")
    else:
        from evidence_page import write_page

        write_page(options.parts, options.out)
        print(f"written to {options.out}")


if __name__ == "__main__":
    arguments = build_parser().parse_args()
    program.run(lambda: main(arguments))
