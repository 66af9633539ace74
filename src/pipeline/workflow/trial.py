"""A few clips and a training step, timed: what `pipeline doctor` estimates a run from.

Nothing is written. Seconds on processors are those of a core, so that what else works on the
machine changes them little. What computes is imported by the functions that need it.
"""

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import mean

from pipeline.errors import MachineError, PipelineError
from pipeline.streams import channels

# Seconds after which no more clips are decoded, and no more pairs of frames are taken.
DECODING, FLOW = 6.0, 5.0
# Frames of a clip that are kept to be encoded and followed; trajectories take 15 steps.
KEPT = 24
# Pairs of a clip: fields of a chunk (`storage.codecs`).
PAIRS = 5
# Seconds of a step on a processor from which a larger batch is not tried.
SLOW = 0.25
# Samples of the first step on a processor: BatchNorm needs two.
FEW = 2


@dataclass
class Clips:
    """What a few clips of a set say of all.

    frames: of each clip that was decoded, by the path of its video.
    unfinished: whether the last of these was not decoded to its end.
    problems: sentences on clips that cannot be used.
    sizes: (width, height) of their frames.
    decoding, pair, trajectories: seconds of a core, of a frame, a pair and a frame.
    frame_bytes, field_bytes: as the settings store them.
    """

    frames: dict[str, int] = field(default_factory=dict)
    unfinished: bool = False
    problems: list[str] = field(default_factory=list)
    sizes: set[tuple[int, int]] = field(default_factory=set)
    decoding: float | None = None
    pair: float | None = None
    trajectories: float | None = None
    frame_bytes: float | None = None
    field_bytes: float | None = None


@dataclass(frozen=True)
class Networks:
    """Seconds of a sample in training and in scoring, and parameters, of a stream's networks.

    fusion: seconds of a sample of the fusion alone.
    features: values of a feature that is fused.
    """

    device: str
    step: float
    forward: float
    parameters: int
    teacher_step: float
    teacher_forward: float
    teacher_parameters: int
    fusion: float
    fusion_parameters: int
    features: int


def of_clips(videos: Iterable[tuple[str, bool]], own: dict) -> Clips:
    """Decode some videos, and store and follow a few frames of each, by the settings `own`.

    `videos` are paths, and whether damage is accepted. It takes seconds, and of many videos it
    looks at the first only. Raises MachineError where the machine fails, as without ffmpeg.
    """
    from pipeline.video.decode import Limits

    found, kept, seconds = Clips(), [], 0.0
    limits, until = Limits.from_settings(own), time.monotonic() + DECODING
    for path, accept in videos:
        began = _processor()
        try:
            frames = _decode(path, accept, own["decode"]["short_side"], limits, until, found)
        except MachineError:
            raise
        except PipelineError as error:
            found.problems.append(str(error))
            continue
        seconds += _processor() - began
        kept.append(frames)
        if time.monotonic() > until:
            break
    if kept:
        found.decoding = seconds / sum(found.frames.values())
        _store_and_follow(kept, own, found)
    return found


def _decode(path: str, accept: bool, short_side: int, limits, until: float, found: Clips) -> list:
    """Return the first frames of a video, (H, W, 3) uint8, and count all until the time is up."""
    from pipeline.video.decode import decode

    frames, count = [], 0
    for frame in decode(path, short_side, accept, limits):
        count += 1
        if count <= KEPT:
            frames.append(frame)
        if count >= KEPT and time.monotonic() > until + DECODING:
            found.unfinished = True
            break
    if count < 2 or min(frames[0].shape[:2]) < 16:
        height, width = frames[0].shape[:2]
        raise PipelineError(
            f"{path}: {count} frames of {width} x {height} pixels; optical flow needs two of 16 x "
            "16 at least; replace it, or remove the clip from the split lists"
        )
    found.frames[path] = count
    found.sizes.add(frames[0].shape[1::-1])
    return frames


def _store_and_follow(kept: list[list], own: dict, found: Clips) -> None:
    """Set the bytes of frames and fields, and the seconds of pairs and trajectories."""
    import cv2
    import numpy as np

    from pipeline.flow import levels, tvl1
    from pipeline.storage.codecs import Codec

    cv2.setNumThreads(1)
    # That on processors: a GPU's flow is bit-identical, and would be compiled first.
    backend = "opencv" if own["flow"]["backend"] == "opencv" else "cpu"
    parameters = {key: value for key, value in own["flow"].items() if key != "bound"}
    parameters["backend"] = backend
    list(tvl1.fields(np.zeros((2, 16, 16), np.uint8), **parameters))
    frame_sizes, field_sizes, seconds, pairs = [], [], 0.0, 0
    until = time.monotonic() + FLOW
    for frames in kept:
        taken = frames[-PAIRS - 1 :]
        frame_sizes.append(_stored(Codec.from_settings(own, "frames"), np.stack(taken)))
        if pairs and time.monotonic() > until:
            continue
        began = _processor()
        fields = list(tvl1.fields(map(tvl1.grey, taken), **parameters))
        seconds += _processor() - began
        pairs += len(fields)
        # (n, H, W, 2) to (n, 2, H, W).
        codes = levels.quantise(np.stack(fields), own["flow"]["bound"]).transpose(0, 3, 1, 2)
        field_sizes.append(_stored(Codec.from_settings(own, "flow"), codes))
    found.frame_bytes, found.field_bytes = mean(frame_sizes), mean(field_sizes)
    found.pair = seconds / pairs
    if own["idt"]["enabled"] and own["idt"]["scores"] == "none":
        from pipeline.idt.extract import trajectories

        longest = max(kept, key=len)
        began = _processor()
        for _ in trajectories(iter(longest), len(longest)):
            pass
        found.trajectories = (_processor() - began) / len(longest)


