"""The demo set: videos rendered from a seed that show what the method is for. Standard library, except to render.

Every clip shows a window of noise on a plain grey wall. In cycles of 16 frames the noise moves, in the flow fields 0 .. 4
of the cycle, and then a part of the window is tinted, in the frames 6 .. 12. Tint and grey have the same luma, so optical
flow does not see the tint; and the noise starts anywhere, so no still frame tells how it moves. All cues survive a mirror.

Four classes are told apart only by which tint goes with which motion, some frames apart. CODE says which class a pair is
of: a Latin square, so every tint and every motion occurs with every class. A class is named after its pair on the
diagonal, which two of its five clips show; the others show its three other pairs, with the tint of one class and the motion
of another.

                     up                down              halves part       halves meet
    red, above       RedRise x2        GreenPart         VioletMeet        CyanSink
    cyan, below      VioletMeet        CyanSink x2       RedRise           GreenPart
    green, above     CyanSink          VioletMeet        GreenPart x2      RedRise
    violet, below    GreenPart         RedRise           CyanSink          VioletMeet x2

Four more are alike but for a detail: SwayFew and SwayMany (yellow; 2 or 4 dark dots on the noise, which sways sideways),
which motion does not tell apart, and SwaySlow and SwayFast (blue; it sways at 1 or 2 px a frame), which a frame does not.

The best that a classifier can do: by the appearance alone 2/5 on the coded classes (a tint is most often that of its
class), 1 on SwayFew and SwayMany, 1/2 on SwaySlow and SwayFast, in all (4 * 0.4 + 2 + 1) / 8 = 0.575; by the motion alone
0.575 likewise. By the sum of the two streams' best scores: off the diagonal they favour the classes of the tint and of
the motion, and neither is right, so 2/5 on the coded classes and 1 on the others, 0.70; no sum of any score of the tint
and any score of the motion has more than 15 of the 20 right, so 0.875 at the very most. A network that is shown one frame
and the stack of 3 fields that starts at it gains nothing over that: while the tint lasts, such a stack lies within the
fields 6 .. 14 of the cycle, where nothing moves. One that also sees the stacks 5 and 10 frames before and after can tell
all: 1.0.
"""

import random
from pathlib import Path

from pipeline.datasets.clips import TEST, TRAIN, ClipSet, assemble

CYCLE, MOVING, TINT_FROM, TINTED = 16, 5, 6, 7  # frames
WIDTH, HEIGHT, WINDOW = 80, 60, 48  # pixels
FPS = 25
DOT = 45  # luma of a dot
SPLITS = 3
LISTS = ["classInd", *(f"{part}list{number:02d}" for part in (TRAIN, TEST) for number in range(1, SPLITS + 1))]

# Tints: chroma (Cb, Cr) off grey, and the rows of the window that it covers. Within a pair both differ clearly: a network
# has no reason to keep apart what its own classes do not need, and the fusion cannot use what was not kept.
ABOVE, MIDDLE, BELOW = (2, 22), (12, 36), (26, 46)
RED, CYAN, GREEN, VIOLET = (-20, 65, *ABOVE), (20, -65, *BELOW), (-48, -48, *ABOVE), (48, 48, *BELOW)
YELLOW, BLUE = (-55, 20, *MIDDLE), (55, -20, *MIDDLE)
DARKEST, LIGHTEST = 100, 155  # luma of wall and noise: between them no tint leaves the range of RGB, so luma stays
UP, DOWN, PART, MEET, SWAY = "up", "down", "part", "meet", "sway"

CODED = ["RedRise", "CyanSink", "GreenPart", "VioletMeet"]
TINTS, MOTIONS = [RED, CYAN, GREEN, VIOLET], [UP, DOWN, PART, MEET]
CODE = [[0, 2, 3, 1], [3, 1, 0, 2], [1, 3, 2, 0], [2, 0, 1, 3]]  # [tint][motion] -> class; the diagonal is 0 1 2 3


def _pairs(label: int) -> list[tuple]:
    """The five clips of a coded class: its pair on the diagonal twice, then its three others."""
    cells = [(tint, motion) for tint in range(4) for motion in range(4) if CODE[tint][motion] == label]
    return [(TINTS[tint], MOTIONS[motion], 1.5, 0) for tint, motion in [(label, label), *cells]]


CLASSES = {  # class -> (tint, motion, speed in px a frame, dots) of its clips, in turn
    **{name: _pairs(label) for label, name in enumerate(CODED)},
    "SwayFew": [(YELLOW, SWAY, 1.5, 2)],
    "SwayMany": [(YELLOW, SWAY, 1.5, 4)],
    "SwaySlow": [(BLUE, SWAY, 1.0, 0)],
    "SwayFast": [(BLUE, SWAY, 2.0, 0)],
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
    (folder / "classInd.txt").write_text("".join(f"{number} {name}\n" for name, number in numbers.items()))
    for split in demo.splits:
        number = int(split.removeprefix("split"))
        train = [f"{clip.file} {numbers[clip.class_name]}\n" for clip in demo.part(split, TRAIN)]
        (folder / f"trainlist{number:02d}.txt").write_text("".join(train))
        (folder / f"testlist{number:02d}.txt").write_text("".join(f"{clip.file}\n" for clip in demo.part(split, TEST)))


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
    spots = random.Random(int(own.integers(1 << 30))).sample([(8, 8), (8, 39), (39, 8), (39, 39)], dots)
    for row, column in spots:  # on the noise, not over it: they move with it, and the flow does not show them
        texture[row - 3:row + 4, column - 3:column + 4] = DOT
    phase = int(own.integers(CYCLE))

    rows, columns = np.mgrid[0:WINDOW, 0:WINDOW].astype(np.float64)
    half = np.where(rows < WINDOW / 2, -1.0, 1.0)  # -1 the upper half, 1 the lower
    direction = {UP: (-1, 0), DOWN: (1, 0), PART: (half, 0), MEET: (-half, 0), SWAY: (0, 1)}[motion]
    if motion in (PART, MEET):  # two noises from the start: where halves of one noise met, a still would show the motion
        rows = rows + 64 * half
    video = np.empty((frames, HEIGHT, WIDTH, 3), np.uint8)
    travelled = 0.0
    for t in range(frames):
        beat = (t + phase) % CYCLE
        luma = np.full((HEIGHT, WIDTH), wall)
        luma[top:top + WINDOW, left:left + WINDOW] = _sample(
            texture, rows - direction[0] * travelled, columns - direction[1] * travelled)
        chroma = np.zeros((HEIGHT, WIDTH, 2))
        if TINT_FROM <= beat < TINT_FROM + TINTED:
            cb, cr, first, end = tint
            chroma[top + first:top + end, left + 2:left + WINDOW - 2] = cb, cr
        video[t] = _rgb(luma, chroma)
        if beat < MOVING:  # field t, from this frame to the next
            travelled += speed * ((-1) ** ((t + phase) // CYCLE) if motion == SWAY else 1)  # a sway comes back next cycle
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
    return ((1 - v) * ((1 - u) * texture[r0, c0] + u * texture[r0, c1])
            + v * ((1 - u) * texture[r1, c0] + u * texture[r1, c1]))


def _rgb(luma, chroma):
    """Y'CbCr (ITU-R BT.601, full range; chroma about 0) to RGB."""
    import numpy as np

    cb, cr = chroma[..., 0], chroma[..., 1]
    rgb = np.stack([luma + 1.402 * cr, luma - 0.344136 * cb - 0.714136 * cr, luma + 1.772 * cb], axis=-1)
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)
