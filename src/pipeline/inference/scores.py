"""Scores of test clips: logits at every test instant in every crop, and their mean."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from scipy.special import softmax
from torch import nn

from pipeline.data.batch import InputBatch
from pipeline.data.crops import Crop
from pipeline.data.dataset import ClipDataset
from pipeline.data.instants import scored_instants
from pipeline.data.loader import iterate_batches
from pipeline.data.stream import Stream
from pipeline.inference.apply import apply_in_batches
from pipeline.streams import DIRECTIONS


def score_clips(
    models: dict[str, nn.Module],
    streams: dict[str, Stream],
    rows: list[dict],
    crops: list[Crop],
    period: dict,
    batch_size: int,
    device: torch.device,
    num_workers: int = 0,
    snippets: int = 0,
) -> Iterator[dict[str, np.ndarray]]:
    """Logits of each clip by all `models`: CO2FI by the name of its stream, ASYN by its direction.

    A clip is read once for all models and crops; a crop is the same rectangle for both streams.
    `period` is the section of the config, `num_workers` processes read ahead. Yields, by source
    and crop after crop, float32 logits: (crops P T, classes) of a stream, at every instant of the
    P test periods of T instants, and (crops P, classes) of a direction. Where `snippets` is not 0,
    a stream has logits at as many instants, evenly spaced over the clip: (crops snippets, classes).
    """
    periods = [
        scored_instants(
            min(stream.last_instant(row) for stream in streams.values()), period, snippets
        )
        for row in rows
    ]
    # The centre of a period is one of its instants.
    distinct = [np.unique(instants) for _, instants in periods]  # (n,) by clip
    dataset = ClipDataset(streams, list(zip(rows, distinct, strict=True)), crops)
    clips = iterate_batches(dataset, range(len(rows)), 1, device, num_workers)
    for read, (centres, instants), clip in zip(distinct, periods, clips, strict=True):
        inputs = zip(
            *(stream.iter_crops(clip[name]) for name, stream in streams.items()), strict=True
        )
        yield score_clip(
            models,
            (dict(zip(streams, in_crop, strict=True)) for in_crop in inputs),
            # From instants to their positions among those that were read.
            np.searchsorted(read, centres),
            np.searchsorted(read, instants),
            batch_size,
        )


@torch.inference_mode()
def score_clip(
    models: dict[str, nn.Module],
    inputs: Iterable[dict[str, InputBatch]],
    centres: np.ndarray,
    instants: np.ndarray,
    batch_size: int,
) -> dict[str, np.ndarray]:
    """Logits of one clip, as `score_clips` yields them.

    `inputs` are, crop after crop, the n inputs of each stream. `centres` (P,) and `instants`
    (P, T) of the periods are positions among these n.
    """
    logits = {source: [] for source in models}
    for in_crop in inputs:
        for source, model in models.items():
            logits[source].append(
                _direction_logits(model, source, in_crop, centres, instants, batch_size)
                if source in DIRECTIONS
                else _stream_logits(model, source, in_crop, instants, batch_size)
            )
    return {source: torch.cat(parts).cpu().numpy() for source, parts in logits.items()}


def _stream_logits(
    model: nn.Module,
    stream: str,
    inputs: dict[str, InputBatch],
    instants: np.ndarray,
    batch_size: int,
) -> torch.Tensor:
    """Logits (P T, classes) at `instants` (P, T), positions among the stream's `inputs`."""
    # The last unit of the LSTM has seen all granularities (section 4.3, Eq. 2).
    logits = apply_in_batches(lambda x: model(x).units[-1], inputs[stream], stream, batch_size)
    # (n, classes) -> (P T, classes)
    return logits[instants.reshape(-1)]


def _direction_logits(
    model: nn.Module,
    direction: str,
    inputs: dict[str, InputBatch],
    centres: np.ndarray,
    instants: np.ndarray,
    batch_size: int,
) -> torch.Tensor:
    """Logits (P, classes) of the periods with `centres` (P,) and `instants` (P, T).

    Periods overlap; each input passes through its stream's network once.
    """
    single, sequence = DIRECTIONS[direction]
    distinct, position = np.unique(centres, return_inverse=True)
    # (distinct centres, hidden) and (n, hidden)
    of_centres = apply_in_batches(
        lambda x: model.one(x).feature, inputs[single].select(distinct), single, batch_size
    )
    of_instants = apply_in_batches(
        lambda x: model.many(x).feature, inputs[sequence], sequence, batch_size
    )
    # (P, hidden) and (P, T, hidden) to logits (T, P, classes): the last unit has seen all instants
    # of the period (section 5.2).
    return model.fusion(of_centres[position], of_instants[instants])[-1]


def summarise(logits: np.ndarray, space: str) -> np.ndarray:
    """Scores (.., classes) of (.., instants, classes) logits: the mean over instants in all crops.

    The mean is of probabilities where `space` is 'softmax', else of the logits. The paper adds
    predictions (section 5.3); their mean orders classes as the sum does, and does not grow with
    the number of instants.
    """
    if space == "softmax":
        logits = softmax(logits, axis=-1)
    return logits.mean(axis=-2)
