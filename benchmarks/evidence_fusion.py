"""Settings of the fusion network, tried on training clips alone.

    python benchmarks/evidence_fusion.py

Run it where `make evidence` has made the frames and flow of jhmdb14. Both streams of split4, which
divides the training clips of fold 1 by film, are trained by Snakemake as for the comparisons; the
fusion networks of both directions then learn from the features of its training clips, and are tried
on those that it holds out, beside either stream and their sum. No test clip of a fold is seen.
Prints a table and writes benchmarks/results/evidence_fusion.json. Half an hour on two cores.
"""

import argparse
from collections.abc import Iterable

import numpy as np
import torch
from descent import descend
from evidence_parts import config_files, config_of
from evidence_run import snakemake
from report import write

from pipeline.config import runs
from pipeline.data.dataset import FeatureDataset
from pipeline.data.instants import eval_periods
from pipeline.data.stream import Stream
from pipeline.datasets import index
from pipeline.errors import PipelineError
from pipeline.inference.features import features_of_clips, read_features
from pipeline.jobs import program
from pipeline.models import checkpoint, factory
from pipeline.models.asyn import Fusion
from pipeline.streams import DIRECTIONS, STORES, STREAMS
from pipeline.training.losses import unit_loss

SET, SPLIT = "jhmdb14", "split4"
VARIANTS = ("baseline", "complete")
# Laid over the settings fusion_network, and iterations: one change of the first row at a time.
TRIES = (
    ({"maps": 1, "feature_dropout": 0.0}, 1500),
    ({"maps": 1, "feature_dropout": 0.0}, 500),
    ({"maps": 1, "feature_dropout": 0.5}, 500),
    ({"maps": 1, "feature_dropout": 0.8}, 500),
    ({"maps": 4, "feature_dropout": 0.0}, 500),
    ({"maps": 4, "feature_dropout": 0.5}, 500),
    ({"maps": 4, "feature_dropout": 0.8}, 500),
)
Features = dict[str, list[torch.Tensor]]


def folder(variant: str) -> str:
    return f"results/{SET}/{SPLIT}" + ("" if variant == "complete" else f"/{variant}")


def make_features() -> None:
    """Train the streams' networks on split4's training clips, by the settings of all rows."""
    targets = [f"{folder(variant)}/{s}/features.h5" for variant in VARIANTS for s in STREAMS]
    targets.append(f"results/{SET}/{SPLIT}/test.csv")
    configs = map(str, config_files(SET))
    if snakemake(["--cores", "all", "--configfile", *configs, "--", *targets]):
        raise PipelineError("Snakemake has not made the features; what it says stands above")


@torch.no_grad()
def of_held_out(
    own: dict, variant: str, rows: list[dict], classes: int, streams: Iterable[str] = STREAMS
) -> tuple[Features, dict[str, torch.Tensor]]:
    """The features of clips that no network has seen, and each stream's logits (clips, N)."""
    features, logits = {}, {}
    for stream in streams:
        net = factory.stream_net(own, stream, classes).eval()
        path, about = f"{folder(variant)}/{stream}/co2fi.pt", dict(set=SET, split=SPLIT)
        checkpoint.load(path, net, kind="co2fi", stream=stream, **about)
        store = Stream(stream, f"results/{SET}/{STORES[stream]}", own["crops"], own["stack"], rows)
        found = features_of_clips(net, store, rows, own["scores"]["batch"], torch.device("cpu"))
        features[stream] = [torch.from_numpy(one) for one in found]
        # Of CO2FI the last unit's, FC1' of h; of a baseline its classes.
        head = net.classes if own["network"]["kind"] == "baseline" else net.unit_heads[-1]
        logits[stream] = torch.stack([head(one).mean(dim=0) for one in features[stream]])
    return features, logits


def learn(net: Fusion, samples: FeatureDataset, own: dict, iterations: int) -> float:
    """Train a fusion network by Eq. 5; returns the mean loss of the last 50 batches."""
    plan = own["asyn"]

    def loss_of(iteration: int) -> torch.Tensor:
        numbers = range(iteration * plan["batch"], (iteration + 1) * plan["batch"])
        batch = [samples[number] for number in numbers]
        one, many = (torch.stack([sample[key] for sample in batch]) for key in ("one", "many"))
        labels = torch.tensor([sample["label"] for sample in batch])
        return unit_loss(net(one, many), labels, own["loss"]["gamma"])

    options = {key: plan[key] for key in ("momentum", "weight_decay", "clip")}
    return float(np.mean(descend(net, loss_of, plan["lr"], iterations, **options)[-50:]))


