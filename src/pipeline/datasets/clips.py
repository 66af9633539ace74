"""What a set consists of: its classes, its clips, which split trains and tests on which clip, which shard holds it.

Standard library only: the Snakefile imports this to know every shard before anything has run.
"""

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import PipelineError, require

TRAIN, TEST = "train", "test"


@dataclass(frozen=True)
class Clip:
    """One video. `id` is '<class folder>/<file name without its ending>', as the split lists spell it."""

    id: str
    file: str  # '<class folder>/<file name>', as the split lists spell it
    group: str  # clips of one group show the same scene: they must not be parted by a split
    splits: dict[str, str] = field(
        default_factory=dict, compare=False
    )  # split -> 'train' or 'test'

    @property
    def class_name(self) -> str:
        """The class is the folder, never the file name: UCF101 has v_HandStandPushups_* in HandstandPushups."""
        return self.id.split("/", 1)[0]


@dataclass(frozen=True)
class ClipSet:
    """A data set: its name, its classes in label order, its clips by id and its splits."""

    name: str
    classes: list[str]
    clips: dict[str, Clip]
    splits: list[str]

    def part(self, split: str, part: str) -> list[Clip]:
        """Clips of a split's `part`, 'train' or 'test', in order of id."""
        if split not in self.splits:
            raise PipelineError(
                f"set '{self.name}' has no split '{split}'; it has {', '.join(self.splits)}"
            )
        return [clip for clip in self.clips.values() if clip.splits.get(split) == part]

    def digest(self, split: str, part: str) -> str:
        """Identity of a split's part: classes, clips and labels, whatever the format of the lists."""
        content = json.dumps([self.classes, [clip.id for clip in self.part(split, part)]])
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def shards(self, count: int) -> dict[str, list[Clip]]:
        """Clips by shard, '000'..; the hash of a clip's group picks its shard, so a new clip changes one shard."""
        shards: dict[str, list[Clip]] = {}
        for clip in self.clips.values():
            shards.setdefault(shard_of(clip.group, count), []).append(clip)
        return dict(sorted(shards.items()))


def shard_of(group: str, count: int) -> str:
    """The shard of a group among `count`: stable however many other groups there are."""
    return f"{int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], 'big') % count:03d}"


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Numbered lines of a list without blanks around them, empty ones left out."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise PipelineError(
            f"{path}: not UTF-8 text ({error.reason} at byte {error.start}); write it as UTF-8"
        ) from error
    return [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]


def assemble(
    name: str, classes: list[str], entries: list[tuple[str, str, str, str]], source: Path
) -> ClipSet:
    """A ClipSet out of (split, part, 'class/file', group) rows; refuses what would make a split lie.

    Raises PipelineError that names every clip or group in both train and test, and every unknown class.
    """
    clips: dict[str, Clip] = {}
    problems = []
    sides: dict[tuple[str, str], dict[str, str]] = {}
    for split, part, file, group in entries:
        clip_id = os.path.splitext(file)[0]
        class_name = clip_id.split("/", 1)[0]
        if class_name not in classes:
            problems.append(
                f"{source}: clip '{file}' is of class '{class_name}', which the class list does not have; "
                "correct the line or add the class"
            )
            continue
        clip = clips.setdefault(clip_id, Clip(clip_id, file, f"{class_name}/{group}"))
        if clip.file != file:
            problems.append(
                f"{source}: '{clip.file}' and '{file}' differ only in their ending; rename one"
            )
        if part not in (TRAIN, TEST):
            continue
        if clip.splits.setdefault(split, part) != part:
            problems.append(
                f"{source}: clip '{file}' is in both train and test of {split}; remove it from one"
            )
            continue
        other = sides.setdefault((split, clip.group), {part: file})
        if part not in other:
            first = next(iter(other.values()))
            problems.append(
                f"{source}: group '{clip.group}' is in both train and test of {split} ('{first}' and "
                f"'{file}'); clips of one group are near-duplicates, move them to one side"
            )
            other[part] = file
    splits = sorted({split for split, *_ in entries})
    require(list(dict.fromkeys(problems)))
    result = ClipSet(name, classes, dict(sorted(clips.items())), splits)
    for split in splits:
        for part in (TRAIN, TEST):
            if not result.part(split, part):
                raise PipelineError(f"{source}: {split} has no {part} clips; fill its list")
        untaught = sorted(set(classes) - {clip.class_name for clip in result.part(split, TRAIN)})
        if untaught:
            raise PipelineError(
                f"{source}: {split} has no train clip of {', '.join(untaught)}; add some, or remove the "
                "classes from the class list"
            )
    return result


def check_counts(clip_set: ClipSet, expected: dict[str, list[int]], source: Path) -> None:
    """Compare each split's train and test counts with the published ones; raises PipelineError on a difference."""
    problems = []
    for split, counts in expected.items():
        found = [len(clip_set.part(split, part)) for part in (TRAIN, TEST)]
        if found != list(counts):
            problems.append(
                f"{source}: {split} lists {found[0]} train and {found[1]} test clips, but the official lists "
                f"have {counts[0]} and {counts[1]}; get the lists again, or remove sets.{clip_set.name}."
                "counts from the config if you cut them on purpose"
            )
    require(problems)
