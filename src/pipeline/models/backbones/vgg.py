"""VGG-16 (Simonyan and Zisserman, 2015) with side outputs after conv3_3, conv4_3 and conv5_3."""

import torch
from torch import nn

from pipeline.errors import PipelineError
from pipeline.models.backbones.vgg_weights import TORCHVISION, load

# Output channels of the convolutions of each stage; a 2 x 2 max pool stands between stages (torchvision's cfg 'D').
STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class VGG16(nn.Module):
    """The 13 convolutions. `width` scales the channels; 1.0 is the paper's."""

    def __init__(self, channels: int = 3, width: float = 1.0):
        super().__init__()
        self.stages = nn.ModuleList()
        self.channels = []  # of the outputs of stages 3, 4, 5
        before = channels
        for number, stage in enumerate(STAGES):
            layers: list[nn.Module] = [nn.MaxPool2d(2, 2)] if number else []
            for size in stage:
                after = max(4, round(size * width))
                layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(inplace=True)]
                before = after
            self.stages.append(nn.Sequential(*layers))
            self.channels.append(before)
        self.channels = self.channels[2:]
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """(B, channels, H, W) to conv3_3 (B, 256, H/4, W/4), conv4_3 (B, 512, H/8, W/8), conv5_3 (B, 512, H/16, W/16)."""
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        return outputs[2:]

    def convolutions(self) -> list[list[nn.Conv2d]]:
        """The convolutions, stage by stage."""
        return [[layer for layer in stage if isinstance(layer, nn.Conv2d)] for stage in self.stages]

    def start_from(self, weights: str, more: dict[str, nn.Linear] | None = None) -> None:
        """Take over ImageNet weights: 'imagenet' (torchvision downloads them), a file as of `weights.load`, or 'none'.

        `more`: layers of the network around this one that have a counterpart in the file, by torchvision's name of it.

        A net whose input is not RGB gets the mean of the first layer's RGB weights in every channel (Wang et al., 2015;
        tsn-pytorch models.py). Raises PipelineError when the weights cannot be had or do not fit.
        """
        if weights == "none":
            return
        pairs = {
            f"features.{place}": conv
            for stage, places in zip(self.convolutions(), TORCHVISION, strict=True)
            for conv, place in zip(stage, places, strict=True)
        } | (more or {})
        state = load(weights, list(pairs))
        first = self.convolutions()[0][0]
        if first.in_channels != 3:
            mean = state["features.0.weight"].mean(dim=1, keepdim=True)
            state["features.0.weight"] = mean.expand(-1, first.in_channels, -1, -1)
        with torch.no_grad():
            for name, layer in pairs.items():
                for part, wanted in (("weight", layer.weight), ("bias", layer.bias)):
                    found = state[f"{name}.{part}"]
                    if found.shape != wanted.shape:
                        raise PipelineError(
                            f"{weights}: '{name}.{part}' is {tuple(found.shape)}, the network wants "
                            f"{tuple(wanted.shape)}; ImageNet weights fit network.width 1.0, network.fc "
                            "4096 and crops.size 224 only: set them, or network.weights to 'none'"
                        )
                    wanted.copy_(found)
