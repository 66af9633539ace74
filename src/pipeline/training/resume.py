"""Checkpoints of an unfinished training run, and the signal to stop."""

import signal
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import torch
from torch import nn

from pipeline.errors import PipelineError, first_line, set_aside
from pipeline.files import require_intact
from pipeline.jobs.program import STOPPING
from pipeline.models.checkpoint import save_torch


@dataclass
class TrainingState:
    """How far a training run has come, apart from its weights and its optimizer's state."""

    # Number of finished iterations.
    iteration: int = 0
    # Lines of the history: iteration, mean loss and learning rate.
    history: list[dict] = field(default_factory=list)
    # Loss of the very first batch, against which divergence is judged.
    first_loss: float | None = None
    # Sum and number of the losses since the last line of the history. The sum is a tensor, (), on
    # the device, so that adding a loss does not wait for the device.
    loss_sum: torch.Tensor | float = 0.0
    loss_count: int = 0

    def add(self, loss: torch.Tensor) -> None:
        """Count one more iteration, whose batch had the mean `loss`, ()."""
        if self.first_loss is None:
            self.first_loss = float(loss)
        self.iteration += 1
        self.loss_sum = self.loss_sum + loss
        self.loss_count += 1

    def mean_loss(self) -> float:
        """Return the mean loss since the last line of the history."""
        return float(self.loss_sum) / self.loss_count

    def report(self, learning_rate: float) -> float:
        """Append a line to the history, start a new mean, and return the mean loss of the line."""
        mean = self.mean_loss()
        self.history.append({"iteration": self.iteration, "loss": mean, "lr": learning_rate})
        self.loss_sum, self.loss_count = 0.0, 0
        return mean


def load_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device
) -> TrainingState:
    """Load the checkpoint at `path` into `model` and `optimizer` and return the run's state.

    Without a file at `path` nothing is loaded and the state is that of a run not yet begun.
    Raises PipelineError for a file that is not such a checkpoint, or is damaged: without it the
    training begins anew.
    """
    if not path.is_file():
        return TrainingState()
    require_intact(path)
    try:
        # Read on the CPU: both copy it to where they compute, and a GPU does not hold it twice.
        content = torch.load(path, map_location="cpu", weights_only=True)
        model.load_state_dict(content.pop("model"))
        optimizer.load_state_dict(content.pop("optimizer"))
        state = TrainingState(**content)
        if isinstance(state.loss_sum, torch.Tensor):
            state.loss_sum = state.loss_sum.to(device)
        return state
    # torch raises exceptions of many types for a file that it did not write.
    except Exception as error:
        raise PipelineError(
            f"{path}: not a checkpoint that training can resume from ({first_line(error)}); "
            f"{set_aside(path)}"
        ) from error


def save_checkpoint(
    path: Path, state: TrainingState, model: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Write a checkpoint that `load_checkpoint` reads back."""
    content = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), **vars(state)}
    save_torch(path, content)


class CheckpointClock:
    """Says when so many `minutes` have gone by since the last checkpoint, or since it was made."""

    def __init__(self, minutes: float):
        self.seconds = 60 * minutes
        self.restart()

    def restart(self) -> None:
        self._begun = monotonic()

    def is_due(self) -> bool:
        return monotonic() - self._begun >= self.seconds


class StopSignal:
    """While open, notes signals that ask to stop: SIGTERM, which clusters send before they kill,
    Ctrl-C, and that of a closed terminal.
    """

    def __enter__(self) -> "StopSignal":
        self.requested = False
        self._previous_handlers = {
            number: signal.signal(number, self._request)
            for number in STOPPING
            # What is ignored, as by nohup, stays ignored.
            if signal.getsignal(number) != signal.SIG_IGN
        }
        return self

    def _request(self, *_) -> None:
        self.requested = True

    def __exit__(self, *_) -> None:
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)
