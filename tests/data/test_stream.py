"""Crops of the store, and of a video, as inputs of networks."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from data_cases import (
    COLUMNS,
    HEIGHT,
    LONG,
    PICTURE,
    ROWS,
    SHORT,
    STACK,
    WIDTH,
    make_stream,
    read_crops,
    record_reads,
    stamped_fields,
    stamped_frames,
    write_set,
)

from pipeline.data.crops import CROP_COUNTS, Crop, eval_crops
from pipeline.flow import levels, tvl1
from pipeline.storage.codecs import Codec
from pipeline.streams import STREAMS
from pipeline.video.decode import decode
from pipeline.video.encode import encode


def test_a_frame_is_read_at_its_instant(folder):
    # Columns 20 .. 68 of 80, rows 6 .. 54 of 60.
    crop = Crop(0.25, 0.1, 0.6, 0.8)
    pixels = make_stream(folder, "appearance")(LONG, 17, crop)
    assert pixels.shape == (3, 48, 48) and pixels.dtype == np.uint8
    assert (pixels[0] == 17).all()
    assert (pixels[1] == COLUMNS[20:68]).all()
    np.testing.assert_array_equal(pixels[2], PICTURE[6:54, 20:68])


def test_a_stack_is_x1_y1_x2_y2_from_its_instant(folder):
    crop = Crop(0.25, 0.1, 0.6, 0.8)
    stack = make_stream(folder, "motion")(LONG, 17, crop)
    assert stack.shape == (2 * STACK, 48, 48) and stack.dtype == np.uint8
    assert [np.unique(channel).tolist() for channel in stack[0::2]] == [[117], [118], [119]]
    for channel in stack[1::2]:
        np.testing.assert_array_equal(channel, PICTURE[6:54, 20:68])


def test_a_mirrored_frame_is_flipped(folder):
    crop = Crop(0.25, 0.1, 0.6, 0.8, mirrored=True)
    pixels = make_stream(folder, "appearance")(LONG, 17, crop)
    assert (pixels[0] == 17).all() and (pixels[1] == COLUMNS[20:68][::-1]).all()


def test_a_mirrored_stack_is_flipped_and_its_x_negated(folder):
    crop = Crop(0.25, 0.1, 0.6, 0.8, mirrored=True)
    stack = make_stream(folder, "motion")(LONG, 17, crop)
    assert [np.unique(channel).tolist() for channel in stack[0::2]] == [
        [255 - 117],
        [255 - 118],
        [255 - 119],
    ]
    for channel in stack[1::2]:
        np.testing.assert_array_equal(channel, PICTURE[6:54, 20:68][:, ::-1])


def test_stacks_of_short_clips_repeat_the_last_field(folder):
    """Of five fields, a stack of 8 has all, the last one four times; one at 4 has only the last."""
    motion = make_stream(folder, "motion", stack=8)
    assert motion.last_instant(SHORT) == 0
    for start, codes in ((0, [100, 101, 102, 103, 104, 104, 104, 104]), (4, 8 * [104])):
        assert motion(SHORT, start, motion.centre_crop())[0::2, 0, 0].tolist() == codes


def test_last_instants(folder):
    """Of 30 frames, 29 fields: the last frame is 29, the last stack of 3 has fields 26, 27, 28."""
    assert make_stream(folder, "appearance").last_instant(LONG) == 29
    motion = make_stream(folder, "motion")
    assert motion.last_instant(LONG) == 26
    assert motion(LONG, 26, motion.centre_crop())[0::2, 0, 0].tolist() == [126, 127, 128]


def test_crops_are_resized_bilinearly(folder):
    """The test crop, 40 x 40 in the middle, is resized to 48 x 48.

    The green of a frame is a ramp along x, so its value at each pixel centre can be computed.
    """
    appearance = make_stream(folder, "appearance", test=40)
    pixels = appearance(LONG, 3, appearance.centre_crop())
    ramp = 3 * (20 + np.clip((np.arange(48) + 0.5) * 40 / 48 - 0.5, 0, 39))
    assert pixels.shape == (3, 48, 48) and (pixels[0] == 3).all()
    # Only the rounding to whole values; with aligned corners it would be 1.25.
    assert np.abs(pixels[1] - ramp).max() < 1
    motion = make_stream(folder, "motion", stack=10, test=40)
    stack = motion(LONG, 3, motion.centre_crop())
    assert stack.shape == (20, 48, 48) and stack[0::2, 0, 0].tolist() == list(range(103, 113))
    for channel in stack[1::2]:
        np.testing.assert_array_equal(channel, pixels[2])


def test_crops_are_fractions_of_frames_of_other_sizes(folder):
    """Frames are treated as stretched to 340 x 256: a crop of 224 is 224/340 of their width."""
    paper = make_stream(folder, "appearance", frame=[340, 256], test=224, size=224)
    pixels = paper(LONG, 0, paper.centre_crop())
    left, right = round(58 / 340 * 80), round(282 / 340 * 80)
    assert pixels.shape == (3, 224, 224)
    assert (pixels[1, :, 0] == COLUMNS[left]).all()
    assert (pixels[1, :, -1] == COLUMNS[right - 1]).all()


@pytest.mark.parametrize("name", ["appearance", "motion"])
def test_mirroring_after_resizing_is_the_mirror_of_the_crop(folder, name):
    source = make_stream(folder, name, test=40)
    crop = source.centre_crop()
    plain, mirrored = source(LONG, 5, crop), source(LONG, 5, replace(crop, mirrored=True))
    expected = plain[..., ::-1].astype(int)
    if name == "motion":
        expected[0::2] = 255 - expected[0::2]
    np.testing.assert_array_equal(mirrored, expected)


@pytest.mark.parametrize("coding", ["gzip", "lz4"])
@pytest.mark.parametrize("name", STREAMS)
def test_pixels_are_those_of_the_plain_way(tmp_path, name, coding):
    """The same as to read frames whole, crop, resize all channels at once and mirror.

    Crops have any size and are mirrored or not; one clip is shorter than a stack.
    """
    rng = np.random.default_rng(5)
    frames = {
        row["clip"]: rng.integers(0, 256, (row["frames"], HEIGHT, WIDTH, 3)).astype(np.uint8)
        for row in ROWS
    }
    fields = {
        clip: rng.integers(0, 256, (len(clip_frames) - 1, 2, HEIGHT, WIDTH)).astype(np.uint8)
        for clip, clip_frames in frames.items()
    }
    write_set(
        tmp_path,
        ROWS,
        lambda row: iter(frames[row["clip"]]),
        lambda row: iter(fields[row["clip"]]),
        Codec(coding),
    )
    source = make_stream(tmp_path, name, stack=8, appearance=[60, 52, 40], motion=[60, 52, 40])
    for row in ROWS:
        for _ in range(8):
            crop = source.training_crop(rng)
            # Some instants are there twice.
            instants = np.sort(rng.integers(0, source.last_instant(row) + 1, 5))
            expected = []
            for t in instants:
                if name == "appearance":
                    image = frames[row["clip"]][t]  # (H, W, 3)
                else:
                    last = row["frames"] - 2
                    stack = [fields[row["clip"]][min(t + step, last)] for step in range(8)]
                    image = np.concatenate(stack).transpose(1, 2, 0)  # (H, W, 16): x1 y1 x2 ..
                rows, columns = crop.pixels(WIDTH, HEIGHT)
                patch = np.ascontiguousarray(image[rows, columns])
                patch = cv2.resize(patch, (48, 48), interpolation=cv2.INTER_LINEAR)
                if crop.mirrored:
                    patch = patch[:, ::-1].copy()
                    if name == "motion":
                        patch[..., 0::2] = 255 - patch[..., 0::2]
                expected.append(patch.transpose(2, 0, 1))
            np.testing.assert_array_equal(source(row, instants, crop), np.stack(expected))
            np.testing.assert_array_equal(source(row, int(instants[2]), crop), expected[2])


def test_a_period_is_read_once(folder, monkeypatch):
    """Five stacks of 3 that start 2 apart span 11 fields."""
    reads = record_reads(monkeypatch)
    motion = make_stream(folder, "motion")
    motion(LONG, [4, 6, 8, 10, 12], motion.centre_crop())
    assert [positions for positions, *_ in reads] == [list(range(4, 15))]


@pytest.mark.parametrize("name", STREAMS)
def test_ten_crops_are_cut_from_the_frame(folder, name):
    """48 x 48 in the corners and the centre of 80 x 60, then mirrored.

    They start at the columns 0, 32 and 16 and the rows 0, 12 and 6.
    """
    source = make_stream(folder, name)
    instants = np.array([3, 4, 9])
    found = read_crops(source, LONG, instants, eval_crops((WIDTH, HEIGHT), 48, "ten"))
    assert len(found) == 10
    if name == "appearance":
        frames = np.stack(list(stamped_frames(LONG)))[instants]
        whole = frames.transpose(0, 3, 1, 2)  # (3, 3, 60, 80)
    else:
        fields = np.stack(list(stamped_fields(LONG)))
        stacks = [np.concatenate(fields[t : t + STACK]) for t in instants]
        whole = np.stack(stacks)  # (3, 6, 60, 80)
    for number, (left, top) in enumerate([(0, 0), (32, 0), (0, 12), (32, 12), (16, 6)]):
        expected = whole[..., top : top + 48, left : left + 48]
        np.testing.assert_array_equal(found[number], expected)
        mirrored = expected[..., ::-1].copy()
        if name == "motion":
            mirrored[:, 0::2] = 255 - mirrored[:, 0::2]
        np.testing.assert_array_equal(found[5 + number], mirrored)


@pytest.mark.parametrize("how", CROP_COUNTS)
@pytest.mark.parametrize("name", STREAMS)
def test_crops_of_one_reading_are_those_of_readings_of_their_own(folder, name, how):
    """Crops are resized, and one clip is too short for a stack."""
    source = make_stream(folder, name, stack=8)
    for row, instants in ((LONG, np.array([0, 5, 6, 20])), (SHORT, np.array([0]))):
        crops = eval_crops((340, 256), 224, how)
        for crop, found in zip(crops, read_crops(source, row, instants, crops), strict=True):
            np.testing.assert_array_equal(found, source(row, instants, crop))


# The motion in pixels, to the right and down, from frame t to t + 1.
MOVES = [(2, 0), (2, 0), (0, 2), (0, -1), (-2, 0), (1, 1)]


def moving_video() -> np.ndarray:
    """Frames of one smooth texture whose content moves by MOVES."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    waves = np.random.default_rng(1).uniform(-1, 1, (16, 3)) * [0.6, 0.6, np.pi]
    frames = []
    for right, down in np.vstack([[0, 0], np.cumsum(MOVES, axis=0)]):
        grey = 127 + 14 * sum(
            np.sin(a * (x - right) + b * (y - down) + phase) for a, b, phase in waves
        )
        frames.append(np.repeat(np.rint(grey).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2))
    return np.stack(frames)


