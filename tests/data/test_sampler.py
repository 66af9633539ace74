"""The clip and the random numbers of each training sample, and fractions of the clips."""

from collections import Counter

from pipeline.data import sampler


def test_draw_clip_covers_every_clip_once_an_epoch():
    epochs = [
        [sampler.clip_index(20, 7, epoch * 20 + position) for position in range(20)]
        for epoch in range(3)
    ]
    assert all(sorted(epoch) == list(range(20)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] and epochs[0] != list(range(20))


def test_draw_clip_depends_on_the_seed():
    assert [sampler.clip_index(20, 1, i) for i in range(20)] != [
        sampler.clip_index(20, 2, i) for i in range(20)
    ]


def test_rng_depends_on_seed_and_draw():
    first = {
        (seed, draw): sampler.sample_rng(seed, draw).integers(1 << 60)
        for seed in range(10)
        for draw in range(10)
    }
    assert len(set(first.values())) == 100
    assert sampler.sample_rng(3, 4).integers(1 << 60) == first[3, 4]


def rows_of(sizes: dict[str, int]) -> list[dict]:
    return [
        {"clip": f"{name}/{number}", "class": name}
        for number in range(max(sizes.values()))
        for name, size in sizes.items()
        if number < size
    ]


def test_fraction_is_taken_of_every_class():
    rows = rows_of({"Archery": 80, "Bowling": 16, "Diving": 3})
    part = sampler.class_fraction(rows, 1 / 8, 0)
    assert Counter(row["class"] for row in part) == {"Archery": 10, "Bowling": 2, "Diving": 1}
    assert part == [row for row in rows if row in part]
    assert part == sampler.class_fraction(rows, 1 / 8, 0) != sampler.class_fraction(rows, 1 / 8, 1)
    assert sampler.class_fraction(rows, 1.0, 0) == rows
