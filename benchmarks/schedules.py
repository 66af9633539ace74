"""Learning rates and weight decay of the paper's network and its baselines, tried on a proxy.

    pipeline weights fetch hed
    python benchmarks/schedules.py ../shared/data

DATA holds jhmdb14/. Appearance networks of VGG-16 at 64 pixels, from pretrained convolutions, are
trained on the clips of split4 (evidence_lists.py), which are a part of the training clips of fold
1, and tried on those that it holds out. A baseline's loss is the cross-entropy, and CO2FI's is
divided by the number of classes N, so its rates are also those of a set of 101 classes. First, by
how much the gradients of both differ there. Prints a table and writes
benchmarks/results/schedules.json. Three quarters of an hour on a core.
"""

import argparse
import copy
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from descent import descend, drawn_groups
from evidence_lists import FOLDER, write_lists
from report import write
from torch import nn
from torch.nn.functional import cross_entropy

from pipeline.config import runs, shipped, spelling
from pipeline.data.transforms import normalise
from pipeline.models import factory
from pipeline.training.losses import stream_loss
from pipeline.video.decode import decode

SIZE, WIDTH, ITERATIONS, BATCH, INSTANTS = 64, 85, 120, 16, 3
# Classes of UCF101, and those of the proxy.
LARGE, SMALL = 101, 14
# CO2FI's rate here that changes weights by as much as the paper's 0.01 with N = 101.
PAPERS = round(0.01 * SMALL / LARGE, 5)
RATES = (0.01, 0.003, 0.001, 0.0003, 0.0001, 0.00003)
# Variant, rate, weight decay, and whether biases learn twice as fast and do not decay, as in
# Caffe's recipes of two-stream networks (Wang et al., 2015).
TRIED = [
    *(("baseline", rate, 0.0005, False) for rate in RATES),
    ("baseline", 0.0001, 0.0005, True),
    *(("direct", rate, 0.0005, False) for rate in (0.001, 0.0001)),
    *(("complete", rate, 0.0005, False) for rate in (PAPERS, 0.01, 0.03, 0.1)),
    ("complete", 0.01, 0.0005, True),
    ("complete", 0.01, 0.0005 / SMALL, False),
]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", default="weights/hed.safetensors")
    parser.add_argument("--processes", type=int, default=1, help="networks at a time (default 1)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    write_lists(options.data)
    videos = options.data / "jhmdb14/videos"
    train, test = (read(videos, FOLDER / f"lists/jhmdb14/{x}list04.txt") for x in ("train", "test"))
    gradients = gradients_of(train, options.weights)
    print(*(f"{name:<10} gradient at conv5_3 {norm:.4g}" for name, norm in gradients.items()),
          sep="\n")  # fmt: skip
    print("\nnetwork       rate    decay  biases    loss  held out      %")
    tried = []
    with get_context("spawn").Pool(options.processes) as pool:
        for row in pool.imap(
            partial(of_one, train=train, test=test, weights=options.weights), TRIED
        ):
            tried.append(row)
            biases = "recipe" if row["recipe_of_biases"] else ""
            loss, held_out_loss = (
                "-" if row[key] is None else f"{row[key]:.3f}" for key in ("loss", "cross_entropy")
            )
            print(
                f"{row['variant']:<10}{row['rate']:>8}{row['decay']:>9.5f}{biases:>8}"
                f"{loss:>8}{held_out_loss:>10}{row['accuracy']:>7.1%}",
                flush=True,
            )
    write(
        "schedules",
        {"size": SIZE, "iterations": ITERATIONS, "batch": BATCH, "clips": [len(train), len(test)],
         "gradients": gradients, "tried": tried},
    )  # fmt: skip


def of_one(tried: tuple[str, float, float, bool], train: list, test: list, weights: str) -> dict:
    """What a network of TRIED comes to."""
    torch.set_num_threads(1)
    variant, rate, decay, biases = tried
    net = network(variant, SMALL, weights)
    loss = learn(net, train, variant, rate, decay, biases)
    facts = {"variant": variant, "rate": rate, "decay": decay, "recipe_of_biases": biases}
    return facts | {"loss": rounded(loss)} | held_out(net, test)


def rounded(value: float) -> float | None:
    """None for what is no number, which JSON has not."""
    return round(value, 4) if np.isfinite(value) else None


def read(videos: Path, lists: Path) -> list[tuple[np.ndarray, int]]:
    """The frames (n, SIZE, WIDTH, 3) of the clips of a list, and their classes by name."""
    clips = [line.split()[0] for line in lists.read_text().splitlines() if line.strip()]
    classes = sorted({path.name for path in videos.iterdir()})
    return [
        (
            np.stack([cv2.resize(x, (WIDTH, SIZE), interpolation=cv2.INTER_AREA)
                      for x in decode(videos / clip)]),
            classes.index(clip.split("/")[0]),
        )
        for clip in clips
    ]  # fmt: skip


def settings(variant: str) -> dict:
    """The settings of a run of UCF101, at the proxy's size."""
    config = copy.deepcopy(spelling.read(shipped.DEFAULTS))
    own = runs.for_run(config, "ucf101", runs.Run("split1", variant))
    return own | {"crops": own["crops"] | {"size": SIZE}}


def network(variant: str, classes: int, weights: str) -> nn.Module:
    torch.manual_seed(1)
    net = factory.stream_net(settings(variant), "appearance", classes)
    net.start_from(weights)
    return net.train()


def draw(rng: np.random.Generator, clips: list) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch of random frames in random crops, (BATCH, 3, SIZE, SIZE), and its classes."""
    pixels, labels = [], []
    for number in rng.choice(len(clips), BATCH, replace=False):
        frames, label = clips[number]
        left = rng.integers(WIDTH - SIZE + 1)
        crop = frames[rng.integers(len(frames)), :, left : left + SIZE]
        pixels.append(crop[:, ::-1] if rng.integers(2) else crop)
        labels.append(label)
    # (BATCH, SIZE, SIZE, 3) to (BATCH, 3, SIZE, SIZE)
    batch = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)
    return normalise(batch, "appearance"), torch.tensor(labels)


def loss_of_batch(net: nn.Module, pixels: torch.Tensor, labels: torch.Tensor, own: dict,
                  classes: int, rng: np.random.Generator) -> torch.Tensor:  # fmt: skip
    formed = drawn_groups(labels, classes, own["granularities"], rng)
    return stream_loss(net(pixels), labels, formed, own["loss"]["alpha"], own["loss"]["beta"])


def gradients_of(clips: list, weights: str) -> dict[str, float]:
    """The norm of the gradient of conv5_3's weights at the start, with LARGE classes."""
    found = {}
    for variant in ("baseline", "direct", "complete"):
        net, rng = network(variant, LARGE, weights), np.random.default_rng(1)
        pixels, _ = draw(rng, clips)
        labels = torch.from_numpy(rng.integers(LARGE, size=BATCH))
        loss_of_batch(net, pixels, labels, settings(variant), LARGE, rng).backward()
        found[variant] = float(net.vgg.convolutions()[-1][-1].weight.grad.norm())
    return found


def learn(
    net: nn.Module, clips: list, variant: str, rate: float, decay: float, recipe_of_biases: bool
) -> float:
    """Train; returns the mean loss of the last 30 batches, of no number where one of them is."""
    parameters = [
        {"params": [x for name, x in net.named_parameters() if not name.endswith("bias")]},
        {"params": [x for name, x in net.named_parameters() if name.endswith("bias")]},
    ]
    if recipe_of_biases:
        parameters[1] |= {"times": 2, "weight_decay": 0}
    own, rng = settings(variant), np.random.default_rng(1)

    def loss_of(iteration: int) -> torch.Tensor:
        torch.manual_seed(iteration)
        return loss_of_batch(net, *draw(rng, clips), own, SMALL, rng)

    losses = descend(net, loss_of, rate, ITERATIONS, parameters=parameters, weight_decay=decay)
    return float(np.mean(losses[-30:]))


@torch.no_grad()
def held_out(net: nn.Module, clips: list) -> dict[str, float]:
    """The cross-entropy and the accuracy of mean logits over INSTANTS frames, centre crops."""
    net.eval()
    left, logits = (WIDTH - SIZE) // 2, []
    for frames, _ in clips:
        chosen = frames[np.linspace(0, len(frames) - 1, INSTANTS).astype(int)]
        pixels = torch.from_numpy(chosen[:, :, left : left + SIZE].copy()).permute(0, 3, 1, 2)
        logits.append(net(normalise(pixels, "appearance")).units[-1].mean(dim=0))
    found, labels = torch.stack(logits), torch.tensor([label for _, label in clips])
    return {
        "cross_entropy": rounded(float(cross_entropy(found, labels))),
        "accuracy": round(float((found.argmax(dim=1) == labels).float().mean()), 4),
    }


if __name__ == "__main__":
    main()
