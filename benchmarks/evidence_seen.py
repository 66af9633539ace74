"""Whether fusion does worse because it learns from clips that its streams have learned from.

    python benchmarks/evidence_seen.py

Run it where `make evidence` has made the frames and flow of jhmdb14. Both streams of split4, which
divides the training clips of fold 1 by film, are trained by Snakemake as for the comparisons. The
clips that it holds out are new to them. Fusion networks of both directions learn from two thirds of
the films of these new clips, or from as many clips of each class that the streams have learned, or
from all learned ones, and are tried on the new clips of the other films, each film in turn. No test
clip of a fold is seen. Prints a table and writes benchmarks/results/evidence_seen.json. Half an
hour on two cores.
"""

import argparse
import functools

import numpy as np
import torch
from evidence_fusion import (
    SET,
    SPLIT,
    VARIANTS,
    Features,
    accuracy,
    make_features,
    of_held_out,
    of_learned,
    right,
    train_fusion,
)
from evidence_heads import folds_by_film
from evidence_parts import config_of
from report import write

from pipeline.config import runs
from pipeline.datasets import index
from pipeline.jobs import program


def as_many(rows: list[dict], chosen: list[dict], rng: np.random.Generator) -> list[int]:
    """The numbers of drawn `rows`, as many of each class as there are `chosen` ones."""
    labels = np.array([row["label"] for row in rows])
    wanted = np.bincount([row["label"] for row in chosen])
    return [
        int(number)
        for label, count in enumerate(wanted)
        for number in rng.choice(np.flatnonzero(labels == label), count, replace=False)
    ]


def those(features: Features, numbers: list[int]) -> Features:
    return {stream: [clips[number] for number in numbers] for stream, clips in features.items()}


def try_variant(variant: str, own: dict, train: list[dict], test: list[dict], seeds: int) -> dict:
    """The loss and the share of new clips that are right, by what the fusion learns from."""
    labels = torch.tensor([row["label"] for row in test])
    classes = len(index.class_names(train))
    learned = of_learned(variant, train)
    new, logits = of_held_out(own, variant, test, classes)
    found = {
        "two-stream": {"clips": len(train), "held_out": accuracy(list(logits.values()), labels)}
    }
    counts: dict[str, list] = {}
    for seed in range(1, seeds + 1):
        rng, settings = np.random.default_rng(seed), own | {"seed": seed}
        fusion = functools.partial(train_fusion, settings, classes, own["asyn"]["iterations"])
        # One training for all folds, as it learns from none of the clips that they hold out.
        loss_all, of_all = fusion(train, learned, new)
        for kept, held in (map(np.ndarray.tolist, fold) for fold in folds_by_film(test)):
            held_out, new_rows = those(new, held), [test[number] for number in kept]
            drawn = as_many(train, new_rows, rng)
            drawn_rows = [train[number] for number in drawn]
            trainings = {
                "all learned clips": (len(train), loss_all, [one[held] for one in of_all]),
                "as many learned clips": (
                    len(drawn),
                    *fusion(drawn_rows, those(learned, drawn), held_out),
                ),
                "new clips": (len(kept), *fusion(new_rows, those(new, kept), held_out)),
            }
            for name, (clips, loss, sources) in trainings.items():
                count = int(right(sources, labels[held]).sum())
                counts.setdefault(name, []).append((clips, loss, count))
    for name, of_folds in counts.items():
        clips, losses, correct = map(np.array, zip(*of_folds, strict=True))
        found[name] = {
            "clips": int(clips.mean().round()),
            "loss": float(losses.mean()),
            "held_out": float(correct.sum() / (seeds * len(test))),
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each (default 3)")
    seeds = parser.parse_args().seeds
    torch.set_num_threads(1)
    make_features()
    config, tried = config_of(SET), []
    train, test = (index.read(f"results/{SET}/{SPLIT}/{side}.csv") for side in ("train", "test"))
    print(f"{'streams':<10} {'fusion learns from':<24}{'clips':>7}{'loss':>8}{'held out':>10}")
    for variant in VARIANTS:
        own = runs.for_run(config, SET, runs.Run(SPLIT, variant))
        for name, result in try_variant(variant, own, train, test, seeds).items():
            loss = f"{result['loss']:.3f}" if "loss" in result else ""
            print(
                f"{variant:<10} {name:<24}{result['clips']:>7}{loss:>8}{result['held_out']:>10.1%}",
                flush=True,
            )
            rounded = {key: round(value, 4) for key, value in result.items()}
            tried.append({"streams": variant, "fusion": name} | rounded)
    write("evidence_seen", {"clips": len(test), "seeds": seeds, "tried": tried})


if __name__ == "__main__":
    program.run(main)
