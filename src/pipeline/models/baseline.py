"""The networks that the paper compares CO2FI with (Table 1).

They are a stream of the two-stream baseline, and two ConvNets combined.
"""

import torch
from torch import nn

from pipeline.models.co2fi import dropout_rates, sides_of
from pipeline.models.outputs import CO2FIOutput


class Baseline(nn.Module):
    """VGG-16 with its own fully connected layers (Simonyan and Zisserman, 2014).

    These layers are fc6, fc7 and the classes.

    With a teacher `beside` it the last hidden layers of both networks are concatenated before the
    classes ("Direct combine ConvNets", Table 1): 4096 + 2048 values at full width. The attribute
    `features` is the number of these values, which is what ASYN fuses.

    `backbone` is as for CO2FI; `size` is the height and width of the input.
    """

    def __init__(
        self,
        backbone: nn.Module,
        classes: int,
        *,
        size: int,
        fc: int,
        dropout: float | dict[str, float],
        beside: nn.Module | None = None,
    ):
        super().__init__()
        # The names of modules are keys of model files: `vgg` and `beside` stay as they are.
        self.vgg = backbone
        self.pool = nn.MaxPool2d(2, 2)
        # Height and width after the last pool: 7 at an input of 224.
        side = sides_of(backbone, size, smallest=2)[-1] // 2
        self.fc6 = nn.Linear(backbone.channels[-1] * side * side, fc)
        self.fc7 = nn.Linear(fc, fc)
        self.beside = beside
        self.features = fc + (beside.hidden_size if beside else 0)
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
        """Load ImageNet weights into the backbone, and into fc6 and fc7 where they fit; see
        VGG16.start_from.
        """
        self.vgg.start_from(weights, {"classifier.0": self.fc6, "classifier.3": self.fc7})

    def forward(self, x: torch.Tensor) -> CO2FIOutput:
        """(B, channels, size, size) to a CO2FIOutput of one unit and no granularities."""
        feature = self.pool(self.vgg(x)[-1]).flatten(1)  # (B, 512, 7, 7) -> (B, 25088)
        for layer, dropout in zip((self.fc6, self.fc7), self.dropouts, strict=True):
            feature = dropout(torch.relu(layer(feature)))
        if self.beside:
            feature = torch.cat([feature, self.beside.hidden(x)], dim=1)  # (B, 4096 + 2048)
        return CO2FIOutput(feature, self.classes(feature)[None], None)


class PooledBaseline(nn.Module):
    """A stream of the two-stream baseline on a backbone that has no fully connected layers.

    The deepest feature maps are averaged over all positions, as the classifiers of such networks
    do; dropout and the classes follow. With a teacher `beside` it the teacher's last hidden layer
    is concatenated before the classes, as in `Baseline`. The attribute `features` is the number of
    values that ASYN fuses.

    `backbone` is as for CO2FI; `size` is the height and width of the input.
    """

    def __init__(
        self,
        backbone: nn.Module,
        classes: int,
        *,
        size: int,
        dropout: float | dict[str, float],
        beside: nn.Module | None = None,
    ):
        super().__init__()
        sides_of(backbone, size)
        # The names of modules are those of `Baseline`.
        self.vgg = backbone
        self.beside = beside
        self.features = backbone.channels[-1] + (beside.hidden_size if beside else 0)
        self.classes = nn.Linear(self.features, classes)
        self.dropout = nn.Dropout(*dropout_rates(dropout, "fc7"))
        nn.init.normal_(self.classes.weight, std=0.01)
        nn.init.zeros_(self.classes.bias)

    def start_from(self, weights: str) -> None:
        """Load pretrained weights into the backbone; see TimmNet.start_from."""
        self.vgg.start_from(weights)

    def pooled(self, x: torch.Tensor) -> torch.Tensor:
        """(B, channels, size, size) to the averages of the deepest maps (B, C), after dropout."""
        # (B, C, size/32, size/32) -> (B, C)
        return self.dropout(self.vgg(x)[-1].mean(dim=(2, 3)))

    def forward(self, x: torch.Tensor) -> CO2FIOutput:
        """(B, channels, size, size) to a CO2FIOutput of one unit and no granularities."""
        feature = self.pooled(x)
        if self.beside:
            feature = torch.cat([feature, self.beside.hidden(x)], dim=1)  # (B, C + 2048)
        return CO2FIOutput(feature, self.classes(feature)[None], None)


class PooledTeacher(PooledBaseline):
    """A teacher on a backbone that may be pretrained, in place of CNN_M_2048.

    It has the layers of `PooledBaseline`, and of its outputs the class logits alone.
    """

    @property
    def hidden_size(self) -> int:
        """Values of the last hidden layer."""
        return self.features

    def hidden(self, x: torch.Tensor) -> torch.Tensor:
        """(B, channels, size, size) to what the classes are told from (B, hidden_size)."""
        return self.pooled(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, channels, size, size) to logits (B, classes)."""
        return self.classes(self.hidden(x))
