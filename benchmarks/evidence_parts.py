"""The files of parts, one fold and seed of a set each, and what they say of predictions."""

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from evidence_rows import IDT, Prediction

from pipeline.config import check, settings, shipped, spelling
from pipeline.errors import PipelineError, first_line, nearest
from pipeline.evaluation import comparison
from pipeline.files import read_intact, replacing

PARTS = Path("benchmarks/results/evidence")
# Configs of the sets, <set>.yaml, laid over what they share and config.yaml.
CONFIGS = Path("workflow/evidence")
SHARED = "common.yaml"
# What every file of a part has that the page is made of.
KEYS = (
    *("set", "split", "seed", "date", "processor", "cores", "classes", "clips", "labels"),
    *("predicted", "missing", "teacher", "evidence", "settings", "code", "seconds"),
)


def config_files(name: str, split: str = "", seed: int = 0) -> list[Path]:
    """The configs of a set that are laid over config.yaml, in their order.

    With a fold and a seed also that of this part alone, where there is one: what is tried there.
    """
    files = [
        CONFIGS / SHARED,
        CONFIGS / f"{name}.yaml",
        CONFIGS / f"{name}-{split}-seed{seed}.yaml",
    ]
    return [file for file in files if file == files[1] or file.is_file()]


def config_of(name: str, files: list[Path] | None = None) -> dict:
    """The config of a set, as Snakemake merges it of `files`, or of CONFIGS.

    Raises PipelineError where there is no such file.
    """
    files = files or config_files(name)
    for file in files:
        if not file.is_file():
            known = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
            raise PipelineError(
                f"there is no config {file}; name it by --configfile, or correct the set"
                f"{nearest(name, known)}"
            )
    config = spelling.read(shipped.DEFAULTS)
    for file in files:
        settings.overlay(config, spelling.read(file))
    check.check(config, ", ".join(map(str, files)))
    return config


def part_path(folder: Path, name: str, split: str, seed: int) -> Path:
    return folder / f"{name}-{split}-seed{seed}.json"


def write_part(path: Path, content: dict) -> None:
    """Write the file of a part: a line for each of its keys, so that changes can be read."""
    lines = [
        f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}"
        for key, value in content.items()
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, sealed=False) as temporary:
        temporary.write_text("{\n" + ",\n".join(lines) + "\n}\n")


@dataclass(frozen=True)
class Part:
    """One fold and seed of a set; `content` is all that its file holds."""

    path: Path
    content: dict

    @property
    def split(self) -> str:
        return self.content["split"]

    @property
    def seed(self) -> int:
        return self.content["seed"]

    @property
    def name(self) -> str:
        return f"{self.content['set']}/{self.split}/seed{self.seed}"

    @property
    def clips(self) -> int:
        return len(self.content["clips"])

    def right(self, prediction: Prediction) -> np.ndarray | None:
        """Which clips (clips,) a prediction gets right; None where the part has no such."""
        variant, source = prediction
        predicted = self.content["predicted"].get(variant, {}).get(source)
        return None if predicted is None else np.equal(predicted, self.content["labels"])


def read_part(path: Path) -> Part:
    """Raises PipelineError for what is no file of a part."""
    try:
        content = json.loads(read_intact(path))
        absent = [key for key in KEYS if key not in content]
        if absent:
            raise ValueError(f"it lacks {', '.join(absent)}")
    except (ValueError, TypeError) as error:
        raise PipelineError(
            f"{path}: not the file of a part ({first_line(error)}); move it elsewhere, and make it "
            "again by benchmarks/evidence.py run"
        ) from error
    return Part(path, content)


def read_parts(folder: Path) -> dict[str, list[Part]]:
    """The parts of each set, by fold and seed, and the sets in the order of their names.

    Raises PipelineError where parts of one fold are not of the same clips.
    """
    by_set: dict[str, list[Part]] = {}
    for path in sorted(folder.glob("*.json")):
        part = read_part(path)
        by_set.setdefault(part.content["set"], []).append(part)
    for parts in by_set.values():
        parts.sort(key=lambda part: (_natural(part.split), part.seed))
        for part in parts:
            first = next(other for other in parts if other.split == part.split)
            if any(
                part.content[key] != first.content[key] for key in ("classes", "clips", "labels")
            ):
                raise PipelineError(
                    f"{part.path} and {first.path} are not of the same test clips; make both again "
                    "from the same lists"
                )
    return by_set


def _natural(split: str) -> list:
    """'split10' comes after 'split2'."""
    return [int(word) if word.isdigit() else word for word in re.split("([0-9]+)", split)]


@dataclass(frozen=True)
class Accuracy:
    """The share of clips that are right, over folds and seeds.

    Each clip counts as much as any other, and for it each seed. `deviation` is the standard
    deviation of the seeds that were run on all folds; None of fewer than two.
    """

    mean: float
    deviation: float | None
    interval: tuple[float, float]
    clips: int


def accuracy(parts: list[Part], prediction: Prediction) -> Accuracy | None:
    """The accuracy of a prediction; None where no part has it."""
    found = {
        (part.split, part.seed): right
        for part in parts
        if (right := part.right(prediction)) is not None
    }
    if not found:
        return None
    splits = list(dict.fromkeys(split for split, _ in found))
    shares = np.concatenate(
        [
            np.mean([right for (own, _), right in found.items() if own == split], axis=0)
            for split in splits
        ]
    )
    seeds = {seed for _, seed in found}
    # By trajectories all seeds have the same.
    whole = [
        np.concatenate([found[split, seed] for split in splits]).mean()
        for seed in seeds
        if prediction != IDT and all((split, seed) in found for split in splits)
    ]
    deviation = float(np.std(whole, ddof=1)) if len(whole) > 1 else None
    return Accuracy(float(shares.mean()), deviation, comparison.bootstrap(shares), len(shares))


@dataclass(frozen=True)
class Difference:
    """What one prediction has over another: a mean over clips, its 95 % interval, and p."""

    mean: float
    interval: tuple[float, float]
    p_value: float
    clips: int


def gains(parts: list[Part], better: Prediction, worse: Prediction) -> dict[str, np.ndarray]:
    """By fold, (seeds, clips): 1 where `better` alone gets a clip right, -1 where `worse` does.

    The seeds are those that have both; a fold without any is left out.
    """
    found: dict[str, list[np.ndarray]] = {}
    for part in parts:
        both = part.right(better), part.right(worse)
        if both[0] is not None and both[1] is not None:
            found.setdefault(part.split, []).append(both[0].astype(int) - both[1])
    return {split: np.stack(rows) for split, rows in found.items()}


def difference(parts: list[Part], better: Prediction, worse: Prediction) -> Difference | None:
    """The difference of two predictions on the same clips and seeds; None where there are none.

    The interval is by bootstrap over clips, p by the exact sign test.
    """
    found = gains(parts, better, worse).values()
    if not found:
        return None
    # Sums over seeds, as integers also where folds have different numbers of seeds.
    scale = math.lcm(*(len(rows) for rows in found))
    sums = np.concatenate([rows.sum(axis=0) * (scale // len(rows)) for rows in found])
    return Difference(
        float(sums.mean() / scale),
        comparison.bootstrap(sums / scale),
        comparison.sign_test(sums),
        len(sums),
    )
