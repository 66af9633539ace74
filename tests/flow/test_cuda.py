"""The GPU solver without a GPU: its kernel run by Triton's interpreter, and compiled for GPUs."""

import json
import os
import re
import subprocess
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import interpreted_flow
import numpy as np
import pytest
import torch
from flow_cases import DEFAULTS
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pipeline.flow import cpu, levels, tvl1

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Triton is for Linux")


def interpreted(*arguments) -> str:
    """Run tests/interpreted_flow.py by Triton's interpreter; return what it prints."""
    return subprocess.run(
        [sys.executable, interpreted_flow.__file__, *map(str, arguments)],
        env=os.environ | {"TRITON_INTERPRET": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The cases, by the kernel."""
    path = tmp_path_factory.mktemp("cuda") / "cases.npz"
    interpreted("cases", path)
    return np.load(path)


@pytest.mark.parametrize("name", interpreted_flow.CASES)
def test_cuda_has_the_bits_of_cpu(results, name):
    expected = interpreted_flow.solved("cpu", name)
    assert results[name].dtype == expected.dtype
    np.testing.assert_array_equal(results[name], expected)


def test_a_case_stops_in_the_middle_of_a_sweep(monkeypatch):
    """So that the sweep is repeated: the first of a level would have eight iterations."""
    counts, iterate = [], cpu.Solver._iterate

    def counted(*arguments):
        found = iterate(*arguments)
        counts.append(len(found[1]))
        return found

    monkeypatch.setattr(cpu.Solver, "_iterate", counted)
    interpreted_flow.solved("cpu", "early")
    parameters, _ = interpreted_flow.CASES["early"]
    # Each warp stops in its first round, so that these are the warps of the levels of two pairs.
    assert len(counts) == 2 * parameters["scales"] * parameters["warps"]
    assert min(counts[:: parameters["warps"]]) < 8 < max(counts) < parameters["inner"]


def near_borders(bound: float) -> np.ndarray:
    """All floats next to a border between two codes, or to a bound, and some far away."""
    borders = ((np.arange(255) + 0.5) - 127.5) * bound / 127.5
    start = np.array([*borders, -bound, bound, 0.0], np.float32)
    flow = [np.array([np.inf, -np.inf, np.nan, 1e30, -1e30, 1e-45, -0.0], np.float32)]
    for direction in (-np.inf, np.inf):
        values = start
        for _ in range(40):
            flow.append(values)
            values = np.nextafter(values, np.float32(direction))
    return np.concatenate(flow)


def test_codes_are_those_of_quantise(tmp_path):
    """The kernel rounds by a sum with 2^52, and numpy by its own function."""
    flows = {str(bound): near_borders(bound) for bound in (20.0, 5.0, 10.1, 0.3)}
    np.savez(tmp_path / "flow.npz", **flows)
    interpreted("codes", tmp_path / "flow.npz", tmp_path / "codes.npz")
    found = np.load(tmp_path / "codes.npz")
    for bound, flow in flows.items():
        with np.errstate(invalid="ignore"):
            expected = levels.quantise(flow, float(bound))
        np.testing.assert_array_equal(found[bound], expected)
        # Both sides of every border.
        assert len(np.unique(expected)) == 256


def test_threads_of_a_program_do_not_race():
    """Between two barriers, what one lane writes no other reads or writes.

    Where a barrier of these functions is left out, one does, and it is seen.
    """
    found = json.loads(interpreted("races"))
    assert not found.pop("median 1") and not found.pop("median 3")
    assert sorted(site.split()[0] for site in found) == ["_copy", "_median", "_sweep", "_sweep"]
    assert all(found.values())


POINTERS = {"queue": "*i32", "table": "*i32", "cells": "*i32", "scale": "*fp64"}
FLOATS = ("bound", "theta", "step", "factor", "largest")


@pytest.mark.parametrize(
    "capability, image, out, median, aligned",
    [
        (80, "*u8", "*u8", 5, True),
        (90, "*u8", "*u8", 5, False),
        (80, "*fp32", "*fp32", 3, False),
        (90, "*u8", "*fp32", 1, True),
    ],
)
def test_the_kernel_compiles_with_exact_arithmetic(
    tmp_path, monkeypatch, capability, image, out, median, aligned
):
    """For A100 and H100; it takes no GPU. `aligned`: tensors and sizes are multiples of 16.

    No product is fused with a sum, and quotients and roots are rounded to nearest. Loads are
    coherent, and not moved ahead. The barriers are there. Two programs fit the registers of an SM.
    """
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    from pipeline.flow import cuda

    kernel = cuda._solve
    # Nothing is said of alignment when it is launched.
    assert all(x.is_constexpr or x.do_not_specialize for x in kernel.params)
    kinds = dict.fromkeys(kernel.arg_names, "i32") | POINTERS | dict.fromkeys(FLOATS, "fp32")
    kinds |= dict.fromkeys(("space", "weights", "thresholds"), "*fp32")
    kinds |= {"first": image, "second": image, "out": out, "MEDIAN": "constexpr"}
    multiples = [name for name in kinds if kinds[name][0] == "*" or name == "pyramid"]
    compiled = compile(
        ASTSource(
            kernel,
            kinds,
            {(kernel.arg_names.index("MEDIAN"),): median},
            {(kernel.arg_names.index(x),): [["tt.divisibility", 16]] for x in multiples * aligned},
        ),
        target=GPUTarget("cuda", capability, 32),
        options=cuda.LAUNCH,
    )
    ptx = compiled.asm["ptx"]
    for inexact in ("fma.", "approx", "div.full", "ld.global.nc", "cp.async"):
        assert inexact not in ptx, inexact
    assert "div.rn.f32" in ptx and "sqrt.rn.f32" in ptx
    if aligned:
        return
    # The loads, stores, barriers and roots. The roots are those of the dual step. Before them the
    # flow is stored, and then comes a barrier before it is loaded. After them the dual variables
    # are stored, and then comes a barrier before the next iteration.
    letters = {"ld.global": "L", "st.global": "S", "bar.sync": "B", "sqrt.rn": "R"}
    order = "".join(letters[x] for x in re.findall("|".join(map(re.escape, letters)), ptx))
    before, dual, after = re.fullmatch("([^R]*)(R.*R)([^R]*)", order).groups()
    assert re.search("S+B+L+$", before) and "B" not in dual and re.match("[LS]*S+B", after)
    if capability == 90:
        (tmp_path / "kernel.ptx").write_text(ptx)
        said = subprocess.run(
            [
                triton.knobs.nvidia.ptxas.path,
                "-v",
                "--gpu-name=sm_90a",
                tmp_path / "kernel.ptx",
                "-o",
                tmp_path / "kernel.cubin",
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stderr
        assert int(re.search(r"Used (\d+) registers", said)[1]) <= 128
        # What is spilled is pointers and sizes, of which the loops over pixels use few.
        assert int(re.search(r"(\d+) bytes spill stores", said)[1]) < 300


class Operations(TorchDispatchMode):
    """Notes operations of torch, and between which devices they copy what, and how."""

    def __init__(self):
        super().__init__()
        self.names, self.copies, self.pinned = [], [], set()

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        options = options or {}
        out = operation(*arguments, **options)
        name = operation.overloadpacket.__name__
        tensors = [x for x in tree_leaves((arguments, out)) if isinstance(x, torch.Tensor)]
        if options.get("pin_memory"):
            self.pinned.add(out.untyped_storage()._cdata)
        self.names.append(name)
        if len({tensor.device.type for tensor in tensors}) > 1:
            waits = not (options.get("non_blocking") or arguments[-1] is True)
            from_or_to_pinned = all(
                tensor.untyped_storage()._cdata in self.pinned
                for tensor in tensors
                if tensor.device.type == "cpu"
            )
            self.copies.append((name, waits, from_or_to_pinned))
        return out


class Launches(list):
    """Stands for the kernel."""

    def __getitem__(self, grid):
        return lambda *arguments, **options: self.append((grid, arguments))


def test_the_host_waits_for_nothing_but_the_result(monkeypatch):
    """On fake tensors of a GPU: one launch a batch, three copies, and none of them waits."""
    from pipeline.flow import cuda

    launches, events = Launches(), []
    card = SimpleNamespace(total_memory=80 * 2**30, multi_processor_count=132)
    event = SimpleNamespace(record=lambda: events.append("recorded"))
    monkeypatch.setattr(cuda, "_solve", launches)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: card)
    monkeypatch.setattr(torch.cuda, "Event", lambda **options: event)
    monkeypatch.setattr(cuda, "STREAMS", SimpleNamespace())
    monkeypatch.setattr(torch.cuda, "Stream", lambda: "stream of the thread")
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext(events.append(stream)))
    images = [np.zeros((300, 240, 320), np.uint8)]
    with FakeTensorMode():
        solve = cuda.Solver(240, 320, **DEFAULTS)
        with Operations() as seen:
            result, done = solve._begin(images, images, torch.uint8, 20.0)
    assert result.shape == (300, 2, 240, 320) and result.device.type == "cpu"
    # Two programs on each multiprocessor, four pairs for each of them at the most.
    assert solve.batch == 4 * 264
    ((grid, arguments),) = launches
    assert grid == (264,)
    tensors = [x for x in arguments if isinstance(x, torch.Tensor)]
    assert len(tensors) == 10 and {tensor.device.type for tensor in tensors} == {"cuda"}
    assert seen.copies == [("_to_copy", False, True)] * 2 + [("copy_", False, True)]
    # No other operation asks the device for a value.
    assert set(seen.names) <= {
        "device",
        "empty",
        "zeros",
        "full",
        "_to_copy",
        "copy_",
        "lift_fresh",
        "detach",
    }
    assert done is event and events == ["stream of the thread", "recorded"]


def test_memory_bounds_programs_and_batches(monkeypatch):
    """A small card has fewer programs, and large images make smaller batches."""
    from pipeline.flow import cuda

    card = SimpleNamespace(total_memory=2**31, multi_processor_count=10)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: card)
    with FakeTensorMode():
        for size, programs in (((240, 320), 20), ((1080, 1920), 1)):
            solve = cuda.Solver(*size, **DEFAULTS)
            assert solve._programs == programs and 4 * programs * solve._floats <= 2**28
            assert programs <= solve.batch <= 4 * programs


def test_every_level_has_its_taps():
    """The table of a solver says where each level's taps lie: those of `pyramid.taps`."""
    from pipeline.flow import cuda, pyramid

    sizes = pyramid.sizes(240, 320, 5, 0.8)
    table, cells, weights = cuda._table(sizes, 0.8)
    assert [tuple(row[:2]) for row in table] == sizes
    # Of 40 bytes a pixel, 128 KiB hold a chunk of 1,024 pixels and 2,252 more: seven rows of 320,
    # eight of 256 and ten of 205, and so six, seven and nine iterations, where eight is the most.
    assert table[:, 2].tolist() == [6, 7, 8, 8, 8]
    assert table[:, 3].tolist() == [0, *np.cumsum([h * w for h, w in sizes])[:-1]]
    for level, (size, row) in enumerate(zip(sizes, table, strict=True)):
        for other, column, step in ((level - 1, 4, 0.8), (level + 1, 5, None)):
            if 0 <= other < len(sizes):
                at = row[column]
                for source, target in zip(sizes[other], size, strict=True):
                    first, weight = pyramid.taps(source, target, step)
                    np.testing.assert_array_equal(cells[at : at + target], first)
                    np.testing.assert_array_equal(weights[at : at + target], weight)
                    at += target


def test_a_batch_may_be_empty_or_read_only(monkeypatch):
    from pipeline.flow import cuda

    launches = Launches()
    monkeypatch.setattr(cuda, "_solve", launches)
    monkeypatch.setattr(cuda.triton.knobs.runtime, "interpret", True)
    solve = tvl1.solver("cuda", 20, 24)
    images = np.zeros((1, 20, 24), np.uint8)
    images.flags.writeable = False
    assert solve([images[:0]], [images[:0]]).shape == (0, 20, 24, 2) and not launches
    assert solve.codes([images], [images], 20).shape == (1, 2, 20, 24) and len(launches) == 1
