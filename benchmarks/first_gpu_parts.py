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
from pipeline.flow import tvl1

HEIGHT, WIDTH = 240, 320
CLASSES = 101
# A GPU's losses in float32 may differ so from a CPU's, which sums in another order.
TOLERANCE = 1e-4


class Plan:
    """What is run: the full sizes on a GPU, or tiny ones on a CPU in its place."""

    def __init__(self, dry: bool, clips: Path | None, seconds: float):
        self.dry, self.clips, self.seconds = dry, clips, seconds
        self.device = torch.device("cpu" if dry else "cuda")
        self.backend = "cpu" if dry else "cuda"
        self.frame = (48, 64) if dry else (HEIGHT, WIDTH)
        self.batches = (1, 3) if dry else (64, 256, 1024)
        self.of_set, self.classes, self.batch = ("demo", 8, 2) if dry else ("ucf101", CLASSES, 16)
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
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".avi", ".mp4", ".mkv"))
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
    from pipeline.training.step import Step

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
    and whether the host waits for the GPU.
    """
    import gpu_cost
    from torch.utils.flop_counter import FlopCounterMode

    from pipeline.compute.device import resolve_layout
    from pipeline.data import packing
    from pipeline.data.loader import to_device
    from pipeline.training.step import Step

    gpu = plan.device.type == "cuda"
    peak = peak_of(torch.cuda.get_device_name()) if gpu else None
    torch.backends.cudnn.benchmark = gpu
    rows = {}
    for case in gpu_cost.cases(plan.of_set, plan.classes, plan.batch):
        if plan.dry and case.name not in ("co2fi motion", "asyn motion-to-appearance"):
            continue
        net = case.make().to(plan.device, memory_format=resolve_layout("auto", plan.device))
        schedule = case.schedule | {"precision": "auto", "accumulate": 1, "lr": 1e-6}
        step = Step(net.train(), case.criterion, schedule, plan.device)
        size = case.own["crops"]["size"]
        raw = to_device(gpu_cost.pack(case), plan.device)
        batch = to_device(gpu_cost.labels(case), plan.device) | {
            key: packing.finish_on_device(raw[key], stream, size)
            for key, (stream, _) in case.inputs.items()
        }
        with FlopCounterMode(display=False) as counter:
            step(0, [batch])
        tflop = counter.get_total_flops() / 1e12
        waits = ""
        if gpu:
            torch.cuda.reset_peak_memory_stats()
            plan.wait()
            torch.cuda.set_sync_debug_mode("error")
            try:
                step(0, [batch])
            except RuntimeError as error:
                waits = str(error).splitlines()[0]
            finally:
                torch.cuda.set_sync_debug_mode("default")
        rate = plan.rate(lambda step=step, batch=batch: step(0, [batch]), 1)
        rows[case.name] = {
            "ms_a_step": 1000 / rate,
            "tflops": tflop * rate,
            "share_of_peak": tflop * rate / peak if peak else None,
            "peak_gb": torch.cuda.max_memory_allocated() / 1e9 if gpu else None,
            "waits": waits,
        }
        del net, step, batch, raw
    return {"networks": rows, "ok": not any(row["waits"] for row in rows.values())}


def loader(plan: Plan) -> dict:
    """The share of its time that CO2FI of motion waits for batches of a store, read by workers."""
    import gpu_cost

    from pipeline.compute.device import resolve_layout
    from pipeline.data.dataset import StreamDataset
    from pipeline.data.groups import CachedRankings
    from pipeline.data.loader import iterate_batches
    from pipeline.data.stream import Stream
    from pipeline.storage import writer
    from pipeline.storage.codecs import Codec
    from pipeline.storage.keys import key_of
    from pipeline.training.step import Step

    name = "co2fi motion"
    (case,) = [c for c in gpu_cost.cases(plan.of_set, plan.classes, plan.batch) if c.name == name]
    codec = "lz4" if find_spec("imagecodecs") else "gzip"
    clips, frames, steps = (3, 12, 3) if plan.dry else (32, 60, 60)
    rows = [
        {"clip": f"c/{n}", "path": "", "sha256": str(n), "frames": frames, "label": n % 2,
         "shard": "000"}
        for n in range(clips)
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        still = cv2.GaussianBlur(
            np.random.default_rng(0).normal(128, 40, (HEIGHT, WIDTH)), (0, 0), 4
        )

        def fields(row: dict) -> Iterator[np.ndarray]:
            for number in range(frames - 1):
                field = np.roll(still, number, axis=1).clip(0, 255).astype(np.uint8)
                yield np.stack([field, field.T.reshape(field.shape)])

        path = Path(folder) / "flow" / "000.h5"
        path.parent.mkdir()
        writer.write_shard(path, "flow", rows, fields, {}, "", "", codec=Codec(codec))
        with writer.create(Path(folder) / "groups.h5", "groups", {}, "") as file:
            for row in rows:
                file[key_of(row["clip"])] = np.tile(np.arange(5, dtype=np.uint16), (frames, 1))
        own = case.own
        stream = Stream("motion", path.parent, own["crops"], own["stack"], rows)
        dataset = StreamDataset(rows, stream, 1, CachedRankings(Path(folder) / "groups.h5", 1))
        net = case.make().to(plan.device, memory_format=resolve_layout("auto", plan.device))
        schedule = case.schedule | {"precision": "auto", "accumulate": 1, "lr": 1e-6}
        step = Step(net.train(), case.criterion, schedule, plan.device)
        batches = iterate_batches(
            dataset, range(10**6 * plan.batch), plan.batch, plan.device, plan.workers
        )
        for batch in islice(batches, 1 if plan.dry else 10):
            step(0, [batch])
        plan.wait()
        begun = time.perf_counter()
        for batch in islice(batches, steps):
            step(0, [batch])
        plan.wait()
        read = (time.perf_counter() - begun) / steps
        alone = 1 / plan.rate(lambda: step(0, [batch]), 1)
        batches.close()
    share = max(0.0, 1 - alone / read)
    return {"codec": codec, "workers": plan.workers, "ms_with_reading": 1000 * read,
            "ms_alone": 1000 * alone, "share_waited": share, "aim": 0.1}  # fmt: skip


PARTS = {
    "flow bits": flow_bits,
    "crops": crops,
    "losses": losses,
    "flow rate": flow_rate,
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
        yield f"{'network':34} {'ms/step':>9} {'TFLOP/s':>8} {'of peak':>7} {'GB':>6}"
    for name, row in networks.items():
        share = f"{row['share_of_peak']:.1%}" if row["share_of_peak"] else "-"
        memory = f"{row['peak_gb']:.1f}" if row["peak_gb"] else "-"
        yield f"{name:34} {row['ms_a_step']:9.1f} {row['tflops']:8.2f} {share:>7} {memory:>6}"


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
