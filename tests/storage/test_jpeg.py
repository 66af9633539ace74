"""JPEG files in strips: rectangles are the pixels of the whole, by another decoder, and broken files are refused."""

import itertools

import cv2
import imagecodecs
import numpy as np
import pytest

from pipeline.data.crops import training_crop
from pipeline.storage import jpeg
from pipeline.video import decode

SIZES = [
    (240, 320),
    (48, 64),
    (61, 83),
    (17, 33),
    (8, 16),
    (240, 426),
    (1, 1),
]  # 426 has 27 MCUs of 16: strips of three


def picture(height: int, width: int, *colours: int) -> np.ndarray:
    """Texture in all channels, fine enough that neighbouring pixels of chroma differ."""
    noise = (
        np.random.default_rng(height).integers(0, 256, (height, width, *colours)).astype(np.uint8)
    )
    return cv2.GaussianBlur(noise, (0, 0), 1.5).reshape(noise.shape)


def by_opencv(content: bytes, colour: bool = True) -> np.ndarray:
    return cv2.imdecode(
        np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB if colour else cv2.IMREAD_GRAYSCALE
    )


def rectangles(height: int, width: int):
    """Corners and middles of many sizes, and each pixel's own at the edges."""
    rng = np.random.default_rng(width)
    for _ in range(40):
        top, bottom = sorted(rng.integers(0, height + 1, 2))
        left, right = sorted(rng.integers(0, width + 1, 2))
        yield (
            slice(int(top), int(max(bottom, top + 1))),
            slice(int(left), int(max(right, left + 1))),
        )
    for y, x in itertools.product((0, height // 2, height - 1), (0, width // 2, width - 1)):
        yield slice(y, y + 1), slice(x, x + 1)
    yield slice(0, height), slice(0, width)


@pytest.mark.parametrize("colours", [(3,), ()], ids=["colour", "grey"])
@pytest.mark.parametrize("height, width", SIZES)
def test_a_rectangle_has_the_pixels_of_the_whole(height, width, colours):
    content = jpeg.encode(picture(height, width, *colours), 85)
    whole, out = by_opencv(content, bool(colours)), np.empty((height, width, *colours), np.uint8)
    assert whole.shape == out.shape
    for rows, columns in rectangles(height, width):
        if rows.stop <= height and columns.stop <= width:
            out[:] = 77  # what was there before does not matter
            np.testing.assert_array_equal(
                jpeg.decode(content, out, rows, columns), whole[rows, columns]
            )


def test_genuine_frames_in_training_crops(shared):
    path = shared / "ucf101_6class" / "videos" / "Archery" / "v_Archery_g01_c01.avi"
    rng, out = np.random.default_rng(0), np.empty((240, 320, 3), np.uint8)
    for frame in itertools.islice(decode.decode(str(path)), 0, 60, 3):
        content = jpeg.encode(frame, 85)
        whole = by_opencv(content)
        for _ in range(5):
            crop = training_crop(rng, (340, 256), [256, 224, 192, 168], False).pixels(320, 240)
            np.testing.assert_array_equal(jpeg.decode(content, out, *crop), whole[crop])


def test_strips_cost_little_and_no_pixel():
    """A file without strips by libjpeg's other binding: the same pixels, and a marker's bytes a strip."""
    given = picture(240, 320, 3)
    plain = imagecodecs.jpeg8_encode(given, level=85, subsampling="420", optimize=True)
    content = jpeg.encode(given, 85)
    np.testing.assert_array_equal(by_opencv(content), by_opencv(plain))
    assert 0 < len(content) - len(plain) < 8 * 75  # 5 strips in each of 15 rows of MCUs


def test_no_more_is_decoded_than_is_needed(monkeypatch):
    """A corner of 32 x 32 pixels, and MARGIN, is in 3 rows of MCUs and a strip of 64 pixels."""
    given, seen = picture(240, 320, 3), []
    content, out, decode = jpeg.encode(given, 85), np.empty_like(given), imagecodecs.jpeg8_decode
    monkeypatch.setattr(
        imagecodecs,
        "jpeg8_decode",
        lambda data, out: seen.append((len(data), out.shape)) or decode(data, out=out),
    )
    jpeg.decode(content, out, slice(0, 32), slice(0, 32))
    jpeg.decode(content, out, slice(0, 240), slice(0, 320))
    assert [shape for _, shape in seen] == [(48, 64, 3), given.shape]
    assert seen[0][0] < len(content) / 8 and seen[1][0] == len(content)


@pytest.mark.parametrize(
    "made", ["one scan", "rows", "4:4:4 in strips", "progressive", "other strips"]
)
def test_files_of_other_programs_are_decoded_whole_or_right(made):
    """Whatever a file is like: pixels are those that another program reads."""
    given = picture(240, 320, 3)
    options = {
        "one scan": [],
        "rows": [cv2.IMWRITE_JPEG_RST_INTERVAL, 20],
        "other strips": [cv2.IMWRITE_JPEG_RST_INTERVAL, 7],
        "4:4:4 in strips": [
            cv2.IMWRITE_JPEG_RST_INTERVAL,
            4,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
        ],
        "progressive": [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 4],
    }[made]
    content = cv2.imencode(".jpg", given, options)[1].tobytes()
    rows, columns = slice(50, 99), slice(40, 140)
    found = jpeg.decode(content, np.empty_like(given), rows, columns)
    np.testing.assert_array_equal(found, by_opencv(content)[rows, columns])


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
        with pytest.raises((ValueError, IndexError, OSError, RuntimeError, jpeg.struct.error)):
            jpeg.decode(data, out, slice(50, 99), slice(40, 140))
            pytest.fail(what)
