"""JPEG files of frames, of which a rectangle can be decoded alone, and of planes of flow.

A restart marker after every few MCUs, the blocks of pixels that JPEG codes one after the other, cuts a file into strips that
do not depend on each other (ITU-T T.81, B.2.4.4 and E.1.4). Those of a rectangle, behind the header with another height and
width, are a JPEG file again, and have the pixels of the whole: crops of training are half of a frame. Flow has no strips:
its planes take so few bytes that markers would double them.
"""

import math
import re
import struct

import imagecodecs
import numpy as np

STRIP = 4  # MCUs of a strip, or more, so that they divide a row of them: 64 pixels, 2 % of a frame's bytes
MARGIN = 2  # pixels around a rectangle that its own depend on: chroma is of half the size, and interpolated
MOST = 0.85  # of all strips: a rectangle of more is not worth the cutting
MCU = 16  # pixels each way, as chroma is of half the size
LAYOUT = (
    0x22,
    0x11,
    0x11,
)  # blocks of Y, Cb and Cr in an MCU: across in the upper four bits, down in the lower
SOF0, RST0, EOI, SOS, DRI = 0xC0, 0xD0, 0xD9, 0xDA, 0xDD
RESTART = re.compile(rb"\xff[\xd0-\xd7]")  # within coded data another byte follows 0xff
RESTARTS = [bytes((0xFF, RST0 + number)) for number in range(8)]
END = bytes((0xFF, EOI))


def encode(pixels: np.ndarray, quality: int) -> bytes:
    """(H, W, 3) RGB in strips, chroma of half the size, or (H, W) grey, as a JPEG file."""
    import cv2  # here, as readers need none of it

    options = {cv2.IMWRITE_JPEG_QUALITY: quality, cv2.IMWRITE_JPEG_OPTIMIZE: 1}
    if pixels.ndim == 3:
        pixels, across = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), -(-pixels.shape[1] // MCU)
        strip = next((mcus for mcus in range(STRIP, across) if across % mcus == 0), across)
        options |= {
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR: cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
            cv2.IMWRITE_JPEG_RST_INTERVAL: strip,
        }
    flat = [number for option in options.items() for number in option]
    return cv2.imencode(".jpg", np.ascontiguousarray(pixels), flat)[1].tobytes()


def decode(content: bytes, out: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
    """`rows` and `columns` of a JPEG file of the shape of `out`, (H, W, 3) or (H, W), a view of that: it is the room.

    Raises ValueError for a file that is cut short, and what imagecodecs raises for one that is none, or of another size.
    """
    if content[-2:] != END:  # decoders fill up in silence what is missing
        raise ValueError("a JPEG file without its end")
    part = _part(content, out, rows, columns) if out.ndim == 3 else None
    if part is None:
        return imagecodecs.jpeg8_decode(content, out=out)[rows, columns]
    content, (top, left), shape = part
    room = out.reshape(-1)[: math.prod(shape)].reshape(
        shape
    )  # new memory would cost a third of the time
    imagecodecs.jpeg8_decode(content, out=room)
    return room[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]


def _part(
    content: bytes, whole: np.ndarray, rows: slice, columns: slice
) -> tuple[bytes, tuple, tuple] | None:
    """The JPEG file of the strips of a rectangle, the row and the column of `whole` that it begins at, and its shape.

    None where that is about the whole file, or the file is not in strips as `encode` makes them.
    """
    height, width = whole.shape[:2]
    frame, strip, scan = _header(content)
    across, down = -(-width // MCU), -(-height // MCU)  # MCUs
    if (
        not frame
        or not strip
        or across % strip
        or _layout(content, frame) != (height, width, *LAYOUT)
    ):
        return None
    across //= strip  # strips
    top, bottom = _around(rows, height, MCU)
    left, right = _around(columns, width, MCU * strip)
    if (bottom - top) * (right - left) > MOST * across * down:
        return None
    strips = RESTART.split(content[scan:-2])
    if len(strips) != across * down:
        raise ValueError(f"a JPEG file of {len(strips)} strips where {across * down} are wanted")
    wanted = [
        part
        for row in range(top, bottom)
        for part in strips[row * across + left : row * across + right]
    ]
    coded: list[bytes] = [b""] * (2 * len(wanted) - 1)
    coded[0::2], coded[1::2] = wanted, (RESTARTS * (len(wanted) // 8 + 1))[: len(wanted) - 1]
    top, left = top * MCU, left * MCU * strip
    shape = (min(bottom * MCU, height) - top, min(right * MCU * strip, width) - left, 3)
    size = struct.pack(">HH", *shape[:2])
    return (
        b"".join([content[: frame + 5], size, content[frame + 9 : scan], *coded, END]),
        (top, left),
        shape,
    )


def _around(pixels: slice, size: int, step: int) -> tuple[int, int]:
    """The first of the steps that `pixels` and MARGIN around them lie in, and the one after the last."""
    return max(pixels.start - MARGIN, 0) // step, -(-min(pixels.stop + MARGIN, size) // step)


def _header(content: bytes) -> tuple[int, int, int]:
    """Where the frame's header is, the MCUs of a strip, and where coded data begin; 0 for what there is none of."""
    at, frame, strip = 2, 0, 0
    while content[at + 1] != SOS:
        if content[at + 1] == SOF0:
            frame = at
        elif content[at + 1] == DRI:
            (strip,) = struct.unpack_from(">H", content, at + 4)
        at += 2 + struct.unpack_from(">H", content, at + 2)[0]
    return frame, strip, at + 2 + struct.unpack_from(">H", content, at + 2)[0]


def _layout(content: bytes, frame: int) -> tuple[int, ...]:
    """Height, width, and of each component its blocks as in LAYOUT."""
    height, width, components = struct.unpack_from(">HHB", content, frame + 5)
    return height, width, *(content[frame + 11 + 3 * number] for number in range(components))
