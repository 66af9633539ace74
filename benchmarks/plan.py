"""What a set takes on 1 to 64 nodes: machine-hours, disk, memory, traffic, and speed-up.

    python benchmarks/plan.py
    python benchmarks/plan.py --check RESULTS   # with a recorded run, as results/jhmdb14

Rates are those of single cores in benchmarks/results; lengths of clips are drawn, groups dealt as
the pipeline deals them, and jobs given to whatever cores are free, as Snakemake gives them. Prints
tables and writes benchmarks/results/plan.json and docs/pictures/cluster-plan.png. With --check the
same arithmetic is held against the processor time of a real run's jobs.
"""

import argparse
import csv
import heapq
import json
import math
import random
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from report import ROOT, write

from pipeline.datasets.assignment import assign

NODES = (1, 2, 4, 8, 16, 32, 64)
CORES = 16
# Pixels of the frames that the rates are of.
PIXELS = 320 * 240
PICTURE = ROOT / "docs/pictures/cluster-plan.png"
# Seconds of a job that are not its work: the two Snakemakes of a cluster (benchmarks/scale.py), and
# Python with its libraries.
START = 12.0
# Bytes of a sampled trajectory and of a Fisher vector of 256 Gaussians; trajectories of a clip.
TRAJECTORY, VECTOR, SAMPLED = 1744, 2 * 213 * 256 * 4, 100
# Frames of a clip that its sample of trajectories comes from.
WINDOW = 30
# Batches of the paper's schedules, of 16 samples, and how many of the trainings a run has.
SCHEDULES = {"teacher": 10_000, "co2fi": 100_000, "asyn": 100_000}
BATCH = 16
# Fields that are read for a stack of ten, in chunks of five, and for a period of 30.
STACK_READ, PERIOD_READ = 14, 34


class Plan(NamedTuple):
    """A set: clips, frames in all, how lengths spread (their deviation as a part of the mean), the
    sizes of groups, pixels of a frame, shards, training clips of a split.
    """

    name: str
    clips: int
    frames: float
    spread: float
    groups: tuple[int, int]
    pixels: int
    shards: int
    train: int


# Groups of HMDB51 are films, most of a few clips. Lengths of Kinetics' clips are equal.
PLANS = (
    Plan("UCF101", 13_320, 2.48e6, 0.5, (4, 7), PIXELS, 100, 9_537),
    Plan("HMDB51", 6_766, 0.63e6, 0.7, (1, 12), PIXELS, 50, 3_570),
    Plan("240,000 clips of 10 s", 240_000, 60e6, 0.0, (1, 1), 340 * 256, 1000, 216_000),
)


class Rates(NamedTuple):
    """Seconds of a core for a frame or field of PIXELS, bytes of one, hours of trainings."""

    frame: float
    field: float
    trajectories: float
    frame_bytes: float
    field_bytes: float
    training_hours: dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", type=Path, help="folder of a set's results that were made")
    options = parser.parse_args()
    rates = read_rates()
    if options.check:
        checked = check(options.check, rates)
        print_checked(checked)
        write("plan_check", {"set": options.check.name, "stages": checked})
        return
    sets = {plan.name: of_set(plan, rates) for plan in PLANS}
    for name, found in sets.items():
        print_set(name, found)
    draw(sets)
    write("plan", {"cores_of_a_node": CORES, "rates": rates._asdict(), "sets": sets})


def read_rates() -> Rates:
    """Return the rates that the other benchmarks have measured."""
    flow, idt, codings, train = (
        json.loads((ROOT / f"benchmarks/results/{name}.json").read_text())
        for name in ("flow", "idt", "codings", "train_ucf101")
    )
    frames = next(row for row in codings["frames"] if row["coding"].endswith("the choice"))
    fields = next(row for row in codings["flow"] if row["coding"].endswith("the choice"))
    five = idt["five"]
    return Rates(
        frame=1 / frames["written_per_s"],
        # A job of flow also decodes, compresses and writes.
        field=flow["clips"]["total"]["cpu_ms"] / 1000 / flow["job"]["share"],
        trajectories=five["seconds"] / five["frames"],
        frame_bytes=frames["bytes"],
        field_bytes=fields["bytes"],
        training_hours={
            row["name"]: row["hours_of_the_schedule"]
            for row in train["networks"]
            if row["name"].partition(" ")[0] in SCHEDULES
        },
    )


