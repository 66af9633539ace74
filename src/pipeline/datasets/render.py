"""Render the clips of the demo set, whose design `pipeline.datasets.demo` describes."""

import random

import numpy as np

from pipeline.datasets.demo import DOWN, MEET, PART, SWAY, UP, Tint, look_of

FPS = 25
# Frame size and the side of the square window, in pixels.
WIDTH, HEIGHT, WINDOW = 80, 60, 48
# Frames of a cycle. Fields 0 .. MOVING - 1 hold motion; TINTED frames from TINT_FROM on hold tint.
CYCLE, MOVING, TINT_FROM, TINTED = 26, 8, 11, 7
# Luma of wall and noise. Between these bounds no tint leaves the range of RGB, so luma stays.
DARKEST, LIGHTEST = 100, 155
# Luma of a dot, and (row, column) in the window of the centres that dots are drawn from.
DOT = 45
DOT_CENTRES = [(8, 8), (8, 39), (39, 8), (39, 39)]
# Side of the square texture of noise, in pixels.
TEXTURE = 256


def render(clip_id: str, seed: int, frames: int) -> np.ndarray:
    """Return the first `frames` frames of a clip, (frames, HEIGHT, WIDTH, 3) uint8 RGB.

    The wall, the position of the window and the contrast follow from `seed` and the group; the
    noise, the dots and the phase of the cycle from `seed` and the clip.
    """
    class_name, stem = clip_id.split("/")
    group, clip = stem.split("_")[2:]
    look = look_of(class_name, int(clip[1:]))
    scene_rng = np.random.default_rng([seed, int(group[1:])])
    clip_rng = np.random.default_rng([seed, *stem.encode()])
    wall = scene_rng.uniform(115, 140)
    left = (WIDTH - WINDOW) // 2 + int(scene_rng.integers(-4, 5))
    top = (HEIGHT - WINDOW) // 2 + int(scene_rng.integers(-3, 4))
    texture = _texture(wall, scene_rng.uniform(12, 16), look.dots, clip_rng)
    phase = int(clip_rng.integers(CYCLE))

    rows, columns, row_direction, column_direction = _motion(look.motion)
    video = np.empty((frames, HEIGHT, WIDTH, 3), np.uint8)
    travelled = 0.0
    for t in range(frames):
        beat = (t + phase) % CYCLE
        luma = np.full((HEIGHT, WIDTH), wall)
        luma[top : top + WINDOW, left : left + WINDOW] = _sample(
            texture, rows - row_direction * travelled, columns - column_direction * travelled
        )
        chroma = np.zeros((HEIGHT, WIDTH, 2))
        if TINT_FROM <= beat < TINT_FROM + TINTED:
            _add_tint(chroma, look.tint, top, left)
        video[t] = _rgb(luma, chroma)
        # Field t holds the motion from this frame to the next.
        if beat < MOVING:
            # A sway goes to the right and comes back.
            comes_back = look.motion == SWAY and beat >= MOVING // 2
            travelled += -look.speed if comes_back else look.speed
    return video


def _texture(wall: float, contrast: float, dots: int, rng: np.random.Generator) -> np.ndarray:
    """Return the luma of the noise with its dots, (TEXTURE, TEXTURE), periodic.

    Dots lie on the noise, not over it: they move with it, so optical flow does not show them.
    """
    texture = np.clip(wall + _noise(rng) * contrast, DARKEST, LIGHTEST)
    for row, column in random.Random(int(rng.integers(1 << 30))).sample(DOT_CENTRES, dots):
        texture[row - 3 : row + 4, column - 3 : column + 4] = DOT
    return texture


def _motion(motion: str) -> tuple:
    """Return the texture's rows and columns that the window shows at the start, and its direction.

    Rows and columns are (WINDOW, WINDOW) each. The direction is a row and a column step per pixel
    of travel, each a number or one per pixel of the window.
    """
    rows, columns = np.mgrid[0:WINDOW, 0:WINDOW].astype(np.float64)
    # -1 in the upper half of the window, 1 in the lower.
    half = np.where(rows < WINDOW / 2, -1.0, 1.0)
    directions = {UP: (-1, 0), DOWN: (1, 0), PART: (half, 0), MEET: (-half, 0), SWAY: (0, 1)}
    # The halves show noise from far apart from the start. If they met seamlessly in one noise, the
    # seam of a still frame would tell how far they have moved.
    if motion in (PART, MEET):
        rows = rows + 64 * half
    return rows, columns, *directions[motion]


def _add_tint(chroma: np.ndarray, tint: Tint, top: int, left: int) -> None:
    """Tint a band of the window at (top, left), in place; chroma: (HEIGHT, WIDTH, 2)."""
    band = slice(top + tint.first_row, top + tint.end_row)
    chroma[band, left + 2 : left + WINDOW - 2] = tint.cb, tint.cr


def _noise(rng: np.random.Generator) -> np.ndarray:
    """Return periodic noise for optical flow, (TEXTURE, TEXTURE): mean 0, standard deviation 1.

    A Gaussian low pass makes blobs some 5 pixels wide.
    """
    white = np.fft.rfft2(rng.standard_normal((TEXTURE, TEXTURE)))
    fy, fx = np.fft.fftfreq(TEXTURE)[:, None], np.fft.rfftfreq(TEXTURE)[None]
    low_pass = np.exp(-((fy**2 + fx**2) / (2 * 0.07**2)))
    smooth = np.fft.irfft2(white * low_pass, s=(TEXTURE, TEXTURE))
    return (smooth - smooth.mean()) / smooth.std()


def _sample(texture: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Look up a periodic square texture at fractional positions, bilinearly."""
    size = texture.shape[0]
    r, c = np.floor(rows).astype(int), np.floor(columns).astype(int)
    v, u = rows - r, columns - c
    r0, r1, c0, c1 = r % size, (r + 1) % size, c % size, (c + 1) % size
    upper = (1 - u) * texture[r0, c0] + u * texture[r0, c1]
    lower = (1 - u) * texture[r1, c0] + u * texture[r1, c1]
    return (1 - v) * upper + v * lower


def _rgb(luma: np.ndarray, chroma: np.ndarray) -> np.ndarray:
    """Convert Y'CbCr (ITU-R BT.601, full range) to uint8 RGB, (HEIGHT, WIDTH, 3).

    luma: (HEIGHT, WIDTH); chroma: (HEIGHT, WIDTH, 2), Cb and Cr about 0.
    """
    cb, cr = chroma[..., 0], chroma[..., 1]
    rgb = np.stack(
        [luma + 1.402 * cr, luma - 0.344136 * cb - 0.714136 * cr, luma + 1.772 * cb], axis=-1
    )
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)
