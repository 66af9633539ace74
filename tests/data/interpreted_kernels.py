"""Finish and normalise batches by the kernels, run by Triton's interpreter, and by torch.

python interpreted_kernels.py FOLDER, with TRITON_INTERPRET=1; FOLDER has the stores of the tests.
"""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data_cases import make_datasets

from pipeline.data import kernels, packing, transforms
from pipeline.data.batch import RawBatch

seen = []
for dataset in make_datasets(Path(sys.argv[1])):
    raw = dataset.collate([dataset[index] for index in range(6)], "cuda")
    for key, stream in dataset.streams.items():
        batch = raw[key]
        assert isinstance(batch, RawBatch)
        by_torch = packing.finish_on_device(batch, stream.name, stream.size)
        finished = kernels.finish_crops(
            batch.pixels,
            batch.places,
            batch.taps,
            stream.channels_per_item,
            stream.name == "motion",
        )
        assert torch.equal(finished, by_torch.pixels), (key, stream.name)
        for dtype in (torch.float32, torch.bfloat16):
            table = transforms._table(stream.name, torch.device("cpu"), dtype)
            normal = kernels.normalise_stacks(finished, batch.index, table)
            expected = transforms._normalise_tensor(by_torch.stacked, stream.name).to(dtype)
            assert normal.dtype == dtype and torch.equal(normal, expected), (key, stream.name)
        torch.library.opcheck(kernels.normalise_stacks, (finished[:2], batch.index[:1] % 2, table))
        seen.append((stream.name, sorted(set(batch.mirrored)), len(set(batch.shapes)) > 1))
assert {name for name, _, _ in seen} == {"appearance", "motion"}
assert any(mirrored == [False, True] and differ for _, mirrored, differ in seen)
print(len(seen), "batches")
