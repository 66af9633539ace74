"""What rule of late fusion loses nothing against its best source.

    make evidence
    python benchmarks/late_fusion.py ../shared/data results

Compares the rules on published scores of UCF101, and on the scores of the complete method that lie
in folders of results, with all its sources: those of its evidence, for one. The test clips of the
folds of a set are taken together. Prints tables and writes benchmarks/results/late_fusion.json.
"""

import argparse
import os
from pathlib import Path

# These must be set before numpy is imported.
os.environ |= {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}

import numpy as np
from report import write
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.model_selection import GroupKFold
from sklearn.svm import SVC

from pipeline.datasets import index
from pipeline.evaluation.comparison import RESAMPLES, bootstrap
from pipeline.evaluation.fusion import align, combine, normalise
from pipeline.evaluation.score_files import read_scores
from pipeline.storage.reader import Shards, opened
from pipeline.streams import DIRECTIONS, STREAMS

SETS, SPLITS = ("jhmdb14", "ucf101_6class", "weizmann"), (1, 2, 3)
# The default's share of trajectories, in config.yaml, and those beside it.
DEFAULT, WEIGHTS = 0.5, (0.25, 1 / 3, 0.5, 0.75)
# C of the classifiers of trajectories, as in config.yaml, and parts that each is held out of.
PENALTY, FOLDS = 100.0, 3
SOURCES = (*STREAMS, *DIRECTIONS)


def by_clip(values: np.ndarray) -> np.ndarray:
    """Scores off their mean over the classes, over their spread, clip by clip."""
    centred = values - values.mean(axis=1, keepdims=True)
    spreads = centred.std(axis=1, keepdims=True)
    return centred / np.where(spreads > 0, spreads, 1)


def mean_of(logits: np.ndarray, space: str) -> np.ndarray:
    """(clips, classes) of (clips, instants, classes), or of scores that have no instants."""
    values = softmax(logits, axis=-1) if space == "softmax" else logits
    return values.mean(axis=1) if logits.ndim == 3 else values


def temperature(values: np.ndarray, labels: np.ndarray) -> float:
    """What decision values are divided by, so that their softmax fits the labels best."""

    def loss(log_temperature: float) -> float:
        logs = log_softmax(values / np.exp(log_temperature), axis=1)
        return -logs[np.arange(len(labels)), labels].mean()

    return float(np.exp(minimize_scalar(loss, bounds=(-6, 3), method="bounded").x))


def fusions(networks: list[np.ndarray], idt: np.ndarray, fitted: float | None) -> dict:
    """(clips, classes) scores of trajectories with the sum of `networks`, by rule.

    `networks` are logits (clips, instants, classes); `fitted` is the temperature of trajectories.
    """
    equal = [1.0] * len(networks)
    logits = [mean_of(values, "logits") for values in networks]
    probabilities = combine([mean_of(values, "softmax") for values in networks], equal)
    sums = combine(logits, equal)
    clip_sums = combine([by_clip(values) for values in logits], equal)
    standard = combine([normalise(values, "standardised") for values in logits], equal)
    sides = {
        "L2 of probabilities, 0.25 (before)": ("l2", probabilities, 0.25),
        "L2 of logits, 0.25": ("l2", sums, 0.25),
        "probabilities, plain sum": ("none", probabilities, None),
        "logits, plain sum": ("none", sums, None),
        "standardised by clip, 0.5": ("clip", clip_sums, 0.5),
    } | {f"standardised, {weight:.2f}": ("standardised", standard, weight) for weight in WEIGHTS}
    fused = {}
    for name, (how, side, weight) in sides.items():
        change = by_clip if how == "clip" else lambda values, how=how: normalise(values, how)
        second = softmax(idt, axis=1) if name.startswith("probabilities") else idt
        weights = [1, 1] if weight is None else [1 - weight, weight]
        fused[name] = combine([change(side), change(second)], weights)
    if fitted is not None:
        logs = [log_softmax(values, axis=1) for values in [*logits, idt / fitted]]
        fused["log-probabilities, IDT by temperature"] = combine(logs, [1.0] * len(logs))
    return fused


def published(folder: Path, split: int) -> dict:
    """Whether each source and fusion is right, (clips,), by group and name."""
    data = np.load(folder / "published_scores" / "aligned" / f"ucf101_split{split}.npz")
    networks = {name: data[name].astype(float) for name in ("rgb", "flow")}
    return right(networks, list(networks), data["idt"].astype(float), data["labels"], None)


def right(
    networks: dict[str, np.ndarray],
    with_idt: list[str],
    idt: np.ndarray,
    labels: np.ndarray,
    fitted: float | None,
) -> dict:
    """By kind and name whether each clip is right: sources, sums of networks, all with IDT."""
    kinds = {
        "sources": {name: mean_of(values, "logits") for name, values in networks.items()},
        "sources by probabilities": {
            name: mean_of(values, "softmax") for name, values in networks.items()
        },
        "sums": {},
        "with IDT": fusions([networks[name] for name in with_idt], idt, fitted),
    }
    kinds["sources"]["idt"] = idt
    names = list(networks)
    for name, pair in zip(("two_stream", "asyn"), (names[:2], names[2:]), strict=True):
        if not pair:
            continue
        logits = [mean_of(networks[part], "logits") for part in pair]
        kinds["sums"] |= {
            f"{name}, probabilities": sum(mean_of(networks[part], "softmax") for part in pair),
            f"{name}, logits": sum(logits),
            f"{name}, standardised by clip": sum(map(by_clip, logits)),
            f"{name}, standardised": sum(normalise(part, "standardised") for part in logits),
        }
    return {
        kind: {name: values.argmax(axis=1) == labels for name, values in scores.items()}
        for kind, scores in kinds.items()
    }


