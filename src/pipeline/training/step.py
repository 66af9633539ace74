"""One step of SGD with momentum."""

from collections.abc import Callable, Iterable

import torch
from torch import nn

from pipeline.compute import device, ranks


class Step:
    """One step of SGD with momentum on a batch, which may come in parts and be shared among processes.

    `plan`: the settings lr, lr_step, lr_factor, momentum, weight_decay, clip, accumulate, precision.
    `loss_of(model, part)` gives the mean loss of a part; all parts, at all ranks, are of one size.
    """

    def __init__(
        self,
        model: nn.Module,
        loss_of: Callable[[nn.Module, dict], torch.Tensor],
        plan: dict,
        processor: torch.device,
    ):
        self.model, self.loss_of, self.plan = model, loss_of, plan
        self.optimizer = torch.optim.SGD(
            _param_groups(model, plan),
            lr=plan["lr"],
            momentum=plan["momentum"],
            weight_decay=plan["weight_decay"],
        )
        mixed = device.precision(plan["precision"], processor) == "bfloat16"
        self.autocast = torch.autocast(processor.type, torch.bfloat16, enabled=mixed)

    def __call__(self, iteration: int, parts: Iterable[dict]) -> torch.Tensor:
        """Learn from the parts of batch number `iteration`; returns its mean loss, (), the same at every rank."""
        plan, model = self.plan, self.model
        for group in self.optimizer.param_groups:
            group["lr"] = (
                group["times"] * plan["lr"] * plan["lr_factor"] ** (iteration // plan["lr_step"])
            )
        self.optimizer.zero_grad(set_to_none=True)
        total = None
        for part in parts:
            with self.autocast:
                loss = self.loss_of(model, part) / plan["accumulate"]
            loss.backward()
            total = loss.detach() if total is None else total + loss.detach()
        ranks.average(
            [total, *(weight.grad for weight in model.parameters() if weight.grad is not None)]
        )
        if plan["clip"]:
            nn.utils.clip_grad_norm_(model.parameters(), plan["clip"])
        self.optimizer.step()
        return total


def _param_groups(model: nn.Module, plan: dict) -> list[dict]:
    """Parameters by what their learning rate is multiplied with: those of `model.fusion` by the plan's fusion_lr."""
    fusion = list(model.fusion.parameters()) if "fusion_lr" in plan else []
    own = {id(parameter) for parameter in fusion}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in own]
    return [
        {"params": rest, "times": 1.0},
        *([{"params": fusion, "times": plan["fusion_lr"]}] if fusion else []),
    ]
