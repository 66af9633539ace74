"""Frames, fields and files to try codecs on."""

import importlib.util
import os
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

from pipeline.storage.codecs import FIELDS_PER_CHUNK, Codec

GZIP, LZ4, JPEG = Codec("gzip"), Codec("lz4"), Codec("jpeg", 95)
CODECS = [GZIP, LZ4, JPEG]
SHAPES = {"frames": (24, 32, 3), "flow": (2, 24, 32)}


def smooth(kind: str, count: int) -> np.ndarray:
    """Frames or fields that JPEG keeps well: (count, *SHAPES[kind])."""
    rng = np.random.default_rng(count)
    planes_per_item = 3 if kind == "frames" else 2
    planes = rng.integers(0, 256, (count, planes_per_item, 24, 32)).astype(np.float32)
    planes = np.stack([[cv2.GaussianBlur(plane, (0, 0), 6) for plane in item] for item in planes])
    planes = ((planes - planes.min()) * 255 / np.ptp(planes)).astype(np.uint8)
    # (count, 3, H, W) -> (count, H, W, 3)
    return planes.transpose(0, 2, 3, 1) if kind == "frames" else planes


def noise(kind: str, count: int) -> np.ndarray:
    """Frames or fields that no codec makes smaller: (count, *SHAPES[kind])."""
    return np.random.default_rng(count).integers(0, 256, (count, *SHAPES[kind])).astype(np.uint8)


def write_clip(path: Path, codec: Codec, arrays: np.ndarray) -> Path:
    """Write a file whose one dataset, 'Run/clip', holds the frames or fields."""
    with h5py.File(path, "w") as file:
        dataset = codec.create_dataset(file, "Run/clip", arrays.shape[1:])
        for start in range(0, len(arrays), 2 * FIELDS_PER_CHUNK):
            codec.append(dataset, arrays[start : start + 2 * FIELDS_PER_CHUNK])
    return path


def plugin_folder() -> str:
    """The folder of hdf5plugin's filters; skips the test where it is not installed.

    The package is not imported here, because that would register its filters for all tests.
    """
    spec = importlib.util.find_spec("hdf5plugin")
    if spec is None:
        pytest.skip("hdf5plugin is not installed")
    return os.path.join(os.path.dirname(spec.origin), "plugins")


def picture(height: int, width: int, *channels: int) -> np.ndarray:
    """Texture in all channels, fine enough that neighbouring pixels of chroma differ."""
    pixels = np.random.default_rng(height).integers(0, 256, (height, width, *channels))
    pixels = pixels.astype(np.uint8)
    return cv2.GaussianBlur(pixels, (0, 0), 1.5).reshape(pixels.shape)


def decode_by_opencv(content: bytes, colour: bool = True) -> np.ndarray:
    """The (H, W, 3) RGB or (H, W) pixels of a JPEG file."""
    mode = cv2.IMREAD_COLOR_RGB if colour else cv2.IMREAD_GRAYSCALE
    return cv2.imdecode(np.frombuffer(content, np.uint8), mode)