def _stored(codec, arrays) -> float:
    """Return the bytes of each of some frames (n, H, W, 3) or fields (n, 2, H, W) as stored."""
    import h5py

    with h5py.File("trial", "w", driver="core", backing_store=False) as file:
        dataset = codec.create_dataset(file, "clip", arrays.shape[1:])
        codec.append(dataset, arrays)
        file.flush()
        return dataset.id.get_storage_size() / len(arrays)


def _processor() -> float:
    """Seconds of processors that this process and its ended children have taken."""
    return time.process_time() + sum(os.times()[2:4])


def of_networks(own: dict, classes: int) -> Networks:
    """Take steps of the networks of a stream with the settings `own`, on random pixels.

    They start from random weights, which cost the same as others. On a processor a step may have
    fewer samples than the settings say.
    """
    import torch
    from torch.nn.functional import cross_entropy

    from pipeline.compute.device import device_name
    from pipeline.data.transforms import normalise
    from pipeline.models import factory
    from pipeline.models.asyn import Fusion
    from pipeline.training import objectives

    stream = "motion"
    torch.set_num_threads(own["compute"]["threads"])
    on_gpu = own["compute"].get("device") != "cpu" and torch.cuda.is_available()
    device = torch.device("cuda" if on_gpu else "cpu")
    classes = max(classes, max(own["granularities"]))

    def samples(count: int) -> dict:
        planes, size = channels(stream, own["stack"]), own["crops"]["size"]
        pixels = torch.randint(0, 256, (count, planes, size, size), dtype=torch.uint8)
        ranked = torch.arange(max(own["granularities"])).expand(count, -1)
        batch = {"input": pixels, "label": torch.zeros(count, dtype=torch.long), "groups": ranked}
        return {key: value.to(device) for key, value in batch.items()}

    def learn_classes(model, batch):
        return cross_entropy(model(normalise(batch["input"], stream)), batch["label"])

    net = factory.stream_net(own, stream, classes)
    step, forward = _timed(
        net, objectives.stream_criterion(stream, own), own, "co2fi", samples, stream, device
    )
    teacher = factory.teacher(own, stream, classes)
    teacher_times = _timed(teacher, learn_classes, own, "teacher", samples, stream, device)
    fusion = torch.nn.Module()
    fusion.fusion = Fusion(
        net.features, classes, instants=own["period"]["instants"], **own["fusion_network"]
    )

    def features(count: int) -> dict:
        one = torch.rand(count, net.features)
        many = one[:, None].expand(-1, own["period"]["instants"], -1)
        batch = {"one": one, "many": many, "label": torch.zeros(count, dtype=torch.long)}
        return {key: value.to(device) for key, value in batch.items()}

    fused, _ = _timed(fusion, objectives.fusion_criterion(own), own, "asyn", features, None, device)
    return Networks(
        device_name(device),
        step,
        forward,
        _parameters(net),
        *teacher_times,
        _parameters(teacher),
        fused,
        _parameters(fusion),
        net.features,
    )


def _parameters(model) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _timed(
    model, criterion, own: dict, section: str, samples: Callable, stream: str | None, device
) -> tuple[float, float]:
    """Return seconds of a sample, forward and backward, and where it has a stream forward alone.

    `samples` makes a batch of so many samples. The update of the weights, which is one for the
    whole batch, is left out: it takes a hundredth of a step.
    """
    import torch

    from pipeline.compute.device import resolve_layout, resolve_precision
    from pipeline.data.transforms import normalise

    compute = own["compute"]
    model.to(device, memory_format=resolve_layout(compute["layout"], device))
    mixed = resolve_precision(compute["precision"], device) == "bfloat16"
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=mixed)

    def timed(function: Callable) -> float:
        began = time.perf_counter() if device.type == "cuda" else _processor()
        function()
        if device.type == "cuda":
            torch.cuda.synchronize()
            return time.perf_counter() - began
        return (_processor() - began) / compute["threads"]

    def learn() -> None:
        with autocast:
            loss = criterion(model, batch)
        loss.backward()

    whole = own[section]["batch"] // (compute["processes"] * compute["accumulate"])
    count = whole if device.type == "cuda" else min(whole, FEW)
    batch = samples(count)
    seconds = timed(learn)
    if device.type == "cuda" or seconds < SLOW:
        # The first one allocates and chooses algorithms.
        count, batch = whole, samples(whole)
        learn()
        seconds = timed(learn)
    if stream is None:
        return seconds / count, 0.0
    model.eval()
    with torch.inference_mode(), autocast:
        inputs = normalise(batch["input"], stream)
        return seconds / count, timed(lambda: model(inputs)) / count
