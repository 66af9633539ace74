"""What training, scoring and features ask of a GPU, counted without one, at paper size.

    python benchmarks/gpu_cost.py                        # writes benchmarks/results/gpu_cost.json
    python benchmarks/gpu_cost.py --before earlier.json  # beside the counts of another commit

Fake tensors of the device 'cuda' have shapes, types and devices, and no values: an operation that
would have to look at values, for which the host would wait, fails, as one does that has a tensor of
the CPU among those of a GPU. Counted are launches (operations that compute; views and new memory
are none), those of them that only change a type (casts), the bytes that they read and write where
each tensor comes from memory, and copies from the CPU after the first batch. What cuDNN launches
within an operation is not seen.

The update, by SGD's fused kernel, is not counted. torch runs no backward pass of such tensors where
there is no GPU: it is counted on torch's device 'meta' in float32, and each cast of the forward
pass that a gradient goes through has one more.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import torch
import yaml
from report import ROOT, write
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pipeline.config import runs
from pipeline.data import crops, loader, packing, transforms
from pipeline.data.batch import CropRequest, InputBatch, RawBatch
from pipeline.data.instants import stack_fields
from pipeline.inference.apply import apply_in_batches
from pipeline.models import factory
from pipeline.streams import DIRECTIONS, STREAMS, channels
from pipeline.training import objectives
from pipeline.training.step import Criterion, Step

CLASSES, BATCH, DEPTH = 101, 16, 5
# Stored frames and fields of UCF101, and those of its clips of a common length.
WIDTH, HEIGHT, FRAMES = 320, 240, 180
VARIANTS = ("complete", "baseline", "direct", "tsn")
# Operations that give memory or a fact, and compute nothing.
NOTHING = (
    "empty",
    "new_empty",
    "empty_like",
    "empty_strided",
    "_unsafe_view",
    "lift_fresh",
    "_local",
)


@dataclass
class Cost:
    """Counts of a pass: launches, casts among them, bytes, and copies from the CPU."""

    launches: int = 0
    casts: int = 0
    casts_with_gradients: int = 0
    bytes: int = 0
    copies: int = 0


class Counter(TorchDispatchMode):
    """Counts what runs while it is open."""

    def __init__(self):
        super().__init__()
        self.cost = Cost()

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        result = operation(*arguments, **(options or {}))
        read = [x for x in tree_leaves((arguments, options)) if isinstance(x, torch.Tensor)]
        name = operation.name().partition("::")[2].partition(".")[0]
        if operation.namespace == "prim" or operation.is_view or name in NOTHING:
            return result
        written = [x for x in tree_leaves(result) if isinstance(x, torch.Tensor)]
        if not written:
            return result
        self.cost.launches += 1
        self.cost.bytes += sum(x.numel() * x.element_size() for x in (*read, *written))
        self.cost.copies += any(x.device.type == "cpu" for x in read)
        if name == "_to_copy" and read[0].dtype != written[0].dtype:
            self.cost.casts += 1
            self.cost.casts_with_gradients += read[0].requires_grad
        return result


class Unread(CropRequest):
    """A request of a clip that is not there: nothing is read into its memory."""

    def read_into(self, out: np.ndarray) -> None:
        pass


@dataclass
class Stored:
    """Stands for the frames or fields of a clip in the store."""

    shape: tuple[int, ...]


@contextmanager
def fake_gpu() -> Iterator[FakeTensorMode]:
    """While open, new tensors are fake ones on a GPU that has bfloat16."""
    kept = [value for value in vars(transforms).values() if hasattr(value, "cache_clear")]
    for cached in kept:
        cached.cache_clear()
    with (
        mock.patch("torch.cuda.amp.common.amp_definitely_not_available", lambda: False),
        mock.patch("torch.cuda.is_bf16_supported", lambda *_: True),
        FakeTensorMode() as mode,
        torch.device("cuda"),
    ):
        yield mode
    for cached in kept:
        cached.cache_clear()


def on_gpu(batch):
    """Return a fake copy of a batch on the GPU, as a loader's copy of pinned memory is."""
    return loader._map_tensors(lambda x: torch.empty(x.shape, dtype=x.dtype, device="cuda"), batch)


