"""The losses of the paper, Eqs. 1 and 3 to 6, and those of its baselines.

The paper's losses divide by N, the number of classes. All average over the batch.
"""

import torch
from torch.nn.functional import cross_entropy

from pipeline.models.outputs import ASYNOutput, CO2FIOutput


def granularity_loss(
    logits: torch.Tensor, groups: list[torch.Tensor], alpha: list[float]
) -> torch.Tensor:
    """Eq. 1: -1/N sum_k alpha_k sum over the classes n of group k of log p(n | k).

    `logits` is (K, B, N). `groups` holds K tensors (B, size_k) of class labels; labels below 0 are
    padding (`groups.form`).
    """
    total = logits.new_zeros(())
    for k, group in enumerate(groups):
        log_p = logits[k].log_softmax(dim=-1)  # (B, N)
        log_p_of_group = log_p.gather(1, group.clamp(min=0))  # (B, N) -> (B, size_k)
        log_p_of_group = log_p_of_group.masked_fill(group < 0, 0.0)
        total = total - alpha[k] * log_p_of_group.sum(dim=1).mean()
    return total / logits.shape[-1]


def unit_loss(logits: torch.Tensor, labels: torch.Tensor, weight: float) -> torch.Tensor:
    """Eq. 3 (weight beta) and Eq. 5 (weight gamma): -weight/N sum over units of log p(true class).

    The units are LSTM units. `logits` is (units, B, N), `labels` (B,).
    """
    units, batch, classes = logits.shape
    # (units, B, N) -> (units B, N) and (B,) -> (units B,)
    total = cross_entropy(logits.flatten(0, 1), labels.repeat(units), reduction="sum")
    return weight * total / (batch * classes)


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
    """The loss of a stream's network: Eq. 4, or the cross-entropy of a baseline.

    A baseline is told by its output, which has no granularities.
    """
    if output.granularities is None:
        return cross_entropy(output.units[-1], labels)
    return co2fi_loss(output, labels, groups, alpha, beta)


def consensus_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The cross-entropy of the mean logits of a clip's snippets (TSN, Eqs. 1 to 3).

    `logits` is (B K, N) of K snippets of each clip, `labels` (B,).
    """
    return cross_entropy(logits.unflatten(0, (len(labels), -1)).mean(dim=1), labels)


def joint_loss(
    output: ASYNOutput,
    labels: torch.Tensor,
    single_groups: list[torch.Tensor],
    sequence_groups: list[torch.Tensor],
    alpha: list[float],
    beta: float,
    gamma: float,
) -> torch.Tensor:
    """Eq. 6: Eq. 4 of the single input, Eq. 4 of each of the T inputs of the sequence, and Eq. 5.

    `single_groups` holds tensors (B, size_k), `sequence_groups` tensors (B T, size_k) in the order
    of `output.sequence`.
    """
    instants = len(output.sequence.feature) // len(labels)
    sequence_labels = labels.repeat_interleave(instants)  # (B,) -> (B T,)
    # `stream_loss` averages over B T; Eq. 6 sums over T.
    sequence_loss = instants * stream_loss(
        output.sequence, sequence_labels, sequence_groups, alpha, beta
    )
    return (
        sequence_loss
        + stream_loss(output.single, labels, single_groups, alpha, beta)
        + unit_loss(output.units, labels, gamma)
    )
