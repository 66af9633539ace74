"""The training loop: its order of samples, its random numbers, how it fails, what it learns."""

import numpy as np
import pytest
import torch
from loop_cases import BATCH, ITERATIONS, SCHEDULE, Loss, LostLoss, net, run, same, sigterm
from torch import nn

from pipeline.data import groups
from pipeline.data.batched import BatchedDataset
from pipeline.errors import PipelineError
from pipeline.models.asyn import ASYN, Fusion
from pipeline.models.backbones.vgg import VGG16
from pipeline.models.co2fi import CO2FI
from pipeline.training.loop import train
from pipeline.training.losses import joint_loss


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


def test_loader_workers_change_nothing(tmp_path, uninterrupted):
    with pytest.raises(PipelineError, match="stopped"):
        run(tmp_path, net(), Loss(17, sigterm), workers=2)
    resumed = net(seed=99)
    assert run(tmp_path, resumed, Loss(), workers=2) == uninterrupted[1] and same(
        resumed, uninterrupted[0]
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


class Samples(BatchedDataset):
    """8 samples of noise over and over, each of another class; class rankings are random."""

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