def test_motion_of_a_video_arrives_in_its_channel_with_its_sign(tmp_path):
    """From an encoded clip to the stack, field t has the motion of frame t to t + 1.

    Positive x is to the right, positive y is down; mirrored, x is negated.
    """
    bound = 5.0
    encode(tmp_path / "clip.avi", moving_video(), fps=25, quality=2)
    row = {
        "clip": "Archery/clip",
        "path": str(tmp_path / "clip.avi"),
        "sha256": "0",
        "frames": 7,
        "label": 0,
        "shard": "000",
    }

    def fields(row):
        grey = [tvl1.grey(frame) for frame in decode(row["path"])]
        for first, second in zip(grey, grey[1:], strict=False):
            yield levels.quantise(tvl1.tvl1(first, second), bound).transpose(2, 0, 1)

    write_set(tmp_path, [row], lambda row: decode(row["path"]), fields)
    motion = make_stream(tmp_path, "motion", stack=4)
    for start in (0, 1, 2):
        for mirrored in (False, True):
            stack = motion(row, start, replace(motion.centre_crop(), mirrored=mirrored))
            flow = levels.dequantise(stack, bound).reshape(4, 2, -1)  # (fields, x and y, pixels)
            expected = np.array(MOVES[start : start + 4]) * [-1 if mirrored else 1, 1]
            np.testing.assert_allclose(np.median(flow, axis=2), expected, atol=0.25)
    appearance = make_stream(tmp_path, "appearance")
    for t, frame in enumerate(moving_video()):
        pixels = appearance(row, t, appearance.centre_crop()).astype(int)
        # What MPEG-4 loses.
        assert np.abs(pixels[0] - frame[6:54, 16:64, 0]).mean() < 4
