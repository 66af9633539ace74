"""The device that a job runs on, and its precision and memory layout."""

import sys
from itertools import repeat

import torch

from pipeline import gpus
from pipeline.compute import ranks
from pipeline.compute.gpu_lock import claims
from pipeline.errors import PipelineError


def prepare_device(threads: int, wanted: str = "auto") -> torch.device:
    """Return the device to run on, and say in a line of standard error which it is.

    `wanted` is the setting compute.device: cpu; cuda, a GPU that no other job holds; or auto, such
    a GPU where there is one, else the CPU. Waits where all GPUs are held. Under torchrun each
    process gets a GPU of its own.

    The number of CPU `threads` is a setting and does not follow the number of cores, because
    results on a CPU are bit-identical only for the same number of threads.

    Raises PipelineError where a GPU is here that torch cannot use, or none though `wanted` is cuda.
    """
    device = choose_device(threads, wanted)
    if ranks.rank() == 0:
        why = f" ({gpus.why_none()})" if device.type == "cpu" and wanted == "auto" else ""
        print(f"device: {device_name(device)}{why}", file=sys.stderr, flush=True)
    return device


def choose_device(
    threads: int, wanted: str = "auto", option: str = "compute.device"
) -> torch.device:
    """Do as `prepare_device` without a word; errors call what `wanted` was given by `option`."""
    torch.set_num_threads(threads)
    on_gpu = wanted != "cpu" and _has_gpu(wanted, option)
    ranks.start(on_gpu)
    if on_gpu:
        device = torch.device("cuda", _claim_for_all()[ranks.rank()])
        torch.cuda.set_device(device)
        return device
    torch.use_deterministic_algorithms(True)
    return torch.device("cpu")


def _claim_for_all() -> list[int]:
    """Return the GPU of each rank. Rank 0 claims them; the other ranks learn theirs from it.

    While it waits, rank 0 says so at each try: an exchange between ranks may take half an hour at
    most, and GPUs may be held for days.
    """
    none_yet = ranks.count() * [-1]
    tries = claims(_gpu_names(), ranks.count()) if ranks.rank() == 0 else repeat(none_yet)
    return next(
        told
        for found in tries
        if (told := ranks.broadcast_from_rank0(found or none_yet)) != none_yet
    )


def _has_gpu(wanted: str, option: str) -> bool:
    """Return whether torch can use a GPU here.

    Raises PipelineError where the driver shows one and torch cannot use it, or none is here though
    `wanted` is cuda.
    """
    if problem := gpus.torch_problem(gpus.found()):
        raise PipelineError(f"{problem}; or set {option} to cpu")
    # A build of torch for GPUs of another make has them without NVIDIA's driver.
    if torch.cuda.is_available():
        return True
    if wanted == "cuda":
        raise PipelineError(f"{option} is cuda: {gpus.why_none()}; or take auto or cpu")
    return False


def resolve_precision(setting: str, device: torch.device) -> str:
    """Return the precision of training, 'float32' or 'bfloat16', for the setting compute.precision.

    'auto' means bfloat16 on a GPU that has it in hardware. bfloat16 is mixed precision: products
    are in bfloat16; sums, weights, losses and optimizer steps are in float32.
    """
    if setting != "auto":
        return setting
    in_hardware = device.type == "cuda" and torch.cuda.is_bf16_supported(False)
    return "bfloat16" if in_hardware else "float32"


def resolve_layout(setting: str, device: torch.device) -> torch.memory_format:
    """Return the memory format of weights and inputs for the setting compute.layout.

    'auto' means channels last on a GPU, whose tensor cores want it, and channels first on a CPU.
    """
    last = setting == "channels_last" or (setting == "auto" and device.type == "cuda")
    return torch.channels_last if last else torch.contiguous_format


def device_name(device: torch.device) -> str:
    """Return the device in words, for records, such as '2 x NVIDIA H100' or 'cpu, 1 threads'."""
    words = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"cpu, {torch.get_num_threads()} threads"
    )
    return words if ranks.count() == 1 else f"{ranks.count()} x {words}"


def device_facts(device: torch.device) -> dict:
    """Return what a record says of the device: its name, and of a GPU whether torch convolves
    float32 in TF32 there, which keeps 10 bits of the 23 behind the point of each factor.
    """
    facts = {"device": device_name(device)}
    return facts | {"tf32": torch.backends.cudnn.allow_tf32} if device.type == "cuda" else facts


def _gpu_names() -> list[str]:
    return [
        str(torch.cuda.get_device_properties(index).uuid)
        for index in range(torch.cuda.device_count())
    ]
