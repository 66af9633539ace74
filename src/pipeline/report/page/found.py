"""A result and what lies beside it: scores, clips, records. All is read when it is asked for."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np

from pipeline.config.runs import Run
from pipeline.datasets import index
from pipeline.errors import PipelineError
from pipeline.evaluation import fusion, metrics
from pipeline.evaluation.score_files import Scores, read_scores
from pipeline.files import reading
from pipeline.report.text import NAMES, read_result
from pipeline.streams import DIRECTIONS, STREAMS

RUN = re.compile(r"split[0-9]+(/[a-z][a-z0-9_]*)?(/seed[0-9]+)?")
# Bytes of a small text file that a page reads: a history of losses, a table of resources.
LARGEST_TEXT = 16 << 20
# Keys of `fusion` that came after results were made, with what they meant before.
EARLIER_FUSION = {"rule": "paper"}


@dataclass
class Found:
    """The result of the file `path`, acc.json, and what is found in the folders around it."""

    path: Path
    result: dict

    @cached_property
    def run(self) -> Run:
        """Which run it is; of a split with an odd name the whole method."""
        text = self.result["split"]
        return Run.parse(text) if RUN.fullmatch(text) else Run(text)

    @cached_property
    def name(self) -> str:
        """'demo split1', 'ucf101 split1, baseline, seed 2'."""
        variant = [] if self.run.variant == "complete" else [self.run.variant]
        seed = [] if self.run.seed is None else [f"seed {self.run.seed}"]
        return ", ".join([f"{self.result['set']} {self.run.split}", *variant, *seed])

    @cached_property
    def set_folder(self) -> Path:
        """The folder of the set, which is as far above the result as its run says."""
        parents, depth = self.path.absolute().parents, len(self.result["split"].split("/"))
        return parents[min(depth, len(parents) - 1)]

    @property
    def split_folder(self) -> Path:
        return self.set_folder / self.run.split

    @property
    def headline(self) -> str:
        return self.result["headline"]

    @property
    def sources(self) -> list[str]:
        """The sources of its accuracies, in the order in which they are always shown."""
        own = self.result["accuracy"]
        return [*(key for key in NAMES if key in own), *(key for key in own if key not in NAMES)]

    @property
    def provenance(self) -> dict:
        """What it rests on. Raises PipelineError where it does not say so."""
        return self.part("provenance")

    @property
    def config(self) -> dict:
        config = self.provenance.get("config")
        if not isinstance(config, dict):
            raise PipelineError("This result does not say with which settings it was made.")
        return config

    def part(self, key: str) -> dict:
        """A part of the result that not every result has. Raises PipelineError without it."""
        found = self.result.get(key)
        if not isinstance(found, dict) or not found:
            raise PipelineError(f"This result has no part '{key}'.")
        return found

    def records(self, stage: str) -> list[Path]:
        """The records of a stage's artifacts, where they lie now, whether they exist or not."""
        about = self.provenance.get("stages", {}).get(stage, {})
        start = ("results", self.result["set"])
        found = []
        for text in about.get("artifacts", {}):
            path = PurePosixPath(text)
            inner = path.parts[2:] if path.parts[:2] == start else path.parts
            # A result may come from somebody else: it names no file outside of the set's folder.
            if inner and not path.is_absolute() and ".." not in inner:
                found.append(self.set_folder.joinpath(*inner))
        return found

    @cached_property
    def scores(self) -> dict[str, Scores]:
        """The aligned scores by source. Raises PipelineError where a file of them is missing."""
        paths = [path.with_suffix(".h5") for path in self.records("scores")]
        missing = [path for path in paths if not path.is_file()]
        if not paths or missing:
            what = _within(missing[0], self.set_folder) if missing else "score files"
            raise PipelineError(
                f"The scores of single clips are not beside this result ({what} is missing)."
            )
        return fusion.align({path.parent.name: read_scores(str(path)) for path in paths})

    @cached_property
    def fused(self) -> fusion.Fused:
        """The scores of all sources and fusions. Raises PipelineError where they are others than
        the result is of.
        """
        settings = EARLIER_FUSION | self.config["fusion"]
        fused = fusion.fuse(self.scores, settings)
        for source, share in self.result["accuracy"].items():
            values = fused.values.get(source)
            if values is None or abs(metrics.accuracy(values, self.labels) - share) > 1e-9:
                raise PipelineError(
                    f"The score files beside this result are not those that it was made of: "
                    f"{NAMES.get(source, source)} has another accuracy by them."
                )
        return fused

    @property
    def _first(self) -> Scores:
        return next(iter(self.scores.values()))

    @property
    def labels(self) -> np.ndarray:
        """The true classes (clips,) in the order of the scores."""
        return self._first.labels

    @property
    def clips(self) -> list[str]:
        return self._first.clips

    @property
    def classes(self) -> list[str]:
        """The names of the classes, in the order of the labels."""
        return self._first.classes

    @cached_property
    def rows(self) -> list[dict]:
        """The rows of the table of test clips, in the order of the scores.

        Raises PipelineError where the table is missing, or is of other clips.
        """
        path = self.split_folder / "test.csv"
        if not path.is_file():
            raise PipelineError("The table of the test clips, test.csv, is not beside this result.")
        by_clip = {row["clip"]: row for row in index.read(path)}
        if not set(self.clips) <= set(by_clip):
            raise PipelineError("The table of the test clips, test.csv, is of other clips.")
        return [by_clip[clip] for clip in self.clips]

    @property
    def networks(self) -> list[str]:
        """The streams and directions that it has scores of."""
        return [name for name in (*STREAMS, *DIRECTIONS) if name in self.scores]


def find(path: Path) -> Found:
    """The result at `path`, an acc.json or its folder. Raises PipelineError where there is none."""
    if path.is_dir():
        if not (path / "acc.json").is_file():
            raise PipelineError(
                f"{path}: there is no acc.json in this folder; name the folder of a finished run, "
                f"results/<set>/<split>, or see where this one stands: pipeline status {path}"
            )
        path = path / "acc.json"
    return Found(path, read_result(path))


def read_lines(path: Path) -> list[str]:
    """The lines of a small text file; none where it does not exist or is large."""
    if not path.is_file() or path.stat().st_size > LARGEST_TEXT:
        return []
    with reading(path):
        return path.read_text(encoding="utf-8", errors="replace").splitlines()


def read_json_lines(path: Path) -> list[dict]:
    """The objects of a file of JSON lines; a line that was cut short is left out."""
    found = []
    for line in read_lines(path):
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def _within(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else path.name
