"""One solver for the clips of many processes, so that one process has the GPU.

A process that has the frames of a clip puts them, a block at a time, into memory that it shares
with the process of the solver, which puts the flow beside them; only short messages go through the
pipe between the two. The solver takes what blocks there are in one batch. A clip's process goes on
with its next block meanwhile, DEPTH blocks at the most, so that the memory is bounded.
"""

import mmap
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from multiprocessing import connection, reduction

import numpy as np

from pipeline.errors import MachineError
from pipeline.flow import tvl1

# Blocks of a clip that its process may have handed on and not read yet: one is solved while the
# next is decoded.
DEPTH = 2
# Pairs of a block, where that is no more than BLOCK_BYTES of frames and flow.
PAIRS = 32
BLOCK_BYTES = 2**24
# Threads of the solver's process, each with a batch: the GPU works for the others while one copies
# frames and flow, or waits for its slowest pair, which may take ten times as long as most.
THREADS = 4
# Sizes of frames whose solvers are kept, since a solver has memory on the GPU.
SIZES = 2


class Window:
    """Memory that two processes share for the frames of a size: DEPTH blocks and their flow.

    frames: (DEPTH, pairs + 1, H, W) uint8.
    codes: (DEPTH, pairs, 2, H, W) uint8, the flow of the pairs as bytes.
    """

    def __init__(self, height: int, width: int, memory: int | None = None):
        """Share the `memory` of another process, by its file descriptor, or make it here."""
        area = height * width
        self.pairs = max(1, min(PAIRS, BLOCK_BYTES // (3 * area)))
        sizes = [DEPTH * (self.pairs + 1) * area, DEPTH * self.pairs * 2 * area]
        # Memory without a name: it is gone with the last process that has it, however that ends,
        # and takes nothing of /dev/shm, which containers keep small.
        self.memory = os.memfd_create("flow") if memory is None else memory
        try:
            os.truncate(self.memory, sum(sizes))
            shared = np.frombuffer(mmap.mmap(self.memory, sum(sizes)), np.uint8)
        except OSError:
            os.close(self.memory)
            raise
        frames, codes = shared[: sizes[0]], shared[sizes[0] :]
        self.frames = frames.reshape(DEPTH, self.pairs + 1, height, width)
        self.codes = codes.reshape(DEPTH, self.pairs, 2, height, width)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the frames."""
        return self.frames.shape[2:]

    def close(self) -> None:
        """Close the file descriptor; the memory goes with the last array that views it."""
        os.close(self.memory)


class Client:
    """The end of a pipe at which a process has the flow of its clips, one clip at a time."""

    def __init__(self, pipe: connection.Connection):
        self.pipe, self.window = pipe, None
        # Blocks that are solved and not read; threads of the server may end them in any order.
        self.solved: set[int] = set()

    def codes(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the flow as `tvl1.codes` does, of the backend and parameters of the solver.

        Raises ValueError when a frame is too small, and MachineError when the solver has ended.
        """
        asked: deque[tuple[int, int]] = deque()
        block = count = 0
        try:
            for frame in frames:
                if not (block or count):
                    tvl1.check_size(frame)
                    self._fit(*frame.shape)
                self.window.frames[block % DEPTH, count] = frame
                count += 1
                if count <= self.window.pairs:
                    continue
                self._ask(asked, block, count)
                if len(asked) == DEPTH:
                    yield from self._answer(asked)
                # The last frame of a block begins the next.
                block, count = block + 1, 1
                self.window.frames[block % DEPTH, 0] = frame
            if count > 1:
                self._ask(asked, block, count)
            while asked:
                yield from self._answer(asked)
        finally:
            # The next clip must not take these answers for its own.
            with suppress(MachineError):
                while asked:
                    self._wait(asked)

    def _fit(self, height: int, width: int) -> None:
        """See that there is a window for frames of this size."""
        if self.window and self.window.size == (height, width):
            return
        window = Window(height, width)
        try:
            self.pipe.send(("window", height, width))
            reduction.send_handle(self.pipe, window.memory, None)
        except OSError as error:
            raise _ended() from error
        finally:
            window.close()
        self.window = window

    def _ask(self, asked: deque, block: int, count: int) -> None:
        """Ask for the flow between the `count` frames of a block."""
        try:
            self.pipe.send(("block", block % DEPTH, count))
        except OSError as error:
            raise _ended() from error
        asked.append((block % DEPTH, count))

    def _wait(self, asked: deque) -> tuple[int, int]:
        """Wait until the solver is done with the block that was asked for first."""
        slot, count = asked.popleft()
        try:
            while slot not in self.solved:
                self.solved.add(self.pipe.recv())
        except (EOFError, OSError) as error:
            asked.clear()
            raise _ended() from error
        self.solved.remove(slot)
        return slot, count

    def _answer(self, asked: deque) -> Iterator[np.ndarray]:
        slot, count = self._wait(asked)
        # Copies, as the next block but one comes to where they lie.
        yield from self.window.codes[slot, : count - 1].copy()


def _ended() -> MachineError:
    return MachineError(
        "the process that computes the flow of all clips has ended; the same command goes on"
    )


@dataclass(eq=False)
class _Block:
    """Frames in a window, between which flow is wanted."""

    pipe: connection.Connection
    window: Window
    slot: int
    count: int

    @property
    def frames(self) -> np.ndarray:
        """The frames (count, H, W) uint8."""
        return self.window.frames[self.slot, : self.count]

    def answer(self, codes: np.ndarray) -> None:
        """Put the flow (count - 1, 2, H, W) uint8 beside the frames, and say so."""
        self.window.codes[self.slot, : self.count - 1] = codes
        # Who started both notices when the other process has ended.
        with suppress(OSError):
            self.pipe.send(self.slot)


class Server:
    """The process that has the solver: it answers all clients until they have closed their pipes.

    `make_solver` takes height and width and returns a solver as `tvl1.solver` does, which several
    `threads` call at a time; each of these calls `initialize` first. `bound` is that of the bytes,
    as in `levels.quantise`.
    """

    def __init__(
        self,
        pipes: list[connection.Connection],
        make_solver: Callable[[int, int], object],
        bound: float,
        threads: int = THREADS,
        initialize: Callable[[], None] = lambda: None,
    ):
        self.make_solver, self.bound = make_solver, bound
        self.threads, self.initialize = threads, initialize
        # By size, the one that was made last at the end; and the sizes that were solved before.
        self.solvers: dict[tuple[int, int], object] = {}
        self.compiled: set[tuple[int, int]] = set()
        self.compiling = threading.Lock()
        self.windows: dict[connection.Connection, Window | None] = dict.fromkeys(pipes)
        self.waiting: list[_Block] = []
        self.reading = threading.Lock()

    def run(self) -> None:
        """Answer; raises what a solver raises."""
        ended: queue.Queue[BaseException | None] = queue.Queue()
        for _ in range(self.threads):
            threading.Thread(target=self._work, args=(ended,), daemon=True).start()
        for _ in range(self.threads):
            if error := ended.get():
                raise error

    def _work(self, ended: queue.Queue) -> None:
        try:
            self.initialize()
            while batch := self._next_batch():
                self._solve(*batch)
            ended.put(None)
        except BaseException as error:
            ended.put(error)

    def _solve(self, solve, blocks: list[_Block]) -> None:
        """Answer blocks of one size by the solver of that size."""
        size = blocks[0].window.size
        # What is compiled for a size is compiled by one thread.
        with nullcontext() if size in self.compiled else self.compiling:
            found = tvl1.codes_of_clips(solve, [block.frames for block in blocks], self.bound)
        self.compiled.add(size)
        for block, codes in zip(blocks, found, strict=True):
            block.answer(codes)

    def _next_batch(self) -> tuple[object, list[_Block]] | None:
        """Return a solver and the blocks that wait for it; None when all pipes are closed."""
        with self.reading:
            while self.windows or self.waiting:
                for pipe in connection.wait(self.windows, 0 if self.waiting else None):
                    self._read(pipe)
                if self.waiting:
                    return self._take_waiting()
        return None

    def _read(self, pipe: connection.Connection) -> None:
        """Take a message of a client: that it has a new window, or a block in it."""
        try:
            kind, *numbers = pipe.recv()
            memory = reduction.recv_handle(pipe) if kind == "window" else None
        except (EOFError, OSError):
            del self.windows[pipe]
            return
        if kind == "block":
            self.waiting.append(_Block(pipe, self.windows[pipe], *numbers))
            return
        self.windows[pipe] = Window(*numbers, memory)
        self.windows[pipe].close()

    def _take_waiting(self) -> tuple[object, list[_Block]]:
        """Return the block that waits longest and those of its size, no more than a batch, with
        their solver.
        """
        size = self.waiting[0].window.size
        if size not in self.solvers:
            if len(self.solvers) == SIZES:
                del self.solvers[next(iter(self.solvers))]
            self.solvers[size] = self.make_solver(*size)
        solve, taken, pairs = self.solvers[size], [], 0
        for block in [block for block in self.waiting if block.window.size == size]:
            pairs += block.count - 1
            if taken and pairs > solve.batch:
                break
            taken.append(block)
        self.waiting = [block for block in self.waiting if block not in taken]
        return solve, taken
