"""The parts of first_gpu.py that train: crops and losses against the CPU's, steps, the loader."""

import os
import tempfile
import time
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import cv2
import gpu_cost
import numpy as np
import torch
from first_gpu_plan import HEIGHT, WIDTH, Plan
from peaks import peak_of
from torch.utils.flop_counter import FlopCounterMode

from pipeline.compute.compiling import compile_network
from pipeline.compute.device import resolve_layout
from pipeline.data import packing, transforms
from pipeline.data.dataset import PeriodDataset, StreamDataset
from pipeline.data.groups import CachedRankings
from pipeline.data.loader import iterate_batches, to_device
from pipeline.data.stream import Stream
from pipeline.storage import writer
from pipeline.storage.codecs import Codec
from pipeline.storage.keys import key_of
from pipeline.streams import STORES
from pipeline.training.step import Step

# A GPU's losses in float32 may differ so from a CPU's, which sums in another order.
TOLERANCE = 1e-4
# Trainings that are also measured compiled, and with their batches read from a store: those that
# read most for what they compute.
READING = ("co2fi motion", "asyn appearance-to-motion", "asyn motion-to-appearance")


def crops(plan: Plan) -> dict:
    """Crops finished and normalised by Triton's kernels, and by torch, byte by byte."""
    (case,) = [
        c for c in gpu_cost.cases(plan.of_set, plan.classes, plan.batch) if "asyn m" in c.name
    ]
    found, launches = {}, transforms.has_kernels(plan.device)
    for key, raw in gpu_cost.pack(case).items():
        raw.pixels.random_(256)
        stream, size = case.inputs[key][0], case.own["crops"]["size"]
        sent = to_device(raw, plan.device)
        by_device = packing.finish_on_device(sent, stream, size)
        by_cpu = packing.finish_on_device(raw, stream, size)
        normal = transforms.normalise(by_device, stream).cpu()
        found[key] = torch.equal(by_device.pixels.cpu(), by_cpu.pixels) and torch.equal(
            normal, transforms.normalise(by_cpu, stream)
        )
    return {"by_kernels": launches, "equal": found, "ok": all(found.values())}


def losses(plan: Plan) -> dict:
    """Losses of three steps of the demo's joint network on the GPU and on the CPU, in float32."""
    (case,) = [case for case in gpu_cost.cases("demo", 8, 2) if "asyn m" in case.name]
    packed = gpu_cost.pack(case)
    for raw in packed.values():
        raw.pixels.random_(256)
    ranked = torch.arange(gpu_cost.DEPTH)
    found = []
    for device in (plan.device, torch.device("cpu")):
        torch.manual_seed(0)
        net = case.make().to(device).train()
        for module in net.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        schedule = case.schedule | {"precision": "float32", "accumulate": 1}
        step = Step(net, case.criterion, schedule, device)
        size = case.own["crops"]["size"]
        batch = {
            key: value + ranked if value.dim() > 1 else value
            for key, value in gpu_cost.labels(case).items()
        }
        batch = to_device(batch, device) | {
            key: packing.finish_on_device(to_device(raw, device), case.inputs[key][0], size)
            for key, raw in packed.items()
        }
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            found.append([step(number, [batch]).item() for number in range(3)])
    apart = max(abs(a / b - 1) for a, b in zip(*found, strict=True))
    return {"losses": found, "apart": apart, "ok": apart < TOLERANCE}


def training(plan: Plan) -> dict:
    """A step of each network in mixed precision: time, arithmetic, its share of the peak, memory,
    whether the host waits for the GPU; and of some the time once they are compiled.
    """
    torch.backends.cudnn.benchmark = plan.device.type == "cuda"
    rows = {}
    for case in gpu_cost.cases(plan.of_set, plan.classes, plan.batch):
        if plan.dry and case.name not in ("co2fi motion", "asyn motion-to-appearance"):
            continue
        step, batch = step_of(plan, case)
        with FlopCounterMode(display=False) as counter:
            step(0, [batch])
        tflop = counter.get_total_flops() / 1e12
        waits = _wait_in(plan, step, batch)
        rows[case.name] = {"waits": waits} | _speed(plan, step, batch, tflop)
        if case.name in READING and not plan.dry:
            del step, batch
            step, batch = step_of(plan, case)
            begun = time.perf_counter()
            _compile(step)
            step(0, [batch])
            plan.wait()
            seconds = time.perf_counter() - begun
            compiled = {"seconds_to_compile": seconds} | _speed(plan, step, batch, tflop)
            rows[case.name]["compiled"] = compiled
        del step, batch
    return {"networks": rows, "ok": not any(row["waits"] for row in rows.values())}


