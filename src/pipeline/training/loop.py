"""The training loop of all networks, which differ in model, criterion and dataset only."""

import hashlib
import json
import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import Dataset

from pipeline.compute import ranks
from pipeline.compute.compiling import compile_network, pays_off
from pipeline.compute.device import resolve_layout
from pipeline.data.loader import iterate_batches
from pipeline.errors import PipelineError
from pipeline.jobs.progress import Progress
from pipeline.training.resume import (
    CheckpointClock,
    StopSignal,
    TrainingState,
    load_checkpoint,
    save_checkpoint,
)
from pipeline.training.step import Criterion, Step

# Of a schedule, what says how a run is computed and not what: a resumed run may change it.
EXECUTION = ("workers", "accumulate", "checkpoint_minutes", "compile")
# Iterations between two lines of the history.
REPORT_EVERY = 20
# What the ranks tell one another after each iteration: go on, save a checkpoint, or save and stop.
GO_ON, SAVE, STOP = range(3)
# A mean loss of more than so many times the loss of the first batch ends the run.
DIVERGENCE_FACTOR = 10


def train(
    model: nn.Module,
    criterion: Criterion,
    dataset: Dataset,
    schedule: dict,
    *,
    checkpoints: str | Path,
    identity: dict,
    seed: int,
    device: torch.device,
    title: str,
) -> list[dict]:
    """Train `model` in place on samples 0 .. iterations * batch - 1 and return the history.

    `schedule` holds the settings that `Step` reads and iterations, batch, workers, layout, compile,
    checkpoint_every and checkpoint_minutes. Iteration i learns from the samples
    i * batch .. (i + 1) * batch - 1, of which rank r of n takes every n-th from the r-th on.

    A checkpoint is written to the folder `checkpoints` every `checkpoint_minutes`, by the clock of
    rank 0, and every `checkpoint_every` iterations where that is not 0, on Ctrl-C and SIGTERM, and
    where a worker or another rank has ended. `identity` says what is
    trained on which data: training resumes from a checkpoint of the same identity and leaves any
    other alone. All random numbers follow from the seed, the iteration and the rank, so a resumed
    run ends as an uninterrupted one, on a CPU bit-identical.

    Raises PipelineError when the loss or a weight is not finite or the loss has grown out of
    bounds, in which case the last good checkpoint stays, and when a signal stopped the run.
    """
    path = Path(checkpoints) / f"{_run_key(identity, schedule, seed)}.pt"
    # Batches have one shape: the fastest of cuDNN's algorithms is found once.
    torch.backends.cudnn.benchmark = device.type == "cuda"
    model.to(device, memory_format=resolve_layout(schedule["layout"], device))
    step = Step(model, criterion, schedule, device)
    state = load_checkpoint(path, model, step.optimizer, device)
    micro_batches = _micro_batches(dataset, schedule, state.iteration, device)
    iterations, rank = schedule["iterations"], ranks.rank()
    left, parts = iterations - state.iteration, ranks.count() * schedule["accumulate"]
    if pays_off(schedule["compile"], device, left, parts):
        compile_network(model, schedule["workers"] + 1)
    progress = Progress(title, iterations, "iterations", state.iteration, silent=rank > 0)
    clock = CheckpointClock(schedule["checkpoint_minutes"])
    model.train()
    with StopSignal() as stop:
        for iteration in range(state.iteration, iterations):
            # Dropout draws from the global generator.
            torch.manual_seed(dropout_seed(seed, iteration, rank))
            try:
                loss = step(iteration, islice(micro_batches, schedule["accumulate"]))
            except PipelineError:
                # A worker or another rank has ended, before anything was learned from the batch.
                if iteration and rank == 0:
                    save_checkpoint(path, state, step.model, step.optimizer)
                if stop.requested:
                    raise _stopped(title, state) from None
                raise
            state.add(loss)
            asked = STOP if stop.requested else SAVE if rank == 0 and clock.is_due() else GO_ON
            agreed = ranks.highest(asked)
            note = _report_and_save(title, path, state, step, save_now=agreed > GO_ON)
            if agreed > GO_ON:
                clock.restart()
            progress.update(1, note)
            if agreed == STOP and state.iteration < iterations:
                raise _stopped(title, state)
    progress.close()
    model.to(memory_format=torch.contiguous_format)
    return state.history