def crop_requests(stream: str, own: dict, instants: int, batch: int) -> list[CropRequest]:
    """Return what a batch of a stream reads: crops as training draws them, of one instant or a
    period.
    """
    rng = np.random.default_rng(0)
    frames = stream == "appearance"
    stored = Stored((FRAMES, HEIGHT, WIDTH, 3) if frames else (FRAMES - 1, 2, HEIGHT, WIDTH))
    # Both streams of a period have the crop sizes of motion.
    sizes = own["crops"][stream if instants == 1 else "motion"]
    requests = []
    for _ in range(batch):
        crop = crops.training_crop(rng, own["crops"]["frame"], sizes, own["crops"]["flip"])
        starts = int(rng.integers(100)) + own["period"]["delta"] * np.arange(instants)
        starts = starts[0] if instants == 1 else starts
        items = starts[..., None] if frames else stack_fields(starts, own["stack"], FRAMES - 1)
        positions, index = np.unique(items, return_inverse=True)
        rows, columns = crop.pixels(WIDTH, HEIGHT)
        index = index.reshape(items.shape)
        requests.append(Unread(stored, positions, index, rows, columns, crop.mirrored))
    return requests


@dataclass
class Case:
    """A network in training: what it learns by, its schedule, and what its batches have, by key:
    the stream and the instants of each sample.
    """

    name: str
    own: dict
    classes: int
    batch: int
    make: Callable[[], nn.Module]
    criterion: Criterion
    schedule: dict
    inputs: dict[str, tuple[str, int]]


