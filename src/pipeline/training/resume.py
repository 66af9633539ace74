"""Checkpoints of an unfinished training, and the signal to stop."""

import io
import signal
from pathlib import Path

import torch
from torch import nn

from pipeline import files
from pipeline.errors import PipelineError, first_line, remake


def load_checkpoint(
    path: Path, model: nn.Module, optimizer, processor: torch.device
) -> dict | None:
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location=processor, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    except Exception as error:  # torch raises many kinds for a file that is none of its own
        raise PipelineError(
            f"{path}: not a checkpoint that can be gone on from ({first_line(error)}); {remake(path)}, "
            "which trains from the start"
        ) from error
    return state


def save_checkpoint(path: Path, state: dict) -> None:
    """Write complete or not at all; the buffer keeps the file's own name out of its bytes."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with files.replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


class StopSignal:
    """SIGTERM, as a cluster sends before it kills, asks the loop to save and stop."""

    def __enter__(self) -> "StopSignal":
        self.asked = False
        self.before = signal.signal(signal.SIGTERM, self._ask)
        return self

    def _ask(self, *_):
        self.asked = True

    def __exit__(self, *_):
        signal.signal(signal.SIGTERM, self.before)
