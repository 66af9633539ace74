"""A process that claims GPUs, for tests of the lock."""

import multiprocessing

from pipeline.compute import gpu_lock

FORK = multiprocessing.get_context("fork")


class Job:
    """A process that claims one or more of two GPUs and holds them until it is ended."""

    def __init__(self, folder, count):
        self.count = count
        self.pipe, end = FORK.Pipe()
        self.process = FORK.Process(target=self.run, args=(end, folder))
        self.process.start()
        end.close()

    def run(self, end, folder):
        self.pipe.close()
        end.send(gpu_lock.claim(["gpu-a", "gpu-b"], self.count, folder, poll=0.02))
        end.recv()

    def claimed(self, seconds: float) -> list[int] | None:
        return self.pipe.recv() if self.pipe.poll(seconds) else None

    def end(self):
        self.process.kill()
        self.process.join()