def draw_shards(plan: Plan, by_hash: bool = False) -> list[float]:
    """Return the frames of each shard of a set whose clips and groups are drawn."""
    generator, sizes, left = random.Random(1), {}, plan.clips
    while left:
        sizes[str(len(sizes))] = size = min(generator.randint(*plan.groups), left)
        left -= size
    shards = {group: f"{generator.randrange(plan.shards):03d}" for group in sizes}
    shards = shards if by_hash else assign(sizes, plan.shards, {})
    mean = plan.frames / plan.clips
    variance = math.log(1 + plan.spread**2)
    frames: Counter = Counter()
    for group, clips in sizes.items():
        # The clips of a group are cut from one video, and about as long as one another.
        length = mean * generator.lognormvariate(-variance / 2, math.sqrt(variance))
        frames[shards[group]] += clips * length
    return list(frames.values())


def makespan(jobs: list[float], slots: int) -> float:
    """Return the seconds until all jobs are done where each takes the slot that is free first."""
    free = [0.0] * slots
    for seconds in jobs:
        heapq.heapreplace(free, free[0] + seconds)
    return max(free)


def of_set(plan: Plan, rates: Rates) -> dict:
    """Return all that is planned of a set."""
    size = plan.pixels / PIXELS
    frames = draw_shards(plan)
    sampled = min(WINDOW * plan.clips / plan.frames, 1)
    seconds = {
        "examine": rates.frame * size,
        "frames": rates.frame * size,
        "flow": rates.field * size,
        "idt samples": rates.trajectories * size * sampled,
        "idt vectors": rates.trajectories * size,
    }
    return {
        "core_hours": {
            **{stage: each * plan.frames / 3600 for stage, each in seconds.items()},
            **rates.training_hours,
        },
        "disk_gb": {
            "frames": plan.frames * rates.frame_bytes * size / 1e9,
            "flow": (plan.frames - plan.clips) * rates.field_bytes * size / 1e9,
            "idt": plan.clips * (SAMPLED * TRAJECTORY + VECTOR) / 1e9,
        },
        "read_gb": _traffic(rates, size),
        "largest_shard": max(frames) / (sum(frames) / len(frames)),
        "largest_by_hash": max(hashed := draw_shards(plan, True)) / (sum(hashed) / plan.shards),
        "flow": [
            _stage(frames, seconds["flow"], nodes, cores) | {"nodes": nodes, "cores": cores}
            for cores in (1, 4)
            for nodes in NODES
        ],
    }


