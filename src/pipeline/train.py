"""The one training loop: teacher, CO2FI and ASYN differ in model, loss and draws only."""

import argparse
import hashlib
import io
import json
import math
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import Dataset

from pipeline import device, files, loading, record
from pipeline.errors import PipelineError
from pipeline.models import build
from pipeline.progress import Progress

REPORT = 20  # iterations between two lines of the history


def train(model: nn.Module, loss_of: Callable[[nn.Module, dict], torch.Tensor], draws: Dataset, plan: dict, *,
          checkpoints: str | Path, identity: dict, seed: int, processor: torch.device, title: str) -> list[dict]:
    """Train `model` in place by SGD with momentum on draws 0 .. iterations * batch - 1; returns the history.

    `plan`: the settings iterations, batch, lr, lr_step, lr_factor, momentum, weight_decay, clip, workers,
    checkpoint_every. `loss_of(model, batch)` gives the mean loss of a batch.

    The state goes to `checkpoints`, a folder that no rule declares, every `checkpoint_every` iterations and on SIGTERM.
    `identity` says what is trained on what: a checkpoint of the same identity is gone on from, any other is left alone.
    Whatever is random follows from the seed and the iteration, so a resumed run ends as an uninterrupted one, on a CPU
    bit for bit.
    Raises PipelineError when the loss is no number; the last good checkpoint stays.
    """
    steps = {name: value for name, value in plan.items() if name != "workers"}  # which do not change the samples
    key = hashlib.sha256(json.dumps([identity, steps, seed], sort_keys=True).encode()).hexdigest()[:16]
    path = Path(checkpoints) / f"{key}.pt"
    model.to(processor)
    optimizer = torch.optim.SGD(_rates(model, plan), lr=plan["lr"], momentum=plan["momentum"],
                                weight_decay=plan["weight_decay"])
    state = _resume(path, model, optimizer, processor) or {"iteration": 0, "history": [], "total": 0.0, "count": 0}
    start, history, total, count = state["iteration"], state["history"], state["total"], state["count"]
    batch, iterations = plan["batch"], plan["iterations"]
    batches = loading.batches(draws, range(start * batch, iterations * batch), batch, processor, plan["workers"])
    progress = Progress(title, iterations, "iterations", start)
    model.train()
    with _StopSignal() as stop:
        for iteration, data in enumerate(batches, start=start):
            torch.manual_seed(_seed(seed, iteration))  # dropout
            for group in optimizer.param_groups:
                group["lr"] = group["times"] * plan["lr"] * plan["lr_factor"] ** (iteration // plan["lr_step"])
            loss = loss_of(model, data)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            if plan["clip"]:
                nn.utils.clip_grad_norm_(model.parameters(), plan["clip"])
            optimizer.step()
            total, count = total + loss.detach(), count + 1
            done, note = iteration + 1, ""
            reported, saved = done % REPORT == 0 or done == iterations, done % plan["checkpoint_every"] == 0 or stop.asked
            if reported or saved:
                mean = float(total) / count
                wrong = "" if math.isfinite(mean) else f"the loss is {mean}"
                if not wrong and not all(bool(weight.isfinite().all()) for weight in model.parameters()):
                    wrong = "a weight is no number"
                if wrong:
                    kept = f"; the last good checkpoint is kept, {path}" if path.is_file() else ""
                    raise PipelineError(f"{title}: {wrong} by iteration {done}{kept}; lower its lr (now {plan['lr']}) or "
                                        "set its clip in the config")
            if reported:
                history.append({"iteration": done, "loss": mean, "lr": optimizer.param_groups[0]["lr"]})
                total, count, note = 0.0, 0, f"loss {mean:.4f}"
            if saved and done < iterations:
                _save(path, {"iteration": done, "model": model.state_dict(), "optimizer": optimizer.state_dict(),
                             "history": history, "total": total, "count": count})
            progress.update(1, note)
            if stop.asked and done < iterations:
                raise PipelineError(f"{title}: stopped at iteration {done} as asked; the same command goes on from there")
    progress.close()
    return history


def finish(options: argparse.Namespace, kind: str, model: nn.Module, history: list[dict], classes: list[str],
           processor: torch.device, clips: int) -> None:
    """Write a trained model, its history and its record where a training program's `options` say; forget checkpoints."""
    about = {key: value for key, value in vars(options).items() if key in ("set", "split", "stream", "direction")}
    build.save(options.model, model, kind=kind, classes=classes, **about)
    Path(options.history).write_text("".join(json.dumps(line) + "\n" for line in history))
    record.write(options.record, kind, files.digest(options.model), options.settings, options.code,
                 device=device.name(processor), clips=clips)
    shutil.rmtree(options.checkpoints, ignore_errors=True)


def _rates(model: nn.Module, plan: dict) -> list[dict]:
    """Parameters by what their learning rate is multiplied with: those of `model.fusion` by the plan's fusion_lr."""
    fusion = list(model.fusion.parameters()) if "fusion_lr" in plan else []
    own = {id(parameter) for parameter in fusion}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in own]
    return [{"params": rest, "times": 1.0}, *([{"params": fusion, "times": plan["fusion_lr"]}] if fusion else [])]


def _seed(seed: int, iteration: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {iteration}".encode()).digest()[:8], "big")


def _resume(path: Path, model: nn.Module, optimizer, processor: torch.device) -> dict | None:
    if not path.is_file():
        return None
    state = torch.load(path, map_location=processor, weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
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
