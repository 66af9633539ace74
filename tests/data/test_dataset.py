"""Training samples and clips: what they show, that seed and index decide it, and what is read."""

import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from data_cases import (
    CROPS,
    DEPTH,
    HEIGHT,
    LONG,
    PICTURE,
    ROWS,
    SHORT,
    STACK,
    WIDTH,
    equal,
    make_datasets,
    make_period_dataset,
    make_stream,
    make_stream_dataset,
    read_crops,
    read_sample,
    record_reads,
    stamped_fields,
    stamped_frames,
)

from pipeline.data import loader, sampler
from pipeline.data.crops import eval_crops
from pipeline.data.dataset import ClipDataset, FeatureDataset, SnippetDataset, StreamDataset
from pipeline.data.instants import draw_period
from pipeline.data.stream import Stream
from pipeline.storage import reader, writer
from pipeline.storage.codecs import Codec
from pipeline.streams import DIRECTIONS, STORES, STREAMS


@pytest.mark.parametrize("name, last", [("appearance", 5), ("motion", 2)])
def test_stream_draws(folder, name, last):
    draws = make_stream_dataset(folder, name)
    seen = set()
    for draw in range(90):
        item = read_sample(draws, draw)
        # t of a frame; 100 + t of a field, or 255 - (100 + t) when mirrored.
        stamp = int(item["input"][0, 0, 0])
        instant = stamp if name == "appearance" else min(abs(stamp - 100), abs(155 - stamp))
        row = ROWS[item["label"]]
        assert row is ROWS[sampler.clip_index(len(ROWS), 1, draw)]
        assert 0 <= instant <= draws.stream.last_instant(row)
        assert item["groups"].tolist() == list(range(instant, instant + DEPTH))
        seen.add((row["label"], instant))
    # Of the short clip, every instant.
    assert {instant for label, instant in seen if label == 2} == set(range(last + 1))
    labels = [int(read_sample(draws, draw)["label"]) for draw in range(9)]
    assert all(sorted(labels[epoch : epoch + 3]) == [0, 1, 2] for epoch in (0, 3, 6))


def test_stream_draws_without_groups(folder):
    assert set(StreamDataset(ROWS, make_stream(folder, "motion"), 1)[0]) == {"input", "label"}


@pytest.mark.parametrize("name, last", [("appearance", 29), ("motion", 26)])
def test_snippets_of_a_sample_are_of_one_clip_and_crop_in_order(folder, name, last):
    draws = SnippetDataset(ROWS, make_stream(folder, name), 1, 3)
    seen = [set(), set(), set()]
    for draw in range(240):
        item = read_sample(draws, draw)
        assert set(item) == {"input", "label"} and len(item["input"]) == 3
        stamps, picture = item["input"][:, 0, 0, 0].astype(int), item["input"][:, -1]
        assert (picture == picture[0]).all()
        row = ROWS[item["label"]]
        assert row is ROWS[sampler.clip_index(len(ROWS), 1, draw)]
        if name == "motion":
            # A mirrored field has 255 - (100 + t), which is less the later it is.
            stamps = 155 - stamps if stamps[-1] < stamps[0] else stamps - 100
        assert stamps.min() >= 0 and stamps.max() <= draws.stream.last_instant(row)
        if row is LONG:
            for instants, stamp in zip(seen, stamps, strict=True):
                instants.add(int(stamp))
    # 30 frames in three parts of 10, 27 stacks in three of 9.
    third = (last + 1) // 3
    assert seen == [set(range(part * third, (part + 1) * third)) for part in range(3)]


