"""What benchmarks/gpu_cost.py counts: a step of every network at paper size, without a GPU.

An operation that looks at values fails there, and so does a tensor of the CPU among a GPU's.
"""

import gpu_cost
import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException


def test_every_network_is_counted():
    assert [case.name for case in gpu_cost.cases()] == [
        "teacher appearance",
        "teacher motion",
        "co2fi appearance",
        "co2fi motion",
        "baseline appearance",
        "baseline motion",
        "direct appearance",
        "direct motion",
        "tsn appearance",
        "tsn motion",
        "asyn appearance-to-motion",
        "asyn motion-to-appearance",
    ]


# The others go the same ways, and the benchmark counts them all.
@pytest.mark.parametrize(
    "name", ["teacher motion", "direct appearance", "asyn appearance-to-motion"]
)
def test_a_step_waits_for_nothing_and_copies_nothing(name, monkeypatch):
    monkeypatch.setattr(gpu_cost.transforms.gpus, "missing_for_triton", list)
    (case,) = [case for case in gpu_cost.cases() if case.name == name]
    found = gpu_cost.costs(case)
    assert [cost.copies for cost in found.values()] == [0, 0, 0]
    # A launch for each stream, where there is Triton.
    assert found["finish"].launches == len(case.inputs)
    for kind in ("forward", "backward"):
        assert found[kind].launches > found[kind].casts > 0


def test_networks_are_applied_to_clips_without_copies():
    found = gpu_cost.costs_of_inference()
    assert len(found) == 4 and not any(cost.copies for cost in found.values())


def test_launches_casts_and_copies_are_told_apart():
    with gpu_cost.fake_gpu(), gpu_cost.Counter() as counter:
        x = torch.zeros(4, 8)  # 128 bytes
        y = x.view(8, 4).t()
        z = y + 1  # reads 128, writes 128
        z.bfloat16()  # reads 128, writes 64
        torch.empty(100)
    assert vars(counter.cost) == {
        "launches": 3,
        "casts": 1,
        "casts_with_gradients": 0,
        "bytes": 128 + 256 + 192,
        "copies": 0,
    }
    with gpu_cost.fake_gpu(), gpu_cost.Counter() as counter:
        torch.ones(3, device="cpu").to("cuda")
    assert counter.cost.copies == 1
    with gpu_cost.fake_gpu(), pytest.raises(DataDependentOutputException):
        torch.zeros(3).sum().item()
