"""Score the test clips of a split by the classifiers of its training clips' Fisher vectors."""

import argparse

import numpy as np

from pipeline.datasets import index
from pipeline.errors import PipelineError, listed
from pipeline.evaluation.score_files import write_scores
from pipeline.jobs import program, record
from pipeline.storage import attributes, reader


def build_parser() -> argparse.ArgumentParser:
    return program.parser(__doc__, "set", "split", "clips", "fisher", "svm", "out")


def main(options: argparse.Namespace) -> None:
    settings = options.settings
    rows = index.read(options.clips)
    with reader.opened(options.svm, "svm") as file:
        facts = attributes.read(file)
        trained = facts["set"], facts["split"]
        weights, bias = file["weights"][...], file["bias"][...]
        classes = list(file["classes"].asstr())
    if trained != (options.set, options.split):
        raise PipelineError(
            f"{options.svm}: trained for {' '.join(trained)}, not for {options.set} "
            f"{options.split}: its training clips may be among these test clips; name the svm.h5 "
            "of this split"
        )
    index.check_classes(rows, classes)
    vectors = reader.Shards(options.fisher, "fisher")
    scores, empty = np.empty((len(rows), len(classes)), np.float32), []
    for score, row in zip(scores, rows, strict=True):
        vector = vectors.dataset(row)[...]
        score[:] = weights @ vector + bias
        # The Fisher vector of a clip without trajectories is 0.
        if not vector.any():
            empty.append(row["clip"])
    record.log(
        f"idt scores {options.split}: {len(rows)} clips, {len(empty)} of them without "
        f"trajectories, which the biases alone score{': ' if empty else ''}{listed(empty)}"
    )
    digest = write_scores(options.out, "idt", rows, classes, scores, settings, options.code)
    record.write(
        options.record,
        "scores",
        digest,
        settings,
        options.code,
        clips=len(rows),
        without_trajectories=empty,
    )


if __name__ == "__main__":
    program.run_job(
        main, build_parser(), inputs=("clips", "svm"), stores=("fisher",), outputs=("out", "record")
    )
