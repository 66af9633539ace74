"""A pretended machine with two NVIDIA cards."""

import torch

from pipeline.gpus import Gpus

CARDS = Gpus(("Card 0", "Card 1"), (12, 4))


class Driver:
    """The functions of libcuda that are asked, of a machine with two cards and CUDA 12.4."""

    def __init__(self, initialised: int = 0):
        self.initialised = initialised

    def cuInit(self, _):
        return self.initialised

    def cuDeviceGetCount(self, count):
        count._obj.value = 2
        return 0

    def cuDriverGetVersion(self, version):
        version._obj.value = 12040
        return 0

    def cuDeviceGetName(self, name, size, number):
        name.value = f"Card {number}".encode()
        return 0


def pretend(
    monkeypatch,
    *,
    usable: bool = True,
    built_for: str | None = "12.4",
    capabilities: list[tuple[int, int]] = ((9, 0), (9, 0)),
    architectures: list[str] = ("sm_90",),
) -> None:
    """Have torch see both cards, or none, as a build for a version of CUDA does."""
    monkeypatch.setattr(torch, "__version__", "2.12.1")
    monkeypatch.setattr(torch.version, "cuda", built_for)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: usable)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda number: capabilities[number])
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: list(architectures))
