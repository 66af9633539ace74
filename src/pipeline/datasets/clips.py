"""The clips of a data set: their classes, and which split trains or tests on each of them.

Standard library only: the Snakefile imports this module to know every shard before anything runs.
"""

import hashlib
import json
from dataclasses import dataclass, field

from pipeline.errors import PipelineError

# The two subsets of a split.
TRAIN, TEST = "train", "test"


@dataclass(frozen=True)
class Clip:
    """One video of a data set.

    id: '<class folder>/<file name without extension>', as the split lists spell it.
    file: '<class folder>/<file name>', as the split lists spell it.
    group: Clips of one group show the same scene, so no split may train on some of them and test
        on others.
    splits: 'train' or 'test' by split; a split that does not use the clip is absent.
    """

    id: str
    file: str
    group: str
    splits: dict[str, str] = field(default_factory=dict, compare=False)

    @property
    def class_name(self) -> str:
        """The class: the folder, never the file name.

        UCF101 has files v_HandStandPushups_* of the class HandstandPushups.
        """
        return self.id.split("/", 1)[0]


@dataclass(frozen=True)
class ClipSet:
    """A data set: its name, its classes in order of their labels, its clips by id, its splits."""

    name: str
    classes: list[str]
    clips: dict[str, Clip]
    splits: list[str]

    def subset(self, split: str, subset: str) -> list[Clip]:
        """Return the 'train' or 'test' clips of a split, in order of their ids.

        Raises PipelineError when the set has no such split.
        """
        if split not in self.splits:
            raise PipelineError(
                f"set '{self.name}' has no split '{split}'; it has {', '.join(self.splits)}"
            )
        return [clip for clip in self.clips.values() if clip.splits.get(split) == subset]

    def digest(self, split: str, subset: str) -> str:
        """Return 16 hex digits that identify the classes, clips and labels of a subset.

        The format of the split lists and the order of their lines do not count.

        Raises PipelineError when the set has no such split.
        """
        content = json.dumps([self.classes, [clip.id for clip in self.subset(split, subset)]])
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def shards(self, shard_of: dict[str, str]) -> dict[str, list[Clip]]:
        """Return the clips by shard; `shard_of` has the shard of each group (`assignment`).

        A shard without clips is absent.
        """
        shards: dict[str, list[Clip]] = {}
        for clip in self.clips.values():
            shards.setdefault(shard_of[clip.group], []).append(clip)
        return dict(sorted(shards.items()))
