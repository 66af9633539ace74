"""The rendered clips of the demo set: the frames show what the classes say."""

from functools import cache

import cv2
import numpy as np
import pytest
from config_cases import CONFIG

from pipeline.config import settings
from pipeline.datasets import demo, render
from pipeline.flow import tvl1

# The class and the number of one clip for each look.
CUES = [
    (name, looks.index(look) + 1)
    for name, looks in demo.CLASSES.items()
    for look in dict.fromkeys(looks)
]
EVERY_CUE = pytest.mark.parametrize("name, clip", CUES)


@cache
def rendered(name: str, clip: int, seed: int = 1) -> np.ndarray:
    """Frames of a clip that is long enough for three cycles."""
    return render.render(f"{name}/v_{name}_g05_c{clip:02d}", seed, 3 * render.CYCLE)


@cache
def greys(name: str, clip: int) -> np.ndarray:
    """The luma of these frames, (frames, height, width)."""
    return np.stack(
        [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in rendered(name, clip)]
    ).astype(int)


def tinted(name: str, clip: int) -> np.ndarray:
    """Which frames have any hue."""
    return np.ptp(rendered(name, clip), axis=-1).any(axis=(1, 2))


def moving(name: str, clip: int) -> np.ndarray:
    """Which fields, from a frame to the next, hold motion.

    A tint changes luma by one level at most.
    """
    return np.abs(np.diff(greys(name, clip), axis=0)).max(axis=(1, 2)) > 3


def test_rendering_follows_the_seed():
    name = next(iter(demo.CLASSES))
    clip_id = f"{name}/v_{name}_g05_c01"
    first, again, other = (render.render(clip_id, seed, 12) for seed in (1, 1, 2))
    assert first.shape == (12, render.HEIGHT, render.WIDTH, 3) and first.dtype == np.uint8
    assert (first == again).all() and (first != other).any()
    assert (render.render(clip_id, 1, 30)[:12] == first).all()
    starts = {
        tuple(np.ptp(render.render(clip_id, seed, 12), axis=-1).any(axis=(1, 2)))
        for seed in range(4)
    }
    # The frame number does not tell whether there is a tint.
    assert len(starts) > 1
    neighbour = render.render(clip_id.replace("c01", "c06"), 1, 12)
    assert (first != neighbour).any()


@EVERY_CUE
def test_tint_is_in_a_rectangle_and_has_its_hue(name, clip):
    cb, cr = demo.CLASSES[name][clip - 1][0][:2]
    frames, has_tint = rendered(name, clip), tinted(name, clip)
    assert 0 < has_tint.sum() < len(has_tint)
    for frame in frames[has_tint]:
        rows, columns = np.nonzero(np.ptp(frame, axis=-1))
        patch = frame[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].astype(float)
        assert len(rows) == patch.shape[0] * patch.shape[1] > 300
        red, green, blue = patch.mean(axis=(0, 1))
        # ITU-R BT.601
        luma = 0.299 * red + 0.587 * green + 0.114 * blue
        assert ((blue - luma) / 1.772, (red - luma) / 1.402) == pytest.approx((cb, cr), abs=1)


@EVERY_CUE
def test_tint_leaves_luma(name, clip):
    has_tint, grey = tinted(name, clip), greys(name, clip)
    edges = [t for t in np.flatnonzero(np.diff(has_tint)) if not moving(name, clip)[t]]
    assert edges
    assert max(np.abs(grey[t + 1] - grey[t]).max() for t in edges) <= 1


@pytest.mark.parametrize("name", demo.CLASSES)
def test_dots_are_countable(name):
    count = demo.CLASSES[name][0][3]
    luma = greys(name, 1)[~tinted(name, 1)]
    dark = [cv2.connectedComponents((frame < 75).astype(np.uint8))[0] - 1 for frame in luma]
    assert set(dark) == {count}


@EVERY_CUE
def test_motion_is_as_stated(name, clip):
    _, motion, speed, _ = demo.CLASSES[name][clip - 1]
    grey = greys(name, clip).astype(np.uint8)
    times = np.flatnonzero(moving(name, clip))
    runs = np.split(times, np.flatnonzero(np.diff(times) > 1) + 1)
    assert len(runs) >= 3
    sways = []
    for t in [time for run in runs for time in (run[0], run[-1])]:
        field = tvl1.tvl1(grey[t], grey[t + 1])
        # The window lies up to 3 pixels higher or lower.
        middle = render.HEIGHT // 2
        upper, lower = (
            np.median(field[rows, 26:54], axis=(0, 1))
            for rows in (slice(middle - 18, middle - 5), slice(middle + 5, middle + 18))
        )
        if motion == demo.SWAY:
            sways.append(np.sign(upper[0]))
            expected = [(sways[-1] * speed, 0)] * 2
        else:
            up, down = (0, -speed), (0, speed)
            halves = {
                demo.UP: (up, up),
                demo.DOWN: (down, down),
                demo.PART: (up, down),
                demo.MEET: (down, up),
            }
            expected = halves[motion]
        assert upper == pytest.approx(expected[0], abs=0.2) and lower == pytest.approx(
            expected[1], abs=0.2
        )
    if motion == demo.SWAY:
        assert {-1, 1} == set(sways)


@EVERY_CUE
def test_only_other_instants_show_the_motion(name, clip):
    """A stack that starts at a tinted frame holds no motion.

    Of the stacks of a period around it, at least one does.
    """
    own = settings.for_set(CONFIG, "demo")
    reach = own["period"]["delta"] * (own["period"]["instants"] // 2)
    stacks = np.lib.stride_tricks.sliding_window_view(moving(name, clip), own["stack"]).any(axis=1)
    times = [t for t in np.flatnonzero(tinted(name, clip)) if t < len(stacks)]
    assert not stacks[times].any()
    inside = [t for t in times if reach <= t < len(stacks) - reach]
    assert inside
    assert all(stacks[t - reach : t + reach + 1 : own["period"]["delta"]].any() for t in inside)


def test_clips_of_the_config_show_tint_and_motion():
    own = CONFIG["sets"]["demo"]
    for group in range(1, own["groups"] + 1):
        name = list(demo.CLASSES)[group % len(demo.CLASSES)]
        frames = render.render(f"{name}/v_{name}_g{group:02d}_c01", CONFIG["seed"], own["frames"])
        grey = frames.astype(int) @ [299, 587, 114] / 1000
        assert np.ptp(frames, axis=-1).any() and (np.abs(np.diff(grey, axis=0)) > 3).any()
