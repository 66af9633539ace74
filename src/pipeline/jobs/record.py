"""?"""

import json
import platform
import sys
import time
from importlib import metadata
from pathlib import Path

from pipeline.files import replacing

PACKAGES = (
    "numpy",
    "numba",
    "opencv-contrib-python",
    "h5py",
    "imagecodecs",
    "torch",
    "torchvision",
    "scikit-learn",
    "snakemake",
)
_begun = time.monotonic()  # the job's start, but for the interpreter's


def write(
    path: str | Path, stage: str, digest: str, settings: dict, code: str, artifacts: int = 1, **more
) -> None:
    """Write the record of an artifact whose content has `digest`; each of a job's `artifacts` has a share of its time."""
    content = {
        "stage": stage,
        "digest": digest,
        "settings": settings,
        "code": code,
        **more,
        "python": platform.python_version(),
        "packages": versions(),
        "seconds": round((time.monotonic() - _begun) / artifacts, 1),
    }
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
