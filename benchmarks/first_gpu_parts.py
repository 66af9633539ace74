"""Runs the parts of first_gpu.py one after the other; their table and JSON."""

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator

import first_gpu_flow
import first_gpu_networks
import torch
from first_gpu_plan import Plan
from report import machine

from pipeline import gpus

PARTS = {
    "flow bits": first_gpu_flow.flow_bits,
    "crops": first_gpu_networks.crops,
    "losses": first_gpu_networks.losses,
    "flow rate": first_gpu_flow.flow_rate,
    "flow job": first_gpu_flow.whole_job,
    "training": first_gpu_networks.training,
    "loader": first_gpu_networks.loader,
}


def run(parts: dict[str, Callable[[Plan], dict]], plan: Plan) -> dict[str, dict]:
    """Run the parts one after the other; one that fails has its error as its result."""
    found = {}
    for name, part in parts.items():
        begun = time.perf_counter()
        try:
            found[name] = {"ok": True} | part(plan)
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            found[name] = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        found[name]["seconds"] = round(time.perf_counter() - begun, 1)
        print(f"{name}: {'ok' if found[name]['ok'] else 'FAILED'}, {found[name]['seconds']} s",
              flush=True)  # fmt: skip
    return found


def table(found: dict[str, dict]) -> Iterator[str]:
    """Yield the lines of the table at the end."""
    for name, part in found.items():
        yield f"{name:10} {'ok' if part['ok'] else 'FAILED':7} {_said(part)}"
    networks = found.get("training", {}).get("networks", {})
    if networks:
        yield f"{'network':35} {'ms/step':>8} {'TFLOP/s':>8} {'of peak':>7} {'GB':>6}"
    for name, row in networks.items():
        yield _speed_line(name, row)
        if "compiled" in row:
            yield _speed_line(f"{name}, compiled", row["compiled"])


def _speed_line(name: str, row: dict) -> str:
    share = f"{row['share_of_peak']:.1%}" if row["share_of_peak"] else "-"
    memory = f"{row['peak_gb']:.1f}" if row["peak_gb"] else "-"
    return f"{name:35} {row['ms_a_step']:8.1f} {row['tflops']:8.2f} {share:>7} {memory:>6}"


def _said(part: dict) -> str:
    """What a part found, in a line, without its tables."""
    shown = {key: value for key, value in part.items() if key not in ("ok", "seconds", "networks")}
    return ", ".join(
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in shown.items()
    )


def measure(options: argparse.Namespace) -> bool:
    """Run the parts that are asked for, print the table and write the JSON; return whether all are
    well.
    """
    name = "dry"
    if not options.dry:
        name = _ready_gpu()
    torch.set_num_threads(1)
    plan = Plan(options.dry, options.clips, options.seconds)
    found = run({part: PARTS[part] for part in options.parts}, plan)
    print(*table(found), sep="\n")
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"first_gpu_{name.replace(' ', '_')}.json"
    path.write_text(json.dumps(machine() | {"device": name, "parts": found}, indent=1) + "\n")
    print(f"written to {path}")
    return all(part["ok"] for part in found.values())


def _ready_gpu() -> str:
    """Return the name of the GPU; end the program where torch cannot use one."""
    found = gpus.found()
    if not found.names:
        sys.exit(f"error: {gpus.why_none()}; --dry runs each part on a CPU")
    if problem := gpus.torch_problem(found):
        sys.exit(f"error: {problem}")
    if lacking := gpus.missing_for_triton():
        print(f"Triton lacks {', '.join(lacking)}: flow fails, and crops take many launches")
    name = torch.cuda.get_device_name()
    driver = ".".join(map(str, found.cuda))
    print(f"{name}; its driver has CUDA {driver}; torch {torch.__version__}", flush=True)
    return name
