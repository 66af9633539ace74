"""Train the classifiers of a split on the Fisher vectors of its training clips."""

import argparse
from collections.abc import Sequence

import h5py
import numpy as np
from threadpoolctl import threadpool_limits

from pipeline.compute import machine
from pipeline.datasets import index
from pipeline.errors import MachineError
from pipeline.idt import sizes, svm
from pipeline.jobs import program, record
from pipeline.storage import reader, writer


def build_parser() -> argparse.ArgumentParser:
    return program.parser(__doc__, "set", "split", "clips", "fisher", "out")


class Vectors(Sequence):
    """The Fisher vectors of index rows, of which a file is opened when it is read."""

    def __init__(self, folder: str, rows: list[dict]):
        self.shards, self.rows = reader.Shards(folder, "fisher"), rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> h5py.Dataset:
        return self.shards.dataset(self.rows[number])


def require_memory(split: str, clips: int, classes: int, length: int) -> None:
    """Raise MachineError where the SVMs of so many clips take more memory than is free."""
    needed, free = sizes.svm_bytes(clips, classes, length), machine.memory()[0]
    if needed > free:
        raise MachineError(
            f"the SVMs of {split}, of {clips:,} clips, {classes:,} classes and Fisher vectors of "
            f"{length:,} values, take {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are "
            "free; run the same command where more is free, or lower idt.components, which makes "
            "the vectors shorter"
        )


def main(options: argparse.Namespace) -> None:
    settings = options.settings
    rows = index.read(options.clips)
    classes = index.class_names(rows)
    if sizes.read_in_blocks(len(rows)):
        # The clips of a file follow one another.
        rows.sort(key=lambda row: row["shard"])
    vectors = Vectors(options.fisher, rows)
    record.log(f"idt svm {options.split}: {len(rows)} training clips, {len(classes)} classes")
    require_memory(options.split, len(rows), len(classes), len(vectors[0]))
    with threadpool_limits(settings["compute"]["threads"]):
        weights, bias = svm.learn(
            vectors,
            np.array([row["label"] for row in rows]),
            len(classes),
            settings["idt"]["penalty"],
            lambda state: record.log(f"idt svm {options.split}: {state}"),
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
