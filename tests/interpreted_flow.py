"""The GPU's flow by Triton's interpreter, for tests/flow/test_cuda.py.

    TRITON_INTERPRET=1 python interpreted_flow.py cases OUT.npz
    TRITON_INTERPRET=1 python interpreted_flow.py codes IN.npz OUT.npz
    TRITON_INTERPRET=1 python interpreted_flow.py races

Triton must be imported with the variable set, so these are programs of their own.
"""

import json
import sys

import numpy as np
from flow_cases import noisy

# Of each case: the parameters, and the bound of its codes, or None for the flow itself.
CASES = {
    "5x5": ({"scales": 2, "warps": 2, "outer": 2, "inner": 12}, None),
    "3x3": ({"scales": 1, "warps": 1, "outer": 2, "inner": 5, "median": 3}, 1.5),
    # Pairs reach the threshold in the middle of a sweep.
    "early": ({"scales": 2, "warps": 2, "outer": 3, "inner": 20, "median": 1, "epsilon": 0.1}, 20),
}
# Rows and columns: more than a chunk, which has 1024 pixels.
SIZE = 30, 37


def pairs(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Two pairs of pictures, as (first, second), each (2, H, W)."""
    return tuple(
        np.stack(images) for images in zip(*(noisy(s, height, width) for s in (3, 4)), strict=True)
    )


def solved(backend: str, name: str) -> np.ndarray:
    """The flow of a case, or its codes."""
    from pipeline.flow import tvl1

    parameters, bound = CASES[name]
    images = pairs(*SIZE)
    solve = tvl1.solver(backend, *SIZE, **parameters)
    prepared = [solve.pyramid(batch) for batch in images]
    return solve(*prepared) if bound is None else solve.codes(*prepared, bound)


def codes(flow: np.ndarray, bound: float) -> np.ndarray:
    """Quantise displacements (N,) float32 by the GPU's code."""
    import torch

    from pipeline.flow import cuda

    out = torch.empty(len(flow), dtype=torch.uint8)
    scale = torch.full((1,), 127.5 / bound, dtype=torch.float64)
    cuda._write[(1,)](torch.from_numpy(flow), out, scale, bound, len(flow))
    return out.numpy()


class RaceFound(Exception):
    pass


class Watch:
    """Sees what the lanes of a program read and write between two barriers.

    A float that is written may be used by one lane alone, which writes it last. All else is taken
    for a race, although two lanes may be of one thread.
    """

    def __init__(self, builder):
        self.seen, self.sites, self.ignored = [], set(), None
        load, store = builder.create_masked_load, builder.create_masked_store

        def watched_load(pointers, mask, *others):
            self._note(pointers.data, mask.data, False)
            return load(pointers, mask, *others)

        def watched_store(pointers, value, mask, *others):
            self._note(pointers.data, mask.data, True)
            return store(pointers, value, mask, *others)

        builder.create_masked_load, builder.create_masked_store = watched_load, watched_store
        builder.create_barrier = self._barrier

    def _note(self, pointers, mask, writes: bool) -> None:
        mask = np.broadcast_to(mask, pointers.shape).ravel()
        # All threads read what is no tensor.
        lanes = np.arange(pointers.size) if pointers.size > 1 else np.array([-1])
        order = np.full(mask.sum(), len(self.seen))
        self.seen.append((pointers.ravel()[mask], lanes[mask], order, order * 0 + writes))

    def _barrier(self) -> None:
        frame = sys._getframe()
        while not frame.f_code.co_filename.endswith("flow/cuda.py"):
            frame = frame.f_back
        site = f"{frame.f_code.co_name} {frame.f_lineno}"
        self.sites.add(site)
        if site != self.ignored and self.seen:
            self._check(site)

    def _check(self, site: str) -> None:
        parts, self.seen = zip(*self.seen, strict=True), []
        at, lane, order, writes = (np.concatenate(part) for part in parts)
        if not writes.any():
            return
        # Of each float: who has used it, how often it has been written, and how it was used last.
        by_time = np.lexsort((order, at))
        at, lane, writes = at[by_time], lane[by_time], writes[by_time]
        _, starts = np.unique(at, return_index=True)
        times = np.add.reduceat(writes, starts)
        one = np.minimum.reduceat(lane, starts) == np.maximum.reduceat(lane, starts)
        last = writes[np.append(starts[1:], len(at)) - 1]
        if ((times > 0) & ~(one & (times == 1) & (last == 1))).any():
            raise RaceFound(site)


def races() -> dict:
    """Whether there are races: by median filter, and where one barrier is left out, by barrier."""
    import triton.language as tl
    from triton.runtime.errors import InterpreterError
    from triton.runtime.interpreter import interpreter_builder

    from pipeline.flow import cuda, tvl1

    # Many chunks on small images.
    cuda.CHUNK, cuda.SMALL = tl.constexpr(64), tl.constexpr(32)
    size = 20, 23
    images = pairs(*size)
    watch = Watch(interpreter_builder)

    def found(median: int, without: str | None = None) -> bool:
        watch.seen, watch.ignored = [], without
        solve = tvl1.solver("cuda", *size, scales=2, warps=1, outer=1, inner=3, median=median)
        try:
            solve(*(solve.pyramid(batch) for batch in images))
        except InterpreterError as error:
            # The interpreter wraps it once for every function that it was in.
            while isinstance(error, InterpreterError):
                error = error.__cause__
            if isinstance(error, RaceFound):
                return True
            raise
        return False

    result = {f"median {median}": found(median) for median in (1, 3)}
    # What the other functions write is read after a further barrier alone, at these settings.
    sites = [site for site in watch.sites if site.split()[0] in ("_sweep", "_median", "_copy")]
    return result | {site: found(3, without=site) for site in sorted(sites)}


if __name__ == "__main__":
    job, *arguments = sys.argv[1:]
    if job == "cases":
        np.savez(arguments[0], **{name: solved("cuda", name) for name in CASES})
    elif job == "codes":
        flows = np.load(arguments[0])
        np.savez(arguments[1], **{bound: codes(flows[bound], float(bound)) for bound in flows})
    else:
        print(json.dumps(races()))
