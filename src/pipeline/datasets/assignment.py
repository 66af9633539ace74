"""Which shard holds which group of clips.

A group, whose clips are near-duplicates, lies in one shard. From nothing the largest groups are
dealt first, each to the shard with the fewest clips: equal lists always give equal shards, as even
as groups allow. What has been dealt is kept, so a group that is new goes to the shard with the
fewest clips, and no other one moves. The record, `results/<set>/.shards/<count>.json`, counts only
once shards have been made; before that nothing can be made in vain.

Standard library only: the Snakefile imports this module.
"""

import heapq
import json
from collections import Counter
from contextlib import suppress
from pathlib import Path

from pipeline import files
from pipeline.datasets import index
from pipeline.datasets.clips import ClipSet
from pipeline.errors import PipelineError

# What the shards of a set have been made of, once one of these is there.
MADE = ("index/[0-9]*.csv", "frames/[0-9]*.h5", "flow/[0-9]*.h5", "idt/[0-9]*.h5")


def assign(sizes: dict[str, int], count: int, kept: dict[str, str]) -> dict[str, str]:
    """Return the shard of each group, '000', '001', ... of `count`.

    `sizes` are the numbers of clips by group; groups of `kept` stay where they are.
    """
    shards = {group: kept[group] for group in sizes if group in kept and int(kept[group]) < count}
    held = Counter({number: 0 for number in range(count)})
    for group, shard in shards.items():
        held[int(shard)] += sizes[group]
    loads = [(clips, number) for number, clips in held.items()]
    heapq.heapify(loads)
    for group in sorted(sizes.keys() - shards.keys(), key=lambda group: (-sizes[group], group)):
        clips, number = loads[0]
        heapq.heapreplace(loads, (clips + sizes[group], number))
        shards[group] = f"{number:03d}"
    return shards


def of_set(clip_set: ClipSet, count: int, folder: Path, keeps: bool = True) -> dict[str, str]:
    """Return the shard of each group of a set whose results lie in `folder`.

    With `keeps` what is new is added to the record there; without, as in the jobs of a cluster, the
    record counts in any case.
    """
    record = folder / ".shards" / f"{count}.json"
    is_made = any(next(folder.glob(pattern), None) for pattern in MADE)
    kept = known = _read(record) if is_made or not keeps else {}
    if is_made and not known and not set(record.parent.glob("*.json")) - {record}:
        kept = _of_tables(clip_set, count, sorted(folder.glob(MADE[0])))
    sizes = Counter(clip.group for clip in clip_set.clips.values())
    shards = assign(sizes, count, kept)
    # Groups that are not listed now are remembered: a list that is put back finds its shards.
    if keeps and not known.items() >= shards.items():
        with suppress(OSError), files.replacing(record) as temporary:
            temporary.write_text(json.dumps(kept | shards), encoding="utf-8")
    return shards


def _read(record: Path) -> dict[str, str]:
    """Return what was dealt; nothing where there is no record, or a broken one."""
    try:
        content = json.loads(files.read_intact(record))
    except (PipelineError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _of_tables(clip_set: ClipSet, count: int, tables: list[Path]) -> dict[str, str]:
    """Return the shards of the groups that an earlier version dealt, by hash, as the examined
    `tables` of its shards tell; nothing where these are not of so many shards.

    A hash leaves hardly a shard empty, and another count than before means to deal anew.
    """
    if any(int(table.stem) >= count for table in tables) or 2 * len(tables) <= count:
        return {}
    kept: dict[str, str] = {}
    for table in tables:
        # One that is broken is made again, of the groups that are dealt to the empty shard.
        with suppress(PipelineError):
            for row in index.read(table, index.EXAMINED):
                clip = clip_set.clips.get(row["clip"])
                if clip:
                    kept.setdefault(clip.group, table.stem)
    return kept
