"""Take the test clips' scores by trajectories from a file that was made elsewhere."""

import hashlib

import numpy as np

from pipeline import files
from pipeline.datasets import index
from pipeline.evaluation import external_scores
from pipeline.jobs import program, record
from pipeline.storage import writer


def main() -> None:
    options = program.parser(__doc__, "set", "split", "train", "test", "scores", "out").parse_args()
    rows, classes = (
        index.read(options.test),
        index.class_names(index.read(options.train)),
    )  # each class is trained on
    found = external_scores.read(options.scores)
    scores = np.ascontiguousarray(
        external_scores.of_clips(found, rows, classes, options.scores), np.float32
    )
    record.log(
        f"idt scores {options.split}: {len(rows)} of the {len(found.clips)} clips in {options.scores}"
    )
    settings = options.settings | {"given": files.digest(options.scores)}
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
    )


if __name__ == "__main__":
    program.run(main)