def _stopped(title: str, state: TrainingState) -> PipelineError:
    return PipelineError(
        f"{title}: stopped at iteration {state.iteration} as asked; the same command resumes from "
        "there"
    )


def _run_key(identity: dict, schedule: dict, seed: int) -> str:
    """Return the name of a run's checkpoint: 16 hex digits over all that decides its outcome."""
    decisive = {name: value for name, value in schedule.items() if name not in EXECUTION}
    text = json.dumps([identity, decisive, seed], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _micro_batches(
    dataset: Dataset, schedule: dict, start: int, device: torch.device
) -> Iterator[dict]:
    """Return this rank's micro-batches from iteration `start` on, `accumulate` per iteration."""
    batch, iterations = schedule["batch"], schedule["iterations"]
    indices = range(start * batch + ranks.rank(), iterations * batch, ranks.count())
    size = batch // (ranks.count() * schedule["accumulate"])
    return iterate_batches(dataset, indices, size, device, schedule["workers"])


def _report_and_save(
    title: str, path: Path, state: TrainingState, step: Step, save_now: bool
) -> str:
    """After an iteration, check the run, extend its history and save a checkpoint, each when due.

    With `save_now` a checkpoint is due whatever the iteration. Returns a note for the progress
    line: the mean loss where a line of the history was added.
    """
    done, iterations = state.iteration, step.schedule["iterations"]
    every = step.schedule["checkpoint_every"]
    report_due = done % REPORT_EVERY == 0 or done == iterations
    save_due = every > 0 and done % every == 0
    note = ""
    if report_due or save_due or save_now:
        # What ends a run must not follow from the clock: a mean of few losses may be high, but what
        # is no number stays so.
        _check_divergence(title, path, state, step, growth=report_due or save_due)
    if report_due:
        mean = state.report(step.optimizer.param_groups[0]["lr"])
        note = f"loss {mean:.4f}"
    if (save_due or save_now) and done < iterations and ranks.rank() == 0:
        save_checkpoint(path, state, step.model, step.optimizer)
    return note


def _check_divergence(
    title: str, path: Path, state: TrainingState, step: Step, growth: bool
) -> None:
    """Raise PipelineError where the training run has diverged; its loss has, where `growth` counts,
    too.
    """
    problem = _divergence(state, step.model, growth)
    if problem is None:
        return
    kept = f"; the last good checkpoint is kept, {path}" if path.is_file() else ""
    raise PipelineError(
        f"{title}: {problem} by iteration {state.iteration}{kept}; lower its lr "
        f"(now {step.schedule['lr']}) or set its clip in the config"
    )


def _divergence(state: TrainingState, model: nn.Module, growth: bool) -> str | None:
    """Return in words how the training run has diverged, or None; a loss that has only grown, where
    `growth` counts.
    """
    mean = state.mean_loss()
    if not math.isfinite(mean):
        return f"the loss is {mean}"
    # Weights that swing ever wider can keep a finite loss for days.
    if growth and mean > DIVERGENCE_FACTOR * abs(state.first_loss):
        return f"the loss has grown from {state.first_loss:.4g} to {mean:.4g}"
    # One answer for all weights: each would be waited for on a GPU. The largest of them is infinite
    # or no number where one is.
    weights = [weight.detach() for weight in model.parameters()]
    if not nn.utils.get_total_norm(weights, norm_type=math.inf).isfinite():
        return "a weight is no number"
    return None


def dropout_seed(seed: int, iteration: int, rank: int) -> int:
    """Return the seed of an iteration's dropout masks; every rank draws masks of its own."""
    text = f"{seed} {iteration}" + (f" {rank}" if rank else "")
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
