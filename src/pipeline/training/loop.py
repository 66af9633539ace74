"""The one training loop: teacher, CO2FI and ASYN differ in model, loss and draws only."""

import hashlib
import json
import math
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import Dataset

from pipeline.compute import device, ranks
from pipeline.data.loader import iterate_batches
from pipeline.errors import PipelineError
from pipeline.jobs.progress import Progress
from pipeline.training.resume import StopSignal, load_checkpoint, save_checkpoint
from pipeline.training.step import Step

LOG_EVERY = 20  # iterations between two lines of the history
DIVERGED = 10  # times the loss of the first batch


def train(
    model: nn.Module,
    loss_of: Callable[[nn.Module, dict], torch.Tensor],
    draws: Dataset,
    plan: dict,
    *,
    checkpoints: str | Path,
    identity: dict,
    seed: int,
    processor: torch.device,
    title: str,
) -> list[dict]:
    """Train `model` in place on draws 0 .. iterations * batch - 1; returns the history.

    `plan`: the settings that `Step` reads and iterations, batch, workers, layout, checkpoint_every. Iteration i learns from
    draws i * batch .. (i + 1) * batch - 1, of which rank r of n takes every n-th from the r-th on.

    The state goes to `checkpoints`, a folder that no rule declares, every `checkpoint_every` iterations and on SIGTERM.
    `identity` says what is trained on what: a checkpoint of the same identity is gone on from, any other is left alone.
    Whatever is random follows from the seed, the iteration and the rank, so a resumed run ends as an uninterrupted one, on
    a CPU bit for bit.
    Raises PipelineError when the loss is no number or has grown out of bounds; the last good checkpoint stays.
    """
    steps = {
        name: value for name, value in plan.items() if name not in ("workers", "accumulate")
    }  # how, not what
    key = hashlib.sha256(json.dumps([identity, steps, seed], sort_keys=True).encode()).hexdigest()[
        :16
    ]
    path = Path(checkpoints) / f"{key}.pt"
    model.to(processor, memory_format=device.layout(plan["layout"], processor))
    step = Step(model, loss_of, plan, processor)
    state = load_checkpoint(path, model, step.optimizer, processor) or {
        "iteration": 0,
        "history": [],
        "first": None,
        "total": 0.0,
        "count": 0,
    }
    start, history, first, total, count = (
        state[key] for key in ("iteration", "history", "first", "total", "count")
    )
    batch, iterations, rank = plan["batch"], plan["iterations"], ranks.rank()
    numbers = range(start * batch + rank, iterations * batch, ranks.count())
    parts = iterate_batches(
        draws, numbers, batch // (ranks.count() * plan["accumulate"]), processor, plan["workers"]
    )
    progress = Progress(title, iterations, "iterations", start, silent=rank > 0)
    model.train()
    with StopSignal() as stop:
        for iteration in range(start, iterations):
            torch.manual_seed(dropout_seed(seed, iteration, rank))  # dropout
            loss = step(iteration, islice(parts, plan["accumulate"]))
            first = float(loss) if first is None else first
            total, count = total + loss, count + 1
            done, note, stopping = iteration + 1, "", ranks.any_of(stop.asked)
            reported, saved = (
                done % LOG_EVERY == 0 or done == iterations,
                done % plan["checkpoint_every"] == 0 or stopping,
            )
            if reported or saved:
                mean = float(total) / count
                wrong = "" if math.isfinite(mean) else f"the loss is {mean}"
                if not wrong and mean > DIVERGED * abs(
                    first
                ):  # else weights that swing ever wider train on for days
                    wrong = f"the loss has grown from {first:.4g} to {mean:.4g}"
                if not wrong and not all(
                    bool(weight.isfinite().all()) for weight in model.parameters()
                ):
                    wrong = "a weight is no number"
                if wrong:
                    kept = f"; the last good checkpoint is kept, {path}" if path.is_file() else ""
                    raise PipelineError(
                        f"{title}: {wrong} by iteration {done}{kept}; lower its lr (now {plan['lr']}) or "
                        "set its clip in the config"
                    )
            if reported:
                history.append(
                    {"iteration": done, "loss": mean, "lr": step.optimizer.param_groups[0]["lr"]}
                )
                total, count, note = 0.0, 0, f"loss {mean:.4f}"
            if saved and done < iterations and rank == 0:
                save_checkpoint(
                    path,
                    {
                        "iteration": done,
                        "model": model.state_dict(),
                        "optimizer": step.optimizer.state_dict(),
                        "history": history,
                        "first": first,
                        "total": total,
                        "count": count,
                    },
                )
            progress.update(1, note)
            if stopping and done < iterations:
                raise PipelineError(
                    f"{title}: stopped at iteration {done} as asked; the same command goes on from there"
                )
    progress.close()
    model.to(memory_format=torch.contiguous_format)
    return history


def dropout_seed(seed: int, iteration: int, rank: int) -> int:
    text = f"{seed} {iteration}" + (f" {rank}" if rank else "")
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
