"""The training loop: its arithmetic, how it stops and goes on, and that the networks learn at all."""

import json
import os
import signal
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from pipeline.data import groups
from pipeline.errors import PipelineError
from pipeline.models import checkpoint
from pipeline.models.asyn import ASYN, Fusion
from pipeline.models.backbones.vgg import VGG16
from pipeline.models.co2fi import CO2FI
from pipeline.training.job import finish
from pipeline.training.loop import train
from pipeline.training.losses import joint_loss

BATCH, ITERATIONS = 4, 45
SCHEDULE = {
    "iterations": ITERATIONS,
    "batch": BATCH,
    "lr": 0.05,
    "lr_step": 15,
    "lr_factor": 0.1,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "clip": 0,
    "workers": 0,
    "accumulate": 1,
    "precision": "float32",
    "layout": "auto",
    "checkpoint_every": 10,
}

SETTINGS = {"compute": {"precision": "auto"}}


class Vectors(Dataset):
    """Draw n: a vector that depends on n, its label, and n itself."""

    def __getitem__(self, draw: int) -> dict:
        x = np.random.default_rng(draw).normal(size=6).astype(np.float32)
        return {"x": x, "label": int(x[0] > 0), "draw": draw}


class Killed(Exception):
    """Stands for the end of a process that gets no time to save."""


class Loss:
    """The cross-entropy; keeps the draws and the losses that it saw, and calls `event` in iteration `at`, from 0."""

    def __init__(self, at: int = -1, event=lambda: None):
        self.at, self.event, self.draws, self.values = at, event, [], []

    def __call__(self, model: nn.Module, batch: dict) -> torch.Tensor:
        self.draws += batch["draw"].tolist()
        if batch["draw"][0] == self.at * BATCH:
            self.event()
        loss = nn.functional.cross_entropy(model(batch["x"]), batch["label"])
        self.values.append(loss.item())
        return loss


class LostLoss(Loss):
    """A loss that is no number from iteration `at` on."""

    def __call__(self, model, batch):
        return super().__call__(model, batch) * (
            float("nan") if batch["draw"][0] >= self.at * BATCH else 1
        )


def sigterm() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def kill() -> None:
    raise Killed


def net(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2))


def run(
    folder: Path, model: nn.Module, criterion, identity: str = "vectors", seed: int = 1, **schedule
) -> list[dict]:
    return train(
        model,
        criterion,
        Vectors(),
        SCHEDULE | schedule,
        checkpoints=folder,
        identity={"inputs": identity},
        seed=seed,
        device=torch.device("cpu"),
        title="test",
    )


def same(first: nn.Module, second: nn.Module) -> bool:
    return all(
        torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)
    )


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> tuple[nn.Module, list[dict]]:
    model = net()
    return model, run(tmp_path_factory.mktemp("whole"), model, Loss())


# --- arithmetic


def test_sgd_with_momentum_weight_decay_and_stepwise_rate(tmp_path):
    """v = m v + g + d w and w = w - lr v, lr a tenth after every `lr_step`; g of a quadratic loss is w - goal."""
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


class Pictures(Dataset):
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


def test_draws_are_taken_in_order_and_losses_reported(tmp_path):
    criterion = Loss()
    history = run(tmp_path, net(), criterion)
    assert criterion.draws == list(range(ITERATIONS * BATCH))
    assert [line["iteration"] for line in history] == [20, 40, 45]
    np.testing.assert_allclose([line["lr"] for line in history], [0.005, 0.0005, 0.0005])
    expected = [
        np.mean(criterion.values[start:end]) for start, end in ((0, 20), (20, 40), (40, 45))
    ]
    np.testing.assert_allclose([line["loss"] for line in history], expected, rtol=1e-5)


def test_dropout_follows_the_seed_alone(tmp_path, uninterrupted):
    again, other = net(), net()
    torch.manual_seed(123)  # what was random before does not count
    run(tmp_path / "again", again, Loss())
    run(tmp_path / "other", other, Loss(), seed=2)
    assert same(again, uninterrupted[0]) and not same(other, uninterrupted[0])


def test_dropout_differs_from_iteration_to_iteration(tmp_path):
    masks = set()

    def criterion(model, batch):
        masks.add(tuple(model[2](torch.ones(64)).tolist()))
        return model(batch["x"]).sum()

    run(tmp_path, net(), criterion)
    assert len(masks) == ITERATIONS


