"""A copy of the workflow in a folder of its own, with a small set of rendered clips, and Snakemake
run there.
"""

import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import yaml

from pipeline.datasets import demo, render
from pipeline.flow import tvl1
from pipeline.idt import extract
from pipeline.video.encode import encode

ROOT = Path(__file__).resolve().parents[1]
RESULT = "results/mini/split1/acc.json"
STREAM_JOBS = {
    "teacher": 2,
    "groups": 2,
    "co2fi": 2,
    "asyn": 2,
    "scores": 1,
    "fuse": 1,
}  # jobs of one split
IDT_JOBS = {
    "idt_codebook": 1,
    "idt_fisher": 3,
    "idt_svm": 1,
    "idt_scores": 1,
}  # those of its trajectories
FRAMES = 18  # of a clip: trajectories take 15 steps
TINY = {
    "stack": 3,
    "flow": {"bound": 5.0, "warps": 1, "outer": 2},
    "store": {"frames": "gzip"},
    "crops": {
        "frame": [80, 60],
        "size": 48,
        "test": 56,
        "appearance": [60, 52],
        "motion": [60, 52],
    },
    "period": {"count": 2, "delta": 2},
    "teacher": {"width": 0.05, "fraction": 0.5, "iterations": 4, "checkpoint_every": 2},
    "network": {
        "weights": "none",
        "fc": 16,
        "width": 0.1,
        "side_maps": 1,
        "fc1": 16,
        "fc2": 16,
        "hidden": 16,
    },
    "fusion_network": {"hidden": 16},
    "co2fi": {"iterations": 4, "checkpoint_every": 2},
    "asyn": {"iterations": 4, "batch": 4, "checkpoint_every": 2},
    "idt": {"window": 17, "samples_per_clip": 20, "samples": 200, "components": 4},
}


class Workspace:
    """The workflow's files at `folder`, and a set 'mini' in UCF101's layout: 8 classes, 3 scenes of
    2 short clips.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        have_compiled()
        for name in ("Snakefile", "config.yaml", "workflow", "src", "profiles", "envs"):
            source = ROOT / name
            if source.is_dir():
                # With what numba has compiled.
                ignored = shutil.ignore_patterns("*.pyc", "code_ids.json", "*.egg-info")
                shutil.copytree(source, folder / name, ignore=ignored)
            else:
                shutil.copy(source, folder / name)
        clip_set = demo.clip_set("mini", groups=3, clips=2)
        for clip in clip_set.clips.values():
            path = folder / "videos" / clip.file
            path.parent.mkdir(parents=True, exist_ok=True)
            encode(path, render.render(clip.id, seed=1, frames=FRAMES), render.FPS)
        demo.write_lists(clip_set, folder / "lists")
        self.config = {
            "sets": {
                "mini": {
                    "format": "ucf101",
                    "videos": "videos",
                    "lists": "lists",
                    "shards": 3,
                    "accept_damaged": [],
                    "settings": json.loads(json.dumps(TINY)),
                }
            }
        }

    def moved(self, folder: Path) -> "Workspace":
        """A workspace like this one on a copy of its folder."""
        other = object.__new__(Workspace)
        other.folder, other.config = folder, json.loads(json.dumps(self.config))
        return other

    @property
    def settings(self) -> dict:
        return self.config["sets"]["mini"]["settings"]

    def command(self, *arguments: str) -> list[str]:
        path, text = self.folder / "mini.yaml", yaml.safe_dump(self.config)
        # A test may have filled the disk.
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)
        return [
            sys.executable,
            "-m",
            "snakemake",
            "--cores",
            "2",
            "--configfile",
            "mini.yaml",
            *arguments,
        ]

    def snakemake(self, *arguments: str, target: str = RESULT) -> subprocess.CompletedProcess:
        """Run Snakemake to its end; stdout and stderr come as one text in `stdout`."""
        return subprocess.run(
            self.command(*arguments, "--", target),
            cwd=self.folder,
            env=environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=900,
        )

    def make(self, target: str = RESULT) -> str:
        """Run Snakemake, which must succeed; returns what it printed."""
        done = self.snakemake(target=target)
        assert done.returncode == 0, done.stdout[-6000:]
        return done.stdout

    def planned(self, target: str = RESULT) -> dict[str, int]:
        """The jobs that a dry run would run, by rule."""
        done = self.snakemake("-n", target=target)
        assert done.returncode == 0, done.stdout[-3000:]
        return jobs(done.stdout)

    def start(self, target: str = RESULT) -> subprocess.Popen:
        """Start Snakemake in a process group of its own, to be killed."""
        return subprocess.Popen(
            self.command("--", target),
            cwd=self.folder,
            env=environment(),
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def read(self, path: str) -> bytes:
        return (self.folder / path).read_bytes()


@functools.cache
def have_compiled() -> None:
    """Have numba compile the loops of flow and trajectories, once for the checkout: in each
    workspace it would take twenty seconds of a core.
    """
    frames = [np.roll(np.eye(80, dtype=np.uint8) * 200, number) for number in range(FRAMES)]
    for _ in tvl1.fields(frames[:2], backend="cpu"):
        pass
    for _ in extract.trajectories(iter(frames), FRAMES):
        pass


def kill(process: subprocess.Popen) -> None:
    """kill -9 to Snakemake and all its jobs."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def environment() -> dict:
    """The environment of a user: no bars, and the programs of this interpreter first on the
    path.
    """
    here = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": f"{here}{os.pathsep}{os.environ['PATH']}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def jobs(text: str) -> dict[str, int]:
    """The jobs by rule in what a dry run printed."""
    stats = text.partition("Job stats:")[2].partition("total")[0]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", stats, re.M)}


def errors(text: str) -> list[str]:
    """The sentences for the user in what Snakemake printed, once each."""
    return list(dict.fromkeys(re.findall(r"^\s*error: (.*)$", text, re.M)))
