"""The flow of one clip written in the formats of other programs.

| format | what a clip becomes |
|---|---|
| jpg | two grey JPEG images a field, x and y, of bytes by `levels.quantise`; quality 95 |
| png | the same bytes, lossless; in layout denseflow its own coloured form (`denseflow_picture`) |
| flo | one file of Middlebury's format a field: pixels, float32 |
| h5 | one HDF5 file, a dataset (H, W) for x and one for y of each field: pixels, float32 |
| npy | one NumPy file: pixels, float32, (fields, H, W, 2) |
"""

import struct
from collections.abc import Iterable
from pathlib import Path

import cv2
import h5py
import numpy as np

from pipeline.extraction.layouts import Settings
from pipeline.flow import levels

# libjpeg's quality in OpenCV where none is asked for, as in the programs whose files these are.
QUALITY = 95
# A file of Middlebury's begins with this number in float32, whose bytes spell 'PIEH'.
MAGIC = 202021.25
# The largest bound that a byte of denseflow's PNG images holds, in steps of 4 pixels.
LARGEST = 255 * 4


def write(fields: Iterable[np.ndarray], target: Path, settings: Settings) -> int:
    """Write fields (H, W, 2) in pixels as a new file or folder `target`; return how many.

    Raises OSError when the disk fails.
    """
    return WRITERS[settings.format](fields, target, settings)


def denseflow_picture(field: np.ndarray) -> np.ndarray:
    """Return a field (H, W, 2) as denseflow's PNG image holds it: (H, W, 3) uint8, blue first.

    Blue and green are x and y as 128 + 128 v / bound. Each component has a bound of its own, 4
    times an odd number of pixels; red holds a quarter of x's in the upper half of the rows, with
    the row in the middle, and of y's below.
    """
    height, width = field.shape[:2]
    picture = np.empty((height, width, 3), np.uint8)
    for channel, side in enumerate((width, height)):
        plane = field[..., channel]
        largest = min(side, float(np.abs(plane).max()))
        bound = min(LARGEST, 4 * np.ceil(largest * 128 / 127 / 4))
        bound += 4 if bound % 8 == 0 else 0
        scaled = plane.astype(np.float64) * np.float32(128 / bound) + 128
        picture[..., channel] = np.clip(np.rint(scaled), 0, 255)
        picture[slice(height // 2 + 1, None) if channel else slice(None), :, 2] = bound // 4
    return picture


def _write_bytes(fields: Iterable[np.ndarray], folder: Path, settings: Settings) -> int:
    """Write the grey images of all fields, x and y."""
    options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY] if settings.format == "jpg" else []
    folder.mkdir()
    count = 0
    for field in fields:
        codes = levels.quantise(field, settings.bound)
        for axis, kind in enumerate(("flow_x", "flow_y")):
            name = f"{settings.field_name(kind, count)}.{settings.format}"
            _write_image(folder / name, np.ascontiguousarray(codes[..., axis]), options)
        count += 1
    return count


def _write_png(fields: Iterable[np.ndarray], folder: Path, settings: Settings) -> int:
    if settings.layout != "denseflow":
        return _write_bytes(fields, folder, settings)
    folder.mkdir()
    count = 0
    for field in fields:
        name = f"{settings.field_name('flow', count)}.png"
        _write_image(folder / name, denseflow_picture(field), [])
        count += 1
    return count


def _write_image(path: Path, pixels: np.ndarray, options: list[int]) -> None:
    # OpenCV's own writing says nothing where a disk is full.
    path.write_bytes(cv2.imencode(path.suffix, pixels, options)[1])


def _write_flo(fields: Iterable[np.ndarray], folder: Path, settings: Settings) -> int:
    folder.mkdir()
    count = 0
    for field in fields:
        height, width = field.shape[:2]
        content = struct.pack("<fii", MAGIC, width, height) + field.astype("<f4").tobytes()
        (folder / f"{settings.field_name('flow', count)}.flo").write_bytes(content)
        count += 1
    return count


def _write_h5(fields: Iterable[np.ndarray], path: Path, settings: Settings) -> int:
    count = 0
    with h5py.File(path, "w", locking=False) as file:
        for field in fields:
            for axis, kind in enumerate(("flow_x", "flow_y")):
                file[settings.field_name(kind, count)] = field[..., axis].astype("<f4")
            count += 1
    return count


def _write_npy(fields: Iterable[np.ndarray], path: Path, settings: Settings) -> int:
    count, shape = 0, (0, 0, 2)
    with open(path, "wb") as file:
        for field in fields:
            if not count:
                shape = field.shape
                _write_head(file, (0, *shape))
            file.write(field.astype("<f4").tobytes())
            count += 1
        # NumPy leaves room in the head for the first number to grow.
        file.seek(0)
        _write_head(file, (count, *shape))
    return count


def _write_head(file, shape: tuple[int, ...]) -> None:
    head = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, head)


WRITERS = {
    "h5": _write_h5,
    "jpg": _write_bytes,
    "png": _write_png,
    "flo": _write_flo,
    "npy": _write_npy,
}