def _speed(plan: Plan, step: Step, batch: dict, tflop: float) -> dict:
    """Time, arithmetic and memory of a step; the host queues step after step, as in a training."""
    gpu = plan.device.type == "cuda"
    if gpu:
        torch.cuda.reset_peak_memory_stats()
    peak = peak_of(torch.cuda.get_device_name()) if gpu else None
    rate = plan.rate(lambda: [step(0, [batch]) for _ in range(plan.queue)], plan.queue)
    return {
        "ms_a_step": 1000 / rate,
        "tflops": tflop * rate,
        "share_of_peak": tflop * rate / peak if peak else None,
        "peak_gb": torch.cuda.max_memory_allocated() / 1e9 if gpu else None,
    }


def _compile(step: Step) -> None:
    compile_network(step.model, len(os.sched_getaffinity(0)))


def step_of(plan: Plan, case) -> tuple[Step, dict]:
    """A training step of a network, and a batch on the device."""
    net = case.make().to(plan.device, memory_format=resolve_layout("auto", plan.device))
    schedule = case.schedule | {"precision": "auto", "accumulate": 1, "lr": 1e-6}
    step = Step(net.train(), case.criterion, schedule, plan.device)
    raw, size = to_device(gpu_cost.pack(case), plan.device), case.own["crops"]["size"]
    batch = to_device(gpu_cost.labels(case), plan.device) | {
        key: packing.finish_on_device(raw[key], stream, size)
        for key, (stream, _) in case.inputs.items()
    }
    return step, batch


def _wait_in(plan: Plan, step: Step, batch: dict) -> str:
    """What in a step makes the host wait for the GPU, in torch's words; '' for nothing."""
    if plan.device.type != "cuda":
        return ""
    plan.wait()
    torch.cuda.set_sync_debug_mode("error")
    try:
        step(0, [batch])
    except RuntimeError as error:
        return str(error).splitlines()[0]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return ""


def loader(plan: Plan) -> dict:
    """The share of its time that a training waits for batches of a store, read by workers."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        rows = _stores(Path(folder), 3 if plan.dry else 32, 25 if plan.dry else 60)
        for case in gpu_cost.cases(plan.of_set, plan.classes, plan.batch):
            if case.name in READING:
                found[case.name] = _share_waited(plan, case, Path(folder), rows)
    return {"workers": plan.workers, "trainings": found, "aim": 0.1}


def _stores(folder: Path, clips: int, frames: int) -> list[dict]:
    """Write frames, flow and groups of some clips; return their rows."""
    packed = find_spec("imagecodecs") is not None
    rows = [
        {"clip": f"c/{n}", "path": "", "sha256": str(n), "frames": frames, "label": n % 2,
         "shard": "000"}
        for n in range(clips)
    ]  # fmt: skip
    still = cv2.GaussianBlur(np.random.default_rng(0).normal(128, 40, (HEIGHT, WIDTH)), (0, 0), 4)
    moving = [np.roll(still, n, axis=1).clip(0, 255).astype(np.uint8) for n in range(frames)]
    for kind, codec, arrays in (
        ("flow", "lz4", lambda row: (np.stack([x, x[::-1]]) for x in moving[1:])),
        ("frames", "jpeg", lambda row: (np.stack([x, x[::-1], x], axis=-1) for x in moving)),
    ):
        path = folder / kind / "000.h5"
        path.parent.mkdir()
        own = Codec(codec if packed else "gzip", 95)
        writer.write_shard(path, kind, rows, arrays, {}, "", "", codec=own)
    with writer.create(folder / "groups.h5", "groups", {}, "") as file:
        for row in rows:
            file[key_of(row["clip"])] = np.tile(np.arange(5, dtype=np.uint16), (frames, 1))
    return rows


def _share_waited(plan: Plan, case, folder: Path, rows: list[dict]) -> dict:
    """What a training step takes with its batches read by workers, and on one batch alone."""
    own, steps = case.own, 3 if plan.dry else 60
    streams = [
        Stream(name, str(folder / STORES[name]), own["crops"], own["stack"], rows)
        for name, _ in case.inputs.values()
    ]
    rankings = [CachedRankings(folder / "groups.h5", 1) for _ in streams]
    if len(streams) == 1:
        dataset = StreamDataset(rows, *streams, 1, *rankings)
    else:
        period = own["period"]
        dataset = PeriodDataset(rows, *streams, 1, period["delta"], period["instants"], *rankings)
    step, _ = step_of(plan, case)
    if not plan.dry:
        # As a long training is, which needs its batches soonest.
        _compile(step)
    batches = iterate_batches(
        dataset, range(10**6 * plan.batch), plan.batch, plan.device, plan.workers
    )
    try:
        for batch in islice(batches, 1 if plan.dry else 10):
            step(0, [batch])
        plan.wait()
        begun = time.perf_counter()
        for batch in islice(batches, steps):
            step(0, [batch])
        plan.wait()
        read = (time.perf_counter() - begun) / steps
        alone = 1 / plan.rate(lambda: [step(0, [batch]) for _ in range(plan.queue)], plan.queue)
    finally:
        batches.close()
    share = max(0.0, 1 - alone / read)
    return {"ms_with_reading": 1000 * read, "ms_alone": 1000 * alone, "share_waited": share}