@torch.no_grad()
def logits_of(net: Fusion, one: list, many: list, period: dict) -> torch.Tensor:
    """The mean logits (clips, N) of the last unit over a clip's test periods."""
    net.eval()
    found = []
    for single, sequence in zip(one, many, strict=True):
        centres, instants = eval_periods(len(single) - 1, period)
        outputs = net(single[centres], sequence[torch.from_numpy(instants)])
        found.append(outputs[-1].mean(dim=0))
    return torch.stack(found)


def right(sources: list[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
    """Which clips the sum of sources gets right, each centred by clip and of one spread, as by
    fusion.rule standardised.
    """
    centred = [logits - logits.mean(dim=1, keepdim=True) for logits in sources]
    total = sum(logits / logits.square().mean().sqrt() for logits in centred)
    return total.argmax(dim=1) == labels


def accuracy(sources: list[torch.Tensor], labels: torch.Tensor) -> float:
    return float(right(sources, labels).float().mean())


def of_learned(variant: str, rows: list[dict]) -> Features:
    """The features of clips that the networks have learned from, as the pipeline stores them."""
    paths = [f"{folder(variant)}/{stream}/features.h5" for stream in STREAMS]
    return dict(zip(STREAMS, map(list, zip(*read_features(paths, rows), strict=True)), strict=True))


def train_fusion(
    own: dict,
    classes: int,
    iterations: int,
    rows: list[dict],
    features: Features,
    tried_on: Features,
) -> tuple[float, list[torch.Tensor]]:
    """Train both directions; returns the mean loss, and the logits of other clips by each."""
    period, sources, losses = own["period"], [], []
    for single, sequence in DIRECTIONS.values():
        torch.manual_seed(own["seed"])
        pairs = list(zip(features[single], features[sequence], strict=True))
        size, instants = pairs[0][0].shape[1], period["instants"]
        net = Fusion(size, classes, instants=instants, **own["fusion_network"])
        samples = FeatureDataset(rows, pairs, own["seed"], period["delta"], instants)
        losses.append(learn(net, samples, own, iterations))
        sources.append(logits_of(net, tried_on[single], tried_on[sequence], period))
    return float(np.mean(losses)), sources


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    torch.set_num_threads(1)
    make_features()
    config, tried, streams = config_of(SET), [], []
    train, test = (index.read(f"results/{SET}/{SPLIT}/{side}.csv") for side in ("train", "test"))
    labels, classes = torch.tensor([row["label"] for row in test]), len(index.class_names(train))
    for variant in VARIANTS:
        own = runs.for_run(config, SET, runs.Run(SPLIT, variant))
        learned = of_learned(variant, train)
        held_out, logits = of_held_out(own, variant, test, classes)
        found = {stream: accuracy([logits[stream]], labels) for stream in STREAMS}
        found["two-stream"] = accuracy(list(logits.values()), labels)
        streams.append({"variant": variant} | {k: round(v, 4) for k, v in found.items()})
        print(variant, ", ".join(f"{name} {share:.1%}" for name, share in found.items()))
        print(f"{'maps':>6}{'dropped':>9}{'iterations':>12}{'loss':>8}{'held out':>10}")
        for change, iterations in TRIES:
            settings = own | {"fusion_network": own["fusion_network"] | change}
            loss, sources = train_fusion(settings, classes, iterations, train, learned, held_out)
            share = accuracy(sources, labels)
            words = f"{change['maps']:>6}{change['feature_dropout']:>9}{iterations:>12}"
            print(f"{words}{loss:>8.3f}{share:>10.1%}", flush=True)
            tried.append(
                {"variant": variant, **change, "iterations": iterations}
                | {"loss": round(loss, 4), "held_out": round(share, 4)}
            )
    write("evidence_fusion", {"clips": len(test), "streams": streams, "tried": tried})


if __name__ == "__main__":
    program.run(main)
