"""Gradients of the criteria reach the parameters that they should, and no others."""

import copy

import numpy as np
import pytest
import torch
from model_cases import SETTINGS
from torch import nn

from pipeline.config import kinds
from pipeline.data import groups
from pipeline.data.stream import Stream
from pipeline.inference import apply
from pipeline.models import factory
from pipeline.models.cnn_m import CNNM2048
from pipeline.storage import writer
from pipeline.training import objectives


def trained(net: nn.Module, loss: torch.Tensor) -> set[str]:
    """The names of the parameters that a loss has a gradient for that is not all 0."""
    net.zero_grad()
    loss.backward()
    return {name for name, p in net.named_parameters() if p.grad is not None and p.grad.any()}


def stream_batch(rng: torch.Generator) -> dict:
    return {
        "input": torch.randint(256, (8, 4, 64, 64), generator=rng),
        "label": torch.arange(8) % 7,
        "groups": torch.stack([torch.randperm(7, generator=rng)[:5] for _ in range(8)]),
    }


FROM_NOTHING = "units.0.weight_hh"  # Phi_1 acts on h_0 = 0 (Eq. 2)


@pytest.mark.parametrize(
    "alpha, heads", [([0.1, 0.1, 1.0], {0, 1, 2}), ([0.0, 0.0, 0.0], set()), ([0.0, 0.1, 0.0], {1})]
)
def test_eq4_trains_all_of_a_stream_and_the_heads_whose_alpha_is_not_0(alpha, heads):
    own = SETTINGS | {"loss": SETTINGS["loss"] | {"alpha": alpha}}
    torch.manual_seed(0)
    net = factory.stream_net(own, "motion", 7).train()
    found = trained(
        net,
        objectives.stream_criterion("motion", own)(
            net, stream_batch(torch.Generator().manual_seed(0))
        ),
    )
    whole = {name for name, _ in net.named_parameters()}
    unused = {
        name for name in whole if name.startswith("heads.") and int(name.split(".")[1]) not in heads
    }
    assert found == whole - unused - {FROM_NOTHING}


@pytest.mark.parametrize("kind", ["baseline", "direct"])
def test_a_baseline_trains_all_but_the_other_nets_own_classes(kind):
    own = SETTINGS | {"network": SETTINGS["network"] | {"kind": kind}}
    torch.manual_seed(0)
    net = factory.stream_net(own, "motion", 7).train()
    # Without rankings, and what of the settings CO2FI alone reads.
    batch, read = stream_batch(torch.Generator().manual_seed(0)), kinds.read_by_networks(own)
    del batch["groups"]
    found = trained(net, objectives.stream_criterion("motion", read)(net, batch))
    unused = {"beside.classifier.6.weight", "beside.classifier.6.bias"}  # of direct alone
    assert found == {name for name, _ in net.named_parameters()} - unused


@pytest.mark.parametrize("kind", ["baseline", "direct"])
def test_snippets_go_through_the_network_one_by_one(kind):
    """The loss is that of the mean of what the network says to each, and trains as much of it."""
    own = SETTINGS | {"network": SETTINGS["network"] | {"kind": kind}}
    torch.manual_seed(0)
    # Without dropout.
    net = factory.stream_net(own, "motion", 7).eval()
    pixels = torch.randint(256, (2, 3, 4, 64, 64), generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([2, 5])
    loss = objectives.consensus_criterion("motion")(net, {"input": pixels, "label": labels})
    # Pixels of flow around 128, in units of 0.226 * 255.
    inputs = (pixels.double() - 128) / (0.226 * 255)
    with torch.no_grad():
        said = [[net.double()(one[None]).units[-1][0] for one in clip] for clip in inputs]
    means = np.array([[sum(one[n].item() for one in clip) / 3 for n in range(7)] for clip in said])
    log_p = means - np.log(np.exp(means).sum(axis=1, keepdims=True))
    assert loss.item() == pytest.approx(-(log_p[0, 2] + log_p[1, 5]) / 2, rel=1e-4)
    net.float().train()
    found = trained(
        net, objectives.consensus_criterion("motion")(net, {"input": pixels, "label": labels})
    )
    unused = {"beside.classifier.6.weight", "beside.classifier.6.bias"}  # of direct alone
    assert found == {name for name, _ in net.named_parameters()} - unused


def test_eq5_alone_trains_the_fusion_and_eq6_everything():
    torch.manual_seed(0)
    net = factory.asyn(SETTINGS, "appearance-to-motion", 7).train()
    rng = torch.Generator().manual_seed(0)
    whole = {name for name, _ in net.named_parameters()}
    labels = torch.arange(4)
    features = {
        "one": torch.randn(4, 4, generator=rng),
        "many": torch.randn(4, 5, 4, generator=rng),
        "label": labels,
    }
    alone = trained(net, objectives.fusion_criterion(SETTINGS)(net, features))
    assert alone == {name for name in whole if name.startswith("fusion.")} - {
        f"fusion.{FROM_NOTHING}"
    }
    shapes = {"one": (4, 3, 64, 64), "many": (4, 5, 4, 64, 64)}
    batch = {name: torch.randint(256, shape, generator=rng) for name, shape in shapes.items()}
    ranked = {"groups_one": (4, 5), "groups_many": (4, 5, 5)}
    batch |= {name: torch.randint(7, shape, generator=rng) for name, shape in ranked.items()} | {
        "label": labels
    }
    jointly = trained(
        net, objectives.direction_criterion("appearance-to-motion", SETTINGS)(net, batch)
    )
    assert jointly == whole - {f"{part}.{FROM_NOTHING}" for part in ("one", "many", "fusion")}


def test_the_teacher_stays_as_it_is(tmp_path):
    """Section 4.2: the teacher is fixed. CO2FI gets class labels from it and no more."""
    teacher = factory.teacher(SETTINGS, "motion", 7).eval()
    before = copy.deepcopy(teacher.state_dict())
    row = {"clip": "Run/clip", "path": "clip.avi", "sha256": "0", "frames": 10, "shard": "000"}
    fields = np.random.default_rng(0).integers(0, 256, (9, 2, 64, 64)).astype(np.uint8)
    writer.write_shard(
        tmp_path / "000.h5", "flow", [row], lambda row: iter(fields), {}, "test", "test"
    )
    crops = {"frame": [64, 64], "size": 64, "test": 64, "motion": [64], "flip": True}
    stream = Stream("motion", tmp_path, crops, 2, [row])
    (found,) = apply.apply_at_instants(
        {"motion": teacher}, {"motion": stream}, [row], [np.arange(8)], 3, torch.device("cpu")
    )
    logits = found["motion"]
    assert not logits.requires_grad and logits.shape == (8, 7)
    net = factory.stream_net(SETTINGS, "motion", 7).train()
    assert not any(isinstance(part, CNNM2048) for part in net.modules())
    batch = stream_batch(torch.Generator().manual_seed(0)) | {
        "groups": groups.rank(logits, 5).clone()
    }
    objectives.stream_criterion("motion", SETTINGS)(net, batch).backward()
    assert all(p.grad is None for p in teacher.parameters())
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
