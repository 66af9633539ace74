"""Pretrained weights that a run starts from, looked for before anything long begins.

A run asks for those of its jobs in its first second, and `pipeline doctor` at any time. Weights by
name are looked for where torch and the hub of timm keep what they have downloaded; only where they
are not there the network is asked. Standard library only: the Snakefile imports this module.
"""

import json
import os
import re
import struct
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.errors import first_line, require
from pipeline.workflow.sets import Sets, run_of

# Rules whose jobs start from weights, and the section of the settings that names them.
STARTS = {"teacher": "teacher", "co2fi": "network", "asyn": "network"}
# Seconds within which an address has to answer.
PATIENCE = 6
# Seconds that timm has to load weights that are on this machine.
LOADING = 120
# Answers of an address that is there: nothing lies at its root, or it was asked too often.
ANSWERS = (404, 429)
# What begins a page or a pointer of Git LFS that was saved in place of a file.
TEXTS = (b"<", b"version https://git-lfs")


def check_jobs(jobs: Iterable, sets: Sets, here: bool = True) -> None:
    """Check the weights that `jobs` start from, which Snakemake is about to run.

    Files have to be there whether they run `here` or on other machines; what those can download is
    not known. Raises PipelineError with one line per file or network whose weights cannot be had.
    """
    wanted = {}
    for job in jobs:
        section, name = STARTS.get(job.rule.name), job.wildcards.get("set")
        if section is None:
            continue
        own = sets.settings(name, run_of(job.wildcards))
        if job.rule.name != "asyn" or own["asyn"]["start"] == "weights":
            wanted.setdefault(_start(own, section), f"{section}.weights of set '{name}'")
    problems = [
        problem(*start, where) for start, where in wanted.items() if here or start[1] != "imagenet"
    ]
    require([found for found in problems if found])


def _start(own: dict, section: str) -> tuple[str, str]:
    """Return the backbone of a section of settings, and what its weights are."""
    return own[section].get("backbone", ""), own[section].get("weights", "none")


def problem(backbone: str, weights: str, where: str) -> str:
    """Return why the `weights` of a backbone, imagenet or a file, cannot be had, or ''.

    `where` is the key that names them, as '<key> of <set>'.
    """
    if weights == "none":
        return ""
    if weights != "imagenet":
        return file_problem(Path(weights), backbone, where)
    if is_cached(backbone):
        return ""
    address = _address(backbone)
    if not address:
        # Jobs have environments of their own, of which nothing is known here.
        return ""
    reason = _offline(backbone) or unreachable(address)
    if not reason or (backbone != "vgg16" and _timm_has(backbone)):
        return ""
    found = f" ({address})" if backbone == "vgg16" else ""
    return (
        f"{where} is imagenet, but the weights of {backbone} are not on this machine, and "
        f"{urlsplit(address).hostname} cannot be reached ({reason}); bring the file{found} from "
        f"elsewhere and set {where.partition(' ')[0]} to it, to one that 'pipeline weights list' "
        "names, or to 'none' to train from scratch"
    )


def file_problem(path: Path, backbone: str, where: str) -> str:
    """Return why a file cannot hold the weights of a backbone, or '' where that is not seen from
    its ends; its tensors are not looked at.
    """
    key = where.partition(" ")[0]
    if path.is_dir():
        return f"{path}: {where} is a folder; name the file in it"
    try:
        with open(path, "rb") as file:
            begin = file.read(64)
        size = path.stat().st_size
        about = _safetensors(path, size) if path.suffix == ".safetensors" else {}
    except OSError as error:
        return f"{path}: the file of {where} cannot be read ({error.strerror}); correct {key}"
    except ValueError as error:
        return f"{path}: the file of {where} is no whole file of safetensors ({error}); get it anew"
    if begin.lstrip().startswith(TEXTS) or not begin:
        what = "is empty" if not begin else "is text, as where a page or pointer came in its place"
        return f"{path}: the file of {where} {what}; get it anew"
    if begin.startswith(b"PK") and not zipfile.is_zipfile(path):
        return f"{path}: the file of {where} is cut short; get it anew"
    owner = about.get("backbone", backbone)
    if owner not in (backbone, backbone.partition(".")[0]):
        return f"{path}: weights of {owner}, and the backbone of {where} is {backbone}"
    return ""


