"""Networks that torch.compile makes kernels of, so that a GPU does not wait for its host.

A step of CO2FI is a few hundred launches, and a host launches them in twice the time that a GPU
takes for them. Compiled, convolutions are followed by one kernel each for bias, rectifier and what
comes next, and a step is a few CUDA graphs, each launched as a whole.
"""

import os
import sys

import torch
from torch import nn

from pipeline import gpus

# Iterations that a compilation, of 25 to 55 s, is made up for in: on an H200 a step of CO2FI is 7.5
# ms shorter by it, one of ASYN 13.5 and one of a baseline 2 (docs/training.md).
WORTH = 5000


def pays_off(setting: str, device: torch.device, iterations: int, parts: int) -> bool:
    """Return whether to compile a network that is to be trained, for the setting compute.compile.

    `iterations` are those that are left, and `parts` those that a batch is divided into, among
    processes or micro-batches. Gradients of parts add up, where a CUDA graph would write those of
    the next part over those of the last.
    """
    if parts > 1 or setting == "never":
        return False
    if setting == "always":
        return True
    return device.type == "cuda" and iterations >= WORTH and not gpus.missing_for_triton()


def compile_network(model: nn.Module, cores: int) -> None:
    """Have the next call of `model`, and its backward pass, compiled by so many processes.

    Names of parameters stay. What cannot be compiled runs as it is.
    """
    # Read as torch imports its compiler; by default it has as many as the machine has cores.
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", str(cores))
    import torch._dynamo

    torch._dynamo.config.suppress_errors = True
    said = "the network is compiled first, in a minute or so (compute.compile)"
    print(said, file=sys.stderr, flush=True)
    model.compile(mode="reduce-overhead")
