"""The networks that the paper compares CO2FI with: a stream of the two-stream baseline, and two ConvNets combined."""

import torch
from torch import nn

from pipeline.models.backbones.vgg import VGG16
from pipeline.models.cnn_m import CNNM2048
from pipeline.models.co2fi import dropout_rates
from pipeline.models.outputs import CO2FIOutput


class Baseline(nn.Module):
    """VGG-16 with its own fully connected layers (Simonyan and Zisserman, 2014): fc6, fc7 and the classes.

    With `beside`, a CNN_M_2048, the two networks' last hidden layers are joined before the classes ("Direct combine
    ConvNets", Table 1): 4096 + 2048 values at full width. `features` is their number, and what ASYN fuses.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        *,
        size: int,
        width: float,
        fc: int,
        dropout: float | dict[str, float],
        beside: CNNM2048 | None = None,
    ):
        super().__init__()
        self.vgg = VGG16(channels, width)
        self.pool = nn.MaxPool2d(2, 2)
        side = size // 32  # 7 at 224
        self.fc6 = nn.Linear(self.vgg.channels[-1] * side * side, fc)
        self.fc7 = nn.Linear(fc, fc)
        self.beside = beside
        self.features = fc + (beside.classifier[-1].in_features if beside else 0)
        self.classes = nn.Linear(self.features, classes)
        self.dropouts = nn.ModuleList(
            nn.Dropout(rate) for rate in dropout_rates(dropout, "fc6", "fc7")
        )
        for layer in (self.fc6, self.fc7):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        nn.init.normal_(self.classes.weight, std=0.01)
        nn.init.zeros_(self.classes.bias)

    def start_from(self, weights: str) -> None:
        """ImageNet weights as of VGG16.start_from, and those of fc6 and fc7."""
        self.vgg.start_from(weights, {"classifier.0": self.fc6, "classifier.3": self.fc7})

    def forward(self, x: torch.Tensor) -> CO2FIOutput:
        """(B, channels, size, size) to a CO2FIOutput of one unit and no granularities."""
        feature = self.pool(self.vgg(x)[-1]).flatten(1)  # (B, 512, 7, 7) -> (B, 25088)
        for layer, dropout in zip((self.fc6, self.fc7), self.dropouts, strict=True):
            feature = dropout(torch.relu(layer(feature)))
        if self.beside:
            feature = torch.cat([feature, self.beside.hidden(x)], dim=1)  # (B, 4096 + 2048)
        return CO2FIOutput(feature, self.classes(feature)[None], None)
