"""Streams of stored clips."""

import numpy as np
import pytest
from inference_cases import CROPS, HEIGHT, ROWS, WIDTH

from pipeline.data.stream import Stream
from pipeline.storage import writer
from pipeline.storage.codecs import Codec
from pipeline.streams import STORES


@pytest.fixture(scope="session", params=["gzip", "defaults"])
def streams(request, tmp_path_factory) -> dict[str, Stream]:
    """Clips of texture: more than the periods need, fewer than a stack has fields, and between."""
    folder, codings = (
        tmp_path_factory.mktemp("set"),
        {"gzip": ("gzip", "gzip"), "defaults": ("jpeg", "lz4")}[request.param],
    )
    for kind, shape, coding in zip(
        ("frames", "flow"), ((HEIGHT, WIDTH, 3), (2, HEIGHT, WIDTH)), codings, strict=True
    ):

        def items(row, kind=kind, shape=shape):
            rng = np.random.default_rng([row["frames"], kind == "flow"])
            yield from rng.integers(0, 256, (row["frames"] - (kind == "flow"), *shape)).astype(
                np.uint8
            )

        writer.write_shard(
            folder / kind / "000.h5",
            kind,
            ROWS,
            items,
            {},
            "test",
            "test",
            codec=Codec(coding, 90),
        )
    return {name: Stream(name, folder / kind, CROPS, 2, ROWS) for name, kind in STORES.items()}