def test_snippets_of_one_segment_are_the_draws_of_a_stream(folder):
    """The same clip, instant and crop, so that one segment is no segment."""
    for name in STREAMS:
        plain = StreamDataset(ROWS, make_stream(folder, name), 1)
        one = SnippetDataset(ROWS, make_stream(folder, name), 1, 1)
        for draw in range(60):
            expected, found = read_sample(plain, draw), read_sample(one, draw)
            assert np.array_equal(expected["input"][None], found["input"])
            assert expected["label"] == found["label"]


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_instants_of_a_period_share_clip_and_crop(folder, direction):
    """PICTURE, in blue and in y, tells where a crop is; the stamps tell the instants."""
    draws = make_period_dataset(folder, direction)
    mirrored = set()
    for draw in range(40):
        item = read_sample(draws, draw)
        frames, stacks = (
            (item["one"][None], item["many"])
            if direction == "appearance-to-motion"
            else (item["many"], item["one"][None])
        )
        assert frames.shape[1:] == (3, 48, 48) and stacks.shape[1:] == (2 * STACK, 48, 48)
        assert len(item["many"]) == 5
        picture = frames[0, 2]
        assert (frames[:, 2] == picture).all() and (stacks[:, 1::2] == picture).all()
        # In a mirrored crop the columns count down.
        flipped = int(frames[0, 1, 0, 0]) > int(frames[0, 1, 0, 1])
        left = int(frames[0, 1].min()) // 3
        # The crop has the motion stream's size, not the appearance stream's 60.
        assert np.ptp(frames[0, 1]) == 3 * 47
        strip = PICTURE[:, left : left + 48][:, :: -1 if flipped else 1]
        assert any(np.array_equal(picture, strip[top : top + 48]) for top in (0, 6, 12))
        mirrored.add(flipped)

        of_frames = frames[:, 0, 0, 0].astype(int)
        of_stacks = stacks[:, 0, 0, 0].astype(int)
        of_stacks = 155 - of_stacks if flipped else of_stacks - 100
        one, many = (
            (of_frames, of_stacks)
            if direction == "appearance-to-motion"
            else (of_stacks, of_frames)
        )
        # The last instant of both streams.
        last = ROWS[item["label"]]["frames"] - 1 - STACK
        assert many.tolist() == np.clip(one[0] + np.array([-4, -2, 0, 2, 4]), 0, last).tolist()
        if last >= 8:
            assert 4 <= one[0] <= last - 4
        else:
            assert one[0] == last // 2
        assert item["groups_one"].tolist() == list(range(one[0], one[0] + DEPTH))
        assert item["groups_many"].tolist() == [list(range(t, t + DEPTH)) for t in many]
    assert mirrored == {False, True}


def test_a_draw_depends_on_seed_and_number_alone(folder):
    for draws, fresh, other in zip(
        make_datasets(folder), make_datasets(folder), make_datasets(folder, seed=2), strict=True
    ):
        forward = [read_sample(draws, draw) for draw in range(6)]
        assert all(equal(read_sample(fresh, draw), forward[draw]) for draw in reversed(range(6)))
        assert not any(equal(read_sample(other, draw), forward[draw]) for draw in range(6))
        assert not any(equal(forward[draw], forward[draw + 1]) for draw in range(5))


def test_draws_are_the_same_for_any_number_of_workers(folder):
    """Also when this process, which the workers are forked from, has read already."""
    cpu = torch.device("cpu")
    for draws in make_datasets(folder)[1:3]:
        plain, parted = (
            list(loader.iterate_batches(draws, range(3, 11), 2, cpu, workers)) for workers in (0, 2)
        )
        assert len(plain) == 4 and all(equal(a, b) for a, b in zip(plain, parted, strict=True))
        assert np.array_equal(plain[0]["label"], [draws[3]["label"], draws[4]["label"]])


@pytest.fixture
def start_method(request) -> Iterator[None]:
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method(request.param, force=True)
    yield
    multiprocessing.set_start_method(before, force=True)


