"""The parts of first_gpu.py: bits against the CPU, flow, training, the loader, memory."""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch
from peaks import peak_of
from report import machine

from pipeline import gpus
from pipeline.compute.compiling import compile_network
from pipeline.compute.device import resolve_layout
from pipeline.flow import tvl1
from pipeline.training.step import Step

HEIGHT, WIDTH = 240, 320
CLASSES = 101
# A GPU's losses in float32 may differ so from a CPU's, which sums in another order.
TOLERANCE = 1e-4
# What the job of flow takes beside the solver.
OF_JOB = ("imagecodecs", "tqdm", "ffmpeg")
# Clips of the shorter of two jobs of flow.
JOB_CLIPS = 32
VIDEOS = (".avi", ".mp4", ".mkv")
# Trainings that are also measured compiled, and with their batches read from a store: those that
# read most for what they compute.
READING = ("co2fi motion", "asyn appearance-to-motion", "asyn motion-to-appearance")


class Plan:
    """What is run: the full sizes on a GPU, or tiny ones on a CPU in its place."""

    def __init__(self, dry: bool, clips: Path | None, seconds: float):
        self.dry, self.clips, self.seconds = dry, clips, seconds
        self.device = torch.device("cpu" if dry else "cuda")
        self.backend = "cpu" if dry else "cuda"
        self.frame = (48, 64) if dry else (HEIGHT, WIDTH)
        self.batches = (1, 3) if dry else (64, 256, 1024)
        self.of_set, self.classes, self.batch = ("demo", 8, 2) if dry else ("ucf101", CLASSES, 16)
        # Steps that the host queues before it waits.
        self.queue = 1 if dry else 20
        self.workers = 0 if dry else min(8, len(os.sched_getaffinity(0)))

    def wait(self) -> None:
        """Wait for what the GPU has been given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def rate(self, call: Callable[[], object], count: int, warm: int = 2) -> float:
        """Return how many of `count` a call are done a second, by the median of calls."""
        for _ in range(1 if self.dry else warm):
            call()
        self.wait()
        times, begun = [], time.perf_counter()
        while len(times) < 3 or (not self.dry and time.perf_counter() - begun < self.seconds):
            start = time.perf_counter()
            call()
            self.wait()
            times.append(time.perf_counter() - start)
        return count / statistics.median(times)


def pictures(count: int, height: int, width: int) -> np.ndarray:
    """Return frames (count, H, W) uint8 of texture that moves, another way in each quarter."""
    rng = np.random.default_rng(0)
    texture = cv2.GaussianBlur(rng.uniform(0, 255, (2 * height, 2 * width)), (0, 0), 2)
    texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX)
    frames = np.empty((count, height, width), np.uint8)
    for number in range(count):
        for part, (dx, dy) in enumerate(((1.3, 0.4), (-0.7, 1.1), (2.6, -1.9), (0.0, 0.0))):
            move = np.float32([[1, 0, -number % 9 * dx], [0, 1, -number % 9 * dy]])
            moved = cv2.warpAffine(texture, move, (width, height), borderMode=cv2.BORDER_REFLECT)
            rows = slice(part // 2 * height // 2, (part // 2 + 1) * height // 2)
            columns = slice(part % 2 * width // 2, (part % 2 + 1) * width // 2)
            frames[number, rows, columns] = moved[rows, columns].astype(np.uint8)
    return frames


def videos(folder: Path, count: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name and the first frames (n, H, W) of some videos of a folder, by OpenCV."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in VIDEOS)
    for path in paths[:: max(1, len(paths) // count)][:count]:
        capture, frames = cv2.VideoCapture(str(path)), []
        while len(frames) < 9 and (read := capture.read())[0]:
            frames.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2GRAY))
        if len(frames) > 1:
            yield path.name, np.stack(frames)


def flow_bits(plan: Plan) -> dict:
    """Flow of the GPU and of the CPU, byte by byte."""
    cases = [("synthetic", pictures(3 if plan.dry else 9, *plan.frame))]
    if plan.clips:
        cases += videos(plan.clips, 2 if plan.dry else 8)
    pairs, differ = 0, []
    for name, frames in cases:
        found = [
            tvl1.tvl1(frames[:-1], frames[1:], backend=backend) for backend in (plan.backend, "cpu")
        ]
        pairs += len(frames) - 1
        if not np.array_equal(*found):
            differ.append(f"{name}: {np.abs(found[0] - found[1]).max():.3g} px")
    return {"clips": len(cases), "pairs": pairs, "differ": differ, "ok": not differ}


def flow_rate(plan: Plan) -> dict:
    """Pairs a second of the solver, by batch: kernels, and copies to and from the GPU."""
    solve = tvl1.solver(plan.backend, *plan.frame)
    rates = {}
    for batch in sorted({min(batch, solve.batch) for batch in (*plan.batches, solve.batch)}):
        if plan.dry and batch > max(plan.batches):
            continue
        frames = pictures(16, *plan.frame)
        first = np.resize(frames[:-1], (batch, *plan.frame))
        second = np.resize(frames[1:], (batch, *plan.frame))
        pair = solve.pyramid(first), solve.pyramid(second)
        rates[batch] = round(plan.rate(lambda pair=pair: solve(*pair), batch), 1)
    return {"pairs_a_second_by_batch": rates, "best": max(rates.values()), "aim": 1500}


def crops(plan: Plan) -> dict:
    """Crops finished and normalised by Triton's kernels, and by torch, byte by byte."""
    import gpu_cost

    from pipeline.data import packing, transforms
    from pipeline.data.loader import to_device

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
    import gpu_cost

    from pipeline.data import packing
    from pipeline.data.loader import to_device

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
    import gpu_cost
    from torch.utils.flop_counter import FlopCounterMode

    torch.backends.cudnn.benchmark = plan.device.type == "cuda"
    rows = {}
    for case in gpu_cost.cases(plan.of_set, plan.classes, plan.batch):
        if plan.dry and case.name not in ("co2fi motion", "asyn motion-to-appearance"):
            continue
        step, batch = _step_of(plan, case)
        with FlopCounterMode(display=False) as counter:
            step(0, [batch])
        tflop = counter.get_total_flops() / 1e12
        waits = _waits_in(plan, step, batch)
        rows[case.name] = {"waits": waits} | _speed(plan, step, batch, tflop)
        if case.name in READING and not plan.dry:
            del step, batch
            step, batch = _step_of(plan, case)
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


