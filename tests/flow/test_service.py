"""One solver for many processes: what they get, in which order, and what becomes of it when one of
them ends.
"""

import multiprocessing
import threading
import time
from functools import partial

import numpy as np
import pytest
from pretend_gpu import BOUND, Solver, batches, pairs_of, serve, settings

from pipeline.errors import MachineError
from pipeline.flow import service, tvl1
from pipeline.jobs import pool

FAST = 1e6


class Service:
    """A server in a thread of this process, and its clients."""

    def __init__(self, make_solver, clients: int = 1, **more):
        pipes = [multiprocessing.Pipe() for _ in range(clients)]
        self.server = service.Server([ours for ours, _ in pipes], make_solver, BOUND, **more)
        self.clients = [service.Client(theirs) for _, theirs in pipes]
        self.ended = None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            self.server.run()
            self.ended = "well"
        except BaseException as error:
            self.ended = error

    def end(self):
        for client in self.clients:
            client.pipe.close()
        self.thread.join(60)
        return self.ended


def noise(seed: int, count: int, height: int = 20, width: int = 30) -> np.ndarray:
    """Frames (count, height, width) uint8."""
    return np.random.default_rng(seed).integers(0, 256, (count, height, width), dtype=np.uint8)


@pytest.mark.parametrize(
    "count", [0, 1, 2, 3, service.PAIRS, *range(service.PAIRS + 1, service.PAIRS + 4),
              2 * service.PAIRS + 1, 3 * service.PAIRS + 7]
)  # fmt: skip
def test_a_clip_of_any_length_has_its_pairs_in_order(tmp_path, count):
    answering = Service(partial(Solver, FAST, tmp_path / "log"))
    frames = noise(1, count)
    found = list(answering.clients[0].codes(iter(frames)))
    assert len(found) == max(count - 1, 0)
    assert all(np.array_equal(*pair) for pair in zip(found, pairs_of(frames), strict=True))
    assert answering.end() == "well"


def test_clips_of_several_sizes_one_after_the_other(tmp_path):
    answering = Service(partial(Solver, FAST, tmp_path / "log"))
    for seed, size in enumerate([(20, 30), (40, 30), (20, 30), (16, 16)]):
        frames = noise(seed, 50, *size)
        found = list(answering.clients[0].codes(frames))
        assert np.array_equal(found, list(pairs_of(frames)))
    assert answering.end() == "well"


