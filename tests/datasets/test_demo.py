"""The rendered set: balance, and that the frames show what the classes say."""

from collections import Counter, defaultdict
from functools import cache
from math import lcm
from operator import itemgetter
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from scipy.optimize import linprog

from pipeline.config import settings
from pipeline.datasets import demo, ucf101
from pipeline.flow import tvl1

CUES = [
    (name, looks.index(look) + 1)
    for name, looks in demo.CLASSES.items()
    for look in dict.fromkeys(looks)
]
EVERY_CUE = pytest.mark.parametrize("name, clip", CUES)
CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text())


@cache
def rendered(name: str, clip: int, seed: int = 1) -> np.ndarray:
    """Frames of a clip that is long enough for three cycles."""
    return demo.render(f"{name}/v_{name}_g05_c{clip:02d}", seed, 3 * demo.CYCLE)


@cache
def greys(name: str, clip: int) -> np.ndarray:
    return np.stack(
        [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in rendered(name, clip)]
    ).astype(int)


def tinted(name: str, clip: int) -> np.ndarray:
    """Which frames have any hue."""
    return np.ptp(rendered(name, clip), axis=-1).any(axis=(1, 2))


def moving(name: str, clip: int) -> np.ndarray:
    """Which fields, from a frame to the next, hold motion: a tint changes luma by a level at most."""
    return np.abs(np.diff(greys(name, clip), axis=0)).max(axis=(1, 2)) > 3


# The set


def scene_and_look(clip) -> tuple[str, tuple]:
    """The scene of a clip, and the (tint, motion, speed, dots) that it shows."""
    scene, number = clip.id.split("_")[-2:]
    looks = demo.CLASSES[clip.class_name]
    return scene, looks[(int(number.removeprefix("c")) - 1) % len(looks)]


@pytest.mark.parametrize("groups, rounds", [(12, 1), (7, 2), (3, 1)])
def test_set_is_balanced(groups, rounds):
    clips = rounds * lcm(*map(len, demo.CLASSES.values()))
    found = demo.clip_set("demo", groups, clips)
    assert len(found.clips) == groups * len(demo.CLASSES) * clips and found.classes == list(
        demo.CLASSES
    )
    several = {name for name, looks in demo.CLASSES.items() if len(set(looks)) > 1}
    assert len(several) >= 4
    for split in found.splits:
        scenes = {}
        for part in ("train", "test"):
            held = found.part(split, part)
            assert len(set(Counter(clip.class_name for clip in held).values())) == 1
            shown = defaultdict(list)
            for clip in held:
                scene, look = scene_and_look(clip)
                shown[scene] += [look[:2]] * (clip.class_name in several)
            for (
                looks
            ) in shown.values():  # no scene prefers a tint or a motion, and all of them are alike
                assert sorted(looks) == sorted(next(iter(shown.values())))
                assert all(len(set(Counter(cue).values())) == 1 for cue in zip(*looks, strict=True))
            scenes[part] = set(shown)
        assert (
            not scenes["train"] & scenes["test"] and len(scenes["train"] | scenes["test"]) == groups
        )


def test_every_scene_is_tested_on_once():
    found = demo.clip_set("demo", 12, 5)
    assert all(
        sorted(clip.splits.values()) == ["test", "train", "train"] for clip in found.clips.values()
    )


def chances(cue) -> dict:
    """How likely each class is, by the value of what a classifier sees of a look; all classes are equally frequent."""
    seen = defaultdict(lambda: dict.fromkeys(demo.CLASSES, 0.0))
    for name, looks in demo.CLASSES.items():
        for look in looks:
            seen[cue(look)][name] += 1 / len(looks)
    sums = {value: sum(found.values()) for value, found in seen.items()}
    return {
        value: {name: share / sums[value] for name, share in found.items()}
        for value, found in seen.items()
    }


APPEARANCE, MOTION, BOTH = itemgetter(0, 3), itemgetter(1, 2), itemgetter(0, 1, 2, 3)


PAIRED = [name for name, looks in demo.CLASSES.items() if len(set(looks)) > 1]
BEST = {  # what is summed -> the best share of all classes, and of the paired ones
    "appearance": ([APPEARANCE], 0.625, 0.5),
    "motion": ([MOTION], 0.625, 0.5),
    "sum": ([APPEARANCE, MOTION], 0.75, 0.5),
    "both": ([BOTH], 1.0, 1.0),
}


@pytest.mark.parametrize("cues, of_all, of_paired", BEST.values(), ids=BEST)
def test_best_possible_accuracy(cues, of_all, of_paired):
    """What a perfect classifier of each cue reaches, or the sum of two; ties count as a share of a hit."""
    tables, right = [chances(cue) for cue in cues], dict.fromkeys(demo.CLASSES, 0.0)
    for name, looks in demo.CLASSES.items():
        for look in looks:
            total = {
                other: sum(table[cue(look)][other] for cue, table in zip(cues, tables, strict=True))
                for other in demo.CLASSES
            }
            likeliest = [
                other for other, score in total.items() if score > max(total.values()) - 1e-9
            ]
            right[name] += (name in likeliest) / len(likeliest) / len(looks)
    assert np.mean(list(right.values())) == pytest.approx(of_all)
    assert np.mean([right[name] for name in PAIRED]) == pytest.approx(of_paired)


