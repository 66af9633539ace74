"""The demo set: balance of its scenes, the best possible accuracies, and its split lists."""

from collections import Counter, defaultdict
from math import lcm
from operator import itemgetter
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.optimize import linprog

from pipeline.datasets import demo, ucf101


def scene_and_look(clip) -> tuple[str, tuple]:
    """The scene of a clip, and the (tint, motion, speed, dots) that it shows."""
    scene, number = clip.id.split("_")[-2:]
    looks = demo.CLASSES[clip.class_name]
    return scene, looks[(int(number.removeprefix("c")) - 1) % len(looks)]


@pytest.mark.parametrize("groups, rounds", [(12, 1), (7, 2), (3, 1)])
def test_set_is_balanced(groups, rounds):
    clips = rounds * lcm(*map(len, demo.CLASSES.values()))
    clip_set = demo.clip_set("demo", groups, clips)
    assert len(clip_set.clips) == groups * len(demo.CLASSES) * clips and clip_set.classes == list(
        demo.CLASSES
    )
    several = {name for name, looks in demo.CLASSES.items() if len(set(looks)) > 1}
    assert len(several) >= 4
    for split in clip_set.splits:
        scenes = {}
        for subset in ("train", "test"):
            clips_of_subset = clip_set.subset(split, subset)
            assert len(set(Counter(clip.class_name for clip in clips_of_subset).values())) == 1
            looks_by_scene = defaultdict(list)
            for clip in clips_of_subset:
                scene, look = scene_and_look(clip)
                looks_by_scene[scene] += [look[:2]] * (clip.class_name in several)
            # No scene prefers a tint or a motion, and all scenes are alike.
            for looks in looks_by_scene.values():
                assert sorted(looks) == sorted(next(iter(looks_by_scene.values())))
                assert all(len(set(Counter(cue).values())) == 1 for cue in zip(*looks, strict=True))
            scenes[subset] = set(looks_by_scene)
        assert (
            not scenes["train"] & scenes["test"] and len(scenes["train"] | scenes["test"]) == groups
        )


def test_every_scene_is_tested_on_once():
    clip_set = demo.clip_set("demo", 12, 5)
    assert all(
        sorted(clip.splits.values()) == ["test", "train", "train"]
        for clip in clip_set.clips.values()
    )


def chances(cue) -> dict:
    """How likely each class is, by what a classifier sees of a look, `cue`.

    All classes are equally frequent.
    """
    seen = defaultdict(lambda: dict.fromkeys(demo.CLASSES, 0.0))
    for name, looks in demo.CLASSES.items():
        for look in looks:
            seen[cue(look)][name] += 1 / len(looks)
    sums = {value: sum(shares.values()) for value, shares in seen.items()}
    return {
        value: {name: share / sums[value] for name, share in shares.items()}
        for value, shares in seen.items()
    }


APPEARANCE, MOTION, BOTH = itemgetter(0, 3), itemgetter(1, 2), itemgetter(0, 1, 2, 3)


PAIRED = [name for name, looks in demo.CLASSES.items() if len(set(looks)) > 1]
# Name -> the cues whose scores are summed, the best accuracy on all and on the paired classes.
BEST = {
    "appearance": ([APPEARANCE], 0.625, 0.5),
    "motion": ([MOTION], 0.625, 0.5),
    "sum": ([APPEARANCE, MOTION], 0.75, 0.5),
    "both": ([BOTH], 1.0, 1.0),
}


@pytest.mark.parametrize("cues, of_all, of_paired", BEST.values(), ids=BEST)
def test_best_possible_accuracy(cues, of_all, of_paired):
    """What a perfect classifier of each cue reaches, or the sum of two.

    A tie counts as a share of a hit.
    """
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
    """Whether a sum of a score of appearance and a score of motion can classify all `looks`.

    It is to be above 0 for looks of sign 1 and below 0 for those of sign -1: a linear programme,
    since only the signs count.
    """
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
        assert all(within_reach(looks[:index] + looks[index + 1 :]) for index in range(4))


def test_the_probes_ceilings():
    """The best accuracies that the tables of the probe print.

    A sum, or a network that sees one instant, gets 3/4 of the paired classes and all of the others
    right; asynchronous fusion gets all right.
    """
    probe = yaml.safe_load((Path(__file__).parents[1] / "configs/probe.yaml").read_text())
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
    clip_set = ucf101.read("demo", tmp_path / "lists")
    assert (clip_set.classes, clip_set.splits, clip_set.clips) == (
        made.classes,
        made.splits,
        made.clips,
    )
    assert all(
        clip.splits == made.clips[clip_id].splits for clip_id, clip in clip_set.clips.items()
    )
    assert sorted(path.stem for path in (tmp_path / "lists").iterdir()) == sorted(demo.LISTS)
