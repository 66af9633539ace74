"""Which processor a job runs on, and with what arithmetic; two jobs never share a GPU by accident."""

import torch

from pipeline.compute import ranks
from pipeline.compute.gpu_lock import claim


def prepare(threads: int) -> torch.device:
    """The device to run on: a GPU that no other job of this program holds (waits for one), else the CPU.

    On the CPU results are the same bit for bit for the same number of `threads`, so it is a setting, not a matter of
    how many cores there are. Of several processes each gets a GPU of its own.
    """
    torch.set_num_threads(threads)
    ranks.start()
    if torch.cuda.is_available():
        numbers = claim(_gpu_names(), ranks.count()) if ranks.rank() == 0 else ranks.count() * [0]
        processor = torch.device("cuda", ranks.broadcast_from_rank0(numbers)[ranks.rank()])
        torch.cuda.set_device(processor)
        return processor
    torch.use_deterministic_algorithms(True)
    return torch.device("cpu")


def precision(wanted: str, processor: torch.device) -> str:
    """The arithmetic of a training, 'float32' or 'bfloat16'; 'auto' is bfloat16 on a GPU that has it in hardware.

    bfloat16 is mixed precision: products in it, sums, weights, losses and steps in float32.
    """
    if wanted != "auto":
        return wanted
    return (
        "bfloat16"
        if processor.type == "cuda" and torch.cuda.is_bf16_supported(False)
        else "float32"
    )


def layout(wanted: str, processor: torch.device) -> torch.memory_format:
    """The order of values in memory: 'auto' is channels last on a GPU, as its tensor cores take it, and else first."""
    last = wanted == "channels_last" or (wanted == "auto" and processor.type == "cuda")
    return torch.channels_last if last else torch.contiguous_format


def name(device: torch.device) -> str:
    """The device in words, for records."""
    words = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"cpu, {torch.get_num_threads()} threads"
    )
    return words if ranks.count() == 1 else f"{ranks.count()} x {words}"


def _gpu_names() -> list[str]:
    return [
        str(torch.cuda.get_device_properties(number).uuid)
        for number in range(torch.cuda.device_count())
    ]
