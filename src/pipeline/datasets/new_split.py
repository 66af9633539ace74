"""Splits chosen for clips that have none: no group is parted, and every class is on both sides.

Which groups are tested follows from the seed and the names of the groups alone, whatever the order
of the folder, the machine and the version of Python. A clip that is added moves few others.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from pipeline.datasets.clips import TEST, TRAIN, Clip, ClipSet
from pipeline.datasets.leaks import group_name

# What a class without training clips costs, and one with two groups or more without test clips,
# in clips that are too many or too few in test.
UNTRAINED, UNTESTED = 1e9, 1e6
# Orders of the groups that are tried where a class is on one side only.
ATTEMPTS = 30
# Groups of a class up to which pairs of them change places: more are fine grains, and need none.
MOST_PAIRED = 60
# Times that all groups are gone through; a few are enough.
ROUNDS = 20


class _Choice:
    """Groups for testing, and what they cost.

    groups: the clips of each group by class.
    share: the part of the clips of each class that is wanted in test.
    before: in how many earlier splits a group is in test.
    """

    def __init__(self, groups: dict[str, Counter[str]], share: float, before: Counter[str]):
        self.groups, self.share, self.before = groups, share, before
        self.tested: set[str] = set()
        self.total, self.count, self.test = Counter(), Counter(), Counter()
        for clips in groups.values():
            self.total.update(clips)
            self.count.update(dict.fromkeys(clips, 1))

    def cost(self) -> float:
        """What the choice costs: distances from the share wanted, and groups tested before."""
        again = sum(self._again(name) for name in self.tested)
        return again + sum(self._cost(name, self.test[name]) for name in self.total)

    def untested(self) -> list[str]:
        """The classes without test clips."""
        return [name for name in self.total if not self.test[name]]

    def is_sound(self) -> bool:
        """Whether every class is trained, and tested where it has two groups."""
        return all(self.test[name] < self.total[name] for name in self.total) and not any(
            self.count[name] > 1 for name in self.untested()
        )

    def gain(self, *names: str) -> float:
        """What it saves to move these groups to the other side."""
        moved = Counter()
        gain = 0.0
        for name in names:
            sign = -1 if name in self.tested else 1
            gain -= sign * self._again(name)
            for of, clips in self.groups[name].items():
                moved[of] += sign * clips
        return gain + sum(
            self._cost(of, self.test[of]) - self._cost(of, self.test[of] + clips)
            for of, clips in moved.items()
        )

    def move(self, *names: str) -> None:
        """Move these groups to the other side."""
        for name in names:
            sign = -1 if name in self.tested else 1
            self.tested ^= {name}
            for of, clips in self.groups[name].items():
                self.test[of] += sign * clips

    def _cost(self, name: str, test: int) -> float:
        total = self.total[name]
        cost = (test - self.share * total) ** 2 / total
        if test >= total:
            cost += UNTRAINED
        if not test and self.count[name] > 1:
            cost += UNTESTED
        return cost

    def _again(self, name: str) -> float:
        """A group that was tested counts as its part of a class that is one class too many."""
        clips = self.groups[name]
        return self.before[name] * sum(size / self.total[of] for of, size in clips.items())


def group_key(clip: Clip, over_classes: bool) -> str:
    """What names the group of a clip among those of its set; a clip without one is its own."""
    return group_name(clip.id, clip.group, over_classes) or clip.file


def groups_by_class(clips: Iterable[Clip], over_classes: bool) -> dict[str, set[str]]:
    """Return the keys of the groups of each class."""
    found: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        found[clip.class_name].add(group_key(clip, over_classes))
    return dict(found)


def choose(
    clips: Iterable[Clip], over_classes: bool, share: float, seed: int, splits: int = 1
) -> list[set[str]]:
    """Return the keys (`group_key`) of the groups that each of so many splits tests on.

    `share` of the clips of each class is aimed at, 0 .. 1. No split tests on all clips of a class,
    and each on some of every class with two groups, as far as groups that lie in several classes
    let it. Splits test on different groups as far as there are any.
    """
    groups: dict[str, Counter[str]] = defaultdict(Counter)
    for clip in clips:
        groups[group_key(clip, over_classes)][clip.class_name] += 1
    chosen: list[set[str]] = []
    for _ in range(splits):
        before = Counter(name for tested in chosen for name in tested)
        chosen.append(_choose_one(dict(groups), share, seed, before))
    return chosen


def clip_set(
    name: str, clips: Iterable[Clip], tested: list[set[str]], over_classes: bool
) -> ClipSet:
    """Return the set of the clips with the splits that `choose` gave."""
    placed = {}
    for clip in sorted(clips, key=lambda clip: clip.id):
        key = group_key(clip, over_classes)
        sides = {
            f"split{number}": TEST if key in groups else TRAIN
            for number, groups in enumerate(tested, start=1)
        }
        placed[clip.id] = Clip(clip.id, clip.file, clip.group, sides)
    classes = sorted({clip.class_name for clip in placed.values()})
    return ClipSet(name, classes, placed, [f"split{n}" for n in range(1, len(tested) + 1)])


def list_texts(chosen: ClipSet) -> dict[str, str]:
    """Return the split lists of a set in UCF101's layout, the text of each file by its name."""
    labels = {class_name: label for label, class_name in enumerate(chosen.classes, start=1)}
    texts = {"classInd.txt": "".join(f"{label} {name}\n" for name, label in labels.items())}
    for split in chosen.splits:
        number = f"{int(split.removeprefix('split')):02d}"
        train = (f"{c.file} {labels[c.class_name]}\n" for c in chosen.subset(split, TRAIN))
        texts[f"trainlist{number}.txt"] = "".join(train)
        texts[f"testlist{number}.txt"] = "".join(
            f"{clip.file}\n" for clip in chosen.subset(split, TEST)
        )
    return texts


def write(texts: dict[str, str], folder: Path) -> None:
    """Write texts by the names of their files into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


def _choose_one(
    groups: dict[str, Counter[str]], share: float, seed: int, before: Counter[str]
) -> set[str]:
    """Return the groups of one split's test clips."""
    best, least = set(), float("inf")
    for attempt in range(ATTEMPTS):
        choice = _Choice(groups, share, before)
        order = sorted(groups, key=lambda name: (before[name], _hash(seed, attempt, name)))
        _improve(choice, order)
        cost = choice.cost()
        if cost < least:
            best, least = choice.tested, cost
        if choice.is_sound():
            break
    return best


def _improve(choice: _Choice, order: list[str]) -> None:
    """Move groups, and pairs of them, as long as it saves something."""
    pairs = _pairs(choice, order)
    for _ in range(ROUNDS):
        moved = False
        for names in [*((name,) for name in order), *pairs]:
            # A pair on one side does not change places.
            if len(names) == 2 and (names[0] in choice.tested) == (names[1] in choice.tested):
                continue
            if choice.gain(*names) > 1e-9:
                choice.move(*names)
                moved = True
        if not moved:
            return


def _pairs(choice: _Choice, order: list[str]) -> list[tuple[str, str]]:
    """Pairs of groups of one class that differ, of classes that have few of them."""
    by_class: dict[str, list[str]] = defaultdict(list)
    for name in order:
        for of in choice.groups[name]:
            by_class[of].append(name)
    pairs = {
        (first, second): None
        for names in by_class.values()
        if len(names) <= MOST_PAIRED
        for number, first in enumerate(names)
        for second in names[number + 1 :]
        if choice.groups[first] != choice.groups[second]
    }
    return list(pairs)


def _hash(seed: int, attempt: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}/{attempt}/{name}".encode()).digest()
