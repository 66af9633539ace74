"""Measures how fast each network trains with its data in memory.

Per network: seconds per step, images per second, arithmetic, memory, and hours of the schedule.

    python benchmarks/train.py --set demo                         # small networks, minutes on a CPU
    python benchmarks/train.py --set ucf101                       # paper size, on a GPU
    python benchmarks/train.py --set ucf101 --batch 2 --steps 3   # paper size, on a CPU

The reference in the same run is torchvision's own VGG-16 in a plain training step at the same size,
precision and batch. On a GPU, losses of small networks are first compared with the CPU's, in
float32. Prints a table and writes
benchmarks/results/train_<set>.json, on a GPU train_<set>_<GPU>.json; runs without Snakemake.
"""

import argparse
import statistics
import time
from contextlib import nullcontext
from pathlib import Path

import torch
import yaml
from peaks import peak_of
from report import ROOT, write
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import vgg16

from pipeline.compute.device import device_name, prepare_device, resolve_layout, resolve_precision
from pipeline.config import runs, settings
from pipeline.data import transforms
from pipeline.models import factory
from pipeline.streams import DIRECTIONS, STREAMS, channels
from pipeline.training import objectives
from pipeline.training.step import Criterion, Step

CLASSES = {"ucf101": 101, "hmdb51": 51, "demo": 8}
# Steps before timing starts.
WARM = {"cuda": 5, "cpu": 1}
# Relative difference allowed between losses of a GPU and a CPU, which sum float32 in other orders.
TOLERANCE = 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--set",
        default="ucf101",
        choices=CLASSES,
        help="whose settings of config.yaml are seconds_per_step",
    )
    parser.add_argument(
        "--networks",
        nargs="+",
        default=["reference", "teacher", "co2fi", "baseline", "direct", "asyn"],
    )
    parser.add_argument(
        "--steps", type=int, default=20, help="timed steps of each, whose median counts"
    )
    parser.add_argument("--batch", type=int, help="the schedule's by default")
    parser.add_argument("--accumulate", type=int, default=1)
    parser.add_argument("--precision", default="auto", choices=["auto", "float32", "bfloat16"])
    parser.add_argument(
        "--layout", default="auto", choices=["auto", "channels_first", "channels_last"]
    )
    parser.add_argument("--threads", type=int, default=1, help="of a CPU")
    options = parser.parse_args()
    device = prepare_device(options.threads)
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    result = {
        "device": device_name(device),
        "precision": resolve_precision(options.precision, device),
        "set": options.set,
        "accumulate": options.accumulate,
        "threads": options.threads,
    }
    if device.type == "cuda":
        result["losses_of_cpu"] = compare_losses(config, device)
    peak = peak_of(result["device"])
    print(f"{result['device']}, {result['precision']}, settings of {options.set}")
    print(
        f"{'network':34} {'batch':>5} {'ms/step':>9} {'spread':>7} {'images/s':>9} "
        f"{'GFLOP/image':>11} {'TFLOP/s':>8} {'of peak':>7} {'peak MB':>8} {'hours':>7}"
    )
    rows = []
    # The reference has full width, so it says nothing about narrow networks.
    if settings.for_set(config, options.set)["network"]["width"] < 1:
        options.networks = [name for name in options.networks if name != "reference"]
    for name, kind, of in networks(options.networks):
        variant = kind if kind in ("baseline", "direct") else runs.COMPLETE
        own = runs.for_run(config, options.set, runs.Run("split1", variant))
        rows.append(measure(name, kind, of, own, options, device, peak))
        show(rows[-1])
    where = f"_{result['device'].replace(' ', '_')}" if device.type == "cuda" else ""
    write(f"train_{options.set}{where}", result | {"peak_tflops": peak, "networks": rows})


def networks(kinds: list[str]) -> list[tuple[str, str, str]]:
    """Return the networks of `kinds`: name, kind, and stream or direction of each."""
    every = [("reference", "reference", "appearance")]
    every += [
        (kind, kind, stream)
        for kind in ("teacher", "co2fi", "baseline", "direct")
        for stream in STREAMS
    ]
    every += [("asyn", "asyn", direction) for direction in DIRECTIONS]
    return [
        (f"{kind} {of}" if kind != "reference" else "torchvision's VGG-16", kind, of)
        for _, kind, of in every
        if kind in kinds
    ]


def noise(stream: str, own: dict, *shape: int) -> torch.Tensor:
    """Return noise as a loader gives it: (*shape, channels, size, size), uint8."""
    side = own["crops"]["size"]
    return torch.randint(
        256, (*shape, channels(stream, own["stack"]), side, side), dtype=torch.uint8
    )


def example(kind: str, of: str, own: dict, classes: int, batch: int) -> dict:
    """Return a batch of noise for a network."""
    depth, instants = min(max(own["granularities"]), classes), own["period"]["instants"]
    labels = torch.randint(classes, (batch,))
    # Ranked class labels, (B, T + 1, depth).
    ranked = torch.rand(batch, instants + 1, classes).argsort(dim=-1)[..., :depth]
    if kind != "asyn":
        return {"input": noise(of, own, batch), "label": labels, "groups": ranked[:, 0]}
    one, many = DIRECTIONS[of]
    return {
        "one": noise(one, own, batch),
        "many": noise(many, own, batch, instants),
        "label": labels,
        "groups_one": ranked[:, 0],
        "groups_many": ranked[:, 1:],
    }


