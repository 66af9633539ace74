"""Score the test clips of a split by the classifiers of its training clips' Fisher vectors."""

import hashlib

import numpy as np

from pipeline.datasets import index
from pipeline.errors import PipelineError
from pipeline.jobs import program, record
from pipeline.storage import reader, writer


def main() -> None:
    options = program.parser(__doc__, "set", "split", "clips", "fisher", "svm", "out").parse_args()
    settings = options.settings
    rows = index.read(options.clips)
    with reader.open_checked(options.svm, "svm") as file:
        trained = file.attrs["set"], file.attrs["split"]
        weights, bias, classes = (
            file["weights"][...],
            file["bias"][...],
            list(file["classes"].asstr()),
        )
    if trained != (options.set, options.split):
        raise PipelineError(
            f"{options.svm}: trained for {' '.join(trained)}, not for {options.set} {options.split}: its "
            "training clips may be among these test clips; name the svm.h5 of this split"
        )
    index.check_classes(rows, classes)
    vectors = reader.Shards(options.fisher, "fisher")
    scores, still = np.empty((len(rows), len(classes)), np.float32), []
    for number, row in enumerate(rows):
        vector = vectors(row)[...]
        scores[number] = weights @ vector + bias
        if not vector.any():
            still.append(row["clip"])
    record.log(
        f"idt scores {options.split}: {len(rows)} clips, {len(still)} of them without trajectories, which the "
        f"biases alone score{': ' if still else ''}{', '.join(still)}"
    )
    with writer.create(options.out, "scores", settings, options.code, source="idt") as file:
        file["clips"], file["labels"] = (
            [row["clip"] for row in rows],
            np.array([row["label"] for row in rows]),
        )
        file["classes"], file["scores"] = classes, scores
    record.write(
        options.record,
        "scores",
        hashlib.sha256(scores).hexdigest()[:16],
        settings,
        options.code,
        clips=len(rows),
        without_trajectories=len(still),
    )


if __name__ == "__main__":
    program.run(main)
