"""Pictures, parameters and other processes for tests of flow."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

# The solver's parameters as `tvl1.solver` has them.
DEFAULTS = dict(
    tau=0.25,
    lambda_=0.15,
    theta=0.3,
    scales=5,
    scale_step=0.8,
    warps=5,
    epsilon=0.01,
    inner=30,
    outer=10,
    median=5,
)


# Rows and columns, multiples of nothing.
ODD = 43, 58


def texture(height: int, width: int, right: float = 0.0, down: float = 0.0) -> np.ndarray:
    """Return a smooth picture whose content is moved by (right, down) pixels.

    It is computed at the moved positions, not resampled.
    """
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:height, 0:width].astype(float)
    x, y = x - right, y - down
    waves = sum(
        np.sin(a * x + b * y + phase)
        for a, b, phase in rng.uniform(-1, 1, (16, 3)) * [0.5, 0.5, np.pi]
    )
    return np.rint(127 + 15 * waves).clip(0, 255).astype(np.uint8)


def noisy(seed: int, height: int = ODD[0], width: int = ODD[1]) -> tuple[np.ndarray, np.ndarray]:
    """Return two pictures with edges, motion and noise, on which the solver has much to do."""
    rng = np.random.default_rng(seed)
    first, second = (
        texture(height, width).astype(float),
        texture(height, width, 1.7, -0.8).astype(float),
    )
    first[10:25, 12:30] = 200
    second[12:27, 15:33] = 200
    return tuple(
        (image + rng.normal(0, 4, image.shape)).clip(0, 255).astype(np.uint8)
        for image in (first, second)
    )


# Prints the digest of a flow.
PRINT_DIGEST = """
import hashlib, sys
sys.path.insert(0, {tests!r})
from flow_cases import noisy
from pipeline.flow import tvl1
print(hashlib.sha256(tvl1.tvl1(*noisy(3), backend={backend!r}, **{setting!r})).hexdigest())
"""


def run_digest(backend: str, setting: dict, environment: dict, more: str = "") -> str:
    """Compute a flow in another process, run the code `more` there, and return what it prints."""
    tests = str(Path(__file__).parent)
    code = PRINT_DIGEST.format(tests=tests, backend=backend, setting=setting) + more
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def digest_elsewhere(backend: str = "cpu", setting: dict | None = None, **environment: str) -> str:
    """Return the digest of a flow that is computed in another process."""
    return run_digest(backend, setting or {}, environment).strip()
