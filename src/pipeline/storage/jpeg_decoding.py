"""Decode a rectangle of a JPEG file, and no more of the file than the rectangle needs.

`jpeg.encode` cuts a frame into strips that do not depend on one another. The strips of a rectangle,
behind a copy of the header with another height and width, are a valid JPEG file again, and its
pixels are bit-identical to those of the whole frame. Training crops are about half of a frame, so
this saves about half of the work. Files that are not in such strips are decoded whole.
"""

import math
import re
import struct
from typing import NamedTuple

import imagecodecs
import numpy as np

from pipeline.storage.jpeg import MCU_SIZE

# Pixels around a rectangle that its own pixels depend on: chroma has half the resolution, and the
# decoder interpolates it.
MARGIN = 2
# A rectangle that needs a larger fraction of all strips is not worth the cutting.
MAX_STRIP_FRACTION = 0.85
# Sampling factors of Y, Cb and Cr with 4:2:0 chroma: blocks per MCU, horizontally in the upper four
# bits and vertically in the lower four (T.81, B.2.2).
SAMPLING_420 = (0x22, 0x11, 0x11)
# Second bytes of JPEG markers; the first is 0xff (T.81, table B.1).
SOF0, RST0, EOI, SOS, DRI = 0xC0, 0xD0, 0xD9, 0xDA, 0xDD
# Within coded data another byte, 0x00, follows a 0xff that is not a marker's.
RESTART_PATTERN = re.compile(rb"\xff[\xd0-\xd7]")
# Restart markers count from 0 to 7 in turn.
RESTART_MARKERS = [bytes((0xFF, RST0 + number)) for number in range(8)]
END_MARKER = bytes((0xFF, EOI))


class _Header(NamedTuple):
    """Byte offsets in a JPEG file, 0 for what it does not have, and its restart interval."""

    # Offset of the marker SOF0, behind which the height and width stand.
    frame: int
    # MCUs per strip; 0 where the file has no restart markers.
    strip_mcus: int
    # Offset of the coded data.
    scan: int


class _Part(NamedTuple):
    """The JPEG file of some strips of a frame, and where they lie in the frame."""

    content: bytes
    # Row and column of the frame at which the part begins.
    top: int
    left: int
    # (h, w, 3)
    shape: tuple[int, int, int]


def decode(content: bytes, out: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
    """Decode `rows` and `columns` of a JPEG file of the shape of `out`, (H, W, 3) or (H, W) uint8.

    Returns the rectangle as a view of `out`, whose other pixels then have no meaning.
    Raises ValueError for a file that is cut short, and the errors of imagecodecs for a file that is
    not a JPEG file, or is one of another size.
    """
    # Decoders invent what is missing of a file without saying so.
    if content[-2:] != END_MARKER:
        raise ValueError("a JPEG file without its end")
    part = _part(content, out, rows, columns) if out.ndim == 3 else None
    if part is None:
        return imagecodecs.jpeg8_decode(content, out=out)[rows, columns]
    # The part is decoded into the memory of `out`: new memory would cost a third of the time.
    pixels = out.reshape(-1)[: math.prod(part.shape)].reshape(part.shape)
    imagecodecs.jpeg8_decode(part.content, out=pixels)
    return pixels[
        rows.start - part.top : rows.stop - part.top,
        columns.start - part.left : columns.stop - part.left,
    ]


def _part(content: bytes, frame: np.ndarray, rows: slice, columns: slice) -> _Part | None:
    """Cut the strips of a rectangle out of the JPEG file of an (H, W, 3) frame.

    Returns None where that is nearly the whole file, or where the file is not in strips such as
    `jpeg.encode` makes. Raises ValueError when strips are missing.
    """
    height, width = frame.shape[:2]
    header = _read_header(content)
    mcu_columns, strip_rows = -(-width // MCU_SIZE), -(-height // MCU_SIZE)
    if (
        not header.frame
        or not header.strip_mcus
        or mcu_columns % header.strip_mcus
        or _size_and_sampling(content, header.frame) != (height, width, *SAMPLING_420)
    ):
        return None
    strip_columns = mcu_columns // header.strip_mcus
    strip_width = MCU_SIZE * header.strip_mcus
    # The rectangle of strips: first and one past the last of their rows and columns.
    top, bottom = _strips_around(rows, height, MCU_SIZE)
    left, right = _strips_around(columns, width, strip_width)
    if (bottom - top) * (right - left) > MAX_STRIP_FRACTION * strip_columns * strip_rows:
        return None

    strips = RESTART_PATTERN.split(content[header.scan : -2])
    if len(strips) != strip_columns * strip_rows:
        raise ValueError(
            f"a JPEG file of {len(strips)} strips where {strip_columns * strip_rows} are wanted"
        )
    selected = [
        strip
        for row in range(top, bottom)
        for strip in strips[row * strip_columns + left : row * strip_columns + right]
    ]
    # Strips alternate with restart markers, which are numbered anew.
    coded: list[bytes] = [b""] * (2 * len(selected) - 1)
    coded[0::2] = selected
    coded[1::2] = (RESTART_MARKERS * (len(selected) // 8 + 1))[: len(selected) - 1]

    first_row, first_column = top * MCU_SIZE, left * strip_width
    # The last strips of a frame may reach beyond its edge.
    part_height = min(bottom * MCU_SIZE, height) - first_row
    part_width = min(right * strip_width, width) - first_column
    # Height and width, two bytes each, stand 5 bytes behind the marker SOF0 (T.81, B.2.2).
    before_size, after_size = content[: header.frame + 5], content[header.frame + 9 : header.scan]
    part_size = struct.pack(">HH", part_height, part_width)
    return _Part(
        b"".join([before_size, part_size, after_size, *coded, END_MARKER]),
        first_row,
        first_column,
        (part_height, part_width, 3),
    )


def _strips_around(pixels: slice, size: int, step: int) -> tuple[int, int]:
    """The range of strips of `step` pixels that hold `pixels` and MARGIN around them."""
    first = max(pixels.start - MARGIN, 0) // step
    # Division that rounds up.
    stop = -(-min(pixels.stop + MARGIN, size) // step)
    return first, stop


def _read_header(content: bytes) -> _Header:
    """Walk through the segments of a JPEG file up to its coded data (T.81, B.1.1)."""
    # The file begins with a marker of 2 bytes that has no segment.
    offset, frame, strip_mcus = 2, 0, 0
    while content[offset + 1] != SOS:
        if content[offset + 1] == SOF0:
            frame = offset
        elif content[offset + 1] == DRI:
            (strip_mcus,) = struct.unpack_from(">H", content, offset + 4)
        offset += 2 + _segment_length(content, offset)
    return _Header(frame, strip_mcus, offset + 2 + _segment_length(content, offset))


def _segment_length(content: bytes, offset: int) -> int:
    """The length of the segment whose marker stands at `offset`, without the marker."""
    return struct.unpack_from(">H", content, offset + 2)[0]


def _size_and_sampling(content: bytes, frame: int) -> tuple[int, ...]:
    """Height, width, and the sampling factors of each component as in SAMPLING_420."""
    height, width, components = struct.unpack_from(">HHB", content, frame + 5)
    return height, width, *(content[frame + 11 + 3 * number] for number in range(components))