def within_reach(looks: list[tuple[tuple, int]]) -> bool:
    """Whether some sum of a score of the appearance and a score of the motion is above 0 for all `looks` of sign 1 and below
    for those of sign -1: a linear programme, as only the signs count."""
    cues = sorted(
        {("appearance", APPEARANCE(look)) for look, _ in looks}
        | {("motion", MOTION(look)) for look, _ in looks}
    )
    rows = [
        [
            -sign * ((kind, value) in (("appearance", APPEARANCE(look)), ("motion", MOTION(look))))
            for kind, value in cues
        ]
        for look, sign in looks
    ]
    return linprog(
        np.zeros(len(cues)), A_ub=rows, b_ub=-np.ones(len(rows)), bounds=(None, None)
    ).success


def test_no_sum_has_more_than_three_of_a_pairs_four_looks_right():
    """The two classes of a pair have the same appearances and motions, paired the other way."""
    for one, other in zip(PAIRED[::2], PAIRED[1::2], strict=True):
        looks = [(look, 1) for look in demo.CLASSES[one]] + [
            (look, -1) for look in demo.CLASSES[other]
        ]
        assert all(
            {cue(look) for look in demo.CLASSES[one]} == {cue(look) for look in demo.CLASSES[other]}
            for cue in (APPEARANCE, MOTION)
        )
        assert not within_reach(looks)
        assert all(within_reach(looks[:place] + looks[place + 1 :]) for place in range(4))


def test_the_probes_ceilings():
    """3/4 of the paired classes and all of the others for what is summed, or seen at one instant; all for the rest."""
    probe = yaml.safe_load((Path(__file__).parent / "configs/probe.yaml").read_text())
    rows = probe["sets"]["demo"]["settings"]["tables"]["rows"]
    others = len(demo.CLASSES) - len(PAIRED)
    summed = {True: 100 * 3 / 4, False: 100 * (3 / 4 * len(PAIRED) + others) / len(demo.CLASSES)}
    for row in rows:
        assert row.get("classes") in (None, PAIRED)
        asynchronous = (row["variant"], row["sources"]) == ("complete", ["asyn"])
        assert row["best"] == {
            row["sources"][0]: 100.0 if asynchronous else summed["classes" in row]
        }
    methods = {("complete", "two_stream"), ("syn", "asyn"), ("complete", "asyn")}
    assert {(row["variant"], *row["sources"], "classes" in row) for row in rows} == {
        (*method, paired) for method in methods for paired in (True, False)
    }


def test_lists_read_back_as_the_same_set(tmp_path):
    made = demo.clip_set("demo", 6, 5)
    demo.write_lists(made, tmp_path / "lists")
    found = ucf101.read("demo", tmp_path / "lists")
    assert (found.classes, found.splits, found.clips) == (made.classes, made.splits, made.clips)
    assert all(clip.splits == made.clips[clip_id].splits for clip_id, clip in found.clips.items())
    assert sorted(path.stem for path in (tmp_path / "lists").iterdir()) == sorted(demo.LISTS)


# The frames


def test_rendering_follows_the_seed():
    name = next(iter(demo.CLASSES))
    clip_id = f"{name}/v_{name}_g05_c01"
    first, again, other = (demo.render(clip_id, seed, 12) for seed in (1, 1, 2))
    assert first.shape == (12, demo.HEIGHT, demo.WIDTH, 3) and first.dtype == np.uint8
    assert (first == again).all() and (first != other).any()
    assert (demo.render(clip_id, 1, 30)[:12] == first).all()
    starts = {
        tuple(np.ptp(demo.render(clip_id, seed, 12), axis=-1).any(axis=(1, 2))) for seed in range(4)
    }
    assert len(starts) > 1  # no frame number gives the tint away
    neighbour = demo.render(clip_id.replace("c01", "c06"), 1, 12)
    assert (first != neighbour).any()


@EVERY_CUE
def test_tint_is_in_a_rectangle_and_has_its_hue(name, clip):
    cb, cr = demo.CLASSES[name][clip - 1][0][:2]
    frames, shown = rendered(name, clip), tinted(name, clip)
    assert 0 < shown.sum() < len(shown)  # and the others hold none at all
    for frame in frames[shown]:
        rows, columns = np.nonzero(np.ptp(frame, axis=-1))
        patch = frame[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].astype(float)
        assert len(rows) == patch.shape[0] * patch.shape[1] > 300
        red, green, blue = patch.mean(axis=(0, 1))
        luma = 0.299 * red + 0.587 * green + 0.114 * blue  # ITU-R BT.601
        assert ((blue - luma) / 1.772, (red - luma) / 1.402) == pytest.approx((cb, cr), abs=1)


@EVERY_CUE
def test_tint_leaves_luma(name, clip):
    shown, grey = tinted(name, clip), greys(name, clip)
    edges = [t for t in np.flatnonzero(np.diff(shown)) if not moving(name, clip)[t]]
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
        middle = demo.HEIGHT // 2  # the window lies up to 3 pixels higher or lower
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
    """A stack that starts at a tinted frame holds no motion; of those of a period around it, one does at least."""
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
        frames = demo.render(f"{name}/v_{name}_g{group:02d}_c01", CONFIG["seed"], own["frames"])
        grey = frames.astype(int) @ [299, 587, 114] / 1000
        assert np.ptp(frames, axis=-1).any() and (np.abs(np.diff(grey, axis=0)) > 3).any()
