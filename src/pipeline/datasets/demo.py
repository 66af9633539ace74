"""The demo set: videos rendered from a seed that show what the method is for. Standard library, except to render.

Every clip shows a window of noise on a plain grey wall. In cycles of 26 frames the noise moves, in the flow fields 0 .. 7
of the cycle, and then a part of the window is tinted, in the frames 11 .. 17. Tint and grey have the same luma, so optical
flow does not see the tint; and the noise starts anywhere, so no still frame tells how it moves. All cues survive a mirror.

    class          tint and motion                                              told apart by
    RiseMatched    (red above, up) or (cyan below, down)                        tint AND motion, some frames apart
    RiseCrossed    (red above, down) or (cyan below, up)
    SplitMatched   (green above, halves part) or (violet below, halves meet)    tint AND motion, some frames apart
    SplitCrossed   (green above, halves meet) or (violet below, halves part)
    SwayFew        yellow, sways sideways, 2 dark dots on the noise             a detail of the appearance
    SwayMany       the same, 4 dark dots
    SwaySlow       blue, sways sideways at 1 px a frame                         a detail of the motion
    SwayFast       the same at 2 px a frame

Every scene (group) shows both combinations of a Matched or Crossed class equally often, so the best that a classifier can
do by the appearance alone is 1/2 on the four paired classes and on SwaySlow and SwayFast, 1 on the others: 5/8 = 0.625. By
the motion alone: 1/2 on the four paired classes and on SwayFew and SwayMany, 1 on the others: 0.625. By the sum of the two
streams' best scores: 1/2 on the four paired classes, 1 on the others: 0.75; no sum of any score of the tint and any score
of the motion has more than three of a pair's four combinations right (it is an exclusive or), so 0.875 at the very most. A
network that is shown one frame and the stack of 5 fields that starts at it gains nothing over that: while the tint lasts,
such a stack lies within the fields 11 .. 21 of the cycle, where nothing moves. One that also sees the stacks 5 and 10
frames before and after can tell all: 1.0.
"""

import random
from pathlib import Path

from pipeline.datasets.clips import TEST, TRAIN, ClipSet, assemble

CYCLE, MOVING, TINT_FROM, TINTED = 26, 8, 11, 7  # frames
WIDTH, HEIGHT, WINDOW = 80, 60, 48  # pixels
FPS = 25
DOT = 45  # luma of a dot
SPLITS = 3
LISTS = [
    "classInd",
    *(f"{part}list{number:02d}" for part in (TRAIN, TEST) for number in range(1, SPLITS + 1)),
]
# Tints: chroma (Cb, Cr) off grey, and the rows of the window that it covers. Within a pair both differ clearly: a network
# has no reason to keep apart what its own classes do not need, and the fusion cannot use what was not kept.
ABOVE, MIDDLE, BELOW = (2, 22), (12, 36), (26, 46)
RED, CYAN, GREEN, VIOLET = (
    (-20, 65, *ABOVE),
    (20, -65, *BELOW),
    (-48, -48, *ABOVE),
    (48, 48, *BELOW),
)
YELLOW, BLUE = (-55, 20, *MIDDLE), (55, -20, *MIDDLE)
DARKEST, LIGHTEST = (
    100,
    155,
)  # luma of wall and noise: between them no tint leaves the range of RGB, so luma stays
UP, DOWN, PART, MEET, SWAY = "up", "down", "part", "meet", "sway"
CLASSES = {  # class -> its (tint, motion, speed in px a frame, dots), one for every other clip
    "RiseMatched": [(RED, UP, 1.5, 0), (CYAN, DOWN, 1.5, 0)],
    "RiseCrossed": [(RED, DOWN, 1.5, 0), (CYAN, UP, 1.5, 0)],
    "SplitMatched": [(GREEN, PART, 1.5, 0), (VIOLET, MEET, 1.5, 0)],
    "SplitCrossed": [(GREEN, MEET, 1.5, 0), (VIOLET, PART, 1.5, 0)],
    "SwayFew": [(YELLOW, SWAY, 1.5, 2)] * 2,
    "SwayMany": [(YELLOW, SWAY, 1.5, 4)] * 2,
    "SwaySlow": [(BLUE, SWAY, 1.0, 0)] * 2,
    "SwayFast": [(BLUE, SWAY, 2.0, 0)] * 2,
}


def clip_set(name: str, groups: int, clips: int) -> ClipSet:
    """The set of `groups` scenes with `clips` clips a class each; split k tests on every third scene, from k on."""
    entries = []
    for number in range(1, groups + 1):
        for class_name in CLASSES:
            for clip in range(1, clips + 1):
                file = f"{class_name}/v_{class_name}_g{number:02d}_c{clip:02d}.avi"
                for split in range(1, SPLITS + 1):
                    part = TEST if number % SPLITS == split % SPLITS else TRAIN
                    entries.append((f"split{split}", part, file, f"g{number:02d}"))
    return assemble(name, list(CLASSES), entries, Path(name))