# --- stopping and going on


@pytest.mark.parametrize("at", [0, 9, 17, 43])
def test_a_run_that_is_asked_to_stop_goes_on_as_if_it_had_not(tmp_path, uninterrupted, at):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(PipelineError, match=f"stopped at iteration {at + 1} "):
        run(tmp_path, net(), Loss(at, sigterm))
    assert signal.getsignal(signal.SIGTERM) is before
    resumed, criterion = net(seed=99), Loss()  # its weights are those of the checkpoint
    history = run(tmp_path, resumed, criterion)
    assert criterion.draws == list(range((at + 1) * BATCH, ITERATIONS * BATCH))
    assert same(resumed, uninterrupted[0]) and history == uninterrupted[1]


@pytest.mark.parametrize("at, start", [(5, 0), (10, 10), (17, 10), (44, 40)])
def test_a_killed_run_goes_on_from_its_last_checkpoint(tmp_path, uninterrupted, at, start):
    with pytest.raises(Killed):
        run(tmp_path, net(), Loss(at, kill))
    resumed, criterion = net(seed=99 if start else 0), Loss()
    history = run(tmp_path, resumed, criterion)
    assert criterion.draws == list(range(start * BATCH, ITERATIONS * BATCH))
    assert same(resumed, uninterrupted[0]) and history == uninterrupted[1]


def test_a_run_may_be_broken_off_many_times(tmp_path, uninterrupted):
    for at, event in ((3, sigterm), (12, kill), (25, sigterm), (26, kill), (26, sigterm)):
        with pytest.raises((Killed, PipelineError)):
            run(tmp_path, net(), Loss(at, event))
    resumed = net(seed=99)
    assert run(tmp_path, resumed, Loss()) == uninterrupted[1] and same(resumed, uninterrupted[0])


def test_asked_to_stop_in_the_last_iteration_it_ends(tmp_path, uninterrupted):
    model = net()
    assert run(tmp_path, model, Loss(ITERATIONS - 1, sigterm)) == uninterrupted[1] and same(
        model, uninterrupted[0]
    )


def test_loader_workers_change_nothing(tmp_path, uninterrupted):
    with pytest.raises(PipelineError, match="stopped"):
        run(tmp_path, net(), Loss(17, sigterm), workers=2)
    resumed = net(seed=99)
    assert run(tmp_path, resumed, Loss(), workers=2) == uninterrupted[1] and same(
        resumed, uninterrupted[0]
    )


@pytest.mark.parametrize(
    "change", [{"identity": "others"}, {"seed": 2}, {"lr": 0.01}], ids=["inputs", "seed", "plan"]
)
def test_another_training_starts_anew(tmp_path, change):
    with pytest.raises(PipelineError, match="stopped"):
        run(tmp_path, net(), Loss(17, sigterm))
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    criterion = Loss()
    run(tmp_path, net(), criterion, **change)
    assert criterion.draws == list(range(ITERATIONS * BATCH))
    assert len(kept) == 1 and all(
        (tmp_path / name).read_bytes() == content for name, content in kept.items()
    )


def test_a_lost_loss_ends_the_run_and_keeps_the_last_good_checkpoint(tmp_path, uninterrupted):
    with pytest.raises(
        PipelineError, match="loss is nan by iteration 20.*checkpoint is kept.*lower its lr"
    ):
        run(tmp_path, net(), LostLoss(13))
    resumed, criterion = net(seed=99), Loss()
    assert run(tmp_path, resumed, criterion) == uninterrupted[1] and same(resumed, uninterrupted[0])
    assert criterion.draws[0] == 10 * BATCH


def test_a_loss_that_grows_out_of_bounds_ends_the_run(tmp_path):
    """It is a number still."""

    def criterion(model, batch):
        return 1 + model.weight.square().sum()

    model = nn.Linear(4, 1, bias=False)
    nn.init.constant_(model.weight, 0.1)
    with pytest.raises(
        PipelineError,
        match=r"grown from \d.* to \d.* by iteration \d+; the last good checkpoint is kept",
    ):
        run(
            tmp_path, model, criterion, lr=1.1, momentum=0.0, lr_step=1000, checkpoint_every=1
        )  # over 2 / curvature


