"""Two small files beside every artifact: its record, and its content.

`<name>.json`, the record, says how the artifact was made: settings, code, versions, device,
seconds. `<name>.content.json` says what it is: its digest. Artifacts are large, and Snakemake
compares large files by time stamp only, so rules read them as `ancient(...)` and depend on their
content files. A record that differs in seconds, versions or solver alone reruns nothing.
"""

import json
import platform
import sys
import time
from importlib import metadata
from pathlib import Path

from pipeline.errors import PipelineError, first_line, set_aside
from pipeline.files import read_intact, replacing

PACKAGES = (
    "numpy",
    "numba",
    "opencv-contrib-python",
    "h5py",
    "imagecodecs",
    "torch",
    "torchvision",
    "timm",
    "scikit-learn",
    "snakemake",
)
# The start of the job, but for that of the interpreter.
_begun = time.monotonic()


def write(
    path: str | Path, stage: str, digest: str, settings: dict, code: str, artifacts: int = 1, **more
) -> None:
    """Write the record and the content file of an artifact whose content has `digest`.

    A job of several `artifacts` gives each its share of the time. `more` are further facts of the
    record.
    """
    record = {
        "stage": stage,
        "digest": digest,
        "settings": settings,
        "code": code,
        **more,
        "python": platform.python_version(),
        "packages": versions(),
        "seconds": round((time.monotonic() - _begun) / artifacts, 1),
    }
    for target, value in ((Path(path), record), (content_path(path), {"digest": digest})):
        with replacing(target) as temporary:
            temporary.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")


def content_path(path: str | Path) -> Path:
    """The content file of an artifact, or of its record: 'flow/000.h5' ->
    'flow/000.content.json'.
    """
    return Path(path).with_suffix(".content.json")


def read(path: str | Path) -> dict:
    """A record or a content file. Raises PipelineError where it is neither, or is damaged."""
    content = read_intact(path)
    try:
        found = json.loads(content)
        # Both have it, whatever else they say.
        found["digest"]
        return found
    except (ValueError, KeyError, TypeError) as error:
        raise PipelineError(
            f"{path}: not a record of this program ({first_line(error)}); {set_aside(path)}"
        ) from error


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
