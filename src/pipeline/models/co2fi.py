"""The coarse-to-fine network (CO2FI): paper, section 4 and Fig. 3."""

from contextlib import nullcontext

import torch
from torch import nn
from torch.nn.functional import interpolate

from pipeline.errors import PipelineError
from pipeline.models.outputs import CO2FIOutput


def dropout_rates(dropout: float | dict[str, float], *layers: str) -> list[float]:
    """Return the dropout rate of each of `layers`: one rate for all, or a rate per layer."""
    return [dropout[layer] if isinstance(dropout, dict) else dropout for layer in layers]


def at_least_float32(x: torch.Tensor) -> torch.Tensor:
    """Return `x`, in float32 where autocast has it in less."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def lstm_step(
    unit: nn.LSTMCell, x: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the next state of an LSTM unit; on a GPU it is computed in float32.

    Under autocast the state of the cell, a sum over all steps, would be in bfloat16 there, and each
    of the unit's small weights would be cast. On a CPU autocast has the products alone in bfloat16.
    """
    with torch.autocast("cuda", enabled=False) if x.is_cuda else nullcontext():
        return unit(at_least_float32(x), state)


def sides_of(backbone: nn.Module, size: int, smallest: int = 1) -> list[int]:
    """Return the height and width of each feature map of a backbone at an input of `size`.

    Raises PipelineError where those of the deepest are less than `smallest`.
    """
    sides = backbone.sides(size)
    if sides[-1] < smallest:
        raise PipelineError(
            f"crops.size {size} is too small: the backbone's deepest maps have {sides[-1]} x "
            f"{sides[-1]} pixels, and {smallest} x {smallest} are wanted at least; set crops.size "
            f"to {backbone.strides[-1] * smallest} or more"
        )
    return sides


class CO2FI(nn.Module):
    """Features at several class granularities, integrated from coarse to fine by LSTM units.

    `backbone` maps (B, channels, size, size) to a list of feature maps, shallow to deep. It has the
    attributes `channels` and `strides`, one number per feature map, a method `sides` that tells the
    height and width of each map, and a method `start_from` that loads ImageNet weights.

    Sizes with VGG-16 at full width and an input of 224: conv3_3 256 x 56 x 56, conv4_3
    512 x 28 x 28, conv5_3 512 x 14 x 14. A 1 x 1 convolution per stage makes 3 `side_maps` maps,
    upsampled to 56 x 56. Group k is slice k of all three stages, 3 `side_maps` x 56 x 56 (Shen et
    al., 2017). FC1 has 1024 outputs, FC2 1024, FC3 one per class; the LSTM's hidden state has 512.

    `side_connections` 'all' lets each group read all stages. 'triangular' follows DeepSkeleton
    (Shen et al., 2017), where the largest scale reads the deepest stage alone and the smallest
    scale reads all: group 1, the coarsest, reads conv5_3, group 2 conv4_3 and conv5_3, group 3 all
    three.

    `shared` gives all LSTM units one set of parameters; each unit keeps an FC1' of its own.
    `dropout` is the rate after FC1, after FC2 and on the `hidden` outputs of the LSTM units.
    """

    def __init__(
        self,
        backbone: nn.Module,
        classes: int,
        *,
        size: int,
        side_maps: int,
        fc1: int,
        fc2: int,
        hidden: int,
        dropout: float | dict[str, float],
        granularities: int = 3,
        side_connections: str = "all",
        shared: bool = False,
    ):
        super().__init__()
        self.hidden = self.features = hidden
        # The names of modules are keys of model files, so `vgg` stays whatever the backbone is.
        self.vgg = backbone
        stages = len(backbone.channels)
        # The number of stages that each group reads, coarse to fine; they are the deepest ones.
        stages_per_group = [
            stages if side_connections == "all" else max(1, stages - k)
            for k in reversed(range(granularities))
        ]
        # The groups that read each stage, shallow to deep.
        self.groups_per_stage = [
            [k for k in range(granularities) if stages_per_group[k] >= stages - stage]
            for stage in range(stages)
        ]
        self.side = nn.ModuleList(
            nn.Conv2d(channels, len(groups) * side_maps, 1)
            for channels, groups in zip(backbone.channels, self.groups_per_stage, strict=True)
        )
        # Pixels of the side maps, which have the size of the shallowest stage.
        pixels = sides_of(backbone, size)[0] ** 2
        self.fc1 = nn.ModuleList(
            nn.Linear(count * side_maps * pixels, fc1) for count in stages_per_group
        )
        after_fc1, after_fc2, after_units = dropout_rates(dropout, "fc1", "fc2", "hidden")
        # FC2 and FC3 of each granularity, which only training needs (section 4.2).
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Linear(fc1, fc2), nn.ReLU(), nn.Dropout(after_fc2), nn.Linear(fc2, classes)
            )
            for _ in range(granularities)
        )
        # Phi_t of Eq. 2.
        units = [nn.LSTMCell(fc1, hidden) for _ in range(1 if shared else granularities)]
        self.units = nn.ModuleList(units * granularities if shared else units)
        # FC1' of each unit.
        self.unit_heads = nn.ModuleList(nn.Linear(hidden, classes) for _ in range(granularities))
        self.dropout, self.dropout_units = nn.Dropout(after_fc1), nn.Dropout(after_units)
        for layer in [*self.side, *self.fc1, *(head[0] for head in self.heads)]:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def start_from(self, weights: str) -> None:
        """Load ImageNet weights into the backbone; see VGG16.start_from."""
        self.vgg.start_from(weights)

    def forward(self, x: torch.Tensor) -> CO2FIOutput:
        """(B, channels, size, size) to a CO2FIOutput."""
        features = [
            self.dropout(torch.relu(fc1(group.flatten(1))))  # (B, 3C, 56, 56) -> (B, fc1)
            for fc1, group in zip(self.fc1, self.side_map_groups(x), strict=True)
        ]
        h = at_least_float32(x.new_zeros(len(x), self.hidden))
        c = torch.zeros_like(h)
        unit_logits = []
        for unit, head, feature in zip(self.units, self.unit_heads, features, strict=True):
            h, c = lstm_step(unit, feature, (h, c))  # Eq. 2
            unit_logits.append(head(self.dropout_units(h)))
        granularity_logits = None
        if self.training:
            granularity_logits = torch.stack(
                [head(feature) for head, feature in zip(self.heads, features, strict=True)]
            )
        return CO2FIOutput(h, torch.stack(unit_logits), granularity_logits)

    def side_map_groups(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the groups of side maps, coarse to fine.

        Each is (B, stages C, size/4, size/4), where C is `side_maps` and `stages` the number of
        stages that the group reads: its slice of each of these stages, shallow to deep.
        """
        stages = self.vgg(x)
        size = stages[0].shape[-2:]
        groups: list[list[torch.Tensor]] = [[] for _ in self.fc1]
        for side, stage, numbers in zip(self.side, stages, self.groups_per_stage, strict=True):
            # In float32 under autocast, too, as on a CPU: the backward pass adds up what each pixel
            # gave to several. (B, groups C, size/4, size/4)
            maps = at_least_float32(side(stage))
            maps = interpolate(maps, size=size, mode="bilinear", align_corners=False)
            # groups x (B, C, size/4, size/4)
            slices = maps.chunk(len(numbers), dim=1)
            for k, group_slice in zip(numbers, slices, strict=True):
                groups[k].append(group_slice)
        return [torch.cat(slices, dim=1) for slices in groups]
