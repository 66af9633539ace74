"""Decoding rectangles of JPEG files: bit-identical to the whole file by another decoder."""

import itertools
import struct

import cv2
import imagecodecs
import numpy as np
import pytest
from codec_cases import decode_by_opencv, picture

from pipeline.data.crops import training_crop
from pipeline.storage import jpeg, jpeg_decoding
from pipeline.video.decode import decode

# A row of 426 pixels has 27 MCUs of 16: strips of nine.
SIZES = [(240, 320), (48, 64), (61, 83), (17, 33), (8, 16), (240, 426), (1, 1)]


def rectangles(height: int, width: int):
    """Corners and middles of many sizes, single pixels at the edges, and the whole."""
    rng = np.random.default_rng(width)
    for _ in range(40):
        top, bottom = sorted(rng.integers(0, height + 1, 2))
        left, right = sorted(rng.integers(0, width + 1, 2))
        rows = slice(int(top), int(max(bottom, top + 1)))
        columns = slice(int(left), int(max(right, left + 1)))
        yield rows, columns
    for y, x in itertools.product((0, height // 2, height - 1), (0, width // 2, width - 1)):
        yield slice(y, y + 1), slice(x, x + 1)
    yield slice(0, height), slice(0, width)


@pytest.mark.parametrize("colours", [(3,), ()], ids=["colour", "grey"])
@pytest.mark.parametrize("height, width", SIZES)
def test_a_rectangle_has_the_pixels_of_the_whole(height, width, colours):
    content = jpeg.encode(picture(height, width, *colours), 85)
    whole = decode_by_opencv(content, bool(colours))
    out = np.empty((height, width, *colours), np.uint8)
    assert whole.shape == out.shape
    for rows, columns in rectangles(height, width):
        if rows.stop <= height and columns.stop <= width:
            # What was in the memory before does not matter.
            out[:] = 77
            found = jpeg_decoding.decode(content, out, rows, columns)
            np.testing.assert_array_equal(found, whole[rows, columns])


def test_genuine_frames_in_training_crops(shared):
    path = shared / "ucf101_6class" / "videos" / "Archery" / "v_Archery_g01_c01.avi"
    rng, out = np.random.default_rng(0), np.empty((240, 320, 3), np.uint8)
    for frame in itertools.islice(decode(str(path)), 0, 60, 3):
        content = jpeg.encode(frame, 85)
        whole = decode_by_opencv(content)
        for _ in range(5):
            crop = training_crop(rng, (340, 256), [256, 224, 192, 168], False).pixels(320, 240)
            found = jpeg_decoding.decode(content, out, *crop)
            np.testing.assert_array_equal(found, whole[crop])


def test_no_more_is_decoded_than_is_needed(monkeypatch):
    """A corner of 32 x 32 pixels, and MARGIN, is in 3 rows of MCUs and a strip of 64 pixels."""
    pixels, calls = picture(240, 320, 3), []
    content, out = jpeg.encode(pixels, 85), np.empty_like(pixels)
    jpeg8_decode = imagecodecs.jpeg8_decode
    monkeypatch.setattr(
        imagecodecs,
        "jpeg8_decode",
        lambda data, out: calls.append((len(data), out.shape)) or jpeg8_decode(data, out=out),
    )
    jpeg_decoding.decode(content, out, slice(0, 32), slice(0, 32))
    jpeg_decoding.decode(content, out, slice(0, 240), slice(0, 320))
    assert [shape for _, shape in calls] == [(48, 64, 3), pixels.shape]
    assert calls[0][0] < len(content) / 8 and calls[1][0] == len(content)


# OpenCV's options to encode each.
OTHER_FILES = {
    "one scan": [],
    "rows": [cv2.IMWRITE_JPEG_RST_INTERVAL, 20],
    "4:4:4 in strips": [
        cv2.IMWRITE_JPEG_RST_INTERVAL,
        4,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ],
    "progressive": [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 4],
    "other strips": [cv2.IMWRITE_JPEG_RST_INTERVAL, 7],
}


@pytest.mark.parametrize("made", OTHER_FILES)
def test_files_of_other_programs_are_decoded_whole_or_right(made):
    """Whatever a file is like: its pixels are those that another program reads."""
    pixels = picture(240, 320, 3)
    content = cv2.imencode(".jpg", pixels, OTHER_FILES[made])[1].tobytes()
    rows, columns = slice(50, 99), slice(40, 140)
    found = jpeg_decoding.decode(content, np.empty_like(pixels), rows, columns)
    np.testing.assert_array_equal(found, decode_by_opencv(content)[rows, columns])


def test_broken_files_are_refused():
    content, out = jpeg.encode(picture(240, 320, 3), 85), np.empty((240, 320, 3), np.uint8)
    strips = content.split(b"\xff\xd3")
    broken = {
        "no end": content[:-100],
        "a strip is missing": b"\xff\xd3".join(strips[:5] + strips[6:]),
        "nothing": b"",
        "only an end": b"\xff\xd9",
        "header": content[:300] + b"\xff\xd9",
        "another size": jpeg.encode(picture(240, 336, 3), 85),
        "noise": bytes(range(256)) * 40 + b"\xff\xd9",
    }
    for what, data in broken.items():
        with pytest.raises((ValueError, IndexError, OSError, RuntimeError, struct.error)):
            jpeg_decoding.decode(data, out, slice(50, 99), slice(40, 140))
            pytest.fail(what)
