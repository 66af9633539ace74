"""What a run tells the jobs that it submits, so that none of them reads the lists of a set again.

Each job of a cluster starts Snakemake anew, twice. Of a set with 240,000 clips these would take
longer to read its lists than some jobs take, and ten times the memory. So the run that submits them
leaves what they ask in `results/<set>/.handed/`. It counts where the content of the lists and the
entry of the set are those of that run; else a job reads the lists itself. Standard library only.
"""

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline import files
from pipeline.datasets.clips import TEST, TRAIN, ClipSet

# Another one for another form of what is handed.
FORM = 2


@dataclass(frozen=True)
class Summary:
    """What rules ask about the clips of a set.

    clips: how many there are.
    classes: in the order of their labels.
    shards: in the order of their names.
    digests, held, counts: by split and by 'train' or 'test' the identity of the clips, their
        shards, and how many there are.
    """

    clips: int
    classes: list[str]
    shards: list[str]
    digests: dict[str, dict[str, str]]
    held: dict[str, dict[str, list[str]]]
    counts: dict[str, dict[str, int]]

    @classmethod
    def of(cls, clip_set: ClipSet, shard_of: dict[str, str]) -> "Summary":
        """Return that of a set, with the shard of each group."""
        held = {split: {TRAIN: set(), TEST: set()} for split in clip_set.splits}
        counts = {split: {TRAIN: 0, TEST: 0} for split in clip_set.splits}
        for clip in clip_set.clips.values():
            for split, side in clip.splits.items():
                held[split][side].add(shard_of[clip.group])
                counts[split][side] += 1
        return cls(
            len(clip_set.clips),
            clip_set.classes,
            sorted(set(shard_of.values())),
            {
                split: {side: clip_set.digest(split, side) for side in (TRAIN, TEST)}
                for split in clip_set.splits
            },
            {
                split: {side: sorted(shards) for side, shards in sides.items()}
                for split, sides in held.items()
            },
            counts,
        )

    def as_json(self) -> dict:
        return asdict(self)


class Handed:
    """Values by set and by what they are, kept in the folder `results`."""

    def __init__(self, results: Path):
        self.results = results

    def put(self, name: str, what: str, key: str, value) -> None:
        """Leave a value, anything that JSON can hold; a folder to look at only stays as it is."""
        path, text = self._path(name, what), json.dumps({"key": key, "value": value})
        with suppress(OSError):
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                with files.replacing(path, sealed=False) as temporary:
                    temporary.write_text(text, encoding="utf-8")

    def get(self, name: str, what: str, key: str):
        """Return the value that was left under the same `key`; None where there is none."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            found = json.loads(self._path(name, what).read_text(encoding="utf-8"))
            return found["value"] if found["key"] == key else None
        return None

    def _path(self, name: str, what: str) -> Path:
        return self.results / name / ".handed" / f"{what}.json"


def key(entry: dict, lists: Path | None) -> str:
    """Return what stands for the entry of a set, and for the content of its folder of lists."""
    known = hashlib.sha256(json.dumps([FORM, entry], sort_keys=True).encode())
    for path in sorted(lists.glob("*.txt")) if lists else ():
        with suppress(OSError):
            content = path.read_bytes() if path.is_file() else b""
            known.update(json.dumps([path.name, len(content)]).encode() + content)
    return known.hexdigest()[:16]