def test_pairs_of_many_clips_are_solved_together(tmp_path):
    """And each client has those of its own clip; sizes are never mixed."""
    log = tmp_path / "log"
    sizes = [(20, 30), (20, 30), (40, 30), (20, 30), (16, 16)]
    answering = Service(partial(Solver, 2000, log), len(sizes))
    found = {}

    def use(number):
        found[number] = [
            list(answering.clients[number].codes(noise(10 * number + clip, 45, *sizes[number])))
            for clip in range(4)
        ]

    threads = [threading.Thread(target=use, args=(number,)) for number in range(len(sizes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert answering.end() == "well"
    for number, size in enumerate(sizes):
        for clip, codes in enumerate(found[number]):
            assert np.array_equal(codes, list(pairs_of(noise(10 * number + clip, 45, *size))))
    pairs = batches(log)[:, 2]
    assert pairs.sum() == len(sizes) * 4 * 44 and pairs.max() > service.PAIRS


@pytest.mark.parametrize("batch", [1, 5, 8, 1000])
def test_batches_are_no_larger_than_the_solver_takes(batch):
    """Also where a clip ends within one: the flow is that of each clip alone."""
    clips = [noise(seed, count) for seed, count in enumerate([2, 9, 2, 3, 12])]
    asked = []

    class Counting(Solver):
        def codes(self, first, second, bound):
            asked.append(len(first[0]))
            return np.stack([first[0], second[0]], axis=1)

    Counting.batch = batch
    found = tvl1.codes_of_clips(Counting(1, None, 20, 30), clips, BOUND)
    assert len(found) == len(clips)
    for codes, clip in zip(found, clips, strict=True):
        assert np.array_equal(codes, list(pairs_of(clip)))
    assert sum(asked) == 1 + 8 + 1 + 2 + 11 and max(asked) <= batch


def test_the_flow_of_a_real_solver_is_that_of_each_clip_alone():
    parameters = {"warps": 1, "outer": 2, "scales": 2}
    answering = Service(partial(tvl1.solver, "cpu", **parameters), threads=1)
    frames = noise(3, 12)
    found = np.array(list(answering.clients[0].codes(frames)))
    alone = list(tvl1.codes(frames, bound=BOUND, backend="cpu", **parameters))
    assert np.array_equal(found, alone) and found.std() > 1
    assert answering.end() == "well"


def test_frames_that_are_too_small_are_refused(tmp_path):
    answering = Service(partial(Solver, FAST, tmp_path / "log"))
    with pytest.raises(ValueError, match="frames of 30 x 12 pixels; at least 16 x 16 are needed"):
        list(answering.clients[0].codes(noise(0, 4, 12, 30)))
    assert len(list(answering.clients[0].codes(noise(0, 4)))) == 3


def test_a_clip_that_breaks_off_leaves_nothing_to_the_next(tmp_path):
    def breaks(frames):
        yield from frames
        raise OSError("the video is damaged")

    answering = Service(partial(Solver, 3000, tmp_path / "log"))
    client = answering.clients[0]
    with pytest.raises(OSError, match="damaged"):
        list(client.codes(breaks(noise(1, 2 * service.PAIRS + 1))))
    # As where the file could not be written.
    codes = client.codes(noise(2, 2 * service.PAIRS + 1))
    next(codes)
    codes.close()
    frames = noise(3, 70)
    assert np.array_equal(list(client.codes(frames)), list(pairs_of(frames)))
    assert answering.end() == "well"


def test_memory_is_bounded_however_long_a_clip_and_however_slow_the_solver(tmp_path):
    """No more than DEPTH blocks are read before the first of them is solved."""
    read = 0

    def counted(frames):
        nonlocal read
        for frame in frames:
            read += 1
            yield frame

    answering = Service(partial(Solver, 100, tmp_path / "log"))
    ahead = []
    for number, _ in enumerate(answering.clients[0].codes(counted(noise(1, 300)))):
        ahead.append(read - number)
    most = service.DEPTH * service.PAIRS + 1
    assert max(ahead) == most
    window = service.Window(240, 320)
    assert window.frames.nbytes + window.codes.nbytes < 16 * 2**20
    window.close()


def test_frames_of_any_size_have_a_window():
    """Of large ones it holds fewer; it is memory, and only what is touched of it counts."""
    for size, pairs in (((240, 320), 32), ((1080, 1920), 2), ((5000, 7000), 1)):
        window = service.Window(*size)
        assert (window.pairs, window.size) == (pairs, size)
        window.close()


def test_few_solvers_are_kept_and_each_thread_is_made_ready(tmp_path):
    """A solver has memory on the GPU, and which GPU it is is chosen for each thread."""
    made, ready = [], []

    def make(height, width):
        made.append((height, width))
        return Solver(FAST, tmp_path / "log", height, width)

    answering = Service(make, initialize=lambda: ready.append(threading.get_ident()))
    sizes = [(20, 30), (20, 31), (20, 30), (20, 32), (20, 31), (20, 30)]
    for size in sizes:
        assert len(list(answering.clients[0].codes(noise(1, 4, *size)))) == 3
    assert len(answering.server.solvers) == service.SIZES == 2
    # The one that was made first is dropped when a third is wanted.
    assert made == [(20, 30), (20, 31), (20, 32), (20, 30)]
    assert answering.end() == "well" and len(set(ready)) == len(ready) == service.THREADS


def test_what_a_solver_raises_ends_the_server():
    def fail(height, width):
        raise MemoryError("out of memory")

    answering = Service(fail)
    threading.Thread(
        target=lambda: list(answering.clients[0].codes(noise(1, 5))), daemon=True
    ).start()
    answering.thread.join(60)
    assert isinstance(answering.ended, MemoryError)


def test_a_client_says_that_the_server_has_ended():
    ours, theirs = multiprocessing.Pipe()
    client = service.Client(theirs)
    codes = client.codes(noise(1, 500))
    ours.close()
    with pytest.raises(MachineError, match="the process that computes the flow of all clips has"):
        next(codes)


def test_a_client_that_ends_leaves_the_others_what_is_theirs(tmp_path):
    answering = Service(partial(Solver, 500, tmp_path / "log"), clients=2)
    first, second = answering.clients
    codes = first.codes(noise(1, 200))
    next(codes)
    first.pipe.close()
    frames = noise(2, 80)
    assert np.array_equal(list(second.codes(frames)), list(pairs_of(frames)))
    second.pipe.close()
    answering.thread.join(60)
    assert answering.ended == "well"


# Sleep takes the place of work here, so that this holds on a machine that is busy otherwise, too.
PER_FRAME = 0.01


def decode_and_compress(seed: int, advance, pipe) -> int:
    """Take PER_FRAME for each frame that is decoded and for each field that is compressed."""

    def decoded():
        for frame in noise(seed, 100):
            time.sleep(PER_FRAME)
            yield frame

    count = 0
    for _ in service.Client(pipe).codes(decoded()):
        time.sleep(PER_FRAME)
        advance(1)
        count += 1
    return count


def test_enough_processes_keep_the_solver_busy(tmp_path):
    """A pair is 20 ms of work around the solver and 12 ms of the solver: with 4 processes it is the
    solver that decides, and alone it would work for 12 ms of 32.
    """
    log, count = tmp_path / "log", []
    clips = 12
    solver = partial(serve, settings=settings(), rate=1000 / 12, log=log)
    found = list(pool.each(decode_and_compress, range(clips), 4, count.append, solver))
    assert len(found) == clips and all(result == 99 for _, result in found)
    assert sum(count) == clips * 99
    begins, ends, pairs = batches(log).T
    assert pairs.sum() == clips * 99
    # From the first batch on, until the last clips are too few to fill the time.
    late = ends <= begins[0] + 0.8 * (ends[-1] - begins[0])
    assert (ends - begins)[late].sum() / (ends[late][-1] - begins[0]) > 0.8
