"""The coarse-to-fine network (CO2FI): paper, section 4 and Fig. 3."""

import torch
from torch import nn
from torch.nn.functional import interpolate

from pipeline.models.backbones.vgg import VGG16
from pipeline.models.outputs import CO2FIOutput


def dropout_rates(dropout: float | dict[str, float], *layers: str) -> list[float]:
    """The dropout of each of `layers`: the same of all, or each its own."""
    return [dropout[layer] if isinstance(dropout, dict) else dropout for layer in layers]


class CO2FI(nn.Module):
    """Features at `granularities` class granularities, integrated from coarse to fine by a chain of LSTM units.

    Sizes at full width and an input of 224: conv3_3 256 x 56 x 56, conv4_3 512 x 28 x 28, conv5_3 512 x 14 x 14; a
    1 x 1 convolution makes 3 `side_maps` maps of each, upsampled to 56 x 56; group k is slice k of all three stages,
    3 `side_maps` x 56 x 56 (Shen et al., 2017); FC1 1024, FC2 1024, FC3 classes; LSTM hidden 512.

    `reading` 'triangular' gives a stage slices for some groups only, as DeepSkeleton does, where the maps of the largest
    scale come from the deepest stage alone and those of the smallest from all: group 1, the coarsest, is of conv5_3,
    group 2 of conv4_3 and conv5_3, group 3 of all three.
    `shared` LSTM units have one set of parameters (their FC1' still have their own); `dropout` is after FC1 and FC2 and on
    the `hidden` outputs of the LSTM.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        *,
        size: int,
        width: float,
        side_maps: int,
        fc1: int,
        fc2: int,
        hidden: int,
        dropout: float | dict[str, float],
        granularities: int = 3,
        reading: str = "slices",
        shared: bool = False,
    ):
        super().__init__()
        self.hidden = self.features = hidden
        self.vgg = VGG16(channels, width)
        stages = len(self.vgg.channels)
        read = [
            stages if reading == "slices" else max(1, stages - k)
            for k in reversed(range(granularities))
        ]  # by group k
        self.fed = [
            [k for k in range(granularities) if read[k] >= stages - s] for s in range(stages)
        ]  # groups of stage s
        self.side = nn.ModuleList(
            nn.Conv2d(c, len(fed) * side_maps, 1)
            for c, fed in zip(self.vgg.channels, self.fed, strict=True)
        )
        plane = (size // 4) ** 2  # conv3_3's
        self.fc1 = nn.ModuleList(nn.Linear(count * side_maps * plane, fc1) for count in read)
        after_fc1, after_fc2, after_units = dropout_rates(dropout, "fc1", "fc2", "hidden")
        self.heads = nn.ModuleList(  # FC2 and FC3: only training needs them (section 4.2)
            nn.Sequential(
                nn.Linear(fc1, fc2), nn.ReLU(), nn.Dropout(after_fc2), nn.Linear(fc2, classes)
            )
            for _ in range(granularities)
        )
        units = [
            nn.LSTMCell(fc1, hidden) for _ in range(1 if shared else granularities)
        ]  # Phi_t, Eq. 2
        self.units = nn.ModuleList(units * granularities if shared else units)
        self.unit_heads = nn.ModuleList(
            nn.Linear(hidden, classes) for _ in range(granularities)
        )  # FC1'
        self.dropout, self.dropout_units = nn.Dropout(after_fc1), nn.Dropout(after_units)
        for layer in [*self.side, *self.fc1, *(head[0] for head in self.heads)]:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> CO2FIOutput:
        """(B, channels, size, size) to CO2FIOutput."""
        features = [
            self.dropout(torch.relu(fc1(group.flatten(1))))  # (B, 3C, 56, 56) -> (B, fc1)
            for fc1, group in zip(self.fc1, self.side_map_groups(x), strict=True)
        ]
        h = x.new_zeros(len(x), self.hidden)
        c = torch.zeros_like(h)
        units = []
        for unit, head, feature in zip(self.units, self.unit_heads, features, strict=True):
            h, c = unit(feature, (h, c))  # Eq. 2
            units.append(head(self.dropout_units(h)))
        granularities = None
        if self.training:
            granularities = torch.stack(
                [head(feature) for head, feature in zip(self.heads, features, strict=True)]
            )
        return CO2FIOutput(h, torch.stack(units), granularities)

    def start_from(self, weights: str) -> None:
        """ImageNet weights, as of VGG16.start_from."""
        self.vgg.start_from(weights)

    def side_map_groups(self, x: torch.Tensor) -> list[torch.Tensor]:
        """The side map groups, coarse to fine, each (B, 3C, size/4, size/4): slice k of every stage, concatenated."""
        stages = self.vgg(x)
        size = stages[0].shape[-2:]
        maps = [
            interpolate(side(stage), size=size, mode="bilinear", align_corners=False)
            for side, stage in zip(self.side, stages, strict=True)
        ]  # each (B, 3C, size/4, size/4)
        slices = [
            dict(zip(fed, m.chunk(len(fed), dim=1), strict=True))  # [stage][group] (B, C, ..)
            for fed, m in zip(self.fed, maps, strict=True)
        ]
        return [
            torch.cat([stage[k] for stage in slices if k in stage], dim=1)
            for k in range(len(self.fc1))
        ]