def _step_of(plan: Plan, case) -> tuple[Step, dict]:
    """A training step of a network, and a batch on the device."""
    import gpu_cost

    from pipeline.data import packing
    from pipeline.data.loader import to_device

    net = case.make().to(plan.device, memory_format=resolve_layout("auto", plan.device))
    schedule = case.schedule | {"precision": "auto", "accumulate": 1, "lr": 1e-6}
    step = Step(net.train(), case.criterion, schedule, plan.device)
    raw, size = to_device(gpu_cost.pack(case), plan.device), case.own["crops"]["size"]
    batch = to_device(gpu_cost.labels(case), plan.device) | {
        key: packing.finish_on_device(raw[key], stream, size)
        for key, (stream, _) in case.inputs.items()
    }
    return step, batch


def _waits_in(plan: Plan, step: Step, batch: dict) -> str:
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


def flow_job(plan: Plan) -> dict:
    """Pairs a second of the whole job of flow: clips are decoded, solved, compressed and written.

    By the difference of two jobs, one with four times the clips of the other, without their start.
    """
    if lacking := [name for name in OF_JOB if find_spec(name) is None]:
        return {"not measured": f"{', '.join(lacking)}: not installed here"}
    if not plan.clips:
        return {"not measured": "it takes videos; name their folder by --clips"}
    import flow_job

    paths = sorted(path for path in plan.clips.rglob("*") if path.suffix in VIDEOS)
    if plan.dry:
        paths = [min(paths, key=lambda path: path.stat().st_size)]
    count = 1 if plan.dry else JOB_CLIPS
    jobs = [
        flow_job.measure([paths[n % len(paths)] for n in range(number)], plan.backend)
        for number in (count, 4 * count)
    ]
    short, long = jobs
    rate = (long["pairs"] - short["pairs"]) / (long["wall"] - short["wall"])
    found = flow_job.per_pair(*jobs)
    return {"pairs_a_second": rate, "processor_ms_a_pair": found["milliseconds"],
            "seconds_to_start": short["wall"] - short["pairs"] / rate, "cores": machine()["cores"],
            "aim": 1500, "least": 500}  # fmt: skip


def loader(plan: Plan) -> dict:
    """The share of its time that a training waits for batches of a store, read by workers."""
    import gpu_cost

    found = {}
    with tempfile.TemporaryDirectory() as folder:
        rows = _stores(Path(folder), 3 if plan.dry else 32, 25 if plan.dry else 60)
        for case in gpu_cost.cases(plan.of_set, plan.classes, plan.batch):
            if case.name in READING:
                found[case.name] = _waits(plan, case, Path(folder), rows)
    return {"workers": plan.workers, "trainings": found, "aim": 0.1}


def _stores(folder: Path, clips: int, frames: int) -> list[dict]:
    """Write frames, flow and groups of some clips; return their rows."""
    from pipeline.storage import writer
    from pipeline.storage.codecs import Codec
    from pipeline.storage.keys import key_of

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


def _waits(plan: Plan, case, folder: Path, rows: list[dict]) -> dict:
    """What a training step takes with its batches read by workers, and on one batch alone."""
    from pipeline.data.dataset import PeriodDataset, StreamDataset
    from pipeline.data.groups import CachedRankings
    from pipeline.data.loader import iterate_batches
    from pipeline.data.stream import Stream
    from pipeline.streams import STORES

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
    step, _ = _step_of(plan, case)
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


PARTS = {
    "flow bits": flow_bits,
    "crops": crops,
    "losses": losses,
    "flow rate": flow_rate,
    "flow job": flow_job,
    "training": training,
    "loader": loader,
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
