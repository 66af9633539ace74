"""The front of the solvers: what it takes and refuses, what each backend finds, batches, clips."""

import numpy as np
import pytest
from flow_cases import ODD, noisy, texture

from pipeline.errors import PipelineError
from pipeline.flow import tvl1
from pipeline.gpus import Gpus


@pytest.mark.parametrize("backend", ["opencv", "cpu"])
@pytest.mark.parametrize("right, down", [(1.5, 0), (0, 1.5), (-0.6, 0.4), (2.3, -1.2)])
def test_finds_a_translation(backend, right, down):
    """Content that moves right has +x, down +y."""
    flow = tvl1.tvl1(texture(64, 80), texture(64, 80, right, down), backend=backend)
    assert flow.shape == (64, 80, 2) and flow.dtype == np.float32
    inner = flow[8:-8, 8:-8]
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


def test_a_pair_does_not_know_its_batch():
    """The flow of a pair is bit-identical alone and in any batch; an empty batch has no flow."""
    pairs = [noisy(seed) for seed in range(3)] + [(texture(*ODD), texture(*ODD))]
    firsts, seconds = (np.stack(images) for images in zip(*pairs, strict=True))
    batch = tvl1.tvl1(firsts, seconds, backend="cpu")
    assert batch.shape == (4, *ODD, 2)
    for pair, (first, second) in enumerate(pairs):
        np.testing.assert_array_equal(batch[pair], tvl1.tvl1(first, second, backend="cpu"))
    assert tvl1.tvl1(firsts[:0], seconds[:0], backend="cpu").shape == (0, *ODD, 2)


@pytest.mark.parametrize("count", [1, 2, 8, 9, 10, 20])
def test_fields_are_the_flow_of_neighbours(count):
    """Also across the borders of batches, which have 8 pairs."""
    frames = [texture(20, 24, 0.3 * t, 0) for t in range(count)]
    fields = list(tvl1.fields(iter(frames), backend="cpu", warps=1))
    assert len(fields) == count - 1
    for t, field in enumerate(fields):
        np.testing.assert_array_equal(
            field, tvl1.tvl1(frames[t], frames[t + 1], backend="cpu", warps=1)
        )


def test_floats_are_the_same_images():
    first, second = noisy(4)
    expected = tvl1.tvl1(first, second, backend="cpu")
    as_floats = [image.astype(np.float32) for image in (first, second)]
    np.testing.assert_array_equal(tvl1.tvl1(*as_floats, backend="cpu"), expected)
    np.testing.assert_array_equal(tvl1.tvl1(first, as_floats[1], backend="cpu"), expected)
    theirs = tvl1.tvl1(first, second, backend="opencv")
    mixed = tvl1.tvl1(first, as_floats[1], backend="opencv")
    # Not equal, as OpenCV takes floats in 0..1 and multiplies them by 255.
    assert np.abs(mixed - theirs).mean() < 0.02


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


@pytest.fixture
def card(monkeypatch):
    """A machine with a GPU, and all that flow on it needs."""
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setattr(tvl1.gpus, "found", lambda: Gpus(("Card",), (13, 0)))
    monkeypatch.setattr(tvl1.gpus, "missing_for_triton", list)
    monkeypatch.setattr(tvl1.gpus, "torch_problem", lambda found: "")
    tvl1._say_once.cache_clear()


def test_auto_takes_what_is_there(card, monkeypatch):
    assert tvl1.resolve_backend("auto") == tvl1.resolve_backend("cuda") == "cuda"
    assert tvl1.resolve_backend("cpu") == "cpu" and tvl1.resolve_backend("opencv") == "opencv"
    monkeypatch.setattr(tvl1.gpus, "found", Gpus)
    assert tvl1.resolve_backend("auto") == "cpu"
    with pytest.raises(PipelineError, match="flow.backend is cuda: .*; or take auto or cpu"):
        tvl1.resolve_backend("cuda")
    with pytest.raises(PipelineError, match="'gpu' is none of auto, opencv, cpu, cuda"):
        tvl1.resolve_backend("gpu")


def test_what_triton_lacks_is_said_once_by_auto_and_is_an_error_of_cuda(card, monkeypatch, capfd):
    monkeypatch.setattr(tvl1.gpus, "missing_for_triton", lambda: ["a C compiler", "Python.h"])
    assert [tvl1.resolve_backend("auto") for _ in range(2)] == ["cpu", "cpu"]
    assert capfd.readouterr() == (
        "",
        "Triton compiles flow for the GPU, and lacks a C compiler and Python.h; "
        "flow is computed on the CPU until they are installed\n",
    )
    with pytest.raises(
        PipelineError, match=r"lacks a C compiler and Python.h; install .*python3-d"
    ):
        tvl1.resolve_backend("cuda")


@pytest.mark.parametrize("backend", ["auto", "cuda"])
def test_a_gpu_that_torch_cannot_use_is_not_passed_over(card, monkeypatch, backend):
    monkeypatch.setattr(tvl1.gpus, "torch_problem", lambda found: "the driver is too old")
    with pytest.raises(PipelineError, match="too old; or set flow.backend to cpu"):
        tvl1.resolve_backend(backend)
    assert tvl1.resolve_backend("cpu") == "cpu"


def test_grey_is_bt601_luma():
    frame = np.random.default_rng(0).integers(0, 256, (9, 11, 3)).astype(np.uint8)
    # The weights of red, green and blue.
    luma = frame @ np.array([0.299, 0.587, 0.114])
    # Half a level by rounding, and a little by OpenCV's fixed-point weights.
    assert np.abs(tvl1.grey(frame) - luma).max() <= 0.51
