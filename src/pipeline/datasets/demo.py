"""The demo set: rendered clips that two streams tell apart only together, some frames apart.

Standard library only: the Snakefile imports this module. `render` draws what it describes.

Every clip shows a window of noise on a plain grey wall. It goes through cycles of 26 frames. The
noise moves in the flow fields 0 .. 7 of a cycle; then a part of the window is tinted, in the
frames 11 .. 17. The tint has the luma of the grey, so optical flow does not see it. The noise
starts anywhere, so no still frame tells how it moves. All cues survive mirroring.

    class          tint and motion                                              told apart by
    RiseMatched    (red above, up) or (cyan below, down)                        tint AND motion
    RiseCrossed    (red above, down) or (cyan below, up)
    SplitMatched   (green above, halves part) or (violet below, halves meet)    tint AND motion
    SplitCrossed   (green above, halves meet) or (violet below, halves part)
    SwayFew        yellow, sways sideways, 2 dark dots on the noise             appearance
    SwayMany       the same, 4 dark dots
    SwaySlow       blue, sways sideways at 1 pixel per frame                    motion
    SwayFast       the same at 2 pixels per frame

The best possible accuracies follow from this. Every scene (group) shows both combinations of a
Matched or Crossed class equally often.

- Appearance alone: 1/2 on the four paired classes and on SwaySlow and SwayFast, 1 on the others;
  5/8 = 0.625 on average.
- Motion alone: 1/2 on the four paired classes and on SwayFew and SwayMany, 1 on the others; 0.625.
- The sum of the two streams' best scores: 1/2 on the four paired classes, 1 on the others; 0.75.
  No sum of any score of the tint and any score of the motion has more than three of a pair's four
  combinations right (it is an exclusive or), so 0.875 at the very most.
- A network that sees one frame and the stack of 5 fields that starts at it gains nothing over
  that sum: while the tint lasts, such a stack lies within the fields 11 .. 21 of the cycle, where
  nothing moves.
- A network that also sees the stacks 5 and 10 frames before and after can tell all: 1.0.
"""

from pathlib import Path
from typing import NamedTuple

from pipeline.datasets.clips import TEST, TRAIN, ClipSet
from pipeline.datasets.split_lists import Entry, assemble

SPLITS = 3
# Names of the split lists, without extension.
LISTS = [
    "classInd",
    *(f"{subset}list{number:02d}" for subset in (TRAIN, TEST) for number in range(1, SPLITS + 1)),
]


class Tint(NamedTuple):
    """A chroma offset from grey, and the rows of the window that have it, `end_row` excluded."""

    cb: int
    cr: int
    first_row: int
    end_row: int


class Look(NamedTuple):
    """What a clip shows; the speed is in pixels per frame."""

    tint: Tint
    motion: str
    speed: float
    dots: int


# Rows of the window that a tint covers, of 48.
ABOVE, MIDDLE, BELOW = (2, 22), (12, 36), (26, 46)
# The two tints of a pair differ clearly in both chroma and rows. A network has no reason to keep
# apart what its own classes do not need, and the fusion cannot use what was not kept.
RED, CYAN = Tint(-20, 65, *ABOVE), Tint(20, -65, *BELOW)
GREEN, VIOLET = Tint(-48, -48, *ABOVE), Tint(48, 48, *BELOW)
YELLOW, BLUE = Tint(-55, 20, *MIDDLE), Tint(55, -20, *MIDDLE)
# Motions of the noise: as a whole, its upper and lower half apart or together, or sideways.
UP, DOWN, PART, MEET, SWAY = "up", "down", "part", "meet", "sway"
# The looks of each class; the clips of a scene take them in turn.
CLASSES = {
    "RiseMatched": [Look(RED, UP, 1.5, 0), Look(CYAN, DOWN, 1.5, 0)],
    "RiseCrossed": [Look(RED, DOWN, 1.5, 0), Look(CYAN, UP, 1.5, 0)],
    "SplitMatched": [Look(GREEN, PART, 1.5, 0), Look(VIOLET, MEET, 1.5, 0)],
    "SplitCrossed": [Look(GREEN, MEET, 1.5, 0), Look(VIOLET, PART, 1.5, 0)],
    "SwayFew": [Look(YELLOW, SWAY, 1.5, 2)] * 2,
    "SwayMany": [Look(YELLOW, SWAY, 1.5, 4)] * 2,
    "SwaySlow": [Look(BLUE, SWAY, 1.0, 0)] * 2,
    "SwayFast": [Look(BLUE, SWAY, 2.0, 0)] * 2,
}


def clip_set(name: str, groups: int, clips: int) -> ClipSet:
    """Return the set of `groups` scenes, with `clips` clips per class in each scene.

    Split k tests on every third scene, from scene k on, and trains on the others.

    Raises PipelineError when a split has no train or no test clips, which takes 3 scenes.
    """
    entries = []
    for group in range(1, groups + 1):
        for class_name in CLASSES:
            for clip in range(1, clips + 1):
                file = f"{class_name}/v_{class_name}_g{group:02d}_c{clip:02d}.avi"
                for split in range(1, SPLITS + 1):
                    subset = TEST if group % SPLITS == split % SPLITS else TRAIN
                    entries.append(Entry(f"split{split}", subset, file, f"g{group:02d}"))
    return assemble(name, list(CLASSES), entries, Path(name))


def look_of(class_name: str, clip: int) -> Look:
    """Return what clip number `clip` of a scene shows; clips count from 1."""
    looks = CLASSES[class_name]
    return looks[(clip - 1) % len(looks)]


def write_lists(demo: ClipSet, folder: Path) -> None:
    """Write the split lists of the set in UCF101's layout, for people and other programs."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = {class_name: label for label, class_name in enumerate(demo.classes, start=1)}
    (folder / "classInd.txt").write_text(
        "".join(f"{label} {class_name}\n" for class_name, label in labels.items())
    )
    for split in demo.splits:
        number = int(split.removeprefix("split"))
        train = [f"{clip.file} {labels[clip.class_name]}\n" for clip in demo.subset(split, TRAIN)]
        test = [f"{clip.file}\n" for clip in demo.subset(split, TEST)]
        (folder / f"trainlist{number:02d}.txt").write_text("".join(train))
        (folder / f"testlist{number:02d}.txt").write_text("".join(test))
