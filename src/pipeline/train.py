"""The one training loop: teacher, CO2FI and ASYN differ in model, loss and draws only."""

import argparse
import hashlib
import io
import json
import math
import shutil
import signal
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import Dataset

from pipeline import device, files, ranks, record
from pipeline.errors import PipelineError, first_line, remake
from pipeline.loading import batches
from pipeline.models import build
from pipeline.progress import Progress

REPORT = 20  # iterations between two lines of the history
DIVERGED = 10  # times the loss of the first batch


class Step:
    """One step of SGD with momentum on a batch, which may come in parts and be shared among processes.

    `plan`: the settings lr, lr_step, lr_factor, momentum, weight_decay, clip, accumulate, precision.
    `loss_of(model, part)` gives the mean loss of a part; all parts, at all ranks, are of one size.
    """

    def __init__(self, model: nn.Module, loss_of: Callable[[nn.Module, dict], torch.Tensor], plan: dict,
                 processor: torch.device):
        self.model, self.loss_of, self.plan = model, loss_of, plan
        self.optimizer = torch.optim.SGD(_rates(model, plan), lr=plan["lr"], momentum=plan["momentum"],
                                         weight_decay=plan["weight_decay"])
        mixed = device.precision(plan["precision"], processor) == "bfloat16"
        self.autocast = torch.autocast(processor.type, torch.bfloat16, enabled=mixed)

    def __call__(self, iteration: int, parts: Iterable[dict]) -> torch.Tensor:
        """Learn from the parts of batch number `iteration`; returns its mean loss, (), the same at every rank."""
        plan, model = self.plan, self.model
        for group in self.optimizer.param_groups:
            group["lr"] = group["times"] * plan["lr"] * plan["lr_factor"] ** (iteration // plan["lr_step"])
        self.optimizer.zero_grad(set_to_none=True)
        total = None
        for part in parts:
            with self.autocast:
                loss = self.loss_of(model, part) / plan["accumulate"]
            loss.backward()
            total = loss.detach() if total is None else total + loss.detach()
        ranks.average([total, *(weight.grad for weight in model.parameters() if weight.grad is not None)])
        if plan["clip"]:
            nn.utils.clip_grad_norm_(model.parameters(), plan["clip"])
        self.optimizer.step()
        return total


def train(model: nn.Module, loss_of: Callable[[nn.Module, dict], torch.Tensor], draws: Dataset, plan: dict, *,
          checkpoints: str | Path, identity: dict, seed: int, processor: torch.device, title: str) -> list[dict]:
    """Train `model` in place on draws 0 .. iterations * batch - 1; returns the history.

    `plan`: the settings that `Step` reads and iterations, batch, workers, layout, checkpoint_every. Iteration i learns from
    draws i * batch .. (i + 1) * batch - 1, of which rank r of n takes every n-th from the r-th on.

    The state goes to `checkpoints`, a folder that no rule declares, every `checkpoint_every` iterations and on SIGTERM.
    `identity` says what is trained on what: a checkpoint of the same identity is gone on from, any other is left alone.
    Whatever is random follows from the seed, the iteration and the rank, so a resumed run ends as an uninterrupted one, on
    a CPU bit for bit.
    Raises PipelineError when the loss is no number or has grown out of bounds; the last good checkpoint stays.
    """
    steps = {name: value for name, value in plan.items() if name not in ("workers", "accumulate")}  # how, not what
    key = hashlib.sha256(json.dumps([identity, steps, seed], sort_keys=True).encode()).hexdigest()[:16]
    path = Path(checkpoints) / f"{key}.pt"
    model.to(processor, memory_format=device.layout(plan["layout"], processor))
    step = Step(model, loss_of, plan, processor)
    state = _resume(path, model, step.optimizer, processor) or {
        "iteration": 0, "history": [], "first": None, "total": 0.0, "count": 0}
    start, history, first, total, count = (state[key] for key in ("iteration", "history", "first", "total", "count"))
    batch, iterations, rank = plan["batch"], plan["iterations"], ranks.rank()
    numbers = range(start * batch + rank, iterations * batch, ranks.count())
    parts = batches(draws, numbers, batch // (ranks.count() * plan["accumulate"]), processor, plan["workers"])
    progress = Progress(title, iterations, "iterations", start, silent=rank > 0)
    model.train()
    with _StopSignal() as stop:
        for iteration in range(start, iterations):
            torch.manual_seed(_seed(seed, iteration, rank))  # dropout
            loss = step(iteration, islice(parts, plan["accumulate"]))
            first = float(loss) if first is None else first
            total, count = total + loss, count + 1
            done, note, stopping = iteration + 1, "", ranks.any_of(stop.asked)
            reported, saved = done % REPORT == 0 or done == iterations, done % plan["checkpoint_every"] == 0 or stopping
            if reported or saved:
                mean = float(total) / count
                wrong = "" if math.isfinite(mean) else f"the loss is {mean}"
                if not wrong and mean > DIVERGED * abs(first):  # else weights that swing ever wider train on for days
                    wrong = f"the loss has grown from {first:.4g} to {mean:.4g}"
                if not wrong and not all(bool(weight.isfinite().all()) for weight in model.parameters()):
                    wrong = "a weight is no number"
                if wrong:
                    kept = f"; the last good checkpoint is kept, {path}" if path.is_file() else ""
                    raise PipelineError(f"{title}: {wrong} by iteration {done}{kept}; lower its lr (now {plan['lr']}) or "
                                        "set its clip in the config")
            if reported:
                history.append({"iteration": done, "loss": mean, "lr": step.optimizer.param_groups[0]["lr"]})
                total, count, note = 0.0, 0, f"loss {mean:.4f}"
            if saved and done < iterations and rank == 0:
                _save(path, {"iteration": done, "model": model.state_dict(), "optimizer": step.optimizer.state_dict(),
                             "history": history, "first": first, "total": total, "count": count})
            progress.update(1, note)
            if stopping and done < iterations:
                raise PipelineError(f"{title}: stopped at iteration {done} as asked; the same command goes on from there")
    progress.close()
    model.to(memory_format=torch.contiguous_format)
    return history


def finish(options: argparse.Namespace, kind: str, model: nn.Module, history: list[dict], classes: list[str],
           processor: torch.device, rows: list[dict]) -> None:
    """Write a model trained on the clips `rows`, its history and its record where a program's `options` say.

    Checkpoints are forgotten. The first of several processes does; the others wait for it.
    """
    if ranks.rank() > 0:
        return ranks.end()
    about = {key: value for key, value in vars(options).items() if key in ("set", "split", "stream", "direction")}
    build.save(options.model, model, rows, kind=kind, classes=classes, **about)
    Path(options.history).write_text("".join(json.dumps(line) + "\n" for line in history))
    record.write(options.record, kind, files.digest(options.model), options.settings, options.code,
                 device=device.name(processor), clips=len(rows), accumulate=options.accumulate,
                 precision=device.precision(options.settings["compute"]["precision"], processor))
    shutil.rmtree(options.checkpoints, ignore_errors=True)
    ranks.end()


def _rates(model: nn.Module, plan: dict) -> list[dict]:
    """Parameters by what their learning rate is multiplied with: those of `model.fusion` by the plan's fusion_lr."""
    fusion = list(model.fusion.parameters()) if "fusion_lr" in plan else []
    own = {id(parameter) for parameter in fusion}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in own]
    return [{"params": rest, "times": 1.0}, *([{"params": fusion, "times": plan["fusion_lr"]}] if fusion else [])]


def _seed(seed: int, iteration: int, rank: int) -> int:
    text = f"{seed} {iteration}" + (f" {rank}" if rank else "")
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _resume(path: Path, model: nn.Module, optimizer, processor: torch.device) -> dict | None:
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location=processor, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    except Exception as error:  # torch raises many kinds for a file that is none of its own
        raise PipelineError(f"{path}: not a checkpoint that can be gone on from ({first_line(error)}); {remake(path)}, "
                            "which trains from the start") from error
    return state


def _save(path: Path, state: dict) -> None:
    """Write complete or not at all; the buffer keeps the file's own name out of its bytes."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with files.replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


class _StopSignal:
    """SIGTERM, as a cluster sends before it kills, asks the loop to save and stop."""

    def __enter__(self) -> "_StopSignal":
        self.asked = False
        self.before = signal.signal(signal.SIGTERM, self._ask)
        return self

    def _ask(self, *_):
        self.asked = True

    def __exit__(self, *_):
        signal.signal(signal.SIGTERM, self.before)
