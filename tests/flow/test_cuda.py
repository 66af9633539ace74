"""The GPU solver without a GPU: its kernels run by Triton's interpreter, and compiled for GPUs."""

import sys

import pytest
from flow_cases import digest_elsewhere


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
    """The GPU's kernels, run by Triton's interpreter, give the flow of the CPU solver."""
    assert digest_elsewhere("cuda", setting, TRITON_INTERPRET="1") == digest_elsewhere(
        "cpu", setting
    )


@pytest.mark.skipif(sys.platform != "linux", reason="Triton is for Linux")
def test_cuda_kernels_compile_for_gpus_with_exact_arithmetic(tmp_path, monkeypatch):
    """The kernels compile for A100 and H100; it takes no GPU.

    No product is fused with a sum, and quotients and roots are rounded to nearest.
    """
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    from pipeline.flow import cuda

    integers = {"h", "w", "height", "width", "inner"}
    floats = {"threshold", "factor", "bound", "theta", "step"}
    for name, constants in (
        ("_resize", {}),
        ("_gradient", {}),
        ("_warp", {}),
        ("_median", {"SIZE": 5}),
        ("_iterate", {"FILTERED": True}),
    ):
        kernel = getattr(cuda, name)
        kinds = dict.fromkeys(kernel.arg_names, "*fp32")
        for keys, kind in (
            (constants, "constexpr"),
            (integers, "i32"),
            (floats, "fp32"),
            (("rows", "columns"), "*i32"),
        ):
            kinds |= {key: kind for key in keys if key in kinds}
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
