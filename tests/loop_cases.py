"""A tiny training run on vectors of noise, and ways to break it off."""

import os
import signal
from pathlib import Path

import numpy as np
import torch
from torch import nn

from pipeline.data.batched import BatchedDataset
from pipeline.training.loop import train

BATCH = 4
ITERATIONS = 45
SCHEDULE = {
    "iterations": ITERATIONS,
    "batch": BATCH,
    "lr": 0.05,
    "lr_step": 15,
    "lr_factor": 0.1,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "clip": 0,
    "workers": 0,
    "accumulate": 1,
    "precision": "float32",
    "layout": "auto",
    "checkpoint_every": 10,
    "checkpoint_minutes": 60.0,
    "compile": "auto",
}


class Vectors(BatchedDataset):
    """Draw n: a vector that depends on n, its label, and n itself."""

    def __getitem__(self, draw: int) -> dict:
        x = np.random.default_rng(draw).normal(size=6).astype(np.float32)
        return {"x": x, "label": int(x[0] > 0), "draw": draw}


class Killed(Exception):
    """Stands for the end of a process that gets no time to save."""


class Loss:
    """The cross-entropy; keeps the samples and losses that it saw.

    It calls `event` in iteration `at`, from 0.
    """

    def __init__(self, at: int = -1, event=lambda: None):
        self.at, self.event, self.draws, self.values = at, event, [], []

    def __call__(self, model: nn.Module, batch: dict) -> torch.Tensor:
        self.draws += batch["draw"].tolist()
        if batch["draw"][0] == self.at * BATCH:
            self.event()
        loss = nn.functional.cross_entropy(model(batch["x"]), batch["label"])
        self.values.append(loss.item())
        return loss


class LostLoss(Loss):
    """A loss that is no number from iteration `at` on."""

    def __call__(self, model, batch):
        return super().__call__(model, batch) * (
            float("nan") if batch["draw"][0] >= self.at * BATCH else 1
        )


def sigterm() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def kill() -> None:
    raise Killed


def net(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2))


def run(
    folder: Path, model: nn.Module, criterion, identity: str = "vectors", seed: int = 1, **schedule
) -> list[dict]:
    return train(
        model,
        criterion,
        Vectors(),
        SCHEDULE | schedule,
        checkpoints=folder,
        identity={"inputs": identity},
        seed=seed,
        device=torch.device("cpu"),
        title="test",
    )


def same(first: nn.Module, second: nn.Module) -> bool:
    return all(
        torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)
    )
