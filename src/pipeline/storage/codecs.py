"""?"""

import struct
from dataclasses import dataclass

import h5py
import imagecodecs
import numpy as np

from pipeline.storage import jpeg

GZIP, LZ4, JPEG = 1, 32004, 32019  # numbers of HDF5's filters
FIELDS = 5  # flow fields in a chunk of lz4: half a stack
LEVEL = (
    7  # of LZ4's high compression: 235 fields a second; 9 takes 4 % less room and 3.5 times as long
)
ABOUT = {
    "gzip": "lossless, HDF5's own filter 1",
    "lz4": "lossless, HDF5 filter 32004 (in Python: import hdf5plugin)",
    "jpeg": "lossy, quality {quality}, HDF5 filter 32019; each chunk is a JPEG file",
}


@dataclass(frozen=True)
class Codec:
    """How a clip's frames (H, W, 3) or fields (2, H, W), its items, are kept; `quality` is JPEG's."""

    name: str = "gzip"
    quality: int = 0

    @classmethod
    def of(cls, settings: dict, kind: str) -> "Codec":
        """The coding that the settings choose for a `kind`, frames or flow; gzip where they say nothing."""
        name = settings.get("store", {}).get(kind, "gzip")
        return cls(name, settings["store"][f"{kind}_quality"] if name == "jpeg" else 0)

    @property
    def lossless(self) -> bool:
        return self.name != "jpeg"

    def __str__(self) -> str:
        return f"{self.name}: {ABOUT[self.name].format(quality=self.quality)}"

    def create(self, file: h5py.File, key: str, item: tuple[int, ...]) -> h5py.Dataset:
        """An empty dataset for a clip whose items have the shape `item`."""
        colour = item[-1] == 3
        chunk, filters = {
            "gzip": ((1, *item), {"compression": "gzip", "compression_opts": 1}),
            "lz4": ((1 if colour else FIELDS, *item), _unchecked(LZ4, int(np.prod(item)))),
            "jpeg": (
                (1, *item) if colour else (1, 1, *item[1:]),
                _unchecked(
                    JPEG, self.quality, *(item[1::-1] if colour else item[:0:-1]), int(colour)
                ),
            ),
        }[self.name]
        return file.create_dataset(
            key, (0, *item), np.uint8, maxshape=(None, *item), chunks=chunk, **filters
        )

    def append(self, data: h5py.Dataset, items: np.ndarray) -> bytes:
        """Append `items` (n, ..), n a multiple of FIELDS but at the end; returns what a digest is taken of.

        That is the pixels, or what is left of them: the JPEG files, as decoders may differ in a last bit.
        """
        start = len(data)
        data.resize(start + len(items), axis=0)
        if self.name == "gzip":
            data[start:] = items
        elif self.name == "lz4":
            for first in range(0, len(items), data.chunks[0]):
                data.id.write_direct_chunk(
                    (start + first, 0, 0, 0),
                    _lz4_chunk(items[first : first + data.chunks[0]], data),
                )
        else:
            return b"".join(
                self._append_jpeg(data, start + number, item) for number, item in enumerate(items)
            )
        return items.tobytes()

    def _append_jpeg(self, data: h5py.Dataset, place: int, item: np.ndarray) -> bytes:
        coded = [
            jpeg.encode(plane, self.quality) for plane in ([item] if data.chunks[-1] == 3 else item)
        ]
        for number, content in enumerate(coded):
            data.id.write_direct_chunk((place, number if len(coded) > 1 else 0, 0, 0), content)
        return b"".join(coded)


PLAIN = Codec()


def _unchecked(number: int, *values: int) -> dict:
    """Arguments for a dataset whose filter HDF5 need not have: chunks are written as they are."""
    return {"compression": number, "compression_opts": values, "allow_unknown_filter": True}


def _lz4_chunk(items: np.ndarray, data: h5py.Dataset) -> bytes:
    """Filter 32004's chunk, big-endian: its size, its blocks' size, then each block's coded size and content.

    A chunk at a clip's end is filled up with zeros, which take no room; a block that does not shrink stands as it is.
    """
    size = items[0].nbytes
    blocks = []
    for item in [*items, *[np.zeros_like(items[0])] * (data.chunks[0] - len(items))]:
        coded = imagecodecs.lz4_encode(np.ascontiguousarray(item), level=LEVEL, hc=True)
        coded = coded if len(coded) < size else item.tobytes()
        blocks.append(struct.pack(">I", len(coded)) + coded)
    return struct.pack(">QI", size * len(blocks), size) + b"".join(blocks)
