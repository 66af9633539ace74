"""How large the parts of first_gpu.py are, and on what they run."""

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

HEIGHT, WIDTH = 240, 320
CLASSES = 101


class Plan:
    """What is run: the full sizes on a GPU, or tiny ones on a CPU in its place."""

    def __init__(self, dry: bool, clips: Path | None, seconds: float):
        self.dry, self.clips, self.seconds = dry, clips, seconds
        self.device = torch.device("cpu" if dry else "cuda")
        self.backend = "cpu" if dry else "cuda"
        self.frame = (48, 64) if dry else (HEIGHT, WIDTH)
        self.batches = (1, 3) if dry else (64, 256, 1024)
        self.of_set, self.classes, self.batch = ("demo", 8, 2) if dry else ("ucf101", CLASSES, 16)
        # Steps that the host queues before it waits.
        self.queue = 1 if dry else 20
        self.workers = 0 if dry else min(8, len(os.sched_getaffinity(0)))

    def wait(self) -> None:
        """Wait for what the GPU has been given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def rate(self, call: Callable[[], object], count: int, warm: int = 2) -> float:
        """Return how many of `count` a call are done a second, by the median of calls."""
        for _ in range(1 if self.dry else warm):
            call()
        self.wait()
        times, begun = [], time.perf_counter()
        while len(times) < 3 or (not self.dry and time.perf_counter() - begun < self.seconds):
            start = time.perf_counter()
            call()
            self.wait()
            times.append(time.perf_counter() - start)
        return count / statistics.median(times)