def cases(of_set: str = "ucf101", classes: int = CLASSES, batch: int = BATCH) -> Iterator[Case]:
    """Yield every network with the settings of a set: at paper size, or the demo's."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    own = runs.for_run(config, of_set, runs.Run("split1", runs.COMPLETE))
    for stream in STREAMS:
        yield Case(
            f"teacher {stream}",
            own,
            classes,
            batch,
            lambda stream=stream: factory.teacher(own, stream, classes),
            lambda net, batch, stream=stream: cross_entropy(
                net(transforms.normalise(batch["input"], stream)), batch["label"]
            ),
            own["teacher"],
            {"input": (stream, 1)},
        )
    for variant in VARIANTS:
        own_of = runs.for_run(config, of_set, runs.Run("split1", variant))
        segments = own_of["co2fi"]["segments"]
        for stream in STREAMS:
            yield Case(
                f"{'co2fi' if variant == 'complete' else variant} {stream}",
                own_of,
                classes,
                batch,
                lambda own=own_of, stream=stream: factory.stream_net(own, stream, classes),
                objectives.consensus_criterion(stream)
                if segments > 1
                else objectives.stream_criterion(stream, own_of),
                own_of["co2fi"],
                {"input": (stream, segments)},
            )
    for direction, (single, sequence) in DIRECTIONS.items():
        yield Case(
            f"asyn {direction}",
            own,
            classes,
            batch,
            lambda direction=direction: factory.asyn(own, direction, classes),
            objectives.direction_criterion(direction, own),
            own["asyn"],
            {"one": (single, 1), "many": (sequence, own["period"]["instants"])},
        )


def labels(case: Case) -> dict:
    """Return the true and the ranked classes of a batch."""
    batch = {"label": torch.zeros(case.batch, dtype=torch.int64)}
    for key, (_, instants) in case.inputs.items():
        shape = (case.batch, *([] if instants == 1 else [instants]), DEPTH)
        batch["groups" if key == "input" else f"groups_{key}"] = torch.zeros(
            shape, dtype=torch.int64
        )
    return batch


def pack(case: Case) -> dict[str, RawBatch]:
    """Return what workers send of a batch, by key; its pixels are what memory held."""
    return {
        key: packing.pack(
            crop_requests(stream, case.own, instants, case.batch), case.own["crops"]["size"]
        )
        for key, (stream, instants) in case.inputs.items()
    }


def costs(case: Case) -> dict[str, Cost]:
    """Return what a training step of a network asks of a GPU, by part of the step.

    Raises what torch raises for an operation that a GPU would make the host wait for.
    """
    size = case.own["crops"]["size"]
    packed = pack(case)
    schedule = case.schedule | {"precision": "bfloat16", "accumulate": 1}
    with fake_gpu():
        net = case.make().train()
        step = Step(net, case.criterion, schedule, torch.device("cuda"))
        raw = on_gpu(packed)
        for _ in range(2):
            # Of the first batch constants are copied.
            with Counter() as finish:
                inputs = {
                    key: packing.finish_on_device(raw[key], stream, size)
                    for key, (stream, _) in case.inputs.items()
                }
            batch = labels(case) | inputs
            with Counter() as forward, step.autocast:
                loss = case.criterion(net, batch)
        assert loss.device.type == "cuda" and loss.shape == ()
    with torch.device("meta"):
        net = case.make().train()
        pixels = {
            key: torch.empty(
                *([case.batch] if instants == 1 else [case.batch, instants]),
                channels(stream, case.own["stack"]),
                size,
                size,
                dtype=torch.uint8,
            )
            for key, (stream, instants) in case.inputs.items()
        }
        loss = case.criterion(net, labels(case) | pixels)
        with Counter() as backward:
            loss.backward()
    backward.cost.casts = forward.cost.casts_with_gradients
    backward.cost.launches += backward.cost.casts
    return {"finish": finish.cost, "forward": forward.cost, "backward": backward.cost}


def costs_of_inference() -> dict[str, Cost]:
    """Return what `scores.batch` instants of a clip ask of a GPU where networks are applied: of a
    stream, as for its features and scores, and of a direction.
    """
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    own = runs.for_run(config, "ucf101", runs.Run("split1", runs.COMPLETE))
    size, batch, instants = own["crops"]["size"], own["scores"]["batch"], own["period"]["instants"]
    count = own["period"]["count"]
    found = {}
    with fake_gpu(), torch.no_grad():
        inputs = {
            stream: InputBatch(
                torch.zeros(batch, 3 if stream == "appearance" else 2, size, size).byte(),
                torch.zeros(batch, 1 if stream == "appearance" else own["stack"]).long(),
            )
            for stream in STREAMS
        }
        centres = torch.zeros(count).long()
        positions = torch.zeros(count, instants).long()
        for stream in STREAMS:
            net = factory.stream_net(own, stream, CLASSES).eval()
            for _ in range(2):
                with Counter() as counter:
                    outputs = apply_in_batches(
                        lambda x, net=net: net(x).feature, inputs[stream], stream, batch
                    )
            assert outputs.device.type == "cuda"
            found[f"a stream's clip, {stream}"] = counter.cost
        for direction, (single, sequence) in DIRECTIONS.items():
            net = factory.asyn(own, direction, CLASSES).eval()
            with Counter() as counter:
                one = apply_in_batches(
                    lambda x, net=net: net.one(x).feature, inputs[single], single, batch
                )
                many = apply_in_batches(
                    lambda x, net=net: net.many(x).feature, inputs[sequence], sequence, batch
                )
                logits = net.fusion(one[centres], many[positions])
            assert logits.device.type == "cuda"
            found[f"a direction's clip, {direction}"] = counter.cost
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--before", type=Path, help="JSON of an earlier commit to show beside")
    options = parser.parse_args()
    before = json.loads(options.before.read_text())["networks"] if options.before else {}
    result: dict[str, dict] = {}
    print(f"{'':38} {'launches':>14} {'casts':>10} {'GB':>13} {'copies':>9}")
    for case in cases():
        for part, cost in costs(case).items():
            result[f"{case.name}, {part}"] = asdict(cost)
            show(f"{case.name}, {part}", result, before)
    for name, cost in costs_of_inference().items():
        result[name] = asdict(cost)
        show(name, result, before)
    write("gpu_cost", {"batch": BATCH, "networks": result, "before": before})


def show(name: str, now: dict, before: dict) -> None:
    """Print a row: each count, behind that of the earlier commit where there is one."""

    def cell(key: str, form: Callable[[int], str]) -> str:
        earlier = f"{form(before[name][key])} -> " if name in before else ""
        return earlier + form(now[name][key])

    print(
        f"{name:38} {cell('launches', str):>14} {cell('casts', str):>10} "
        f"{cell('bytes', lambda x: f'{x / 1e9:.2f}'):>13} {cell('copies', str):>9}",
        flush=True,
    )


if __name__ == "__main__":
    main()
