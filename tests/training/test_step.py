"""One step of SGD against arithmetic by hand; micro-batches, mixed precision and memory layout."""

from pathlib import Path

import numpy as np
import pytest
import torch
from loop_cases import BATCH, ITERATIONS, SCHEDULE, Loss, net, run, same
from torch import nn

from pipeline.data.batched import BatchedDataset
from pipeline.training.loop import train


def test_sgd_with_momentum_weight_decay_and_stepwise_rate(tmp_path):
    """v = m v + g + d w and w = w - lr v, lr a tenth after every `lr_step`.

    The gradient g of the quadratic loss is w - goal.
    """
    goal = np.array([1.0, -2.0, 3.0])
    model, seen = nn.Linear(3, 1, bias=False).double(), []
    w, v, expected = model.weight.detach().numpy()[0].copy(), np.zeros(3), []
    for iteration in range(ITERATIONS):
        expected.append(w)
        v = 0.9 * v + (w - goal) + 5e-4 * w
        w = w - [0.05, 0.005, 0.0005][iteration // 15] * v

    def criterion(model, batch):
        seen.append(model.weight.detach().numpy()[0].copy())
        return (model.weight - torch.from_numpy(goal)).square().sum() / 2

    run(tmp_path, model, criterion)
    np.testing.assert_allclose(seen, expected, rtol=1e-10)
    np.testing.assert_allclose(model.weight.detach().numpy()[0], w, rtol=1e-10)


class Network(nn.Module):
    """A backbone, a teacher joined to it, and layers behind both, a weight each."""

    def __init__(self):
        super().__init__()
        for name in ("vgg", "beside", "fc6", "classes"):
            setattr(self, name, nn.Linear(1, 1, bias=False))


def test_layers_behind_the_backbone_learn_at_a_rate_of_their_own(tmp_path):
    """w = w - factor lr g, where g is 2 for every weight."""
    model = Network()
    before = {name: weight.item() for name, weight in model.named_parameters()}

    def criterion(model, batch):
        return 2 * sum(weight.sum() for weight in model.parameters())

    run(tmp_path, model, criterion, iterations=1, lr=0.1, head_lr=10.0, weight_decay=0.0)
    moved = {name: before[name] - weight.item() for name, weight in model.named_parameters()}
    expected = {"vgg.weight": 0.2, "beside.weight": 0.2, "fc6.weight": 2.0, "classes.weight": 2.0}
    assert moved == {name: pytest.approx(value, rel=1e-5) for name, value in expected.items()}


def test_gradients_are_clipped_to_a_norm(tmp_path):
    model = nn.Linear(4, 1, bias=False)
    before = model.weight.detach().numpy().copy()
    run(
        tmp_path,
        model,
        lambda model, batch: 100 * model.weight.sum(),
        iterations=1,
        clip=3.0,
        weight_decay=0.0,
    )
    np.testing.assert_allclose(
        before - model.weight.detach().numpy(), np.full((1, 4), 0.05 * 3 / 2), rtol=1e-4
    )


def test_weights_of_another_rate_are_clipped_by_themselves(tmp_path):
    """A backbone's gradient of norm 200 leaves that of the layers behind it, of norm 2, as it is.

    Clipped by one norm the layers behind would learn at a fortieth of their rate.
    """
    model = nn.ModuleDict(
        {"vgg": nn.Linear(4, 1, bias=False), "heads": nn.Linear(4, 1, bias=False)}
    )
    before = {name: layer.weight.detach().clone() for name, layer in model.items()}
    run(
        tmp_path,
        model,
        lambda model, batch: 100 * model["vgg"].weight.sum() + model["heads"].weight.sum(),
        iterations=1,
        clip=5.0,
        head_lr=10.0,
        weight_decay=0.0,
    )
    moved = {name: before[name] - layer.weight.detach() for name, layer in model.items()}
    torch.testing.assert_close(moved["vgg"], torch.full((1, 4), 0.05 * 5 / 2), rtol=1e-4, atol=0)
    torch.testing.assert_close(moved["heads"], torch.full((1, 4), 0.05 * 10), rtol=1e-4, atol=0)


def test_parts_of_a_batch_add_up_to_it(tmp_path):
    """Without dropout the mean over parts is the mean over the batch, whatever the parts."""
    whole, parts = net(), net()
    whole[2].p = parts[2].p = 0.0
    criterion = Loss()
    expected = run(tmp_path / "whole", whole, Loss())
    history = run(tmp_path / "parts", parts, criterion, accumulate=2)
    assert (
        criterion.draws == list(range(ITERATIONS * BATCH))
        and len(criterion.values) == 2 * ITERATIONS
    )
    np.testing.assert_allclose(
        [line["loss"] for line in history], [line["loss"] for line in expected], rtol=1e-5
    )
    for own, other in zip(parts.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-6)


class Pictures(BatchedDataset):
    """Draw n: noise with a stripe where its label says."""

    def __getitem__(self, draw: int) -> dict:
        x = np.random.default_rng(draw).normal(size=(3, 32, 32)).astype(np.float32)
        x[:, :, 16 * (draw % 2) : 16 * (draw % 2) + 8] += 1
        return {"x": x, "label": draw % 2}


def trained_on_pictures(
    folder: Path, **schedule
) -> tuple[nn.Module, list[dict], list[torch.dtype]]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 30 * 30, 2))
    types = []

    def criterion(model, batch):
        logits = model(batch["x"])
        types.append(logits.dtype)
        return nn.functional.cross_entropy(logits.float(), batch["label"])

    history = train(
        model,
        criterion,
        Pictures(),
        SCHEDULE | {"lr": 0.01} | schedule,
        checkpoints=folder,
        identity={},
        seed=1,
        device=torch.device("cpu"),
        title="test",
    )
    return model, history, types


def test_mixed_precision_multiplies_in_bfloat16_and_learns_in_float32(tmp_path):
    full, expected, types = trained_on_pictures(tmp_path)
    assert set(types) == {torch.float32}
    model, history, types = trained_on_pictures(tmp_path, precision="bfloat16")
    assert set(types) == {torch.bfloat16} and {p.dtype for p in model.parameters()} == {
        torch.float32
    }
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    np.testing.assert_allclose(
        [line["loss"] for line in history], [line["loss"] for line in expected], rtol=0.05
    )
    assert not same(full, model)


def test_channels_last_is_the_same_training(tmp_path):
    full, expected, _ = trained_on_pictures(tmp_path / "first")
    model, history, _ = trained_on_pictures(tmp_path / "last", layout="channels_last")
    np.testing.assert_allclose(
        [line["loss"] for line in history], [line["loss"] for line in expected], rtol=1e-4
    )
    assert model[0].weight.is_contiguous()  # a model's file does not show it
    for own, other in zip(model.parameters(), full.parameters(), strict=True):
        torch.testing.assert_close(own, other, rtol=1e-3, atol=1e-5)
