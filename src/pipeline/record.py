"""The record beside every artifact: what it is, what made it, how long that took. Rules depend on it.

HDF5 files and models are large, and Snakemake compares files over 1 MB by time stamp only. So rules read them as
`ancient(...)`, and depend on their records, which are small and compared by content.
"""

import json
import platform
import sys
import time
from importlib import metadata
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.files import replacing

PACKAGES = ("numpy", "numba", "opencv-contrib-python", "h5py", "imagecodecs", "torch", "torchvision", "scikit-learn",
            "snakemake")
_begun = time.monotonic()  # the job's start, but for the interpreter's


def write(path: str | Path, stage: str, digest: str, settings: dict, code: str, artifacts: int = 1, **more) -> None:
    """Write the record of an artifact whose content has `digest`; each of a job's `artifacts` has a share of its time."""
    content = {"stage": stage, "digest": digest, "settings": settings, "code": code, **more,
               "python": platform.python_version(), "packages": versions(),
               "seconds": round((time.monotonic() - _begun) / artifacts, 1)}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def read(path: str | Path) -> dict:
    return json.loads(Path(path).read_text())


def versions() -> dict[str, str]:
    """Versions of the installed packages that numbers depend on."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def log(message: str) -> None:
    """A line for the person who watches, on stderr."""
    print(message, file=sys.stderr, flush=True)


def provenance(records: list[str], config: dict, code: str) -> dict:
    """What a result rests on: the config, and for each stage its code, device, solver, wall time, artifacts' digests.

    Raises PipelineError when the flow of its clips comes from more than one solver.
    """
    stages: dict[str, dict] = {}
    for path in records:
        content = read(path)
        stage = stages.setdefault(content["stage"], {"code": [], "device": [], "solver": [], "seconds": 0.0,
                                                     "artifacts": {}})
        for key in ("code", "device", "solver"):
            if content.get(key) and content[key] not in stage[key]:
                stage[key].append(content[key])
        stage["seconds"] = round(stage["seconds"] + content["seconds"], 1)
        stage["artifacts"][str(path)] = content["digest"]
        if len(stage["solver"]) > 1:
            raise PipelineError(f"{path}: flow by solver {content['solver']}, where other shards' is by "
                                f"{stage['solver'][0]}; set flow.backend in the config to one of them and run snakemake "
                                "again, which makes all flow anew")
    stages["fuse"] = {"code": [code]}
    return {"config": config, "seed": config["seed"], "python": platform.python_version(), "packages": versions(),
            "stages": stages}
