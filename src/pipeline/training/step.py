"""One step of SGD with momentum."""

from collections.abc import Callable, Iterable

import torch
from torch import nn

from pipeline.compute import ranks
from pipeline.compute.device import resolve_precision

# Takes the model and a batch, and returns the mean loss of the batch, ().
Criterion = Callable[[nn.Module, dict], torch.Tensor]


class Step:
    """One step of SGD with momentum on a batch.

    The batch may come in several micro-batches, whose gradients add up, and be shared among ranks.
    All micro-batches at all ranks must have the same size.

    `schedule` holds the settings lr, lr_step, lr_factor, momentum, weight_decay, clip, accumulate
    and precision, and optionally fusion_lr or head_lr.
    """

    def __init__(
        self, model: nn.Module, criterion: Criterion, schedule: dict, device: torch.device
    ):
        self.model, self.schedule = model, schedule
        self.loss = ranks.shared(_Loss(model, criterion))
        self.optimizer = torch.optim.SGD(
            _param_groups(model, schedule),
            lr=schedule["lr"],
            momentum=schedule["momentum"],
            weight_decay=schedule["weight_decay"],
            # One launch for all weights; on a CPU one after the other, as ever, for its bits.
            fused=device.type == "cuda",
        )
        mixed = resolve_precision(schedule["precision"], device) == "bfloat16"
        self.autocast = torch.autocast(device.type, torch.bfloat16, enabled=mixed)

    def __call__(self, iteration: int, micro_batches: Iterable[dict]) -> torch.Tensor:
        """Learn from the micro-batches of one batch; return its mean loss, (), equal at all ranks.

        `iteration`, from 0, sets the learning rate.
        """
        self._set_learning_rates(iteration)
        self.optimizer.zero_grad(set_to_none=True)
        total, parts = None, self.schedule["accumulate"]
        for number, micro_batch in enumerate(micro_batches, start=1):
            # Gradients of all parts add up, and are averaged over the ranks during the last one's
            # backward pass.
            with ranks.averaging(self.loss, number == parts):
                with self.autocast:
                    loss = self.loss(micro_batch) / parts
                loss.backward()
            total = loss.detach() if total is None else total + loss.detach()
        ranks.average([total])
        if self.schedule["clip"]:
            # By themselves, as a backbone's gradient would else decide what the layers behind it
            # learn, which have a hundred times its rate where they start from nothing.
            for group in self.optimizer.param_groups:
                nn.utils.clip_grad_norm_(group["params"], self.schedule["clip"])
        self.optimizer.step()
        return total

    def _set_learning_rates(self, iteration: int) -> None:
        """Multiply the learning rate by lr_factor after every lr_step iterations."""
        schedule = self.schedule
        for group in self.optimizer.param_groups:
            group["lr"] = (
                group["lr_scale"]
                * schedule["lr"]
                * schedule["lr_factor"] ** (iteration // schedule["lr_step"])
            )


class _Loss(nn.Module):
    """The criterion of a model as a module, which the processes of a training share."""

    def __init__(self, model: nn.Module, criterion: Criterion):
        super().__init__()
        self.model, self.criterion = model, criterion

    def forward(self, batch: dict) -> torch.Tensor:
        """Return the mean loss of a batch, ()."""
        return self.criterion(self.model, batch)


def _param_groups(model: nn.Module, schedule: dict) -> list[dict]:
    """Return the optimizer's parameter groups, each with the factor `lr_scale` of its rate.

    Where the schedule has a fusion_lr, it is the factor of the parameters of `model.fusion`; a
    head_lr is that of all layers behind the backbone, but for a teacher joined to it.
    """
    scales = {}
    if "fusion_lr" in schedule:
        scales = {"fusion": schedule["fusion_lr"]}
    elif "head_lr" in schedule:
        started = ("vgg", "beside")
        scales = {
            name: schedule["head_lr"] for name, _ in model.named_children() if name not in started
        }
    groups: dict[float, list[nn.Parameter]] = {1.0: []}
    for name, parameter in model.named_parameters():
        groups.setdefault(scales.get(name.partition(".")[0], 1.0), []).append(parameter)
    return [{"params": params, "lr_scale": scale} for scale, params in groups.items()]
