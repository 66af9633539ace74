"""Backbones, and settings of what lies behind them, tried on training clips alone.

    python benchmarks/evidence_heads.py
    python benchmarks/evidence_heads.py --sizes 112 224 --device cuda

Run it where `make evidence` has made the frames and flow of jhmdb14, and results/jhmdb14/split1.
The backbone's maps of the training clips of fold 1, four instants each, are computed once and stay
fixed. A baseline's and CO2FI's layers behind them are trained on two thirds of the films and tried
on the clips of the rest, each film in turn, so no test clip of that fold is seen. The row of the
recipe (workflow/evidence/common.yaml) comes first, then one change of it at a time, as many for
one network as for the other. Of each backbone whose weights lie where its config has them. Prints a
table and writes benchmarks/results/evidence_heads.json. Half an hour on a core for each seed at 112
pixels, and minutes on a GPU that does nothing else.
"""

import argparse
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import torch
from descent import descend, drawn_groups
from evidence_lists import DATA
from evidence_parts import config_of
from report import write
from sklearn.model_selection import StratifiedGroupKFold
from torch import nn

from pipeline.config import runs
from pipeline.data.stream import Stream
from pipeline.data.transforms import normalise
from pipeline.datasets import index
from pipeline.models import factory
from pipeline.streams import STORES, STREAMS
from pipeline.training.losses import stream_loss

SET, SPLIT, INSTANTS = "jhmdb14", "split1", 4
# Sets whose configs have a backbone to try.
BACKBONES = (SET, "jhmdb14_vgg16")
# Changes of the recipe; of a width, of FC1, FC2 and the LSTM units alike.
OF_CO2FI = (
    *({"rate": rate} for rate in (0.015, 0.135)),
    *({"width": width} for width in (32, 64, 128)),
    {"dropout": 0.5},
)
TRIES = {
    "baseline": (
        *({"rate": rate} for rate in (0.001, 0.01, 0.03)),
        *({"dropout": dropout} for dropout in (0.0, 0.2, 0.8)),
    ),
    "complete": OF_CO2FI,
    "no_grouping": OF_CO2FI,
}
FOLDS = 3


class Fixed(nn.Module):
    """Stands for a backbone: its input is maps already."""

    def forward(self, maps: "Maps") -> list[torch.Tensor]:
        return list(maps)


class Maps(list):
    """Maps of a batch, in place of its pixels."""

    def new_zeros(self, *shape: int) -> torch.Tensor:
        return self[0].new_zeros(*shape)

    def __len__(self) -> int:
        return len(self[0])


def maps_of_clips(
    net: nn.Module, stream: str, rows: list[dict], own: dict, device: torch.device
) -> list[torch.Tensor]:
    """The maps (clips, INSTANTS, C, h, w) of each stage, on the device."""
    store = Stream(stream, f"results/{SET}/{STORES[stream]}", own["crops"], own["stack"], rows)
    maps = []
    for row in rows:
        instants = np.linspace(0, store.last_instant(row), INSTANTS).astype(int)
        pixels = np.stack([store(row, int(t), store.centre_crop()) for t in instants])
        with torch.no_grad():
            maps.append(net(normalise(torch.from_numpy(pixels).to(device), stream)))
    return [torch.stack(stage) for stage in zip(*maps, strict=True)]


def folds_by_film(rows: list[dict]) -> list[tuple[np.ndarray, np.ndarray]]:
    """The numbers of the clips that are learned from, and of those held out, of each fold."""
    lines = (DATA / SET / "groups.tsv").read_text().splitlines()
    film = dict(line.split("\t") for line in lines)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=1)
    labels = [row["label"] for row in rows]
    return list(folds.split(labels, labels, [film[row["path"]] for row in rows]))


def learn(
    net: nn.Module, maps: list, labels: torch.Tensor, own: dict, rate: float, seed: int
) -> float:
    """Train the layers of `net` behind the maps; returns the mean loss of the last 50 batches."""
    rng, classes, plan = np.random.default_rng(seed), int(labels.max()) + 1, own["co2fi"]

    def loss_of(iteration: int) -> torch.Tensor:
        clips = rng.choice(len(labels), plan["batch"], replace=False)
        instants = rng.integers(INSTANTS, size=len(clips))
        batch = labels[clips]
        formed = drawn_groups(batch, classes, own["granularities"], rng)
        output = net(Maps(stage[clips, instants] for stage in maps))
        return stream_loss(output, batch, formed, own["loss"]["alpha"], own["loss"]["beta"])

    options = {key: plan[key] for key in ("momentum", "weight_decay", "clip")}
    return float(np.mean(descend(net, loss_of, rate, plan["iterations"], **options)[-50:]))