def of_set(data: Path, folders: list[Path], name: str) -> dict:
    """Whether each source and fusion is right on the test clips of the folds of a set.

    A fold is that of the first of `folders` that has it. Nothing where there are none.
    """
    paths = [
        next(filter(_has_sources, (folder / name / f"split{split}" for folder in folders)), None)
        for split in SPLITS
    ]
    folds = [fold(data, name, path) for path in paths if path]
    kinds = folds[0] if folds else {}
    return {
        kind: {source: np.concatenate([one[kind][source] for one in folds]) for source in sources}
        for kind, sources in kinds.items()
    }


def _has_sources(path: Path) -> bool:
    return all((path / source / "scores.h5").is_file() for source in (*SOURCES, "idt"))


def fold(data: Path, name: str, path: Path) -> dict:
    """Whether each source and fusion of one fold is right, (clips,), by group and name."""
    paths = {source: str(path / source / "scores.h5") for source in (*SOURCES, "idt")}
    found = {source: read_scores(file_path) for source, file_path in paths.items()}
    scores = align(found)
    networks = {}
    for source in SOURCES:
        rows = [found[source].clips.index(clip) for clip in scores[source].clips]
        with opened(paths[source], "scores") as file:
            # (clips, instants, classes)
            networks[source] = file["logits"][...].astype(float)[rows]
    idt = scores["idt"]
    fitted = temperature(*held_out(data, name, path))
    return right(networks, list(DIRECTIONS), idt.values, idt.labels, fitted)


def held_out(data: Path, name: str, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Decision values (clips, classes) of training clips by classifiers of other films or people,
    and their labels.
    """
    rows = index.read(str(path / "train.csv"))
    shards = Shards(str(path / "idt" / "fisher"), "fisher")
    vectors = np.stack([shards.dataset(row)[...] for row in rows]).astype(float)
    labels = np.array([row["label"] for row in rows])
    products = vectors @ vectors.T
    # A class with no clip to learn from has -1.
    values = np.full((len(rows), labels.max() + 1), -1.0)
    for learned, tested in GroupKFold(FOLDS).split(rows, groups=groups(data, name, rows)):
        for label in set(labels[learned]):
            svm = SVC(kernel="precomputed", C=PENALTY)
            svm.fit(products[np.ix_(learned, learned)], labels[learned] == label)
            values[tested, label] = svm.decision_function(products[np.ix_(tested, learned)])
    return values, labels


def groups(data: Path, name: str, rows: list[dict]) -> list[str]:
    """The film, the person or the scene of each clip."""
    if name == "jhmdb14":
        lines = (data / name / "groups.tsv").read_text().splitlines()
        films = dict(line.split("\t") for line in lines if "\t" in line)
        return [films[row["path"]] for row in rows]
    part = 0 if name == "weizmann" else -2
    return [Path(row["path"]).name.split("_")[part] for row in rows]


def summary(case: dict) -> dict:
    """Accuracies in percent, and for fusions the interval of their distance to the best source."""
    sources = case["sources"]
    # Which source is best is known of the test clips alone: it is the bar, not a choice.
    result = {"clips": len(sources["idt"])}
    for kind, names in case.items():
        result[kind] = {}
        for name, correct in names.items():
            entry = {"accuracy": round(100 * float(correct.mean()), 2)}
            if kind in ("sums", "with IDT"):
                parts = parts_of(name, kind, sources)
                best = max(parts, key=lambda part: sources[part].mean())
                entry["best_source"] = best
                entry |= difference(correct, sources[best])
            result[kind][name] = entry
    return result


def parts_of(name: str, kind: str, sources: dict) -> list[str]:
    networks = [source for source in sources if source != "idt"]
    if kind == "with IDT":
        return [*(networks[2:] or networks), "idt"]
    return networks[:2] if name.startswith("two_stream") else networks[2:]


def difference(fused: np.ndarray, source: np.ndarray) -> dict:
    """Percent by which a fusion is better than a source on the same clips; 95 % by bootstrap."""
    gains = fused.astype(float) - source
    low, high = bootstrap(gains)
    return {
        "difference": round(100 * float(gains.mean()), 2),
        "interval": [round(100 * low, 2), round(100 * high, 2)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="the folder of real test material")
    parser.add_argument("results", type=Path, nargs="+", help="folders of results")
    options = parser.parse_args()
    cases = {f"published, split {split}": published(options.data, split) for split in SPLITS}
    cases |= {name: of_set(options.data, options.results, name) for name in SETS}
    results = {name: summary(case) for name, case in cases.items() if case}
    for name, result in results.items():
        print(f"\n{name}: {result['clips']} test clips")
        for kind in ("sources", "sources by probabilities", "sums", "with IDT"):
            for entry_name, entry in result[kind].items():
                line = f"  {kind:25} {entry_name:40} {entry['accuracy']:6.2f}"
                if "interval" in entry:
                    low, high = entry["interval"]
                    line += (
                        f"  {entry['difference']:+6.2f} [{low:+.2f}, {high:+.2f}] "
                        f"to {entry['best_source']}"
                    )
                print(line)
    write("late_fusion", {"resamples": RESAMPLES, "default_weight": DEFAULT, "cases": results})


if __name__ == "__main__":
    main()
