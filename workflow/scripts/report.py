"""Write the page of a result, report.html: one file that holds all that it shows."""

import argparse
from pathlib import Path

from pipeline.jobs import program, record, watch
from pipeline.report.layout import bytes_text
from pipeline.report.page.write import write


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--result", type=Path, required=True, help="result to read (acc.json)")
    parser.add_argument(
        "--code", default="unknown", help="id of the code that runs (pipeline.jobs.code_id)"
    )
    parser.add_argument("--html", type=Path, required=True, help="page to write (HTML)")
    return parser


def main() -> None:
    options = build_parser().parse_args()
    watch.join_run()
    write([options.result], options.html)
    record.log(f"{options.html}: {bytes_text(options.html.stat().st_size)}")


if __name__ == "__main__":
    program.run(main)
