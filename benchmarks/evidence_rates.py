"""The rate at which a pretrained backbone learns on, tried on training clips alone.

    python benchmarks/evidence_rates.py

Run it where `make evidence` has made the frames and flow of jhmdb14. Networks of both streams of
split4, which divides the training clips of fold 1 by film, are trained by Snakemake, their backbone
at two rates and the layers behind it at one (workflow/evidence/jhmdb14-rates.yaml), and tried on
the clips that it holds out. No test clip of a fold is seen. Prints a table and writes
benchmarks/results/evidence_rates.json. Three quarters of an hour on two cores.
"""

import argparse

import torch
from evidence_fusion import SET, SPLIT, accuracy, folder, of_held_out
from evidence_parts import CONFIGS, config_files, config_of
from evidence_run import snakemake
from report import write
from torch.nn.functional import cross_entropy

from pipeline.config import runs
from pipeline.datasets import index
from pipeline.errors import PipelineError
from pipeline.jobs import program
from pipeline.streams import STREAMS

# Rates of the backbone in ten-thousandths, as the variants are named.
KINDS, RATES = ("baseline", "complete"), (3, 6)
VARIANTS = [f"{kind}_{rate}" for kind in KINDS for rate in RATES]


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    torch.set_num_threads(1)
    files = [*config_files(SET), CONFIGS / f"{SET}-rates.yaml"]
    targets = [f"{folder(variant)}/{s}/co2fi.pt" for variant in VARIANTS for s in STREAMS]
    targets.append(f"results/{SET}/{SPLIT}/test.csv")
    if snakemake(["--cores", "all", "--configfile", *map(str, files), "--", *targets]):
        raise PipelineError("Snakemake has not made the networks; what it says stands above")
    config, tried = config_of(SET, files), []
    test = index.read(f"results/{SET}/{SPLIT}/test.csv")
    labels, classes = torch.tensor([row["label"] for row in test]), len(index.class_names(test))
    print(f"{'network':<13}{'rate':>7}{'behind':>8}", end="")
    print("".join(f"{stream:>12}{'loss':>7}" for stream in STREAMS), f"{'two-stream':>12}", sep="")
    for variant in VARIANTS:
        own = runs.for_run(config, SET, runs.Run(SPLIT, variant))
        _, logits = of_held_out(own, variant, test, classes)
        rate = own["co2fi"]["lr"]
        behind = rate * own["co2fi"]["head_lr"]
        shares = {stream: accuracy([logits[stream]], labels) for stream in STREAMS}
        shares["two-stream"] = accuracy(list(logits.values()), labels)
        losses = {stream: float(cross_entropy(logits[stream], labels)) for stream in STREAMS}
        print(f"{variant:<13}{rate:>7}{behind:>8.3f}", end="")
        print("".join(f"{shares[s]:>12.1%}{losses[s]:>7.2f}" for s in STREAMS), end="")
        print(f"{shares['two-stream']:>12.1%}", flush=True)
        tried.append(
            {"variant": variant, "rate": rate, "rate_behind": round(behind, 6)}
            | {"held_out": {source: round(share, 4) for source, share in shares.items()}}
            | {"loss": {stream: round(loss, 4) for stream, loss in losses.items()}}
        )
    write("evidence_rates", {"clips": len(test), "tried": tried})


if __name__ == "__main__":
    program.run(main)