@pytest.mark.parametrize("start_method", ["fork", "forkserver", "spawn"], indirect=True)
def test_batches_are_the_same_under_every_start_method_of_workers(folder, start_method):
    """Datasets and their open files are pickled for workers that are not forks."""
    cpu = torch.device("cpu")
    clips = [(LONG, np.array([3, 4, 9])), (SHORT, np.array([0]))]
    appearance = {"appearance": make_stream(folder, "appearance")}
    crops = eval_crops((WIDTH, HEIGHT), 48, "ten")
    for dataset, size, indices in (
        (make_period_dataset(folder, "appearance-to-motion"), 2, range(3, 11)),
        (ClipDataset(appearance, clips, crops), 1, range(2)),
    ):
        here, in_workers = (
            list(loader.iterate_batches(dataset, indices, size, cpu, num_workers))
            for num_workers in (0, 2)
        )
        assert len(here) == len(indices) // size
        for batch, other in zip(here, in_workers, strict=True):
            assert batch.keys() == other.keys()
            torch.testing.assert_close(batch, other, rtol=0, atol=0)


def resident() -> np.ndarray:
    """Memory in MB of this process and of the workers that it has."""
    pids = [os.getpid(), *sorted(child.pid for child in multiprocessing.active_children())]
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids]
    return np.array(pages) * os.sysconf("SC_PAGESIZE") / 1e6


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("files", [2, 9])
def test_memory_does_not_grow_with_the_draws(tmp_path, monkeypatch, files, workers):
    """JPEG frames and lz4 flow are read from fewer and from more files than may be open at a time.

    2,400 samples may cost a process 2 MB, room for what allocators keep back: 0.8 kB per sample,
    1.7 kB where two workers share them. A frame has 14 kB.
    """
    monkeypatch.setattr(reader, "MAX_OPEN_FILES", 4)
    rows = [ROWS[number % 3] | {"shard": f"{number:03}"} for number in range(files)]
    for row in rows:
        for kind, items, codec in (
            ("frames", stamped_frames, Codec("jpeg", 85)),
            ("flow", stamped_fields, Codec("lz4")),
        ):
            writer.write_shard(
                tmp_path / kind / f"{row['shard']}.h5",
                kind,
                [row],
                items,
                {},
                "test",
                "test",
                codec=codec,
            )
    draws = {
        name: StreamDataset(rows, Stream(name, tmp_path / kind, CROPS, STACK, rows), 1)
        for name, kind in STORES.items()
    }
    for stream_of in draws.values():
        batches = loader.iterate_batches(stream_of, range(2952), 12, torch.device("cpu"), workers)
        used = [resident() for number, _ in enumerate(batches) if number in (45, 245)]
        assert len(used[0]) == 1 + workers and (used[1] - used[0]).max() < 2


def test_feature_draws_take_the_instants_of_period_draws():
    rows = [{"clip": f"Run/{number}", "label": number} for number in range(3)]
    instants = torch.arange(34.0)
    features = [
        ((100 * number + instants)[:, None], (1000 * number + instants)[:, None])
        for number in range(3)
    ]
    draws = FeatureDataset(rows, features, seed=1, delta=5, num_instants=5)
    for draw in range(30):
        item = draws[draw]
        number = item["label"]
        centre, period = draw_period(sampler.sample_rng(1, draw), 5, 5, 33)
        assert 10 <= centre <= 23 and item["one"].tolist() == [100 * number + centre]
        assert item["many"].ravel().tolist() == [
            1000 * number + centre + offset for offset in (-10, -5, 0, 5, 10)
        ]
        assert period.tolist() == [centre + offset for offset in (-10, -5, 0, 5, 10)]


@pytest.mark.parametrize("name", STREAMS)
def test_no_more_is_read_than_all_crops_need(folder, monkeypatch, name):
    """Every frame or field is read once, and of it the rectangle in which all crops lie."""
    reads = record_reads(monkeypatch)
    source = make_stream(folder, name)
    for how, rows, columns in (
        ("centre", slice(6, 54), slice(16, 64)),
        ("ten", slice(0, 60), slice(0, 80)),
    ):
        read_crops(source, LONG, np.array([2, 4]), eval_crops((WIDTH, HEIGHT), 48, how))
        assert reads.pop() == ([2, 4] if name == "appearance" else [2, 3, 4, 5, 6], rows, columns)
        assert not reads
