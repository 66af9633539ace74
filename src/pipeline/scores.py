"""Scores of test clips: logits at every test instant of every crop, in batches, on a device."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from pipeline import sampling
from pipeline.inputs import DIRECTIONS, Stream, normalise
from pipeline.progress import Progress


def test_periods(row: dict, last: int, period: dict) -> tuple[np.ndarray, np.ndarray]:
    """Centres (P,) and instants (P, T) of a clip's test periods; `period`: settings count, delta, instants."""
    centres = sampling.test_centres(period["count"], period["delta"], period["instants"], last)
    instants = np.stack([sampling.period(centre, period["delta"], period["instants"], last) for centre in centres])
    return centres, instants


@torch.inference_mode()
def of_inputs(net: nn.Module, stream: Stream, row: dict, instants: np.ndarray, batch: int, device: torch.device):
    """Apply `net` to a clip's centre crops at distinct `instants` (n,); concatenates what it gives along the first axis."""
    crop = stream.centre_crop()
    outputs = []
    for start in range(0, len(instants), batch):
        pixels = stream(row, instants[start:start + batch], crop)  # (b, C, size, size); what they share is read once
        outputs.append(net(normalise(torch.from_numpy(pixels).to(device), stream.name)))
    return torch.cat(outputs)


@torch.inference_mode()
def of_clip(models: dict[str, nn.Module], streams: dict[str, Stream], row: dict, crops: list[sampling.Crop], period: dict,
            batch: int, device: torch.device) -> dict[str, np.ndarray]:
    """Logits of a clip by all `models`, CO2FI by stream and ASYN by direction; what they see is read once for all of them.

    Each of `crops` is the same one for both streams. Returns, by source and crop after crop, (crops P T, classes) of a
    stream, at every instant of the test periods (what ASYN gets to see, too), and (crops P, classes) of a direction.
    The pixels of one crop, P T frames and stacks at most, are held at a time, and the frames and fields that they are of.
    """
    centres, instants = test_periods(row, min(stream.last(row) for stream in streams.values()), period)
    distinct = np.unique(instants)  # (n,), centres among them: a period has its own
    centres, instants = (np.searchsorted(distinct, which) for which in (centres, instants))  # places in what is shown
    logits = {source: [] for source in models}
    for parts in zip(*(stream.in_crops(row, distinct, crops) for stream in streams.values()), strict=True):
        shown = {name: torch.from_numpy(part).to(device) for name, part in zip(streams, parts, strict=True)}
        for source, model in models.items():
            logits[source].append(_of_direction(model, source, shown, centres, instants, batch) if source in DIRECTIONS
                                  else _of_stream(model, source, shown, instants, batch))
    return {source: torch.cat(parts).cpu().numpy() for source, parts in logits.items()}


def _of_stream(model: nn.Module, stream: str, shown: dict[str, torch.Tensor], instants: np.ndarray, batch: int):
    """Logits (P T, classes) at `instants` (P, T), places in the pixels `shown`, of each stream (n, C, size, size)."""
    return _in_batches(lambda x: model(x).units[-1], shown[stream], stream, batch)[instants.reshape(-1)]


def _of_direction(model: nn.Module, direction: str, shown: dict[str, torch.Tensor], centres: np.ndarray,
                  instants: np.ndarray, batch: int) -> torch.Tensor:
    """Logits (P, classes) of the periods with `centres` (P,) and `instants` (P, T), each input through its net once."""
    one, many = DIRECTIONS[direction]
    distinct, place = np.unique(centres, return_inverse=True)
    first = _in_batches(lambda x: model.one(x).feature, shown[one][distinct], one, batch)[place]  # (P, hidden)
    second = _in_batches(lambda x: model.many(x).feature, shown[many], many, batch)[instants]  # (P, T, hidden)
    return model.fusion(first, second)[-1]


def _in_batches(net: Callable, pixels: torch.Tensor, stream: str, batch: int) -> torch.Tensor:
    """Apply `net` to pixels (n, C, size, size) of a stream, `batch` at a time; (n, ..)."""
    return torch.cat([net(normalise(part, stream)) for part in pixels.split(batch)])


def features_of_clips(model: nn.Module, one: Stream, many: Stream, rows: list[dict], batch: int,
                      device: torch.device) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Features (instants, hidden) of both streams of an ASYN `model` at every instant of each clip, on the CPU.

    They take 4 kB an instant at full width, 10 GB for UCF101.
    """
    model.to(device).eval()
    progress = Progress("features", len(rows), "clips")
    features = []
    for row in rows:
        instants = np.arange(min(one.last(row), many.last(row)) + 1)
        first = of_inputs(lambda x: model.one(x).feature, one, row, instants, batch, device)
        second = of_inputs(lambda x: model.many(x).feature, many, row, instants, batch, device)
        features.append((first.cpu().clone(), second.cpu().clone()))
        progress.update(1, row["clip"])
    progress.close()
    return features


def summarise(logits: np.ndarray, space: str) -> np.ndarray:
    """(.., instants, classes) logits to (.., classes): the mean over instants, in all crops, of probabilities or of logits.

    The paper adds predictions (section 5.3); the mean orders classes as the sum does, and does not grow with instants.
    """
    if space == "softmax":
        logits = np.exp(logits - logits.max(axis=-1, keepdims=True))
        logits = logits / logits.sum(axis=-1, keepdims=True)
    return logits.mean(axis=-2)
