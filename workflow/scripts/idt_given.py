"""Take the test clips' scores by trajectories from a file that was made elsewhere."""

import argparse

import numpy as np

from pipeline import files
from pipeline.datasets import index
from pipeline.errors import PipelineError
from pipeline.evaluation import external_scores
from pipeline.evaluation.matching import match_rows
from pipeline.evaluation.score_files import write_scores
from pipeline.jobs import program, record


def build_parser() -> argparse.ArgumentParser:
    return program.parser(__doc__, "set", "split", "train", "test", "scores", "out")


def main(options: argparse.Namespace) -> None:
    rows = index.read(options.test)
    # Every class has training clips; a class may have no test clips.
    classes = index.class_names(index.read(options.train))
    with files.reading(options.scores):
        content = files.digest(options.scores)
    if options.settings.get("given", content) != content:
        raise PipelineError(
            f"{options.scores}: the file has changed since this run began; run the same snakemake "
            "command again, which takes it as it is now"
        )
    given = external_scores.read(options.scores)
    scores = match_rows(given, rows, classes, options.scores)
    record.log(
        f"idt scores {options.split}: {len(rows)} of the {len(given.clips)} clips in "
        f"{options.scores}"
    )
    scores = np.ascontiguousarray(scores, np.float32)
    digest = write_scores(options.out, "idt", rows, classes, scores, options.settings, options.code)
    record.write(options.record, "scores", digest, options.settings, options.code, clips=len(rows))


if __name__ == "__main__":
    program.run_job(main, build_parser())
