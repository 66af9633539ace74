"""Fuse the scores of a run's sources and write its result.

The result holds accuracies, the confusion matrix, and what they rest on.
"""

import argparse
import json
from pathlib import Path

from pipeline.datasets import index, leaks
from pipeline.datasets.clips import TEST, TRAIN
from pipeline.evaluation import fusion, metrics
from pipeline.evaluation.provenance import provenance, shard_records
from pipeline.evaluation.score_files import read_scores
from pipeline.files import replacing
from pipeline.jobs import agreement, program, record
from pipeline.report.figures import draw_result
from pipeline.report.text import result_lines


def build_parser() -> argparse.ArgumentParser:
    parser = program.parser(
        __doc__, "set", "run", "entry", "results", "train", "test", "json", "png", record=False
    )
    parser.add_argument(
        "--config", type=json.loads, required=True, help="settings of the run, as JSON"
    )
    parser.add_argument(
        "--scores", nargs="+", required=True, help="scores.h5 of each source, in its folder"
    )
    parser.add_argument(
        "--idt", nargs="*", default=[], help="scores by trajectories, where there are any"
    )
    parser.add_argument(
        "--records",
        nargs="+",
        required=True,
        help="records of all that the scores rest on but shards",
    )
    return parser


def data(options: argparse.Namespace, train: list[dict], test: list[dict]) -> dict:
    """What the clips of a split are, by the rows of its tables: their counts, those that are left
    out with the reason, and leaks.
    """
    about, split = record.read(f"{options.results}/index.json"), options.run.partition("/")[0]
    skipped = {
        subset: {
            clip: bad["reason"]
            for clip, bad in about.get("skipped", {}).items()
            if bad["splits"].get(split) == subset
        }
        for subset in (TRAIN, TEST)
    }
    return {
        "train_clips": len(train),
        "test_clips": len(test),
        "skipped": {"count": sum(map(len, skipped.values())), **skipped},
        "leaks": leaks.leaks(train, test, about.get("groups_span_classes", False)).summary(),
    }


def main(options: argparse.Namespace) -> None:
    sources = fusion.align(
        {Path(path).parent.name: read_scores(path) for path in [*options.scores, *options.idt]}
    )
    fused = fusion.fuse(sources, options.settings["fusion"])
    # All sources are aligned: their clips, labels and classes are the same.
    aligned = next(iter(sources.values()))
    config = options.config | {"set": options.entry}
    train, test = index.read(options.train), index.read(options.test)
    codebook = next((path for path in options.records if path.endswith("codebook.json")), None)
    shards = ({row["shard"] for row in rows} for rows in (train, test))
    records = [*shard_records(options.results, *shards, codebook), *options.records]
    if options.wanted:
        agreement.check(records, options.wanted)
    result = {
        "set": options.set,
        "split": options.run,
        **metrics.summary(fused.values, aligned.labels, aligned.classes, fused.headline),
        "fusion": fused.about,
        "data": data(options, train, test),
        "provenance": provenance(records, config, options.code),
    }
    draw_result(result, options.png)
    with replacing(options.json) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n")
    record.log(result_lines(result))


if __name__ == "__main__":
    program.run_job(main, build_parser())
