"""Scores of test clips: logits at every test instant of every crop, in batches, on a device."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import numpy as np
import torch
from torch import nn

from pipeline.data.batch import InputBatch
from pipeline.data.crops import Crop
from pipeline.data.dataset import ClipDataset
from pipeline.data.instants import eval_periods
from pipeline.data.loader import iterate_batches
from pipeline.data.stream import Stream
from pipeline.data.transforms import normalise
from pipeline.streams import DIRECTIONS


def apply_at_instants(
    nets: dict[str, Callable],
    streams: dict[str, Stream],
    rows: list[dict],
    instants: list[np.ndarray],
    batch: int,
    device: torch.device,
    workers: int = 0,
) -> Iterator[dict[str, torch.Tensor]]:
    """Of each clip what the net of each stream gives at the clip's `instants` (n,), on the centre crop: (n, ..).

    `batch` instants are read and pass through a net at a time; `workers` read ahead.
    """
    asked = [
        (row, every[start : start + batch])
        for row, every in zip(rows, instants, strict=True)
        for start in range(0, len(every), batch)
    ]
    reads = ClipDataset(streams, asked, [next(iter(streams.values())).centre_crop()])
    patches = iterate_batches(reads, range(len(asked)), 1, device, workers)
    for every in instants:
        found = {name: [] for name in nets}
        for part in islice(patches, -(-len(every) // batch)):
            with torch.inference_mode():
                for name, net in nets.items():
                    (shown,) = streams[name].in_crops(part[name])
                    found[name].append(net(normalise(shown, name)))
        yield {name: torch.cat(parts) for name, parts in found.items()}


def score_clips(
    models: dict[str, nn.Module],
    streams: dict[str, Stream],
    rows: list[dict],
    crops: list[Crop],
    period: dict,
    batch: int,
    device: torch.device,
    workers: int = 0,
) -> Iterator[dict[str, np.ndarray]]:
    """Logits of each clip by all `models`, CO2FI by stream and ASYN by direction; what they see is read once for them all.

    Each of `crops` is the same one for both streams; `workers` read ahead. Gives, by source and crop after crop,
    (crops P T, classes) of a stream, at every instant of the test periods (what ASYN gets to see, too), and
    (crops P, classes) of a direction.
    """
    periods = [
        eval_periods(row, min(stream.last(row) for stream in streams.values()), period)
        for row in rows
    ]
    distinct = [
        np.unique(instants) for _, instants in periods
    ]  # (n,), centres among them: a period has its own
    reads = ClipDataset(streams, list(zip(rows, distinct, strict=True)), crops)
    patches = iterate_batches(reads, range(len(rows)), 1, device, workers)
    for every, times, part in zip(distinct, periods, patches, strict=True):
        centres, instants = (
            np.searchsorted(every, which) for which in times
        )  # places in what is shown
        shown = zip(*(stream.in_crops(part[name]) for name, stream in streams.items()), strict=True)
        yield score_clip(
            models,
            (dict(zip(streams, crop, strict=True)) for crop in shown),
            centres,
            instants,
            batch,
        )


@torch.inference_mode()
def score_clip(
    models: dict[str, nn.Module],
    shown: Iterable[dict[str, InputBatch]],
    centres: np.ndarray,
    instants: np.ndarray,
    batch: int,
) -> dict[str, np.ndarray]:
    """Logits of a clip, as `of_clips` gives them, from what is `shown` of it in each crop: n inputs of each stream.

    `centres` (P,) and `instants` (P, T) of the periods are places among the n inputs.
    """
    logits = {source: [] for source in models}
    for crop in shown:
        for source, model in models.items():
            logits[source].append(
                _direction_logits(model, source, crop, centres, instants, batch)
                if source in DIRECTIONS
                else _stream_logits(model, source, crop, instants, batch)
            )
    return {source: torch.cat(parts).cpu().numpy() for source, parts in logits.items()}


def _stream_logits(
    model: nn.Module, stream: str, shown: dict[str, InputBatch], instants: np.ndarray, batch: int
) -> torch.Tensor:
    """Logits (P T, classes) at `instants` (P, T), places in what is `shown` of the stream."""
    return _in_batches(lambda x: model(x).units[-1], shown[stream], stream, batch)[
        instants.reshape(-1)
    ]


def _direction_logits(
    model: nn.Module,
    direction: str,
    shown: dict[str, InputBatch],
    centres: np.ndarray,
    instants: np.ndarray,
    batch: int,
) -> torch.Tensor:
    """Logits (P, classes) of the periods with `centres` (P,) and `instants` (P, T), each input through its net once."""
    one, many = DIRECTIONS[direction]
    distinct, place = np.unique(centres, return_inverse=True)
    first = _in_batches(lambda x: model.one(x).feature, shown[one].at(distinct), one, batch)[
        place
    ]  # (P, hidden)
    second = _in_batches(lambda x: model.many(x).feature, shown[many], many, batch)[
        instants
    ]  # (P, T, hidden)
    return model.fusion(first, second)[-1]


def _in_batches(net: Callable, pixels: InputBatch, stream: str, batch: int) -> torch.Tensor:
    """Apply `net` to n inputs of a stream, `batch` at a time; (n, ..)."""
    count = len(pixels.places)
    return torch.cat(
        [
            net(normalise(pixels.at(slice(start, start + batch)), stream))
            for start in range(0, count, batch)
        ]
    )


def summarise(logits: np.ndarray, space: str) -> np.ndarray:
    """(.., instants, classes) logits to (.., classes): the mean over instants, in all crops, of probabilities or of logits.

    The paper adds predictions (section 5.3); the mean orders classes as the sum does, and does not grow with instants.
    """
    if space == "softmax":
        logits = np.exp(logits - logits.max(axis=-1, keepdims=True))
        logits = logits / logits.sum(axis=-1, keepdims=True)
    return logits.mean(axis=-2)
