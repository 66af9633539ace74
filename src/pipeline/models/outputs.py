"""What the networks return."""

from dataclasses import dataclass

import torch


@dataclass
class CO2FIOutput:
    """The output of a stream's network, as the losses and the asynchronous network need it.

    A baseline has a single unit, its classifier.
    """

    # The integrated feature, h_3 of Eq. 2: (B, hidden).
    feature: torch.Tensor
    # Logits of FC1' on each LSTM unit, (granularities, B, classes). The last are the prediction.
    units: torch.Tensor
    # Logits of FC3 of each granularity, (granularities, B, classes). None when the network
    # evaluates, and of a baseline.
    granularities: torch.Tensor | None


@dataclass
class ASYNOutput:
    """The output of the asynchronous network: its own logits and both streams' outputs (Eq. 6)."""

    # Logits of each fusion unit, (T, B, classes). The last are the prediction.
    units: torch.Tensor
    # Output of the stream that gives a single input per sample, for B inputs.
    single: CO2FIOutput
    # Output of the stream that gives T inputs per sample, for B T inputs, sample by sample and
    # within a sample instant by instant.
    sequence: CO2FIOutput
