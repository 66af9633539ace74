"""The asynchronous fusion network (ASYN): paper, section 5 and Fig. 5."""

import torch
from torch import nn

from pipeline.models.co2fi import CO2FI
from pipeline.models.outputs import ASYNOutput


class Fusion(nn.Module):
    """Fuses one feature of a stream with T features of the other, in the order of their instants.

    Instant t has a 1 x 1 convolution K_t of its own over the two features, seen as two 1-d maps of `features` values
    (section 5.1), and an LSTM unit Phi_t of its own, or one that is `shared` by all; each unit predicts (Eq. 5).
    """

    def __init__(
        self,
        features: int,
        classes: int,
        *,
        hidden: int,
        instants: int = 5,
        maps: int = 1,
        dropout: float = 0.5,
        shared: bool = False,
    ):
        super().__init__()
        self.hidden = hidden
        self.convs = nn.ModuleList(nn.Conv1d(2, maps, 1) for _ in range(instants))  # K_t
        units = [
            nn.LSTMCell(maps * features, hidden) for _ in range(1 if shared else instants)
        ]  # Phi_t
        self.units = nn.ModuleList(units * instants if shared else units)
        self.heads = nn.ModuleList(nn.Linear(hidden, classes) for _ in range(instants))
        self.dropout = nn.Dropout(dropout)
        for conv in (
            self.convs
        ):  # both streams let through at first: their sum, with a little of its own for each map
            nn.init.normal_(conv.weight, mean=2.0, std=0.1)
            nn.init.zeros_(conv.bias)
        for unit in units:
            # Features of an LSTM are small, so with torch's own init, uniform within 1 / sqrt(hidden), the units stay linear
            # for long, and what only a pair of features tells is linear in neither. Measured on the demo's features, frozen:
            # after 1500 steps 0.80 of the test clips right, with torch's init 0.63.
            nn.init.normal_(unit.weight_ih, std=2.8 / (maps * features) ** 0.5)
            nn.init.orthogonal_(unit.weight_hh)
            nn.init.zeros_(unit.bias_ih)
            nn.init.zeros_(unit.bias_hh)
            nn.init.ones_(
                unit.bias_ih[hidden : 2 * hidden]
            )  # forget gate (Jozefowicz et al., 2015)

    def forward(self, one: torch.Tensor, many: torch.Tensor) -> torch.Tensor:
        """(B, features) and (B, T, features) to logits (T, B, classes)."""
        h = one.new_zeros(len(one), self.hidden)
        c = torch.zeros_like(h)
        logits = []
        for t, (conv, unit, head) in enumerate(
            zip(self.convs, self.units, self.heads, strict=True)
        ):
            pair = torch.stack([one, many[:, t]], dim=1)  # (B, 2, features)
            fused = torch.relu(conv(pair)).flatten(1)  # (B, maps, features) -> (B, maps features)
            h, c = unit(fused, (h, c))
            logits.append(head(self.dropout(h)))
        return torch.stack(logits)


class ASYN(nn.Module):
    """Both streams' coarse-to-fine networks and their fusion, trained together (Eq. 6).

    `one` sees a single instant, `many` sees T of the other stream: for the direction appearance-to-motion `one` is the
    appearance net and `many` the motion net.
    """

    def __init__(self, one: CO2FI, many: CO2FI, fusion: Fusion):
        super().__init__()
        self.one, self.many, self.fusion = one, many, fusion

    def forward(self, one: torch.Tensor, many: torch.Tensor) -> ASYNOutput:
        """(B, C1, H, W) and (B, T, C2, H, W) to ASYNOutput."""
        batch, instants = many.shape[:2]
        first = self.one(one)
        second = self.many(
            many.flatten(0, 1)
        )  # (B, T, C2, H, W) -> (B T, C2, H, W): T passes, shared weights
        features = second.feature.unflatten(
            0, (batch, instants)
        )  # (B T, features) -> (B, T, features)
        return ASYNOutput(self.fusion(first.feature, features), first, second)