def _safetensors(path: Path, size: int) -> dict:
    """Return what a file of safetensors says of itself, where this package wrote it.

    Raises ValueError where it is not such a file, or not as long as it says.
    """
    with open(path, "rb") as file:
        begin = file.read(8)
        length = struct.unpack("<Q", begin)[0] if len(begin) == 8 else size
        if length > size - 8:
            raise ValueError("its head is longer than the file")
        head = json.loads(file.read(length))
    about = head.pop("__metadata__", {})
    end = max((entry["data_offsets"][1] for entry in head.values()), default=0)
    if 8 + length + end != size:
        raise ValueError(f"{size:,} bytes of {8 + length + end:,}")
    with suppress(ValueError, KeyError):
        return json.loads(about["pipeline"])
    return {}


def is_cached(backbone: str) -> bool:
    """Whether the ImageNet weights of a backbone were downloaded before."""
    if backbone == "vgg16":
        home = os.environ.get("TORCH_HOME") or f"{_cache()}/torch"
        file = Path(home).expanduser() / "hub" / "checkpoints" / _vgg16().rpartition("/")[2]
        return file.is_file()
    hub = _hub()
    name, _, tag = backbone.partition(".")
    pattern = f"models--*--{name}.{tag or '*'}/snapshots/*/*"
    files = Path(hub.HF_HUB_CACHE).glob(pattern) if hub else ()
    return any(file.suffix in (".safetensors", ".bin", ".pth") for file in files if file.is_file())


def unreachable(address: str) -> str:
    """Return why an address does not answer, or ''; it is asked through the proxies of the
    environment, for PATIENCE seconds at most.
    """
    reasons: list[str] = []

    def ask() -> None:
        request = urllib.request.Request(address, headers={"User-Agent": "torch.hub"})
        try:
            with urllib.request.build_opener().open(request, timeout=PATIENCE):
                reasons.append("")
        except urllib.error.HTTPError as error:
            reasons.append("" if error.code in ANSWERS else str(error))
        except (OSError, ValueError) as error:
            cause = getattr(error, "reason", error)
            reasons.append(getattr(cause, "strerror", None) or first_line(cause))

    # The name of a host may be looked up for longer than any time-out.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return reasons[0] if reasons else f"no answer within {PATIENCE} seconds"


def _offline(backbone: str) -> str:
    """Return why the network is not asked, '' where it is: a user may forbid it to the hub."""
    is_forbidden = backbone != "vgg16" and getattr(_hub(), "HF_HUB_OFFLINE", False)
    return "HF_HUB_OFFLINE is set" if is_forbidden else ""


def _address(backbone: str) -> str:
    """Return where weights are downloaded from; '' where the packages that do it are not here."""
    if backbone == "vgg16":
        return _vgg16()
    hub = _hub()
    return hub.ENDPOINT if hub and find_spec("timm") else ""


def _vgg16() -> str:
    """Return the address of torchvision's weights of VGG-16, read without importing it."""
    package = find_spec("torchvision")
    if package is None or package.origin is None:
        return ""
    with suppress(OSError):
        text = Path(package.origin).with_name("models").joinpath("vgg.py").read_text()
        found = re.search(r"class VGG16_Weights\b.*?IMAGENET1K_V1 = .*?url=\"(.+?)\"", text, re.S)
        return found[1] if found else ""
    return ""


def _hub():
    """Return where the hub of timm lies and what it has downloaded; None where it is not here."""
    try:
        from huggingface_hub import constants
    except ImportError:
        return None
    return constants


def _cache() -> str:
    return os.environ.get("XDG_CACHE_HOME") or "~/.cache"


def _timm_has(name: str) -> bool:
    """Whether timm itself gets weights without the network: it keeps those of some networks under
    names that only it knows. It takes seconds.
    """
    code = "import sys, timm; timm.create_model(sys.argv[1], pretrained=True)"
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            [sys.executable, "-c", code, name],
            env=os.environ | {"HF_HUB_OFFLINE": "1"},
            capture_output=True,
            timeout=LOADING,
        )
        return done.returncode == 0
    return False
