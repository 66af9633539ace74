"""TV-L1: three solvers, one flow; against the equations, OpenCV, motion that is known, and published ground truth."""

import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.flow import cpu, levels, pyramid, tvl1

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
ODD = 43, 58  # rows and columns: no multiple of anything


def texture(height: int, width: int, right: float = 0.0, down: float = 0.0) -> np.ndarray:
    """A smooth picture, its content moved by (right, down) pixels: computed at the moved places, not resampled."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:height, 0:width].astype(float)
    x, y = x - right, y - down
    waves = sum(
        np.sin(a * x + b * y + phase)
        for a, b, phase in rng.uniform(-1, 1, (16, 3)) * [0.5, 0.5, np.pi]
    )
    return np.rint(127 + 15 * waves).clip(0, 255).astype(np.uint8)


def noisy(seed: int, height: int = ODD[0], width: int = ODD[1]) -> tuple[np.ndarray, np.ndarray]:
    """Two pictures with edges, motion and noise, on which the solver has much to do."""
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


def frames_of(path: Path, count: int) -> list[np.ndarray]:
    """The first grey frames of a video, by OpenCV's decoder."""
    video = cv2.VideoCapture(str(path))
    return [cv2.cvtColor(video.read()[1], cv2.COLOR_BGR2GRAY) for _ in range(count)]


@pytest.fixture(scope="module")
def genuine(shared) -> list[tuple[np.ndarray, np.ndarray]]:
    """A pair of frames of each of six UCF101 clips, 320 x 240."""
    videos = shared / "ucf101_6class" / "videos"
    clips = [sorted(folder.iterdir())[20] for folder in sorted(videos.iterdir())]
    return [tuple(frames_of(clip, 31)[-2:]) for clip in clips]


# The equations


