"""Write the page of a result, report.html: one file that holds all that it shows."""

import argparse
from pathlib import Path

from pipeline.jobs import program, record
from pipeline.report.layout import bytes_text
from pipeline.report.page.write import write


def build_parser() -> argparse.ArgumentParser:
    parser = program.parser(__doc__, record=False)
    parser.add_argument("--result", type=Path, required=True, help="result to show (acc.json)")
    parser.add_argument("--html", type=Path, required=True, help="page to write (HTML)")
    return parser


def main(options: argparse.Namespace) -> None:
    write([options.result], options.html)
    record.log(f"{options.html}: {bytes_text(options.html.stat().st_size)}")


if __name__ == "__main__":
    program.run_job(main, build_parser())