def network(kind: str, of: str, own: dict, classes: int) -> tuple[nn.Module, Criterion, dict]:
    """Return a network with random weights, its criterion, and its schedule."""
    if kind in ("reference", "teacher"):
        net = (
            vgg16(weights=None, num_classes=classes)
            if kind == "reference"
            else factory.teacher(own, of, classes)
        )
        schedule = own["co2fi" if kind == "reference" else "teacher"]
        return (
            net,
            lambda net, batch: cross_entropy(
                net(transforms.normalise(batch["input"], of)), batch["label"]
            ),
            schedule,
        )
    if kind == "asyn":
        return (
            factory.asyn(own, of, classes),
            objectives.direction_criterion(of, own),
            own["asyn"] | {"fusion_lr": 1.0},
        )
    return factory.stream_net(own, of, classes), objectives.stream_criterion(of, own), own["co2fi"]


def measure(
    name: str,
    kind: str,
    of: str,
    own: dict,
    options: argparse.Namespace,
    device: torch.device,
    peak: float | None,
) -> dict:
    """The row of a network."""
    torch.manual_seed(0)
    classes = CLASSES[options.set]
    net, criterion, schedule = network(kind, of, own, classes)
    batch = options.batch or schedule["batch"]
    step_schedule = schedule | {
        "lr": 1e-5,
        "accumulate": options.accumulate,
        "precision": options.precision,
    }
    net.to(device, memory_format=resolve_layout(options.layout, device)).train()
    step = Step(net, criterion, step_schedule, device)
    part = {
        key: value.to(device)
        for key, value in example(kind, of, own, classes, batch // options.accumulate).items()
    }
    single = {key: value[:1] for key, value in part.items()}
    with FlopCounterMode(display=False) as counter, step.autocast:
        criterion(net, single).backward()
    flops = counter.get_total_flops() * batch
    reset_peak(device)
    seconds_per_step, warm = [], WARM[device.type]
    for number in range(warm + options.steps):
        start = time.perf_counter()
        loss = step(0, options.accumulate * [part])
        if device.type == "cuda":
            torch.cuda.synchronize()
        if number >= warm:
            seconds_per_step.append(time.perf_counter() - start)
    assert loss.isfinite(), f"the loss of {name} is {loss}"
    seconds = statistics.median(seconds_per_step)
    images = batch * (1 + own["period"]["instants"] if kind == "asyn" else 1)
    return {
        "name": name,
        "batch": batch,
        "seconds_a_step": seconds,
        "fastest": min(seconds_per_step),
        "slowest": max(seconds_per_step),
        "images_a_second": images / seconds,
        "gflop_an_image": flops / images / 1e9,
        "tflops": flops / seconds / 1e12,
        "share_of_peak": flops / seconds / 1e12 / peak if peak else None,
        "peak_mb": peak_mb(device),
        "hours_of_the_schedule": schedule["iterations"]
        * schedule["batch"]
        / batch
        * seconds
        / 3600,
    }


def reset_peak(device: torch.device) -> None:
    """Reset the peak of memory in use."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")


def peak_mb(device: torch.device) -> int:
    """Return the peak of memory in use since `reset_peak`, in MB: the GPU's, or this process's."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated() / 1e6)
    status = Path("/proc/self/status").read_text()
    return round(int(status.partition("VmHWM:")[2].split()[0]) / 1000)


def compare_losses(config: dict, device: torch.device) -> dict:
    """Losses of three steps of the demo's joint network on the GPU and on the CPU, in float32.

    Ends the program where they do not agree.
    """
    own = settings.for_set(config, "demo")
    own["network"]["dropout"] = dict.fromkeys(own["network"]["dropout"], 0.0)
    found = {}
    exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
    for where in (torch.device("cpu"), device):
        torch.manual_seed(0)
        net, criterion, schedule = network("asyn", "appearance-to-motion", own, 8)
        step_schedule = schedule | {"accumulate": 1, "precision": "float32"}
        batch = {
            key: value.to(where)
            for key, value in example("asyn", "appearance-to-motion", own, 8, 8).items()
        }
        net.to(where, memory_format=resolve_layout("auto", where)).train()
        step = Step(net, criterion, step_schedule, where)
        with exact if where.type == "cuda" else nullcontext():
            found[where.type] = [step(number, [batch]).item() for number in range(3)]
    apart = max(abs(a / b - 1) for a, b in zip(found["cuda"], found["cpu"], strict=True))
    print(f"losses of three steps beside the CPU's: {apart:.1e} apart at most")
    if apart > TOLERANCE:
        raise SystemExit(
            f"error: the GPU's losses are {apart:.1e} from the CPU's, over {TOLERANCE}: {found}"
        )
    return found


def show(row: dict) -> None:
    spread = (row["slowest"] - row["fastest"]) / row["seconds_a_step"]
    share = f"{row['share_of_peak']:.1%}" if row["share_of_peak"] else "-"
    print(
        f"{row['name']:34} {row['batch']:5} {1000 * row['seconds_a_step']:9.1f} {spread:7.1%} "
        f"{row['images_a_second']:9.1f} {row['gflop_an_image']:11.2f} {row['tflops']:8.3f} "
        f"{share:>7} {row['peak_mb']:8} {row['hours_of_the_schedule']:7.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