def by_equations(
    first, second, *, tau, lambda_, theta, scales, scale_step, warps, epsilon, inner, outer, median
):
    """TV-L1 step by step in float64, an array operation an equation; OpenCV filters the images.

    Zach, Pock and Bischof (2007): TH of Eq. 15-16, the primal step of Eq. 13, the dual step of Eq. 12.
    """

    def halves(image):  # central differences, one-sided halves at edges
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
            place = [(grid + c).astype(np.float32) for grid, c in zip((x, y), u, strict=True)]
            warped, *grad = (
                cv2.remap(image.astype(np.float32), *place, cv2.INTER_CUBIC).astype(float)
                for image in (after, *halves(after))
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
        ({"scales": 1, "warps": 1, "outer": 1, "median": 1, "inner": 1}, 1e-6),
        ({"scales": 1, "warps": 1, "outer": 1, "median": 1, "epsilon": 0.0}, 1e-5),  # 30 iterations
        ({"scales": 1, "warps": 1, "outer": 1, "median": 1}, 1e-5),  # the stop rule
        ({"scales": 1, "warps": 1, "outer": 3, "inner": 3, "epsilon": 0.0}, 1e-5),  # median 5 x 5
        ({"scales": 1, "warps": 1, "outer": 3, "inner": 3, "epsilon": 0.0, "median": 3}, 1e-5),
        (
            {"scales": 1, "warps": 3, "outer": 1, "inner": 5, "epsilon": 0.0},
            1e-3,
        ),  # warping is by OpenCV there
        ({"warps": 1, "outer": 1, "inner": 5, "epsilon": 0.0}, 1e-3),  # the pyramid
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
    found = tvl1.tvl1(first, second, backend="cpu", **setting)
    np.testing.assert_allclose(found, by_equations(first, second, **DEFAULTS | setting), atol=limit)


def test_pyramid_is_opencvs():
    image = np.random.default_rng(0).uniform(0, 255, (1, 243, 317)).astype(np.float32)
    found = cpu.Solver(243, 317, **DEFAULTS).pyramid(image)
    expected = image[0]
    for level in found:
        np.testing.assert_allclose(level[0], expected, atol=2e-3)
        expected = cv2.resize(level[0], None, fx=0.8, fy=0.8)
    assert len(found) == 5
    assert pyramid.sizes(20, 400, 5, 0.8) == [(20, 400), (16, 320)]  # none is under 16 pixels


# OpenCV's flow, energy, and the truth


def energy(
    first: np.ndarray, second: np.ndarray, field: np.ndarray, lambda_: float = 0.15
) -> float:
    """The TV-L1 energy in float64: sum |grad u| + |grad v| + lambda |I1(x + u) - I0(x)|, I1 zero beyond its edges."""
    height, width = first.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    warped = cv2.remap(
        second.astype(np.float32), x + field[..., 0], y + field[..., 1], cv2.INTER_CUBIC
    )
    inside = np.logical_and.reduce(
        [
            x + field[..., 0] >= 0,
            x + field[..., 0] <= width - 1,
            y + field[..., 1] >= 0,
            y + field[..., 1] <= height - 1,
        ]
    )
    data = np.abs(warped.astype(float) - first)[inside].sum()
    c = field.astype(float)
    total = np.hypot(np.diff(c, axis=1, append=c[:, -1:]), np.diff(c, axis=0, append=c[-1:])).sum()
    return total + lambda_ * data


def test_same_flow_as_opencv_on_genuine_clips(genuine):
    """Taken together: where almost nothing moves, a last bit can decide a few pixels of a pair, and with them its energy."""
    apart, bytes_apart, energies = [], [], []
    for first, second in genuine:
        theirs, ours = (tvl1.tvl1(first, second, backend=backend) for backend in ("opencv", "cpu"))
        apart.append(np.hypot(*np.moveaxis(theirs - ours, -1, 0)))
        bytes_apart.append(np.abs(levels.quantise(theirs).astype(int) - levels.quantise(ours)))
        energies.append([energy(first, second, field) for field in (theirs, ours)])
    theirs, ours = np.sum(energies, axis=0)
    assert ours <= 1.01 * theirs
    assert np.mean(apart) <= 0.05 and np.percentile(apart, 99) <= 0.5
    assert (
        np.mean(np.array(bytes_apart) == 0) >= 0.9 and np.mean(np.array(bytes_apart) <= 1) >= 0.995
    )


def ground_truth(path: Path) -> np.ndarray:
    """A Middlebury .flo file: 'PIEH', width, height, then u, v by row."""
    content = path.read_bytes()
    assert content[:4] == b"PIEH"
    width, height = np.frombuffer(content[4:12], np.int32)
    return np.frombuffer(content[12:], np.float32).reshape(height, width, 2)


def test_as_near_to_the_truth_as_opencv(shared):
    """One pair of Middlebury's; benchmarks/flow.py prints all eight."""
    folder = shared / "middlebury_flow"
    first, second = (
        cv2.imread(str(folder / "other-data" / "Venus" / f"frame{n}.png"), cv2.IMREAD_GRAYSCALE)
        for n in (10, 11)
    )
    truth = ground_truth(folder / "other-gt-flow" / "Venus" / "flow10.flo")
    known = (np.abs(truth) < 1e9).all(axis=-1)
    errors = [
        np.hypot(*np.moveaxis(tvl1.tvl1(first, second, backend=backend) - truth, -1, 0))[
            known
        ].mean()
        for backend in ("opencv", "cpu")
    ]
    assert 0.1 < errors[0] < 1 and abs(errors[1] / errors[0] - 1) <= 0.02


@pytest.mark.parametrize("backend", ["opencv", "cpu"])
@pytest.mark.parametrize("right, down", [(1.5, 0), (0, 1.5), (-0.6, 0.4), (2.3, -1.2)])
def test_finds_a_translation(backend, right, down):
    """Content that moves right has +x, down +y."""
    found = tvl1.tvl1(texture(64, 80), texture(64, 80, right, down), backend=backend)
    assert found.shape == (64, 80, 2) and found.dtype == np.float32
    inner = found[8:-8, 8:-8]
    np.testing.assert_allclose(np.median(inner, axis=(0, 1)), [right, down], atol=0.05)
    assert np.abs(inner - [right, down]).mean() < 0.1


@pytest.mark.parametrize("backend", ["opencv", "cpu"])
def test_a_still_clip_has_no_flow(backend):
    assert np.abs(tvl1.tvl1(texture(48, 48), texture(48, 48), backend=backend)).max() < 1e-3


@pytest.mark.parametrize("backend", ["opencv", "cpu"])
@pytest.mark.parametrize(
    "setting",
    [
        {"tau": 0.1},
        {"lambda_": 0.05},
        {"theta": 0.1},
        {"scales": 1},
        {"scale_step": 0.5},
        {"warps": 1},
        {"epsilon": 0.5},
        {"inner": 2},
        {"outer": 1},
        {"median": 1},
    ],
    ids=lambda setting: next(iter(setting)),
)
def test_every_setting_is_heard(backend, setting):
    images = texture(48, 48), texture(48, 48, 2.5, 1.0)
    assert not np.array_equal(
        tvl1.tvl1(*images, backend=backend), tvl1.tvl1(*images, backend=backend, **setting)
    )


# The same bits


def test_blocking_does_not_change_a_bit(monkeypatch):
    """However many iterations a sweep takes, the stop rule stops at the same one."""
    first, second = noisy(2)
    expected = tvl1.tvl1(first, second, backend="cpu")
    for first_sweep, most in ((1, 1), (1, 30), (30, 30), (7, 5)):
        monkeypatch.setattr(cpu, "FIRST", first_sweep)
        monkeypatch.setattr(cpu, "MOST", most)
        np.testing.assert_array_equal(tvl1.tvl1(first, second, backend="cpu"), expected)


def test_a_pair_does_not_know_its_batch():
    pairs = [noisy(seed) for seed in range(3)] + [(texture(*ODD), texture(*ODD))]
    firsts, seconds = (np.stack(images) for images in zip(*pairs, strict=True))
    batch = tvl1.tvl1(firsts, seconds, backend="cpu")
    assert batch.shape == (4, *ODD, 2)
    for pair, (first, second) in enumerate(pairs):
        np.testing.assert_array_equal(batch[pair], tvl1.tvl1(first, second, backend="cpu"))
    assert tvl1.tvl1(firsts[:0], seconds[:0], backend="cpu").shape == (0, *ODD, 2)


@pytest.mark.parametrize("count", [1, 2, 8, 9, 10, 20])
def test_fields_are_the_flow_of_neighbours(count):
    """Also over the borders of blocks of pairs, 8 each."""
    frames = [texture(20, 24, 0.3 * t, 0) for t in range(count)]
    found = list(tvl1.fields(iter(frames), backend="cpu", warps=1))
    assert len(found) == count - 1
    for t, field in enumerate(found):
        np.testing.assert_array_equal(
            field, tvl1.tvl1(frames[t], frames[t + 1], backend="cpu", warps=1)
        )


PRINT_DIGEST = """
import hashlib, sys
sys.path.insert(0, {tests!r})
from test_tvl1 import noisy
from pipeline.flow import tvl1
print(hashlib.sha256(tvl1.tvl1(*noisy(3), backend={backend!r}, **{setting!r})).hexdigest())
"""


def digest_elsewhere(backend: str = "cpu", setting: dict | None = None, **environment: str) -> str:
    """Digest of a flow computed in another process."""
    code = PRINT_DIGEST.format(
        tests=str(Path(__file__).parent), backend=backend, setting=setting or {}
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def test_the_same_bits_in_other_processes_and_on_lesser_cpus(tmp_path):
    """Threads, vectors and fused multiply-adds of the machine must not show."""
    digests = {
        digest_elsewhere(),
        digest_elsewhere(NUMBA_NUM_THREADS="1", OMP_NUM_THREADS="1"),
        digest_elsewhere(
            NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="", NUMBA_CACHE_DIR=str(tmp_path)
        ),
    }
    assert len(digests) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="Triton is for Linux")
@pytest.mark.parametrize(
    "setting",
    [
        {"scales": 2, "warps": 2, "outer": 2, "inner": 12},
        {"scales": 1, "warps": 1, "outer": 2, "inner": 5, "median": 3},
    ],
    ids=["5x5", "3x3"],
)
def test_cuda_has_the_bits_of_cpu(setting):
    """The GPU's kernels, run by Triton's interpreter on this machine, where pairs also stop each on its own."""
    assert digest_elsewhere("cuda", setting, TRITON_INTERPRET="1") == digest_elsewhere(
        "cpu", setting
    )


@pytest.mark.skipif(sys.platform != "linux", reason="Triton is for Linux")
def test_cuda_kernels_compile_for_gpus_with_exact_arithmetic(tmp_path, monkeypatch):
    """For A100 and H100, without a GPU: no product is fused with a sum, quotients and roots are rounded to nearest."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    from pipeline.flow import cuda

    integers, floats = (
        {"h", "w", "height", "width", "inner"},
        {"threshold", "factor", "bound", "theta", "step"},
    )
    for name, constants in (
        ("_resize", {}),
        ("_gradient", {}),
        ("_warp", {}),
        ("_median", {"SIZE": 5}),
        ("_iterate", {"FILTERED": True}),
    ):
        kernel = getattr(cuda, name)
        kinds = {
            key: "constexpr"
            if key in constants
            else "i32"
            if key in integers
            else "fp32"
            if key in floats
            else "*i32"
            if key in ("rows", "columns")
            else "*fp32"
            for key in kernel.arg_names
        }
        for capability in (80, 90):
            source = ASTSource(
                kernel,
                kinds,
                {(kernel.arg_names.index(key),): value for key, value in constants.items()},
            )
            ptx = compile(
                source, target=GPUTarget("cuda", capability, 32), options=cuda.LAUNCH
            ).asm["ptx"]
            assert "fma." not in ptx and "approx" not in ptx and "div.full" not in ptx
            if name == "_iterate":
                assert "div.rn.f32" in ptx and "sqrt.rn.f32" in ptx


def test_loops_are_vectors(tmp_path):
    """A loop that LLVM leaves scalar is several times slower."""
    if not re.search("x86|amd64", os.uname().machine.lower()):
        pytest.skip("the names of vector instructions are those of x86")
    code = PRINT_DIGEST.format(
        tests=str(Path(__file__).parent), backend="cpu", setting={"warps": 1}
    )
    code += "from pipeline.flow import cpu; print(*cpu._sweep.inspect_asm().values(), *cpu._warp.inspect_asm().values())"
    assembly = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for instruction in (
        "minps",
        "sqrtps",
        "divps",
        "mulps",
    ):  # the primal step, the dual step, the warp
        assert instruction in assembly


# What comes in


@pytest.mark.parametrize("shape", [(16, 16), (17, 16), (16, 49), (45, 33), (61, 128), (128, 61)])
def test_odd_sizes(shape):
    first, second = texture(*shape), texture(*shape, 0.7, 0.4)
    found = tvl1.tvl1(first, second, backend="cpu")
    assert found.shape == (*shape, 2) and np.isfinite(found).all()
    assert np.abs(found - tvl1.tvl1(first, second, backend="opencv")).mean() < 0.02


def test_4k_frames():
    first, second = texture(2160, 3840), texture(2160, 3840, 1.0, 0)
    found = tvl1.tvl1(first, second, backend="cpu", scales=1, warps=1, inner=20, outer=1)
    assert found.shape == (2160, 3840, 2) and 0.5 < np.median(found[..., 0]) < 1.1


def test_floats_are_the_same_images():
    first, second = noisy(4)
    expected = tvl1.tvl1(first, second, backend="cpu")
    as_floats = [image.astype(np.float32) for image in (first, second)]
    np.testing.assert_array_equal(tvl1.tvl1(*as_floats, backend="cpu"), expected)
    np.testing.assert_array_equal(tvl1.tvl1(first, as_floats[1], backend="cpu"), expected)
    theirs = tvl1.tvl1(first, second, backend="opencv")
    assert (
        np.abs(tvl1.tvl1(first, as_floats[1], backend="opencv") - theirs).mean() < 0.02
    )  # OpenCV scales floats by 255


def small(dtype=np.uint8, shape=(20, 20), value=0) -> np.ndarray:
    return np.full(shape, value, dtype)


@pytest.mark.parametrize("backend", ["opencv", "cpu", "auto"])
@pytest.mark.parametrize(
    "first, second, words",
    [
        (small(np.float64), small(), "first.*float64"),
        (small(), small(np.int32), "second.*int32"),
        (small(), [[1, 2]], "second.*list"),
        (small(shape=(20, 20, 3, 1)), small(shape=(20, 20, 3, 1)), "first.*grey"),
        (small(), small(shape=(20, 21)), r"size: first \(20, 20\), second \(20, 21\)"),
        (small(shape=(2, 20, 20)), small(), "size"),
        (small(shape=(15, 20)), small(shape=(15, 20)), "first.*16 x 16"),
        (small(np.float32, value=np.nan), small(np.float32), "first.*finite"),
        (small(np.float32), small(np.float32, value=np.inf), "second.*finite"),
        (small(np.float32), small(np.float32, value=256), "second.*0..255"),
        (small(np.float32, value=-1), small(np.float32), "first.*0..255"),
    ],
)
def test_refuses_what_it_cannot_compare(backend, first, second, words):
    with pytest.raises(ValueError, match=words):
        tvl1.tvl1(first, second, backend=backend)


def test_fields_of_small_frames_are_refused():
    with pytest.raises(ValueError, match="20 x 12"):
        list(tvl1.fields([small(shape=(12, 20))] * 2, backend="cpu"))


def test_auto_takes_what_is_there(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setattr(tvl1, "gpu_count", lambda: 0)
    assert tvl1.resolve_backend("auto") == "cpu" and tvl1.resolve_backend("opencv") == "opencv"
    with pytest.raises(PipelineError, match="cuda needs an NVIDIA GPU"):
        tvl1.resolve_backend("cuda")
    with pytest.raises(PipelineError, match="'gpu' is none of auto, opencv, cpu, cuda"):
        tvl1.resolve_backend("gpu")
    monkeypatch.setattr(tvl1, "gpu_count", lambda: 1)
    monkeypatch.setattr(tvl1, "find_spec", lambda name: object())
    assert (
        tvl1.resolve_backend("auto") == tvl1.resolve_backend("cuda") == "cuda" and tvl1.resolve_backend("cpu") == "cpu"
    )
    monkeypatch.setattr(tvl1, "find_spec", lambda name: None)
    assert tvl1.resolve_backend("auto") == "cpu"


def test_grey_is_bt601_luma():
    frame = np.random.default_rng(0).integers(0, 256, (9, 11, 3)).astype(np.uint8)
    luma = frame @ np.array([0.299, 0.587, 0.114])  # R, G, B
    assert np.abs(tvl1.grey(frame) - luma).max() <= 0.51  # OpenCV's weights are fixed-point
