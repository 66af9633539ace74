"""Write the paper's tables beside ours: tables.json and tables.md, from the results of the runs."""

import argparse
import json

from pipeline.evaluation import tables
from pipeline.files import replacing
from pipeline.jobs import program, record
from pipeline.report.tables import markdown
from pipeline.report.text import read_result


def build_parser() -> argparse.ArgumentParser:
    parser = program.parser(__doc__, "set", "json", "markdown", record=False)
    parser.add_argument(
        "--results", nargs="+", required=True, help="an acc.json for each of --runs"
    )
    parser.add_argument(
        "--runs", nargs="+", required=True, help="variant/split/seed of each result"
    )
    return parser


def main(options: argparse.Namespace) -> None:
    results = {}
    for run, path in zip(options.runs, options.results, strict=True):
        variant, split, seed = run.split("/")
        results[variant, split, int(seed)] = read_result(path)
    filled = tables.fill(options.set, options.settings["tables"], results)
    filled["provenance"] = {
        "results": dict(zip(options.runs, options.results, strict=True)),
        "code": options.code,
        "packages": record.versions(),
    }
    for path, text in (
        (options.json, json.dumps(filled, indent=1) + "\n"),
        (options.markdown, markdown(filled)),
    ):
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    record.log(markdown(filled))


if __name__ == "__main__":
    program.run_job(main, build_parser())
