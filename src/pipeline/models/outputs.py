"""What the networks return."""

from dataclasses import dataclass

import torch


@dataclass
class CO2FIOutput:
    """What the losses and the asynchronous network need of a stream."""

    feature: torch.Tensor  # h_3, (B, hidden): the integrated feature
    units: (
        torch.Tensor
    )  # (3, B, classes): logits of FC1' on each LSTM unit; the last is the prediction
    granularities: (
        torch.Tensor | None
    )  # (3, B, classes): logits of FC3 for each; None when evaluating, and of a baseline


@dataclass
class ASYNOutput:
    """Logits of the fusion units, and the two streams' own outputs for Eq. 6."""

    units: torch.Tensor  # (T, B, classes); the last is the prediction
    one: CO2FIOutput  # of B inputs
    many: CO2FIOutput  # of B T inputs, instant by instant within a sample
