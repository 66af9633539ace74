"""The asynchronous fusion network (ASYN): paper, section 5 and Fig. 5."""

import torch
from torch import nn

from pipeline.models.co2fi import CO2FI, at_least_float32, lstm_step
from pipeline.models.outputs import ASYNOutput


class Fusion(nn.Module):
    """Fuses a single feature of one stream with T features of the other, in order of instants.

    Instant t has a 1 x 1 convolution K_t of its own over the two features, taken as two 1-d maps of
    `features` values (section 5.1), and an LSTM unit Phi_t of its own, or one `shared` by all
    instants. Each unit predicts the class (Eq. 5).

    `dropout` is the rate on the LSTM's outputs. `feature_dropout` is that on the features before
    they are fused, which the paper has not: features of clips that their networks know by heart are
    surer than those of others, and without it the fusion trusts the surest (docs/results.md).
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
        feature_dropout: float = 0.0,
        shared: bool = False,
    ):
        super().__init__()
        self.hidden = hidden
        # K_t
        self.convs = nn.ModuleList(nn.Conv1d(2, maps, 1) for _ in range(instants))
        # Phi_t
        units = [nn.LSTMCell(maps * features, hidden) for _ in range(1 if shared else instants)]
        self.units = nn.ModuleList(units * instants if shared else units)
        self.heads = nn.ModuleList(nn.Linear(hidden, classes) for _ in range(instants))
        self.dropout = nn.Dropout(dropout)
        self.feature_dropout = nn.Dropout(feature_dropout)
        for conv in self.convs:
            # Both streams pass at first: their sum, with a little noise that tells maps apart.
            nn.init.normal_(conv.weight, mean=2.0, std=0.1)
            nn.init.zeros_(conv.bias)
        for unit in units:
            self._init_unit(unit)

    @staticmethod
    def _init_unit(unit: nn.LSTMCell) -> None:
        """Initialise an LSTM unit for inputs that are small.

        Features of an LSTM are small, so with torch's own initialisation, uniform within
        1 / sqrt(hidden), the units stay linear for long, and what only a pair of features tells is
        linear in neither. Measured on frozen features of the demo, after 1500 steps: 0.80 of the
        test clips are right, with torch's initialisation 0.63.
        """
        nn.init.normal_(unit.weight_ih, std=2.8 / unit.input_size**0.5)
        nn.init.orthogonal_(unit.weight_hh)
        nn.init.zeros_(unit.bias_ih)
        nn.init.zeros_(unit.bias_hh)
        # The forget gate starts open (Jozefowicz et al., 2015).
        nn.init.ones_(unit.bias_ih[unit.hidden_size : 2 * unit.hidden_size])

    def forward(self, single: torch.Tensor, sequence: torch.Tensor) -> torch.Tensor:
        """(B, features) and (B, T, features) to logits (T, B, classes)."""
        single, sequence = self.feature_dropout(single), self.feature_dropout(sequence)
        h = at_least_float32(single.new_zeros(len(single), self.hidden))
        c = torch.zeros_like(h)
        logits = []
        for t, (conv, unit, head) in enumerate(
            zip(self.convs, self.units, self.heads, strict=True)
        ):
            pair = torch.stack([single, sequence[:, t]], dim=1)  # (B, 2, features)
            fused = torch.relu(conv(pair)).flatten(1)  # (B, maps, features) -> (B, maps features)
            h, c = lstm_step(unit, fused, (h, c))
            logits.append(head(self.dropout(h)))
        return torch.stack(logits)


class ASYN(nn.Module):
    """Both streams' networks and their fusion, trained together (Eq. 6).

    The network `one` sees a single instant, the network `many` sees T instants of the other stream.
    In the direction appearance-to-motion `one` is the appearance network and `many` the motion
    network. The two names are keys of model files.
    """

    def __init__(self, one: CO2FI, many: CO2FI, fusion: Fusion):
        super().__init__()
        self.one, self.many, self.fusion = one, many, fusion

    def forward(self, single: torch.Tensor, sequence: torch.Tensor) -> ASYNOutput:
        """(B, C1, H, W) and (B, T, C2, H, W) to an ASYNOutput."""
        batch, instants = sequence.shape[:2]
        single_output = self.one(single)
        # The network `many` sees each instant by itself: T passes with shared weights.
        # (B, T, C2, H, W) -> (B T, C2, H, W)
        sequence_output = self.many(sequence.flatten(0, 1))
        # (B T, features) -> (B, T, features)
        features = sequence_output.feature.unflatten(0, (batch, instants))
        logits = self.fusion(single_output.feature, features)
        return ASYNOutput(logits, single_output, sequence_output)
