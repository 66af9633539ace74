"""VGG-16 (Simonyan and Zisserman, 2015) with side outputs after conv3_3, conv4_3 and conv5_3."""

from pathlib import Path

import torch
from torch import nn

from pipeline.errors import PipelineError, first_line

# Output channels of the convolutions of each stage; a 2 x 2 max pool stands between stages (torchvision's cfg 'D').
STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
# Places of the convolutions in torchvision's vgg16().features, stage by stage.
TORCHVISION = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))


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
        """Take over ImageNet weights: 'imagenet' (torchvision downloads them), a file with torchvision's names, or 'none'.

        `more`: layers of the network around this one that have a counterpart in the file, by its name there.

        A net whose input is not RGB gets the mean of the first layer's RGB weights in every channel (Wang et al., 2015;
        tsn-pytorch models.py). Raises PipelineError when the weights cannot be had or do not fit.
        """
        if weights == "none":
            return
        state = _download() if weights == "imagenet" else _read(Path(weights))
        pairs = [(conv, f"features.{place}") for stage, places in zip(self.convolutions(), TORCHVISION, strict=True)
                 for conv, place in zip(stage, places, strict=True)]
        pairs += [(layer, name) for name, layer in (more or {}).items()]
        with torch.no_grad():
            for layer, name in pairs:
                weight, bias = state.get(f"{name}.weight"), state.get(f"{name}.bias")
                if weight is None or bias is None:
                    raise PipelineError(f"{weights}: no '{name}.weight' and '{name}.bias' in it, so these are not "
                                        "torchvision's VGG-16 weights; convert the file, or set network.weights to another")
                if layer is pairs[0][0] and layer.in_channels != 3:
                    weight = weight.mean(dim=1, keepdim=True).expand(-1, layer.in_channels, -1, -1)
                for part, found, wanted in (("weight", weight, layer.weight), ("bias", bias, layer.bias)):
                    if found.shape != wanted.shape:
                        raise PipelineError(f"{weights}: '{name}.{part}' is {tuple(found.shape)}, the network wants "
                                            f"{tuple(wanted.shape)}; ImageNet weights fit network.width 1.0, network.fc "
                                            "4096 and crops.size 224 only: set them, or network.weights to 'none'")
                layer.weight.copy_(weight)
                layer.bias.copy_(bias)


def _download() -> dict:
    from torchvision.models import VGG16_Weights

    try:
        return VGG16_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:
        url = VGG16_Weights.IMAGENET1K_V1.url
        raise PipelineError(f"the ImageNet weights of VGG-16 cannot be downloaded ({error}); download {url} elsewhere and "
                            "set network.weights to the file, or to 'none' to train from scratch") from error


def _read(path: Path) -> dict:
    if not path.is_file():
        raise PipelineError(f"{path}: there is no such weight file; correct network.weights ('imagenet', 'none' or a file)")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a file that is no plain set of tensors
        raise PipelineError(f"{path}: not a file of plain tensors that torch can load safely "
                            f"({first_line(error)}); convert it, or set network.weights to another") from error
    if not isinstance(state, dict):
        raise PipelineError(f"{path}: holds {type(state).__name__}, not a dict of tensors; save the model's state_dict()")
    return state
