"""What a set consists of: its classes, its clips, which split trains and tests on which clip, which shard holds it.

Standard library only: the Snakefile imports this to know every shard before anything has run.
"""

import hashlib
import json
import os
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote, unquote

from pipeline.errors import PipelineError, require

TRAIN, TEST = "train", "test"


@dataclass(frozen=True)
class Clip:
    """One video. `id` is '<class folder>/<file name without its ending>', as the split lists spell it."""

    id: str
    file: str  # '<class folder>/<file name>', as the split lists spell it
    group: str  # clips of one group show the same scene: they must not be parted by a split
    splits: dict[str, str] = field(default_factory=dict, compare=False)  # split -> 'train' or 'test'

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
            raise PipelineError(f"set '{self.name}' has no split '{split}'; it has {', '.join(self.splits)}")
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


@lru_cache(maxsize=2**16)  # every draw asks
def key_of(clip_id: str) -> str:
    """HDF5 path of a clip: HDF5 and shells leave it whole, and `id_of` gives the id back.

    All but letters, digits, '_', '.', '-' is written %XX, as in URLs; so is a leading '-' or '.'.
    """
    def part(text: str) -> str:
        safe = quote(text, safe="").replace("~", "%7E")
        return f"%{ord(safe[0]):02X}{safe[1:]}" if safe[:1] in ("-", ".") else safe

    return "/".join(part(text) for text in clip_id.split("/"))


def id_of(key: str) -> str:
    """The clip id that `key_of` made `key` from."""
    return unquote(key.strip("/"))


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Numbered lines of a list without blanks around them, empty ones left out."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise PipelineError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}); write it as UTF-8") from error
    return [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]


def assemble(name: str, classes: list[str], entries: list[tuple[str, str, str, str]], source: Path) -> ClipSet:
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
            problems.append(f"{source}: clip '{file}' is of class '{class_name}', which the class list does not have; "
                            "correct the line or add the class")
            continue
        clip = clips.setdefault(clip_id, Clip(clip_id, file, f"{class_name}/{group}"))
        if clip.file != file:
            problems.append(f"{source}: '{clip.file}' and '{file}' differ only in their ending; rename one")
        if part not in (TRAIN, TEST):
            continue
        if clip.splits.setdefault(split, part) != part:
            problems.append(f"{source}: clip '{file}' is in both train and test of {split}; remove it from one")
            continue
        other = sides.setdefault((split, clip.group), {part: file})
        if part not in other:
            first = next(iter(other.values()))
            problems.append(f"{source}: group '{clip.group}' is in both train and test of {split} ('{first}' and "
                            f"'{file}'); clips of one group are near-duplicates, move them to one side")
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
            raise PipelineError(f"{source}: {split} has no train clip of {', '.join(untaught)}; add some, or remove the "
                                "classes from the class list")
    return result


def check_counts(clip_set: ClipSet, expected: dict[str, list[int]], source: Path) -> None:
    """Compare each split's train and test counts with the published ones; raises PipelineError on a difference."""
    problems = []
    for split, counts in expected.items():
        found = [len(clip_set.part(split, part)) for part in (TRAIN, TEST)]
        if found != list(counts):
            problems.append(f"{source}: {split} lists {found[0]} train and {found[1]} test clips, but the official lists "
                            f"have {counts[0]} and {counts[1]}; get the lists again, or remove sets.{clip_set.name}."
                            "counts from the config if you cut them on purpose")
    require(problems)


def locate(clip_set: ClipSet, videos: Path) -> tuple[dict[str, str], list[str]]:
    """Where each clip's file lies, by clip id, and the video files that no list names.

    Names are matched exactly, else ignoring case (redistributions of UCF101 renamed HandStandPushups).
    Raises PipelineError for a missing or empty folder, for missing clips, each by name, and for ambiguous names.
    """
    how = f"put the videos there as <class>/<file>, or correct sets.{clip_set.name}.videos in the config"
    if not videos.is_dir():
        raise PipelineError(f"{videos}: the video folder of set '{clip_set.name}' does not exist; {how}")
    folders: dict[str, list[str]] = {}
    for folder in sorted(entry.name for entry in os.scandir(videos) if entry.is_dir()):
        folders[folder] = sorted(entry.name for entry in os.scandir(videos / folder) if entry.is_file())
    if not any(folders.values()):
        raise PipelineError(f"{videos}: the video folder of set '{clip_set.name}' holds no videos; {how}")
    exact = {f"{folder}/{name}" for folder, names in folders.items() for name in names}
    folded: dict[str, list[str]] = {}
    for path in sorted(exact):
        folded.setdefault(path.casefold(), []).append(path)
    found, problems, missing = {}, [], []
    for clip in clip_set.clips.values():
        matches = [clip.file] if clip.file in exact else folded.get(clip.file.casefold(), [])
        if len(matches) == 1:
            found[clip.id] = str(videos / matches[0])
        elif matches:
            problems.append(f"{videos}: clip '{clip.file}' could be any of {matches}, which differ only in case; keep one")
        else:
            missing.append(clip.file)
    if missing:
        problems.append(f"{videos}: {len(missing)} of {len(clip_set.clips)} clips of set '{clip_set.name}' are missing: "
                        f"{', '.join(missing)}; add them, or remove them from the split lists")
    taken: dict[str, str] = {}
    for clip_id, path in found.items():
        if taken.setdefault(path, clip_id) != clip_id:
            problems.append(f"{path}: would be both clip '{clip_set.clips[taken[path]].file}' and clip "
                            f"'{clip_set.clips[clip_id].file}', which differ only in case; add the other file, or remove "
                            "one from the split lists")
    require(problems)
    used = set(found.values())
    extra = [path for path in sorted(exact) if str(videos / path) not in used]
    return found, extra
