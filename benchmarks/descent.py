"""A short training by SGD, for programs that try settings."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from pipeline.data import groups


def descend(
    net: nn.Module,
    loss_of: Callable[[int], torch.Tensor],
    rate: float,
    iterations: int,
    *,
    parameters: list[dict] | None = None,
    momentum: float = 0.9,
    weight_decay: float = 0.0005,
    clip: float | None = None,
) -> list[float]:
    """Train `net`; returns the loss of each iteration, up to the first that is no number.

    The rate falls to a tenth for the last fifth.

    loss_of: the loss of an iteration, by its number.
    parameters: torch's groups where not all weights learn alike; a group's `times` is what the
        rate is multiplied by.
    clip: the largest norm of the gradient of all weights.
    """
    net.train()
    optimizer = torch.optim.SGD(
        parameters or net.parameters(), lr=rate, momentum=momentum, weight_decay=weight_decay
    )
    losses = []
    for iteration in range(iterations):
        now = rate * (0.1 if iteration >= 0.8 * iterations else 1)
        for group in optimizer.param_groups:
            group["lr"] = now * group.get("times", 1)
        loss = loss_of(iteration)
        losses.append(float(loss.detach()))
        if not np.isfinite(losses[-1]):
            break
        optimizer.zero_grad()
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(net.parameters(), clip)
        optimizer.step()
    return losses


def drawn_groups(
    labels: torch.Tensor, classes: int, sizes: list[int], rng: np.random.Generator
) -> list[torch.Tensor]:
    """Form the class groups of a batch where there is no teacher: the other classes of a group are
    drawn.
    """
    ranked = torch.from_numpy(np.stack([rng.permutation(classes) for _ in labels]))
    return groups.form_all(ranked.to(labels.device), labels, sizes)
