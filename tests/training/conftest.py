"""Training runs and data that several tests share."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from loop_cases import Loss, net, run
from torch import nn
from training_programs import (
    CLASSES,
    FRAMES,
    arguments,
    features_arguments,
    lay_out,
    program,
    settings_of,
)

from pipeline.datasets import demo
from pipeline.storage.layout import PER_FRAME
from pipeline.streams import STREAMS


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> tuple[nn.Module, list[dict]]:
    model = net()
    return model, run(tmp_path_factory.mktemp("whole"), model, Loss())


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Eight clips of noise of four classes, whose brightness tells the class."""
    rng = np.random.default_rng(0)
    names = list(demo.CLASSES)[:CLASSES]
    rows = [
        {
            "clip": f"{name}/v_{name}_g{scene:02d}_c01",
            "class": name,
            "label": label,
            "group": f"g{scene:02d}",
            "path": f"{name}_{scene}.avi",
            "shard": "000",
            "frames": FRAMES,
            "width": 80,
            "height": 60,
            "sha256": f"{label}{scene}",
        }
        for label, name in enumerate(names)
        for scene in (1, 2)
    ]

    def items(row: dict, kind: str) -> Iterator[np.ndarray]:
        shape = (60, 80, 3) if kind == "frames" else (2, 60, 80)
        yield from rng.integers(0, 64, (FRAMES - PER_FRAME[kind], *shape), np.uint8) + np.uint8(
            40 * row["label"]
        )

    return lay_out(tmp_path_factory.mktemp("stores"), rows, items, names)


@pytest.fixture(scope="module")
def trained(folder) -> Path:
    """The folder with a teacher, a CO2FI network and its features of each stream in it."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for stream in STREAMS:
            for kind in ("teacher", "co2fi"):
                out = folder / stream / kind
                program(
                    monkeypatch, kind, arguments(folder, out, kind, stream, settings_of("complete"))
                )
                (out / "model.pt").rename(folder / f"{stream}.{kind}.pt")
            program(
                monkeypatch, "features", features_arguments(folder, stream, settings_of("complete"))
            )
    return folder