def _stage(frames: list[float], each: float, nodes: int, cores: int) -> dict:
    """Return hours and efficiency of a stage of shards whose jobs have so many cores."""
    jobs = [START + each * count / cores for count in frames]
    seconds = makespan(jobs, nodes * CORES // cores)
    perfect = each * sum(frames) / (nodes * CORES)
    return {"hours": seconds / 3600, "efficiency": perfect / seconds}


def _traffic(rates: Rates, size: float) -> dict[str, float]:
    """Return the GB that the trainings of a split read from the store, by the paper's schedule."""
    frame, field = rates.frame_bytes * size, rates.field_bytes * size
    samples = {
        "teacher appearance": frame,
        "teacher motion": STACK_READ * field,
        "co2fi appearance": frame,
        "co2fi motion": STACK_READ * field,
        "asyn appearance-to-motion": frame + PERIOD_READ * field,
        "asyn motion-to-appearance": 5 * frame + STACK_READ * field,
    }
    return {
        name: SCHEDULES[name.partition(" ")[0]] * BATCH * each / 1e9
        for name, each in samples.items()
    }


def check(results: Path, rates: Rates) -> dict[str, dict]:
    """Return, by stage, the processor seconds that a run's jobs took and those that are planned."""
    frames, clips, sampled = Counter(), Counter(), Counter()
    with open(results / "index.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            size = int(row["width"]) * int(row["height"]) / PIXELS
            frames[row["shard"]] += int(row["frames"]) * size
            clips[row["shard"]] += size
            sampled[row["shard"]] += min(int(row["frames"]), WINDOW) * size
    planned = {
        "frames": {shard: rates.frame * count for shard, count in frames.items()},
        "flow": {shard: rates.field * (frames[shard] - clips[shard]) for shard in frames},
        "idt": {shard: rates.trajectories * count for shard, count in sampled.items()},
    }
    return {
        stage: {
            "planned": round(sum(shards.values()), 1),
            "took": round(sum(_processor_seconds(results, stage, each) for each in shards), 1),
            "shards": {
                each: [round(seconds, 1), _processor_seconds(results, stage, each)]
                for each, seconds in sorted(shards.items())
            },
        }
        for stage, shards in planned.items()
    }


def _processor_seconds(results: Path, stage: str, shard: str) -> float:
    with open(results / f"benchmarks/{stage}/{shard}.tsv", newline="") as file:
        return float(next(csv.DictReader(file, delimiter="\t"))["cpu_time"])


def print_checked(stages: dict[str, dict]) -> None:
    print(f"{'CPU seconds':<14}{'planned':>10}{'took':>10}{'ratio':>8}")
    for stage, found in stages.items():
        ratio = found["took"] / found["planned"]
        print(f"{stage:<14}{found['planned']:>10,.0f}{found['took']:>10,.0f}{ratio:>8.2f}")


def print_set(name: str, found: dict) -> None:
    print(f"\n{name}")
    for title, key, form in (
        ("core-hours", "core_hours", ",.0f"),
        ("GB written", "disk_gb", ",.1f"),
        ("GB read by trainings", "read_gb", ",.0f"),
    ):
        print(f"  {title}: " + ", ".join(f"{k} {v:{form}}" for k, v in found[key].items()))
    even, hashed = found["largest_shard"], found["largest_by_hash"]
    print(f"  largest shard {even:.2f} of the mean, by hash {hashed:.2f}")
    for row in found["flow"]:
        part = f"{row['hours']:.2f} h, {100 * row['efficiency']:.0f} % of perfect"
        print(f"  flow, {row['nodes']} nodes, {row['cores']} cores a job: {part}")


def draw(sets: dict[str, dict]) -> None:
    """Draw hours of flow over nodes, as planned and as they would be if all cores always worked."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.2), layout="constrained")
    axes = figure.subplots()
    for colour, (name, found) in zip(("C0", "C1", "C2"), sets.items(), strict=True):
        hours = found["core_hours"]["flow"]
        perfect = [hours / CORES / nodes for nodes in NODES]
        axes.plot(NODES, perfect, ":", color=colour, linewidth=1)
        for cores, style in ((1, "--"), (4, "-")):
            rows = [row for row in found["flow"] if row["cores"] == cores]
            label = f"{name}: {cores} core{'s' * (cores > 1)} a job"
            planned = [row["hours"] for row in rows]
            axes.plot(NODES, planned, style, marker=".", color=colour, label=label)
    axes.set(xscale="log", yscale="log", xlabel=f"nodes of {CORES} cores", ylabel="hours of flow")
    axes.set_xticks(NODES, [str(nodes) for nodes in NODES])
    axes.set_xticks([], minor=True)
    axes.set_yticks([0.1, 1 / 3, 1, 10, 100], ["6 min", "20 min", "1", "10", "100"])
    axes.set_yticks([], minor=True)
    axes.grid(alpha=0.3)
    figure.legend(
        loc="outside right upper",
        fontsize="small",
        title="dotted: all cores always work",
        title_fontsize="small",
    )
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=100, format="png", facecolor="white", metadata={"Software": None})


if __name__ == "__main__":
    main()
