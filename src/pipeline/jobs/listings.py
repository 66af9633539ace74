"""What the train or test clips of a split read of a store, in one small file.

Frames and flow lie in hundreds of shards, which dozens of trainings read. Each rests on one listing
of what its shards are in place of all of them, so that Snakemake has one file to look at for each
reader. Standard library only.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.files import read_intact, replacing
from pipeline.jobs import record
from pipeline.streams import STORES

# What belongs to a shard that is there: itself, its record and its content.
FILES = ("h5", "json", "content.json")


def write(path: str | Path, store: str | Path, shards: Iterable[str]) -> None:
    """Write the listing of some shards of a store, <store>/<shard>.h5: the digest of each, and one
    of all.

    Raises PipelineError where a shard has no content file, or a damaged one.
    """
    digests = {
        shard: record.read(f"{store}/{shard}.content.json")["digest"] for shard in sorted(shards)
    }
    content = {
        "digest": hashlib.sha256(json.dumps(digests).encode()).hexdigest()[:16],
        "shards": digests,
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def drop_stale(results: Path) -> None:
    """Remove listings in a folder of results that name a shard of which a file is gone.

    Who rests on such a listing then has its shards made again, as if it rested on them. A folder to
    look at only stays as it is.
    """
    for store in STORES.values():
        for path in results.glob(f"*/split*/*.{store}.content.json"):
            with suppress(OSError):
                folder = path.parents[1] / store
                there = set(os.listdir(folder)) if folder.is_dir() else set()
                if not there >= {f"{shard}.{end}" for shard in _shards(path) for end in FILES}:
                    path.unlink()


def _shards(path: Path) -> set[str]:
    """The shards that a listing names, and one that is nowhere for what is no listing."""
    try:
        return set(json.loads(read_intact(path))["shards"])
    except (PipelineError, ValueError, KeyError, TypeError):
        return {""}
