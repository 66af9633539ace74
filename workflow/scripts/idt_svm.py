"""Train the classifiers of a split on the Fisher vectors of its training clips."""

import argparse

import numpy as np
from threadpoolctl import threadpool_limits

from pipeline.datasets import index
from pipeline.idt import svm
from pipeline.jobs import program, record
from pipeline.storage import reader, writer


def build_parser() -> argparse.ArgumentParser:
    return program.parser(__doc__, "set", "split", "clips", "fisher", "out")


def main(options: argparse.Namespace) -> None:
    settings = options.settings
    rows = index.read(options.clips)
    classes = index.class_names(rows)
    vectors = reader.Shards(options.fisher, "fisher")
    record.log(f"idt svm {options.split}: {len(rows)} training clips, {len(classes)} classes")
    with threadpool_limits(settings["compute"]["threads"]):
        weights, bias = svm.learn(
            [vectors.dataset(row) for row in rows],
            np.array([row["label"] for row in rows]),
            len(classes),
            settings["idt"]["penalty"],
        )
    with writer.create(
        options.out, "svm", settings, options.code, set=options.set, split=options.split
    ) as file:
        file["weights"], file["bias"], file["classes"] = weights, bias, classes
    record.write(
        options.record,
        "idt_svm",
        reader.content_digest(options.out, "svm"),
        settings,
        options.code,
        clips=len(rows),
    )


if __name__ == "__main__":
    program.run_job(
        main, build_parser(), inputs=("clips",), stores=("fisher",), outputs=("out", "record")
    )