def test_a_loss_lost_before_any_checkpoint_promises_none(tmp_path):
    with pytest.raises(PipelineError, match="loss is nan by iteration 10; lower"):
        run(tmp_path, net(), LostLoss(2))
    assert not list(tmp_path.iterdir())


def test_finish_writes_model_history_and_record_and_forgets_checkpoints(tmp_path):
    checkpoints = tmp_path / "checkpoints"
    model = net()
    history = run(checkpoints, model, Loss())
    assert list(checkpoints.iterdir())
    rows = [
        {"clip": f"Run/v_Run_g{number:02d}_c01", "group": f"g{number:02d}"} for number in range(7)
    ]
    options = Namespace(
        set="ucf101",
        split="split1",
        stream="motion",
        model=tmp_path / "co2fi.pt",
        settings=SETTINGS,
        history=tmp_path / "history.jsonl",
        record=tmp_path / "co2fi.json",
        code="c0de",
        checkpoints=str(checkpoints),
        accumulate=1,
    )
    finish(options, "co2fi", model, history, ["Archery", "Bowling"], torch.device("cpu"), rows)
    loaded = checkpoint.load(
        options.model,
        net(seed=99),
        kind="co2fi",
        set="ucf101",
        split="split1",
        stream="motion",
        classes=["Archery", "Bowling"],
    )
    assert same(loaded, model)
    assert [json.loads(line) for line in options.history.read_text().splitlines()] == history
    record = json.loads(options.record.read_text())
    assert (record["stage"], record["code"], record["settings"], record["clips"]) == (
        "co2fi",
        "c0de",
        SETTINGS,
        7,
    )
    with pytest.raises(PipelineError, match="trained on 1 of the 2 clips"):
        checkpoint.load(options.model, net(), [rows[3], {"clip": "new", "group": "g99"}])
    assert (record["precision"], record["accumulate"]) == ("float32", 1)
    assert not checkpoints.exists()


# --- the networks


class Samples(Dataset):
    """8 samples of noise, each of a class of its own, over and over; the teacher ranks the classes at random."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.one = rng.normal(size=(8, 3, 32, 32)).astype(np.float32)
        self.many = rng.normal(size=(8, 5, 4, 32, 32)).astype(np.float32)
        self.ranked_one = np.stack([rng.permutation(8)[:5] for _ in range(8)])
        self.ranked_many = np.stack([rng.permutation(8)[:5] for _ in range(40)]).reshape(8, 5, 5)

    def __getitem__(self, draw: int) -> dict:
        label = draw % 8
        return {
            "one": self.one[label],
            "many": self.many[label],
            "label": label,
            "ranked_one": self.ranked_one[label],
            "ranked_many": self.ranked_many[label],
        }


def test_the_whole_network_learns_eight_samples(tmp_path):
    """CO2FI of both streams and ASYN, jointly by Eq. 6."""
    torch.manual_seed(0)
    one, many = (
        CO2FI(
            VGG16(channels, 1 / 16), 8, size=32, side_maps=2, fc1=32, fc2=32, hidden=32, dropout=0.0
        )
        for channels in (3, 4)
    )
    model = ASYN(one, many, Fusion(32, 8, hidden=32, dropout=0.0))
    samples = Samples()

    def criterion(model, batch):
        labels = batch["label"]
        return joint_loss(
            model(batch["one"], batch["many"]),
            labels,
            groups.form_all(batch["ranked_one"], labels, [5, 3, 1]),
            groups.form_all(
                batch["ranked_many"].flatten(0, 1), labels.repeat_interleave(5), [5, 3, 1]
            ),
            [0.1, 0.1, 1.0],
            2.0,
            2.0,
        )

    schedule = SCHEDULE | {
        "iterations": 200,
        "batch": 8,
        "lr": 0.02,
        "lr_step": 200,
        "checkpoint_every": 1000,
    }
    train(
        model,
        criterion,
        samples,
        schedule,
        checkpoints=tmp_path,
        identity={},
        seed=0,
        device=torch.device("cpu"),
        title="test",
    )
    model.eval()
    with torch.inference_mode():
        output = model(torch.from_numpy(samples.one), torch.from_numpy(samples.many))
    labels = np.arange(8)
    assert (output.units[-1].argmax(dim=1).numpy() == labels).all()
    assert (output.single.units[-1].argmax(dim=1).numpy() == labels).all()
    assert (output.sequence.units[-1].argmax(dim=1).numpy() == labels.repeat(5)).all()
