"""Write the paper's tables beside ours, from the results of all runs that their rows name: tables.json and tables.md."""

import json

from pipeline import program, record, report, tables
from pipeline.files import replacing


def main() -> None:
    parser = program.parser(__doc__, "set", "json", "markdown", record=False)
    parser.add_argument("--results", nargs="+", required=True, help="an acc.json for each of --runs")
    parser.add_argument("--runs", nargs="+", required=True, help="variant/split/seed of each result")
    options = parser.parse_args()
    results = {}
    for run, path in zip(options.runs, options.results, strict=True):
        variant, split, seed = run.split("/")
        results[variant, split, int(seed)] = report.read(path)
    filled = tables.fill(options.set, options.settings["tables"], results)
    filled["provenance"] = {"results": dict(zip(options.runs, options.results, strict=True)), "code": options.code,
                            "packages": record.versions()}
    for path, text in ((options.json, json.dumps(filled, indent=1) + "\n"), (options.markdown, tables.markdown(filled))):
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    record.log(tables.markdown(filled))


if __name__ == "__main__":
    program.run(main)
