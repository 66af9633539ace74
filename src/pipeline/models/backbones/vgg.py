"""VGG-16 (Simonyan and Zisserman, 2015) with side outputs after conv3_3, conv4_3 and conv5_3."""

import torch
from torch import nn

from pipeline.errors import PipelineError
from pipeline.jobs import record
from pipeline.models.backbones.vgg_weights import TORCHVISION, load

# Output channels of the convolutions of each stage (torchvision's cfg 'D'). A 2 x 2 max pool stands
# between stages.
STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class VGG16(nn.Module):
    """The 13 convolutions of VGG-16.

    `channels` are the channels of the input. `width` scales the channels of all layers; 1.0 is the
    paper's. The attributes `channels` and `strides` describe the three side outputs.
    """

    strides = (4, 8, 16)

    def __init__(self, channels: int = 3, width: float = 1.0):
        super().__init__()
        self.stages = nn.ModuleList()
        stage_channels = []
        before = channels
        for number, stage in enumerate(STAGES):
            layers: list[nn.Module] = [nn.MaxPool2d(2, 2)] if number else []
            for size in stage:
                after = max(4, round(size * width))
                layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(inplace=True)]
                before = after
            self.stages.append(nn.Sequential(*layers))
            stage_channels.append(before)
        self.channels = stage_channels[-len(self.strides) :]
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """(B, channels, H, W) to the three side outputs.

        They are conv3_3 (B, 256, H/4, W/4), conv4_3 (B, 512, H/8, W/8) and conv5_3
        (B, 512, H/16, W/16).
        """
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        return outputs[-len(self.strides) :]

    def sides(self, size: int) -> list[int]:
        """Return the height and width of each side output at an input of `size`."""
        return [size // stride for stride in self.strides]

    def convolutions(self) -> list[list[nn.Conv2d]]:
        """Return the convolutions, stage by stage."""
        return [[layer for layer in stage if isinstance(layer, nn.Conv2d)] for stage in self.stages]

    def start_from(self, weights: str, extra_layers: dict[str, nn.Linear] | None = None) -> None:
        """Load ImageNet weights.

        `weights` is 'imagenet' (torchvision downloads them), a file as `vgg_weights.load` takes it,
        or 'none', which leaves the network as it is. `extra_layers` are fc6 and fc7 of the network
        around this one, by torchvision's names. They start from the file where it has them and
        they fit; a file of the convolutions alone, and inputs of another size than 224, leave them
        as they are.

        A network whose input is not RGB gets the mean of the first layer's RGB weights in every
        channel (Wang et al., 2015; tsn-pytorch models.py).

        Raises PipelineError when the weights cannot be read or do not fit.
        """
        if weights == "none":
            return
        layers: dict[str, nn.Module] = {
            f"features.{index}": conv
            for stage, indices in zip(self.convolutions(), TORCHVISION, strict=True)
            for conv, index in zip(stage, indices, strict=True)
        }
        extra = extra_layers or {}
        state = load(weights, list(layers), list(extra))
        if _extra_layers_fit(weights, state, extra):
            layers |= extra
        first = self.convolutions()[0][0]
        if first.in_channels != 3:
            mean = state["features.0.weight"].mean(dim=1, keepdim=True)  # (64, 1, 3, 3)
            state["features.0.weight"] = mean.expand(-1, first.in_channels, -1, -1)
        with torch.no_grad():
            for name, layer in layers.items():
                for part, parameter in (("weight", layer.weight), ("bias", layer.bias)):
                    value = state[f"{name}.{part}"]
                    if value.shape != parameter.shape:
                        raise PipelineError(
                            f"{weights}: '{name}.{part}' is {tuple(value.shape)}, the network "
                            f"wants {tuple(parameter.shape)}; ImageNet weights fit network.width "
                            "1.0 and network.fc 4096 only: set them, or network.weights to 'none'"
                        )
                    parameter.copy_(value)


def _extra_layers_fit(
    weights: str, state: dict[str, torch.Tensor], extra: dict[str, nn.Linear]
) -> bool:
    """Return whether fc6 and fc7 start from a file, and log the reason where they do not."""
    if not extra:
        return False
    name, layer = next(iter(extra.items()))
    value = state.get(f"{name}.weight")
    if value is None:
        record.log(f"{weights}: convolutions alone; fc6 and fc7 start at random")
        return False
    if value.shape[1:] != layer.weight.shape[1:] and value.shape[0] == layer.weight.shape[0]:
        record.log(
            f"{weights}: fc6 reads {value.shape[1]:,} values of an input of 224 pixels, here "
            f"{layer.weight.shape[1]:,}; fc6 and fc7 start at random"
        )
        return False
    return True
