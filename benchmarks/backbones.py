"""Measures backbones: parameters, arithmetic, and images a second on one core.

    python benchmarks/backbones.py                                   # the table of docs/training.md
    python benchmarks/backbones.py --backbones resnet18 --sizes 160  # others
    python benchmarks/backbones.py --names                           # which networks timm has

A backbone is the one of an appearance stream, without what CO2FI or a baseline adds. Seconds are
those of the processor (`time.process_time`) with one thread, so that other programs on the machine
disturb them little; of several steps the median counts. A training step is forward and backward
without the update. Weights are random, which costs the same. Writes
benchmarks/results/backbones.json.

With `--names` every network of timm is built for 224 pixels without memory (on the meta device),
and those that give maps of three stages are written to src/pipeline/config/backbones.txt, with the
tags of their weights: some 30 minutes.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import yaml
from report import ROOT, write
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from pipeline.config import backbones, settings
from pipeline.errors import PipelineError
from pipeline.models import factory
from pipeline.models.backbones.timm_net import TimmNet

BACKBONES = [
    "vgg16",
    "resnet18",
    "resnet50",
    "mobilenetv3_small_100",
    "mobilenetv3_large_100",
    "tf_efficientnet_lite0",
    "efficientnet_b0",
    "regnety_002",
    "convnext_atto",
    "convnext_tiny",
]
CLASSES = 101


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbones", nargs="+", default=BACKBONES)
    parser.add_argument("--sizes", nargs="+", type=int, default=[224, 112])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=5, help="timed steps, whose median counts")
    parser.add_argument("--names", action="store_true", help="write the list of networks instead")
    options = parser.parse_args()
    if options.names:
        return write_names(backbones.NAMES)
    torch.set_num_threads(1)
    print(
        f"{'backbone':24} {'size':>5} {'maps':>16} {'M params':>9} {'CO2FI':>7} {'GFLOP':>7} "
        f"{'images/s':>9} {'training':>9}"
    )
    rows = []
    for name in options.backbones:
        for size in options.sizes:
            rows.append(measure(name, size, options.batch, options.steps))
            show(rows[-1])
    write(
        "backbones",
        {"threads": 1, "batch": options.batch, "steps": options.steps, "backbones": rows},
    )


def measure(name: str, size: int, batch: int, steps: int) -> dict:
    """Return the numbers of one backbone at one height and width of its input."""
    config = settings.for_set(yaml.safe_load((ROOT / "config.yaml").read_text()), "ucf101")
    # Weights that are a file leave BatchNorm frozen, as in training from pretrained weights.
    config["network"] |= {"backbone": name, "weights": "a file"}
    config["crops"]["size"] = size
    with torch.device("meta"):
        net = factory.backbone(config, "appearance")
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            net.eval()(torch.zeros(1, 3, size, size))
        whole = factory.stream_net(config, "appearance", CLASSES)
        sides = net.sides(size)
    row = {
        "backbone": name,
        "size": size,
        "channels": list(net.channels),
        "strides": list(net.strides),
        "maps": sides,
        "parameters": count(net),
        "parameters_of_co2fi": count(whole),
        "gflop_per_image": counter.get_total_flops() / 1e9,
    }
    del whole
    torch.manual_seed(0)
    net = factory.backbone(config, "appearance")
    x = torch.randn(batch, 3, size, size)
    net.eval()
    with torch.no_grad():
        forward, spread = seconds(lambda: net(x), steps)
    net.train()
    training, spread_training = seconds(lambda: step(net, x), steps)
    return row | {
        "images_per_second": batch / forward,
        "spread": spread,
        "images_per_second_in_training": batch / training,
        "spread_in_training": spread_training,
    }


def step(net: nn.Module, x: torch.Tensor) -> None:
    """Compute the gradient of a sum of all maps."""
    net.zero_grad(set_to_none=True)
    sum(stage.mean() for stage in net(x)).backward()


def seconds(work: Callable[[], object], steps: int) -> tuple[float, float]:
    """Return the median of the processor's seconds, and their range over the median."""
    work()
    times = []
    for _ in range(steps):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    median = statistics.median(times)
    return median, (max(times) - min(times)) / median


def count(net: nn.Module) -> int:
    """Return the number of parameters."""
    return sum(parameter.numel() for parameter in net.parameters())


def show(row: dict) -> None:
    """Print one line of the table."""
    print(
        f"{row['backbone']:24} {row['size']:5} {'/'.join(map(str, row['maps'])):>16} "
        f"{row['parameters'] / 1e6:9.1f} {row['parameters_of_co2fi'] / 1e6:7.1f} "
        f"{row['gflop_per_image']:7.2f} {row['images_per_second']:9.1f} "
        f"{row['images_per_second_in_training']:9.1f}",
        flush=True,
    )


def write_names(path: Path) -> None:
    """Write the networks of timm that can be backbones, with the tags of their weights."""
    import timm

    lines = [
        f"# Networks of timm {timm.__version__} that give feature maps of three stages, with the "
        "tags of their weights;",
        "# written by: python benchmarks/backbones.py --names",
    ]
    for name in timm.list_models():
        try:
            with torch.device("meta"):
                TimmNet(name, 3, size=224).sides(224)
        except PipelineError as error:
            print(error)
            continue
        tags = [full.partition(".")[2] for full in timm.list_pretrained(f"{name}.*")]
        lines.append(" ".join([name, *tags]))
    path.write_text("\n".join(lines) + "\n")
    print(f"written to {path}: {len(lines) - 2} networks")


if __name__ == "__main__":
    main()
