"""The CPU solver: against the equations, bit-identical everywhere, vectorised, and of any size."""

import os
import re

import cv2
import numpy as np
import pytest
from flow_cases import DEFAULTS, digest_elsewhere, noisy, run_digest, texture

from pipeline.flow import cpu, tvl1


def by_equations(
    first, second, *, tau, lambda_, theta, scales, scale_step, warps, epsilon, inner, outer, median
):
    """Return TV-L1 flow, step by step in float64, with one array operation per equation.

    The equations are those of Zach, Pock and Bischof (2007): the thresholding of Eq. 15-16, the
    primal step of Eq. 13, the dual step of Eq. 12. OpenCV filters the images.
    """

    def gradient(image):
        """Central differences; at an edge, half the one-sided difference."""
        p = np.pad(image, 1, mode="edge")
        return (p[1:-1, 2:] - p[1:-1, :-2]) / 2, (p[2:, 1:-1] - p[:-2, 1:-1]) / 2

    images = [(first.astype(np.float32), second.astype(np.float32))]
    while len(images) < scales and min(np.rint(np.array(images[-1][0].shape) * scale_step)) >= 16:
        images.append(
            tuple(cv2.resize(image, None, fx=scale_step, fy=scale_step) for image in images[-1])
        )
    u = [np.zeros(images[-1][0].shape) for _ in "xy"]
    for before, after in reversed(images):
        height, width = before.shape
        u = [
            cv2.resize(c, (width, height)) * (1 if c.shape == before.shape else 1 / scale_step)
            for c in u
        ]
        p = [[np.zeros(before.shape) for _ in "xy"] for _ in "uv"]
        y, x = np.mgrid[:height, :width]
        for _ in range(warps):
            position = [(grid + c).astype(np.float32) for grid, c in zip((x, y), u, strict=True)]
            warped, *grad = (
                cv2.remap(image.astype(np.float32), *position, cv2.INTER_CUBIC).astype(float)
                for image in (after, *gradient(after))
            )
            squares = grad[0] ** 2 + grad[1] ** 2
            constant = warped - grad[0] * u[0] - grad[1] * u[1] - before
            moved = np.inf
            for _ in range(outer):
                if moved <= epsilon**2 * height * width:
                    break
                if median > 1:
                    u = [cv2.medianBlur(c.astype(np.float32), median).astype(float) for c in u]
                for _ in range(inner):
                    rho = constant + grad[0] * u[0] + grad[1] * u[1]
                    step = np.where(
                        rho < -lambda_ * theta * squares,
                        lambda_ * theta,
                        np.where(
                            rho > lambda_ * theta * squares,
                            -lambda_ * theta,
                            -rho / np.where(squares > 1e-7, squares, np.inf),
                        ),
                    )
                    new = []
                    for c, g, (px, py) in zip(u, grad, p, strict=True):
                        div = np.diff(px, axis=1, prepend=0) + np.diff(py, axis=0, prepend=0)
                        new.append(c + step * g + theta * div)
                    moved = sum(((a - b) ** 2).sum() for a, b in zip(new, u, strict=True))
                    u = new
                    for c, dual in zip(u, p, strict=True):
                        dx, dy = (
                            np.diff(c, axis=1, append=c[:, -1:]),
                            np.diff(c, axis=0, append=c[-1:]),
                        )
                        size = 1 + tau / theta * np.hypot(dx, dy)
                        dual[:] = (
                            (dual[0] + tau / theta * dx) / size,
                            (dual[1] + tau / theta * dy) / size,
                        )
                    if moved <= epsilon**2 * height * width:
                        break
    return np.stack(u, axis=-1)


