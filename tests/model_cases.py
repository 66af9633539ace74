"""Small networks for tests, and float64 arithmetic of their layers by hand."""

import copy

import numpy as np
import torch
from torch import nn

from pipeline.models import factory
from pipeline.models.asyn import ASYN, Fusion
from pipeline.models.backbones.vgg import VGG16
from pipeline.models.co2fi import CO2FI

UCF101 = 101  # classes
SMALL = dict(size=16, width=1 / 32, side_maps=2, fc1=6, fc2=5, hidden=4, dropout=0.0)
SETTINGS = {
    "stack": 2,
    "crops": {"size": 64},
    "granularities": [5, 3, 1],
    "period": {"instants": 5},
    "teacher": {"backbone": "cnn_m", "width": 1 / 64, "dropout": 0.5},
    "fusion_network": {"hidden": 4, "maps": 1, "dropout": 0.0},
    "loss": {"alpha": [0.1, 0.1, 1.0], "beta": 2.0, "gamma": 2.0},
    "groups": {"missing": "replace"},
    "network": {
        "kind": "co2fi",
        "backbone": "vgg16",
        "weights": "none",
        "batch_norm": "auto",
        "fc": 12,
        "side_connections": "all",
        "shared": False,
        **{key: SMALL[key] for key in SMALL if key != "size"},
    },
}


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def numpy(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()


def affine(layer: nn.Module, x: np.ndarray) -> np.ndarray:
    return x @ numpy(layer.weight).T + numpy(layer.bias)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def lstm_unit(
    unit: nn.LSTMCell, x: np.ndarray, h: np.ndarray, c: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One LSTM unit (Donahue et al., 2015, section 2); torch's order of gates is i, f, g, o."""
    gates = (
        x @ numpy(unit.weight_ih).T
        + numpy(unit.bias_ih)
        + h @ numpy(unit.weight_hh).T
        + numpy(unit.bias_hh)
    )
    i, f, g, o = np.split(gates, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def lstm_chain(units, heads, inputs: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Eq. 2 and the units' predictions: the last h (B, hidden), logits (units, B, classes)."""
    h = c = np.zeros((len(inputs[0]), units[0].hidden_size))
    logits = []
    for unit, head, x in zip(units, heads, inputs, strict=True):
        h, c = lstm_unit(unit, x, h, c)
        logits.append(affine(head, h))
    return h, np.stack(logits)


def small_co2fi(channels: int = 3, classes: int = 7, **changes) -> CO2FI:
    torch.manual_seed(3)
    sizes = SMALL | changes
    backbone = VGG16(channels, sizes.pop("width"))
    return CO2FI(backbone, classes, **sizes).double()


def small_asyn(classes: int = 7, instants: int = 5) -> ASYN:
    torch.manual_seed(4)
    fusion = Fusion(
        SMALL["hidden"], classes, hidden=3, instants=instants, maps=2, dropout=0.0
    ).double()
    return ASYN(small_co2fi(3, classes), small_co2fi(4, classes), fusion)


def separate(module: nn.Module) -> nn.Module:
    """A copy whose LSTM units have parameters of their own, equal ones."""
    copied = copy.deepcopy(module)
    copied.units = nn.ModuleList(copy.deepcopy(unit) for unit in module.units)
    return copied


def check_shared_units(net: nn.Module, criterion) -> None:
    """All units of `net` are one, whose gradient is the sum of those of units apart."""
    apart = separate(net)
    for part in (net, apart):
        criterion(part).backward()
    assert len({id(unit) for unit in net.units}) == 1
    for name, p in net.units[0].named_parameters():
        torch.testing.assert_close(
            p.grad, sum(unit.get_parameter(name).grad for unit in apart.units), msg=name
        )
    assert count(apart) - count(net) == (len(net.units) - 1) * count(net.units[0])


ABOUT = {"kind": "co2fi", "set": "ucf101", "split": "split1", "stream": "motion"}


def baseline(kind: str, classes: int = 7) -> nn.Module:
    torch.manual_seed(0)
    own = SETTINGS | {"network": SETTINGS["network"] | {"kind": kind}}
    return factory.stream_net(own, "motion", classes)
