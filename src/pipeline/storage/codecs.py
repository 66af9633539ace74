"""Codecs: how the frames and flow fields of a clip are compressed and written into HDF5.

| codec | loses | HDF5 filter | a chunk holds |
|---|---|---|---|
| gzip | nothing | 1, built in | one frame or field |
| lz4 | nothing | 32004 | one frame, or 5 fields in blocks of one, which decode alone |
| jpeg | by quality | 32019 | the JPEG file of a frame, or of one plane (x or y) of a field |

Filters 32004 and 32019 are registered with The HDF Group: programs that have them read the datasets
like any other. The chunks of both are encoded here and written directly, so HDF5 copies nothing and
needs no plug-in. Behind each stands the CRC-32 of its bytes, which other decoders pass over; behind
a chunk of gzip, zlib puts a checksum of its own. The module `decoding` reads them. docs/store.md
says what was measured, and how to read the files elsewhere.
"""

import struct
import zlib
from dataclasses import dataclass

import h5py
import imagecodecs
import numpy as np

from pipeline.storage import jpeg

# Numbers of HDF5 filters.
LZ4_FILTER, JPEG_FILTER = 32004, 32019
# The last option of such a filter where each chunk ends with its checksum: 'crc3' in ASCII.
CHECKED = 0x63726333
# The checksum, a CRC-32 in big-endian order as all numbers of filter 32004.
CHECKSUM = struct.Struct(">I")
# libdeflate's CRC-32 is ten times as fast as zlib's; the numbers are the same.
crc32 = imagecodecs.deflate_crc32 if imagecodecs.DEFLATE.available else zlib.crc32
# Flow fields per chunk of lz4: half of a stack of 10.
FIELDS_PER_CHUNK = 5
# Level of LZ4's high compression. It writes 235 fields per second; level 9 takes 4 % less room and
# 3.5 times as long.
LZ4_LEVEL = 7
# The level where cores are few and fields many: three times as fast, for 9 % more room.
FAST_LZ4_LEVEL = 4
# What a file's attribute 'coding' says.
DESCRIPTIONS = {
    "gzip": "lossless, HDF5's own filter 1",
    "lz4": "lossless, HDF5 filter 32004 (in Python: import hdf5plugin)",
    "jpeg": "lossy, quality {quality}, HDF5 filter 32019; each chunk is a JPEG file",
}


@dataclass(frozen=True)
class Codec:
    """How frames (H, W, 3) or flow fields (2, H, W), uint8, are compressed; `quality` is JPEG's.

    A `fast` lz4 takes more room; the pixels are the same, and so is how they are read.
    """

    name: str = "gzip"
    quality: int = 0
    fast: bool = False

    @classmethod
    def from_settings(cls, settings: dict, kind: str) -> "Codec":
        """The codec that the settings choose for a `kind`, 'frames' or 'flow'; gzip by default."""
        name = settings.get("store", {}).get(kind, "gzip")
        return cls(name, settings["store"][f"{kind}_quality"] if name == "jpeg" else 0)

    @property
    def lossless(self) -> bool:
        return self.name != "jpeg"

    def __str__(self) -> str:
        return f"{self.name}: {DESCRIPTIONS[self.name].format(quality=self.quality)}"

    def create_dataset(self, file: h5py.File, key: str, shape: tuple[int, ...]) -> h5py.Dataset:
        """Create an empty dataset for frames or fields of a `shape`, (H, W, 3) or (2, H, W)."""
        is_frames = shape[-1] == 3
        if self.name == "gzip":
            chunks = (1, *shape)
            filters = {"compression": "gzip", "compression_opts": 1}
        elif self.name == "lz4":
            chunks = (1 if is_frames else FIELDS_PER_CHUNK, *shape)
            filters = _external_filter(LZ4_FILTER, int(np.prod(shape)), CHECKED)
        else:
            height, width = shape[:2] if is_frames else shape[1:]
            chunks = (1, *shape) if is_frames else (1, 1, height, width)
            options = (self.quality, width, height, int(is_frames), CHECKED)
            filters = _external_filter(JPEG_FILTER, *options)
        return file.create_dataset(
            key, (0, *shape), np.uint8, maxshape=(None, *shape), chunks=chunks, **filters
        )

    def append(self, dataset: h5py.Dataset, arrays: np.ndarray) -> bytes:
        """Append (n, H, W, 3) frames or (n, 2, H, W) fields to a dataset of `create_dataset`.

        Fields fill whole chunks: n is a multiple of FIELDS_PER_CHUNK, except at the clip's end.
        Returns the bytes that identify the content, to take a digest of: the pixels, but of jpeg
        the JPEG files, as decoders may differ in the last bit.
        """
        start = len(dataset)
        dataset.resize(start + len(arrays), axis=0)
        if self.name == "jpeg":
            return b"".join(
                self._write_jpeg(dataset, start + number, array)
                for number, array in enumerate(arrays)
            )
        if self.name == "gzip":
            dataset[start:] = arrays
        else:
            chunk_length = dataset.chunks[0]
            for first in range(0, len(arrays), chunk_length):
                part = arrays[first : first + chunk_length]
                level = FAST_LZ4_LEVEL if self.fast else LZ4_LEVEL
                chunk = _lz4_chunk(part, chunk_length, level)
                _write_chunk(dataset, (start + first, 0, 0, 0), chunk)
        return arrays.tobytes()

    def _write_jpeg(self, dataset: h5py.Dataset, index: int, array: np.ndarray) -> bytes:
        """Write one frame as a JPEG file, or one field as two; returns the files in a row."""
        # (H, W, 3) is one image; (2, H, W) is two.
        images = [array] if dataset.chunks[-1] == 3 else array
        contents = [jpeg.encode(image, self.quality) for image in images]
        for plane, content in enumerate(contents):
            _write_chunk(dataset, (index, plane, 0, 0), content)
        return b"".join(contents)


DEFAULT_CODEC = Codec()


def _external_filter(number: int, *options: int) -> dict:
    """Arguments of `create_dataset` for a filter that HDF5 itself need not have installed."""
    return {"compression": number, "compression_opts": options, "allow_unknown_filter": True}


def _write_chunk(dataset: h5py.Dataset, offset: tuple[int, ...], content: bytes) -> None:
    """Write a chunk with its checksum behind it."""
    dataset.id.write_direct_chunk(offset, content + CHECKSUM.pack(crc32(content)))


def _lz4_chunk(arrays: np.ndarray, chunk_length: int, level: int) -> bytes:
    """Encode up to `chunk_length` frames or fields as a chunk of filter 32004, one block for each.

    All numbers are big-endian: the chunk's size (8 bytes) and the blocks' size (4), both before
    compression, then for each block its compressed size (4) and its content. A block that does not
    shrink is stored as it is. The last chunk of a clip is filled up with blocks of zeros, which
    take nearly no room.
    """
    size = arrays[0].nbytes
    padding = [np.zeros_like(arrays[0])] * (chunk_length - len(arrays))
    blocks = []
    for array in [*arrays, *padding]:
        block = imagecodecs.lz4_encode(np.ascontiguousarray(array), level=level, hc=True)
        block = block if len(block) < size else array.tobytes()
        blocks.append(struct.pack(">I", len(block)) + block)
    return struct.pack(">QI", size * len(blocks), size) + b"".join(blocks)