def write_lists(demo: ClipSet, folder: Path) -> None:
    """The set's split lists in UCF101's layout, for people and other programs."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = {class_name: number for number, class_name in enumerate(demo.classes, start=1)}
    (folder / "classInd.txt").write_text(
        "".join(f"{number} {name}\n" for name, number in numbers.items())
    )
    for split in demo.splits:
        number = int(split.removeprefix("split"))
        train = [f"{clip.file} {numbers[clip.class_name]}\n" for clip in demo.part(split, TRAIN)]
        (folder / f"trainlist{number:02d}.txt").write_text("".join(train))
        (folder / f"testlist{number:02d}.txt").write_text(
            "".join(f"{clip.file}\n" for clip in demo.part(split, TEST))
        )


def render(clip_id: str, seed: int, frames: int):
    """The frames of one clip, (frames, HEIGHT, WIDTH, 3) uint8 RGB; the scene follows from the seed and the group."""
    import numpy as np

    class_name, stem = clip_id.split("/")
    group, clip = stem.split("_")[2:]
    looks = CLASSES[class_name]
    tint, motion, speed, dots = looks[(int(clip[1:]) - 1) % len(looks)]
    scene = np.random.default_rng([seed, int(group[1:])])
    own = np.random.default_rng([seed, *stem.encode()])
    wall = scene.uniform(115, 140)
    left = (WIDTH - WINDOW) // 2 + int(scene.integers(-4, 5))
    top = (HEIGHT - WINDOW) // 2 + int(scene.integers(-3, 4))
    texture = np.clip(wall + _noise(own) * scene.uniform(12, 16), DARKEST, LIGHTEST)
    spots = random.Random(int(own.integers(1 << 30))).sample(
        [(8, 8), (8, 39), (39, 8), (39, 39)], dots
    )
    for (
        row,
        column,
    ) in spots:  # on the noise, not over it: they move with it, and the flow does not show them
        texture[row - 3 : row + 4, column - 3 : column + 4] = DOT
    phase = int(own.integers(CYCLE))

    rows, columns = np.mgrid[0:WINDOW, 0:WINDOW].astype(np.float64)
    half = np.where(rows < WINDOW / 2, -1.0, 1.0)  # -1 the upper half, 1 the lower
    direction = {UP: (-1, 0), DOWN: (1, 0), PART: (half, 0), MEET: (-half, 0), SWAY: (0, 1)}[motion]
    if motion in (
        PART,
        MEET,
    ):  # two noises from the start: where halves of one noise met, a still would show the motion
        rows = rows + 64 * half
    video = np.empty((frames, HEIGHT, WIDTH, 3), np.uint8)
    travelled = 0.0
    for t in range(frames):
        beat = (t + phase) % CYCLE
        luma = np.full((HEIGHT, WIDTH), wall)
        luma[top : top + WINDOW, left : left + WINDOW] = _sample(
            texture, rows - direction[0] * travelled, columns - direction[1] * travelled
        )
        chroma = np.zeros((HEIGHT, WIDTH, 2))
        if TINT_FROM <= beat < TINT_FROM + TINTED:
            cb, cr, first, end = tint
            chroma[top + first : top + end, left + 2 : left + WINDOW - 2] = cb, cr
        video[t] = _rgb(luma, chroma)
        if beat < MOVING:  # field t, from this frame to the next
            travelled += (
                -speed if motion == SWAY and beat >= MOVING // 2 else speed
            )  # a sway goes right and comes back
    return video


def _noise(rng):
    """A 256 x 256 periodic texture, mean 0 and deviation 1, of blobs some 5 pixels wide, fit for optical flow."""
    import numpy as np

    white = np.fft.rfft2(rng.standard_normal((256, 256)))
    fy, fx = np.fft.fftfreq(256)[:, None], np.fft.rfftfreq(256)[None]
    smooth = np.fft.irfft2(white * np.exp(-((fy**2 + fx**2) / (2 * 0.07**2))), s=(256, 256))
    return (smooth - smooth.mean()) / smooth.std()


def _sample(texture, rows, columns):
    """Bilinear look-up in a periodic texture."""
    import numpy as np

    size = texture.shape[0]
    r, c = np.floor(rows).astype(int), np.floor(columns).astype(int)
    v, u = rows - r, columns - c
    r0, r1, c0, c1 = r % size, (r + 1) % size, c % size, (c + 1) % size
    return (1 - v) * ((1 - u) * texture[r0, c0] + u * texture[r0, c1]) + v * (
        (1 - u) * texture[r1, c0] + u * texture[r1, c1]
    )


def _rgb(luma, chroma):
    """Y'CbCr (ITU-R BT.601, full range; chroma about 0) to RGB."""
    import numpy as np

    cb, cr = chroma[..., 0], chroma[..., 1]
    rgb = np.stack(
        [luma + 1.402 * cr, luma - 0.344136 * cb - 0.714136 * cr, luma + 1.772 * cb], axis=-1
    )
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)
