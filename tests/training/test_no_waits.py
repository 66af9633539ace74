"""One whole step of every network at the paper's size, without numbers and without a GPU.

On torch's device 'meta' tensors have shapes and no values, so an operation that must look at values
to go on fails: on a GPU the host would wait for it. Fake tensors of the device 'cuda' tell a tensor
of the CPU among those of a GPU; torch runs no backward pass on them where there is no GPU.
"""

import pytest
import torch
from config_cases import CONFIG
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pipeline.config import runs
from pipeline.data import transforms
from pipeline.models import factory
from pipeline.streams import DIRECTIONS, STREAMS, channels
from pipeline.training import objectives
from pipeline.training.step import Step

CLASSES, BATCH, DEPTH = 101, 2, 5
VARIANTS = ("complete", "baseline", "direct", "tsn", "baseline_asyn5")


def settings(variant: str) -> dict:
    return runs.for_run(CONFIG, "ucf101", runs.Run("split1", variant))


def pixels(stream: str, *shape: int) -> torch.Tensor:
    return torch.zeros(*shape, channels(stream, 10), 224, 224, dtype=torch.uint8)


def numbers(*shape: int) -> torch.Tensor:
    return torch.zeros(*shape, dtype=torch.int64)


def stream_case(variant: str, stream: str):
    """A network, its criterion and a batch, on the device at hand."""
    own = settings(variant)
    segments = own["co2fi"]["segments"]
    batch = {"label": numbers(BATCH), "input": pixels(stream, BATCH)}
    net = factory.stream_net(own, stream, CLASSES)
    if segments > 1:
        batch["input"] = pixels(stream, BATCH, segments)
        return net, objectives.consensus_criterion(stream), batch
    batch["groups"] = numbers(BATCH, DEPTH)
    return net, objectives.stream_criterion(stream, own), batch


def direction_case(variant: str, direction: str):
    own = settings(variant)
    single, sequence = DIRECTIONS[direction]
    instants = own["period"]["instants"]
    batch = {
        "label": numbers(BATCH),
        "one": pixels(single, BATCH),
        "many": pixels(sequence, BATCH, instants),
        "groups_one": numbers(BATCH, DEPTH),
        "groups_many": numbers(BATCH, instants, DEPTH),
    }
    net = factory.asyn(own, direction, CLASSES)
    return net, objectives.direction_criterion(direction, own), batch


CASES = [(stream_case, variant, stream) for variant in VARIANTS[:4] for stream in STREAMS]
CASES += [
    (direction_case, variant, direction)
    for variant in ("complete", "baseline_asyn5")
    for direction in DIRECTIONS
]


@pytest.fixture(autouse=True)
def constants():
    """Constants that are kept by device belong to one kind of tensors."""
    transforms._constants.cache_clear()
    yield
    transforms._constants.cache_clear()


@pytest.mark.parametrize("make, variant, name", CASES)
@pytest.mark.parametrize("missing", ["replace", "add"])
def test_a_step_looks_at_no_value(make, variant, name, missing, monkeypatch):
    monkeypatch.setitem(CONFIG["groups"], "missing", missing)
    schedule = settings(variant)["co2fi"] | {"accumulate": 1, "precision": "float32", "clip": 5}
    with torch.device("meta"):
        net, criterion, batch = make(variant, name)
        loss = Step(net.train(), criterion, schedule, torch.device("cpu"))(0, iter([batch]))
    # Of a teacher beside a baseline only the hidden layers are read.
    unused = [name for name, weight in net.named_parameters() if weight.grad is None]
    assert loss.shape == () and all(name.startswith("beside.classifier.6") for name in unused)


class FromCPU(TorchDispatchMode):
    """Notes operations that read a tensor of the CPU, as a copy to a GPU does."""

    def __init__(self):
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        leaves = tree_leaves((arguments, options))
        if any(isinstance(leaf, torch.Tensor) and leaf.device.type == "cpu" for leaf in leaves):
            self.seen.append(str(operation))
        return operation(*arguments, **(options or {}))


@pytest.mark.parametrize("make, variant, name", CASES)
def test_nothing_is_copied_to_a_gpu_after_the_first_batch(make, variant, name):
    """Nor is a tensor of the CPU among those of a GPU: fake tensors refuse that."""
    with FakeTensorMode(), torch.device("cuda"):
        net, criterion, batch = make(variant, name)
        criterion(net.train(), batch)
        with FromCPU() as copies:
            loss = criterion(net, batch)
    assert loss.shape == () and loss.device.type == "cuda" and copies.seen == []


def test_what_looks_at_values_would_be_seen():
    """So would be a tensor of the CPU, and a copy of one."""
    with torch.device("meta"), pytest.raises(NotImplementedError):
        values, chosen = torch.zeros(3), torch.zeros(3, dtype=torch.bool)
        values[chosen] = torch.ones(3)[chosen]
    with FakeTensorMode():
        with pytest.raises(RuntimeError, match="device"):
            torch.zeros(3, device="cuda") + torch.zeros(3)
        with FromCPU() as copies:
            torch.tensor((0.5, 0.25), device="cuda")
    assert copies.seen
