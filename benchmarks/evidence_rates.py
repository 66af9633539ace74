"""The rate at which a pretrained backbone learns on, tried on training clips alone.

    python benchmarks/evidence_rates.py

Run it where `make evidence` has made the flow of jhmdb14. Motion networks of split4, which divides
the training clips of fold 1 by film, are trained by Snakemake at the rate of all rows and at those
two and three times as large (workflow/evidence/jhmdb14-rates.yaml), and tried on the clips that it
holds out. No test clip of a fold is seen. Prints a table and writes
benchmarks/results/evidence_rates.json. An hour on a core.
"""

import argparse

import torch
from evidence_fusion import SET, SPLIT, folder, of_held_out
from evidence_parts import CONFIGS, config_files, config_of
from evidence_run import snakemake
from report import write
from torch.nn import functional

from pipeline.config import runs
from pipeline.datasets import index
from pipeline.errors import PipelineError
from pipeline.jobs import program

STREAM = "motion"
KINDS, FASTER = ("baseline", "complete"), ("", "_twice", "_faster")
VARIANTS = [f"{kind}{rate}" for kind in KINDS for rate in FASTER]


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    torch.set_num_threads(1)
    files = [*config_files(SET), CONFIGS / f"{SET}-rates.yaml"]
    targets = [f"{folder(variant)}/{STREAM}/co2fi.pt" for variant in VARIANTS]
    targets.append(f"results/{SET}/{SPLIT}/test.csv")
    if snakemake(["--cores", "all", "--configfile", *map(str, files), "--", *targets]):
        raise PipelineError("Snakemake has not made the networks; what it says stands above")
    config, tried = config_of(SET, files), []
    test = index.read(f"results/{SET}/{SPLIT}/test.csv")
    labels, classes = torch.tensor([row["label"] for row in test]), len(index.class_names(test))
    print(f"{'network':<20}{'rate':>8}{'layers behind':>15}{'held out':>10}{'loss':>8}")
    for variant in VARIANTS:
        own = runs.for_stream(runs.for_run(config, SET, runs.Run(SPLIT, variant)), STREAM)
        logits = of_held_out(own, variant, test, classes, [STREAM])[1][STREAM]
        row = {
            "variant": variant,
            "rate": own["co2fi"]["lr"],
            "rate_behind": own["co2fi"]["lr"] * own["co2fi"]["head_lr"],
            "held_out": round(float((logits.argmax(dim=1) == labels).float().mean()), 4),
            "loss": round(float(functional.cross_entropy(logits, labels)), 4),
        }
        tried.append(row)
        rates = f"{variant:<20}{row['rate']:>8}{row['rate_behind']:>15.3f}"
        print(f"{rates}{row['held_out']:>10.1%}{row['loss']:>8.3f}", flush=True)
    write("evidence_rates", {"clips": len(test), "stream": STREAM, "tried": tried})


if __name__ == "__main__":
    program.run(main)
