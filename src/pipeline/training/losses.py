"""The losses of the paper, Eqs. 1 and 3 to 6. Every one divides by N, the number of classes, and averages over a batch."""

import torch
from torch.nn.functional import cross_entropy

from pipeline.models.outputs import ASYNOutput, CO2FIOutput


def granularity_loss(
    logits: torch.Tensor, groups: list[torch.Tensor], alpha: list[float]
) -> torch.Tensor:
    """Eq. 1: -1/N sum_k alpha_k sum over the classes n of group k of log p(n | k).

    `logits` (K, B, N); `groups` K tensors (B, size_k) of class numbers; those below 0 are none (`groups.form`).
    """
    total = logits.new_zeros(())
    for k, group in enumerate(groups):
        log_p = logits[k].log_softmax(dim=-1)  # (B, N)
        held = log_p.gather(1, group.clamp(min=0)).masked_fill(group < 0, 0.0)  # (B, size_k)
        total = total - alpha[k] * held.sum(dim=1).mean()
    return total / logits.shape[-1]


def unit_loss(logits: torch.Tensor, labels: torch.Tensor, weight: float) -> torch.Tensor:
    """Eq. 3 (weight beta) and Eq. 5 (weight gamma): -weight/N sum over LSTM units of log p(true class).

    `logits` (units, B, N), `labels` (B,).
    """
    units, batch, classes = logits.shape
    every = cross_entropy(
        logits.flatten(0, 1), labels.repeat(units), reduction="sum"
    )  # (units B, N)
    return weight * every / (batch * classes)


def co2fi_loss(
    output: CO2FIOutput,
    labels: torch.Tensor,
    groups: list[torch.Tensor],
    alpha: list[float],
    beta: float,
) -> torch.Tensor:
    """Eq. 4: Eq. 1 + Eq. 3."""
    return granularity_loss(output.granularities, groups, alpha) + unit_loss(
        output.units, labels, beta
    )


def stream_loss(
    output: CO2FIOutput,
    labels: torch.Tensor,
    groups: list[torch.Tensor],
    alpha: list[float],
    beta: float,
) -> torch.Tensor:
    """The loss of a stream's network: Eq. 4, or of a baseline, which has no granularities, its softmax's log loss."""
    if output.granularities is None:
        return cross_entropy(output.units[-1], labels)
    return co2fi_loss(output, labels, groups, alpha, beta)


def joint_loss(
    output: ASYNOutput,
    labels: torch.Tensor,
    groups_one: list[torch.Tensor],
    groups_many: list[torch.Tensor],
    alpha: list[float],
    beta: float,
    gamma: float,
) -> torch.Tensor:
    """Eq. 6: the loss of the one input (Eq. 4), that of each of the T inputs of the other stream, and Eq. 5.

    `groups_one` are (B, size_k), `groups_many` (B T, size_k), in the order of `output.many`.
    """
    instants = len(output.many.feature) // len(labels)
    labels_many = labels.repeat_interleave(instants)  # (B T,)
    many = instants * stream_loss(
        output.many, labels_many, groups_many, alpha, beta
    )  # its mean is over B T: sum over T
    return (
        many
        + stream_loss(output.one, labels, groups_one, alpha, beta)
        + unit_loss(output.units, labels, gamma)
    )
