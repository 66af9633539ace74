"""The colours of optical flow: those of the Middlebury benchmark."""

import numpy as np

# Pixels of motion that have the full colour at least: all that a still clip has is noise, of the
# solver and of the steps of bytes.
LEAST_MOTION = 1.0
# The benchmark's colour wheel goes from red over yellow, green, cyan, blue and magenta back to red,
# in six steps of 15, 6, 4, 11, 13 and 6 of 55 parts of the circle (Baker et al., 2011).
STEPS = np.array([0, 15, 21, 25, 36, 49, 55]) / 55


def colour(field: np.ndarray, scale: float) -> np.ndarray:
    """Displacements (2, H, W) in pixels as RGB (H, W, 3) in 0 .. 1.

    Hue is direction: right is red, down yellow, left cyan to blue, up violet. Saturation is length:
    0 px is white, `scale` px and more are full.
    """
    from matplotlib.colors import hsv_to_rgb

    turn = np.arctan2(field[1], field[0]) / (2 * np.pi) % 1  # 0 .. 1, clockwise from the right
    hue = np.interp(turn, STEPS, np.arange(7) / 6)
    saturation = np.clip(np.hypot(*field) / scale, 0, 1)
    return hsv_to_rgb(np.stack([hue, saturation, np.ones_like(hue)], axis=-1))


def wheel(size: int = 301) -> np.ndarray:
    """The legend of `colour`, (size, size, 3): displacements up to length 1 where they point."""
    field = np.stack(np.meshgrid(*[np.linspace(-1, 1, size)] * 2))
    return colour(np.where(np.hypot(*field) <= 1, field, 0), 1)