@pytest.mark.parametrize(
    "setting, limit",
    [
        # One iteration.
        ({"scales": 1, "warps": 1, "outer": 1, "median": 1, "inner": 1}, 1e-6),
        # 30 iterations, without and with the stop rule.
        ({"scales": 1, "warps": 1, "outer": 1, "median": 1, "epsilon": 0.0}, 1e-5),
        ({"scales": 1, "warps": 1, "outer": 1, "median": 1}, 1e-5),
        # The median filter, 5 x 5 and 3 x 3.
        ({"scales": 1, "warps": 1, "outer": 3, "inner": 3, "epsilon": 0.0}, 1e-5),
        ({"scales": 1, "warps": 1, "outer": 3, "inner": 3, "epsilon": 0.0, "median": 3}, 1e-5),
        # Warping, which OpenCV does in `by_equations`.
        ({"scales": 1, "warps": 3, "outer": 1, "inner": 5, "epsilon": 0.0}, 1e-3),
        # The pyramid.
        ({"warps": 1, "outer": 1, "inner": 5, "epsilon": 0.0}, 1e-3),
        # Everything, with other parameters.
        (
            {
                "tau": 0.1,
                "lambda_": 0.3,
                "theta": 0.2,
                "scale_step": 0.5,
                "warps": 2,
                "outer": 2,
                "epsilon": 0.05,
            },
            5e-3,
        ),
    ],
)
def test_cpu_does_what_the_equations_say(setting, limit):
    first, second = noisy(1)
    flow = tvl1.tvl1(first, second, backend="cpu", **setting)
    np.testing.assert_allclose(flow, by_equations(first, second, **DEFAULTS | setting), atol=limit)


def test_blocking_does_not_change_a_bit(monkeypatch):
    """However many iterations a sweep takes, the stop rule stops at the same iteration."""
    first, second = noisy(2)
    expected = tvl1.tvl1(first, second, backend="cpu")
    for first_sweep, most in ((1, 1), (1, 30), (30, 30), (7, 5)):
        monkeypatch.setattr(cpu, "FIRST", first_sweep)
        monkeypatch.setattr(cpu, "MOST", most)
        np.testing.assert_array_equal(tvl1.tvl1(first, second, backend="cpu"), expected)


def test_the_same_bits_in_other_processes_and_on_lesser_cpus(tmp_path):
    """Threads, vectors and fused multiply-adds of the machine must not change the flow."""
    digests = {
        digest_elsewhere(),
        digest_elsewhere(NUMBA_NUM_THREADS="1", OMP_NUM_THREADS="1"),
        digest_elsewhere(
            NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="", NUMBA_CACHE_DIR=str(tmp_path)
        ),
    }
    assert len(digests) == 1


def test_loops_are_vectors(tmp_path):
    """A loop that LLVM leaves scalar is several times slower."""
    if not re.search("x86|amd64", os.uname().machine.lower()):
        pytest.skip("the names of vector instructions are those of x86")
    more = """
from pipeline.flow import cpu
print(*cpu._sweep.inspect_asm().values(), *cpu._warp.inspect_asm().values())
"""
    assembly = run_digest("cpu", {"warps": 1}, {"NUMBA_CACHE_DIR": str(tmp_path)}, more)
    # The primal step (minps), the dual step (sqrtps, divps) and the warp (mulps).
    for instruction in ("minps", "sqrtps", "divps", "mulps"):
        assert instruction in assembly


@pytest.mark.parametrize("shape", [(16, 16), (17, 16), (16, 49), (45, 33), (61, 128), (128, 61)])
def test_odd_sizes(shape):
    first, second = texture(*shape), texture(*shape, 0.7, 0.4)
    flow = tvl1.tvl1(first, second, backend="cpu")
    assert flow.shape == (*shape, 2) and np.isfinite(flow).all()
    assert np.abs(flow - tvl1.tvl1(first, second, backend="opencv")).mean() < 0.02


def test_4k_frames():
    first, second = texture(2160, 3840), texture(2160, 3840, 1.0, 0)
    flow = tvl1.tvl1(first, second, backend="cpu", scales=1, warps=1, inner=20, outer=1)
    assert flow.shape == (2160, 3840, 2) and 0.5 < np.median(flow[..., 0]) < 1.1