@torch.no_grad()
def count_right(net: nn.Module, maps: list, labels: torch.Tensor) -> int:
    """Clips whose mean logits over instants are largest for their class."""
    net.eval()
    # (clips, INSTANTS, C, h, w) -> (clips INSTANTS, C, h, w), and logits back again
    logits = net(Maps(stage.flatten(0, 1) for stage in maps)).units[-1]
    mean = logits.unflatten(0, (len(labels), INSTANTS)).mean(dim=1)
    return int((mean.argmax(dim=1) == labels).sum())


def changed(own: dict, change: dict) -> tuple[dict, float]:
    """The settings of a run with one change of TRIES, and the rate behind the backbone."""
    network, plan = own["network"], own["co2fi"]
    if "width" in change:
        network = network | dict.fromkeys(("fc1", "fc2", "hidden"), change["width"])
    if "dropout" in change:
        network = network | {"dropout": dict.fromkeys(network["dropout"], change["dropout"])}
    return own | {"network": network}, change.get("rate", plan["lr"] * plan["head_lr"])


def tried(config: dict, name: str, stream: str, seeds: int, device: torch.device) -> Iterator[dict]:
    """Yield what each network of a stream comes to, by the recipe and by each change of it."""
    rows = index.read(f"results/{SET}/{SPLIT}/train.csv")
    own = runs.for_stream(runs.for_run(config, name, runs.Run(SPLIT)), stream)
    torch.manual_seed(1)
    backbone = factory.backbone(own, stream)
    backbone.start_from(own["network"]["weights"])
    maps = maps_of_clips(backbone.eval().to(device), stream, rows, own, device)
    labels = torch.tensor([row["label"] for row in rows], device=device)
    folds = [[torch.from_numpy(side).to(device) for side in fold] for fold in folds_by_film(rows)]
    for variant in TRIES:
        of_variant = runs.for_stream(runs.for_run(config, name, runs.Run(SPLIT, variant)), stream)
        for change in ({}, *TRIES[variant]):
            settings, rate = changed(of_variant, change)
            losses, right = [], []
            for seed, (kept, held) in product(range(1, seeds + 1), folds):
                torch.manual_seed(seed)
                net = factory.stream_net(settings, stream, int(labels.max()) + 1)
                net.vgg = Fixed()
                net.to(device)
                of_kept = [stage[kept] for stage in maps]
                losses.append(learn(net, of_kept, labels[kept], settings, rate, seed))
                right.append(count_right(net, [stage[held] for stage in maps], labels[held]))
            # Each clip is held out once for each seed.
            shares = np.reshape(right, (seeds, FOLDS)).sum(axis=1) / len(rows)
            yield {
                "stream": stream,
                "network": variant,
                "change": change,
                "rate": round(rate, 6),
                "loss": round(float(np.mean(losses)), 4),
                "held_out": [round(float(share), 4) for share in shares],
            }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[112], help="pixels of a crop")
    parser.add_argument("--seeds", type=int, default=2, help="trainings of each (default 2)")
    parser.add_argument("--streams", nargs="+", choices=STREAMS, default=STREAMS)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = []
    columns = f"{'size':>5}  {'stream':<12}{'network':<13}{'change':<15}"
    print(f"{'backbone':<24}{columns}{'loss':>7}{'held out':>10}")
    for size, name in product(options.sizes, BACKBONES):
        config = config_of(name)
        network = config["all_sets"]["network"]
        if not Path(network["weights"]).is_file():
            print(f"{network['backbone']:<24}left out: there is no {network['weights']}")
            continue
        config["all_sets"]["crops"] |= {"size": size}
        for stream in options.streams:
            for row in tried(config, name, stream, options.seeds, torch.device(options.device)):
                found.append({"backbone": network["backbone"], "size": size} | row)
                change = " ".join(f"{key} {value}" for key, value in row["change"].items())
                print(
                    f"{network['backbone']:<24}{size:>5}  {stream:<12}{row['network']:<13}"
                    f"{change or 'none':<15}{row['loss']:>7.3f}{np.mean(row['held_out']):>10.1%}",
                    flush=True,
                )
    clips = len(index.read(f"results/{SET}/{SPLIT}/train.csv"))
    where = torch.cuda.get_device_name() if options.device == "cuda" else None
    about = {"clips": clips, "folds": FOLDS, "seeds": options.seeds}
    write("evidence_heads", about | {"gpu": where, "tried": found})


if __name__ == "__main__":
    main()
