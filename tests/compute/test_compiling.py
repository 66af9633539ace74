"""When a network is compiled before it is trained, and that it is the same network then."""

import sys
from pathlib import Path

import pytest
import torch
from loop_cases import Killed, Loss, kill, run, same
from loop_cases import net as layers
from torch import nn

from pipeline.compute import compiling

ROOT = Path(__file__).resolve().parents[2]
CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_long_trainings_on_a_gpu_are_compiled(monkeypatch):
    missing = []
    monkeypatch.setattr(compiling.gpus, "missing_for_triton", lambda: missing)
    worth = compiling.WORTH
    assert compiling.pays_off("auto", GPU, worth, 1)
    assert not compiling.pays_off("auto", GPU, worth - 1, 1)
    assert not compiling.pays_off("auto", CPU, 10**6, 1)
    assert not compiling.pays_off("never", GPU, 10**6, 1)
    assert compiling.pays_off("always", CPU, 1, 1)
    # Whose gradients add up, in memory that a CUDA graph would write anew.
    assert not compiling.pays_off("always", GPU, 10**6, 2)
    missing.append("a C compiler")
    assert not compiling.pays_off("auto", GPU, worth, 1)


@pytest.fixture
def by_torch_alone(monkeypatch):
    """torch.compile without the kernels that it would take a C++ compiler or a GPU for."""
    original, modes = nn.Module.compile, []

    def compile(self, mode):
        modes.append(mode)
        original(self, backend="aot_eager", fullgraph=True)

    monkeypatch.setattr(nn.Module, "compile", compile)
    monkeypatch.delenv("TORCHINDUCTOR_COMPILE_THREADS", raising=False)
    yield modes
    torch._dynamo.reset()


class Net(nn.Module):
    """A network of a class of its own, as all are: torch compiles none of torch's classes alone."""

    def __init__(self):
        super().__init__()
        self.layers = layers()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def test_a_compiled_network_learns_the_same_and_its_checkpoints_are_any_network_s(
    tmp_path, by_torch_alone
):
    plain, compiled = Net(), Net()
    history = run(tmp_path / "plain", plain, Loss())
    assert run(tmp_path / "compiled", compiled, Loss(), compile="always") == history
    assert by_torch_alone == ["reduce-overhead"] and same(plain, compiled)
    # Begun compiled, and ended without.
    resumed = Net()
    with pytest.raises(Killed):
        run(tmp_path / "both", resumed, Loss(25, kill), compile="always")
    resumed = Net()
    loss = Loss()
    assert run(tmp_path / "both", resumed, loss, compile="never") == history
    assert same(plain, resumed) and len(loss.values) < 45


def test_every_network_is_one_graph(by_torch_alone):
    """Of several the host would wait between them, and launch more."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import gpu_cost
    from first_gpu_networks import step_of
    from first_gpu_plan import Plan

    plan = Plan(True, None, 0)
    for case in gpu_cost.cases(plan.of_set, plan.classes, plan.batch):
        # Networks of appearance differ in their input alone.
        if case.name.endswith(" appearance") or case.name == "asyn motion-to-appearance":
            continue
        step, batch = step_of(plan, case)
        again, _ = step_of(plan, case)
        again.model.load_state_dict(step.model.state_dict())
        compiling.compile_network(again.model, 1)
        losses = []
        for taken in (step, again):
            torch.manual_seed(3)
            losses.append(taken(0, [batch]).item())
        # With fullgraph an operation that breaks it is an error.
        assert losses[0] == pytest.approx(losses[1], rel=1e-5), case.name
