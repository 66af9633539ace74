"""Networks applied to instants of clips, a batch at a time."""

from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
import torch

from pipeline.data.batch import InputBatch
from pipeline.data.dataset import ClipDataset
from pipeline.data.loader import iterate_batches
from pipeline.data.stream import Stream
from pipeline.data.transforms import normalise


def apply_at_instants(
    nets: dict[str, Callable],
    streams: dict[str, Stream],
    rows: list[dict],
    instants: list[np.ndarray],
    batch_size: int,
    device: torch.device,
    num_workers: int = 0,
) -> Iterator[dict[str, torch.Tensor]]:
    """For each clip, the output (n, ..) of each stream's network at the given instants.

    `nets` and `streams` are by the name of the stream, `instants` (n,) by clip, in the order of
    `rows`; inputs are centre crops. `batch_size` instants are read and pass through a network at a
    time, and `num_workers` processes read ahead.
    """
    requests = [
        (row, of_clip[start : start + batch_size])
        for row, of_clip in zip(rows, instants, strict=True)
        for start in range(0, len(of_clip), batch_size)
    ]
    centre_crop = next(iter(streams.values())).centre_crop()
    dataset = ClipDataset(streams, requests, [centre_crop])
    batches = iterate_batches(dataset, range(len(requests)), 1, device, num_workers)
    for of_clip in instants:
        outputs = {name: [] for name in nets}
        for batch in islice(batches, -(-len(of_clip) // batch_size)):
            with torch.inference_mode():
                for name, net in nets.items():
                    (inputs,) = streams[name].iter_crops(batch[name])
                    outputs[name].append(net(normalise(inputs, name)))
        yield {name: torch.cat(parts) for name, parts in outputs.items()}


def apply_in_batches(
    net: Callable, inputs: InputBatch, stream: str, batch_size: int
) -> torch.Tensor:
    """The outputs (n, ..) of `net` for n inputs of a stream, `batch_size` at a time."""
    return torch.cat(
        [
            net(normalise(inputs.select(slice(start, start + batch_size)), stream))
            for start in range(0, len(inputs.index), batch_size)
        ]
    )
