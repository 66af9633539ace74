"""A run that is stopped or killed resumes and ends as an uninterrupted one."""

import signal
from itertools import count

import pytest
import torch
from loop_cases import (
    BATCH,
    ITERATIONS,
    Killed,
    Loss,
    LostLoss,
    kill,
    net,
    run,
    same,
    sigterm,
)
from torch import nn

from pipeline.errors import PipelineError, remake
from pipeline.training import resume
from pipeline.training.resume import TrainingState, load_checkpoint, save_checkpoint


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


@pytest.fixture
def minutes(monkeypatch):
    """A clock on which each look at it takes a minute."""
    passed = count()
    monkeypatch.setattr(resume, "monotonic", lambda: 60.0 * next(passed))


@pytest.mark.parametrize("at, start", [(2, 0), (3, 3), (16, 15), (44, 42)])
def test_a_killed_run_goes_on_from_where_the_clock_had_it_saved(
    tmp_path, uninterrupted, minutes, at, start
):
    """A look after each iteration and one after each checkpoint: one is written every third."""
    schedule = {"checkpoint_every": 0, "checkpoint_minutes": 3.0}
    with pytest.raises(Killed):
        run(tmp_path, net(), Loss(at, kill), **schedule)
    resumed, criterion = net(seed=99 if start else 0), Loss()
    history = run(tmp_path, resumed, criterion, **schedule)
    assert criterion.draws == list(range(start * BATCH, ITERATIONS * BATCH))
    assert same(resumed, uninterrupted[0]) and history == uninterrupted[1]


def test_a_resumed_run_may_save_at_other_times(tmp_path, uninterrupted, minutes):
    with pytest.raises(Killed):
        run(tmp_path, net(), Loss(17, kill), checkpoint_minutes=7.0)
    resumed, criterion = net(seed=99), Loss()
    assert run(tmp_path, resumed, criterion, checkpoint_minutes=1.0) == uninterrupted[1]
    # By the clock after 7 iterations and 14, by their number after 10.
    assert criterion.draws[0] == 14 * BATCH and same(resumed, uninterrupted[0])


def test_what_ends_a_run_does_not_follow_from_the_clock(tmp_path, minutes):
    """One loss that is high for a moment is told from one that grows by the mean of a line."""

    class Spike(Loss):
        def __call__(self, model, batch):
            loss = super().__call__(model, batch)
            return loss * 100 if batch["draw"][0] == 2 * BATCH else loss

    first, second = net(), net()
    schedule = {"checkpoint_every": 0, "lr": 1e-6}
    history = run(tmp_path / "rarely", first, Spike(), **schedule)
    again = run(tmp_path / "often", second, Spike(), checkpoint_minutes=1e-9, **schedule)
    assert history == again and same(first, second)


def test_a_weight_that_is_no_number_is_never_saved(tmp_path, minutes):
    with pytest.raises(PipelineError, match="loss is nan by iteration 6; the last good"):
        run(tmp_path, net(), LostLoss(5), checkpoint_every=0, checkpoint_minutes=1e-9)


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


@pytest.mark.parametrize(
    "change", [{"identity": "others"}, {"seed": 2}, {"lr": 0.01}], ids=["inputs", "seed", "plan"]
)
def test_another_training_starts_anew(tmp_path, change):
    with pytest.raises(PipelineError, match="stopped"):
        run(tmp_path, net(), Loss(17, sigterm))
    kept = {path.name: path.read_bytes() for path in tmp_path.glob("*.pt")}
    criterion = Loss()
    run(tmp_path, net(), criterion, **change)
    assert criterion.draws == list(range(ITERATIONS * BATCH))
    assert len(kept) == 1 and all(
        (tmp_path / name).read_bytes() == content for name, content in kept.items()
    )


def test_a_damaged_checkpoint_is_refused(tmp_path):
    path, model = tmp_path / "run.pt", nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    model(torch.ones(3)).sum().backward()
    optimizer.step()
    save_checkpoint(path, TrainingState(7), model, optimizer)
    whole = path.read_bytes()
    weights = whole.index(model.weight.detach().numpy().tobytes())
    for damaged in (
        whole[:weights] + bytes([whole[weights] ^ 1]) + whole[weights + 1 :],
        whole[: len(whole) // 2],
    ):
        path.write_bytes(damaged)
        with pytest.raises(PipelineError) as caught:
            load_checkpoint(path, model, optimizer, torch.device("cpu"))
        assert str(caught.value).startswith(f"{path}: ") and remake(path) in str(caught.value)
    path.write_bytes(whole)
    assert load_checkpoint(path, model, optimizer, torch.device("cpu")).iteration == 7
