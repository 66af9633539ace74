"""Scores of test clips: logits at every test instant, in batches, on a device."""

import numpy as np
import torch
from torch import nn

from pipeline import sampling
from pipeline.inputs import Stream, normalise
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


def of_stream(model: nn.Module, stream: Stream, row: dict, last: int, period: dict, batch: int,
              device: torch.device) -> np.ndarray:
    """Logits (P T, classes) of one stream's CO2FI at every instant of the test periods: what ASYN gets to see, too."""
    _, instants = test_periods(row, last, period)
    unique, place = np.unique(instants, return_inverse=True)
    logits = of_inputs(lambda x: model(x).units[-1], stream, row, unique, batch, device)  # (n, classes)
    return logits.cpu().numpy()[place.reshape(-1)]


@torch.inference_mode()
def of_direction(model: nn.Module, one: Stream, many: Stream, row: dict, last: int, period: dict, batch: int,
                 device: torch.device) -> np.ndarray:
    """Logits (P, classes) of one direction's ASYN; every distinct frame and stack goes through its net once."""
    centres, instants = test_periods(row, last, period)
    unique_one, place_one = np.unique(centres, return_inverse=True)
    unique_many, place_many = np.unique(instants, return_inverse=True)
    first = of_inputs(lambda x: model.one(x).feature, one, row, unique_one, batch, device)[place_one.reshape(-1)]  # (P, h)
    second = of_inputs(lambda x: model.many(x).feature, many, row, unique_many, batch, device)
    second = second[torch.from_numpy(place_many.reshape(instants.shape)).to(device)]  # (P, T, hidden)
    return model.fusion(first, second)[-1].cpu().numpy()


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
    """(.., instants, classes) logits to (.., classes): the mean over instants of probabilities or of logits.

    The paper adds predictions (section 5.3); the mean orders classes as the sum does, and does not grow with instants.
    """
    if space == "softmax":
        logits = np.exp(logits - logits.max(axis=-1, keepdims=True))
        logits = logits / logits.sum(axis=-1, keepdims=True)
    return logits.mean(axis=-2)
