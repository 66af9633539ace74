"""CNN_M_2048, the teacher that ranks classes for the class groups.

Chatfield et al., 2014, "Return of the devil in the details", Table 1.
"""

import torch
from torch import nn


class CNNM2048(nn.Module):
    """Class logits of an image or a flow stack.

    Sizes at an input of 224: conv1 109, pool1 54, conv2 26, pool2 13, conv3-5 13, pool5 6. Pools
    round up, as Caffe's do (rounding down, pool2 gives 12).

    Local response norms follow conv1 and conv2: n = 5, k = 2, beta = 0.75, alpha = 5e-4. torch
    divides alpha by n, as Caffe does; Krizhevsky's 1e-4 is not divided. The motion network has no
    second norm (Simonyan and Zisserman, 2014, section 5).

    `width` scales the channels. `size` is the height and width of the input. The paper's are 1.0
    and 224.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        stream: str,
        width: float = 1.0,
        size: int = 224,
        dropout: float = 0.5,
    ):
        super().__init__()
        c1, c2, c3, f6, f7 = (max(4, round(n * width)) for n in (96, 256, 512, 4096, 2048))

        def norm():
            return nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)

        def pool():
            return nn.MaxPool2d(3, 2, ceil_mode=True)

        self.features = nn.Sequential(
            nn.Conv2d(channels, c1, 7, stride=2),
            nn.ReLU(),
            norm(),
            pool(),
            nn.Conv2d(c1, c2, 5, stride=2, padding=1),
            nn.ReLU(),
            norm() if stream == "appearance" else nn.Identity(),
            pool(),
            nn.Conv2d(c2, c3, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(c3, c3, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(c3, c3, 3, padding=1),
            nn.ReLU(),
            pool(),
        )
        with torch.no_grad():
            # Height and width after pool5: 6 at 224.
            side = self.features(torch.zeros(1, channels, size, size)).shape[-1]
        self.classifier = nn.Sequential(
            nn.Linear(c3 * side * side, f6),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(f6, f7),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(f7, classes),
        )
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)
        nn.init.normal_(self.classifier[-1].weight, std=0.01)

    @property
    def hidden_size(self) -> int:
        """Values of the last hidden layer, fc7."""
        return self.classifier[-1].in_features

    def hidden(self, x: torch.Tensor) -> torch.Tensor:
        """(B, channels, size, size) to fc7 (B, 2048)."""
        return self.classifier[:-1](self.features(x).flatten(1))  # (B, c3, 6, 6) -> (B, 36 c3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, channels, size, size) to logits (B, classes)."""
        return self.classifier[-1](self.hidden(x))
