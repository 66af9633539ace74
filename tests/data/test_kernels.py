"""The kernels without a GPU: run by Triton's interpreter, and compiled for GPUs."""

import os
import subprocess
import sys

import pytest
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

from pipeline.data import kernels


def test_kernels_give_the_bits_of_torch(folder):
    """Of training batches of each kind: frames and stacks, mirrored and not, of many sizes."""
    program = os.path.join(os.path.dirname(__file__), "interpreted_kernels.py")
    done = subprocess.run(
        [sys.executable, program, str(folder)],
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.endswith("batches\n")


FINISH = {
    "pixels": "*u8",
    "places": "*i64",
    "taps": "*i32",
    "out": "*u8",
    "channels": "i32",
    "size": "i32",
}
NORMALISE = {
    "pixels": "*u8",
    "index": "*i64",
    "table": "*fp32",
    "channels": "i32",
    "area": "i32",
    "rows": "i32",
}


@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize(
    "kernel, signature, constants",
    [
        ("_finish", FINISH, {"negate": True}),
        ("_finish", FINISH, {"negate": False}),
        ("_normalise", NORMALISE | {"out": "*fp32"}, {}),
        ("_normalise", NORMALISE | {"table": "*bf16", "out": "*bf16"}, {}),
    ],
)
def test_kernels_compile_for_gpus(tmp_path, monkeypatch, capability, kernel, signature, constants):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    constants = constants | {"PIXELS": kernels.PIXELS}
    signature = signature | dict.fromkeys(constants, "constexpr")
    function = getattr(kernels, kernel)
    names = function.arg_names
    source = ASTSource(
        function,
        {name: signature[name] for name in names},
        {(names.index(name),): value for name, value in constants.items()},
    )
    made = compile(source, target=GPUTarget("cuda", capability, 32))
    # In registers alone: what spills goes through memory.
    assert f".target sm_{capability}" in made.asm["ptx"] and "st.local" not in made.asm["ptx"]
