"""Read frames and flow fields out of HDF5 datasets, decoding no more of them than is asked for.

Chunks of the filters lz4 and jpeg (see `codecs`) are read directly and decoded here: HDF5 copies
nothing, caches nothing, and needs no plug-in. All other datasets are read by HDF5.

An index is the number of a frame or field within its clip. A rect is a pair of slices: the rows and
the columns of a rectangle of pixels. A buffer is memory for a whole frame or field.
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat

import h5py
import imagecodecs
import numpy as np

from pipeline.errors import PipelineError, first_line, remake
from pipeline.storage import jpeg_decoding
from pipeline.storage.codecs import JPEG_FILTER, LZ4_FILTER
from pipeline.storage.keys import id_of

Rect = tuple[slice, slice]


def frames_or_fields(
    dataset: h5py.Dataset, indices: np.ndarray, rows: slice, columns: slice
) -> Iterator[np.ndarray]:
    """Yield `rows` and `columns` of the frames (h, w, 3) or fields (2, h, w) at ascending indices.

    All are views of one buffer, so each is valid only until the next.
    Raises PipelineError for what cannot be decoded.
    """
    buffer = np.empty(dataset.shape[1:], np.uint8)
    return _decode(dataset, indices, repeat(buffer), (rows, columns))


def read(
    dataset: h5py.Dataset,
    indices: np.ndarray | range | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Read the (n, H, W, 3) frames or (n, 2, H, W) fields at ascending indices; all by default.

    Reads into `out` where it is given. Raises PipelineError for what cannot be decoded.
    """
    indices = range(len(dataset)) if indices is None else indices
    if out is None:
        out = np.empty((len(indices), *dataset.shape[1:]), dataset.dtype)
    height, width = dataset.shape[1:3] if _is_frames(dataset) else dataset.shape[2:]
    for _ in _decode(dataset, indices, out, (slice(0, height), slice(0, width))):
        pass
    return out


def _decode(
    dataset: h5py.Dataset,
    indices: np.ndarray | range,
    buffers: Iterable[np.ndarray],
    rect: Rect,
) -> Iterator[np.ndarray]:
    """Decode each index into the next of `buffers`, and yield a view of its rectangle.

    Outside the rectangle a buffer need not be written.
    """
    decode = _decoder(dataset)
    try:
        yield from decode(dataset, indices, buffers, rect)
    except (OSError, RuntimeError, ValueError, IndexError, struct.error) as error:
        path = dataset.file.filename
        clip = f"{path}: clip '{id_of(dataset.name.strip('/'))}'"
        reason = first_line(error)
        if "filter" in reason and "regist" in reason or "plugin" in reason:
            raise PipelineError(
                f"{clip} is coded by a filter that HDF5 does not find ({reason}); "
                "pip install hdf5plugin, then export HDF5_PLUGIN_PATH="
                "$(python -c 'import hdf5plugin as h; print(h.PLUGIN_PATH)')"
            ) from error
        raise PipelineError(f"{clip} cannot be decoded ({reason}); {remake(path)}") from error


def _decoder(dataset: h5py.Dataset) -> Callable[..., Iterator[np.ndarray]]:
    """The function that decodes a dataset; HDF5 decodes what has an unknown filter, or several."""
    properties = dataset.id.get_create_plist()
    if properties.get_nfilters() != 1:
        return _decode_by_hdf5
    (number, *_) = properties.get_filter(0)
    return {LZ4_FILTER: _decode_lz4, JPEG_FILTER: _decode_jpeg}.get(number, _decode_by_hdf5)


def _is_frames(dataset: h5py.Dataset) -> bool:
    """Whether a dataset holds frames (n, H, W, 3), not fields (n, 2, H, W)."""
    return dataset.shape[-1] == 3


def _within_item(dataset: h5py.Dataset, rect: Rect) -> tuple[slice, ...]:
    """The rectangle as an index into one frame (H, W, 3) or one field (2, H, W)."""
    return rect if _is_frames(dataset) else (slice(None), *rect)


def _decode_by_hdf5(
    dataset: h5py.Dataset, indices: np.ndarray | range, buffers: Iterable[np.ndarray], rect: Rect
) -> Iterator[np.ndarray]:
    """Decode through h5py; consecutive indices are one read."""
    crop = _within_item(dataset, rect)
    indices, buffers = np.asarray(indices), iter(buffers)
    for run in np.split(indices, np.flatnonzero(np.diff(indices) != 1) + 1):
        for array in dataset[run[0] : run[-1] + 1] if len(run) else ():
            buffer = next(buffers)
            buffer[:] = array
            yield buffer[crop]


def _decode_lz4(
    dataset: h5py.Dataset, indices: np.ndarray | range, buffers: Iterable[np.ndarray], rect: Rect
) -> Iterator[np.ndarray]:
    """Decode blocks of LZ4, each a frame or field; a chunk is read once for all of its blocks."""
    crop = _within_item(dataset, rect)
    chunk_length, size = dataset.chunks[0], int(np.prod(dataset.shape[1:]))
    current_chunk = None
    for index, buffer in zip(indices, buffers, strict=False):
        chunk, position = divmod(int(index), chunk_length)
        if chunk != current_chunk:
            filter_mask, content = dataset.id.read_direct_chunk((chunk * chunk_length, 0, 0, 0))
            blocks = None if filter_mask else _lz4_blocks(memoryview(content), size, chunk_length)
            current_chunk = chunk
        if filter_mask:
            # The chunk was written without the filter.
            buffer[:] = np.frombuffer(content, np.uint8).reshape(dataset.chunks)[position]
        elif blocks is None:
            # Another program wrote the chunk, in blocks of another size.
            buffer[:] = dataset[index]
        elif len(blocks[position]) == size:
            # The block did not shrink and is stored as it is.
            buffer.reshape(-1)[:] = blocks[position]
        elif len(imagecodecs.lz4_decode(blocks[position], out=buffer.reshape(-1))) != size:
            raise ValueError("a block of other size")
        yield buffer[crop]


def _lz4_blocks(content: memoryview, size: int, count: int) -> list[memoryview] | None:
    """Split a chunk of filter 32004 into its `count` compressed blocks of `size` decoded bytes.

    Returns None where the chunk is in blocks of another size. `codecs` describes the format where
    it writes such chunks.
    """
    chunk_size, block_size = struct.unpack_from(">QI", content)
    if chunk_size != size * count:
        raise ValueError("a chunk of other size")
    if block_size != size:
        return None
    # The chunk's header takes 12 bytes, and a block's length takes 4.
    blocks, offset = [], 12
    for _ in range(count):
        (length,) = struct.unpack_from(">I", content, offset)
        blocks.append(content[offset + 4 : offset + 4 + length])
        offset += 4 + length
    if offset > len(content):
        raise ValueError("a chunk cut short")
    return blocks


def _decode_jpeg(
    dataset: h5py.Dataset, indices: np.ndarray | range, buffers: Iterable[np.ndarray], rect: Rect
) -> Iterator[np.ndarray]:
    """Decode JPEG files, of each no more than the rectangle needs."""
    # A frame is one file, a field is one file for x and one for y.
    file_per_frame = dataset.chunks[-1] == 3
    for index, buffer in zip(indices, buffers, strict=False):
        if file_per_frame:
            yield _decode_jpeg_chunk(dataset, (int(index), 0, 0, 0), buffer, rect)
        else:
            for number, plane in enumerate(buffer):
                chunk = (int(index), number, 0, 0)
                plane[rect] = _decode_jpeg_chunk(dataset, chunk, plane, rect)
            yield buffer[:, *rect]


def _decode_jpeg_chunk(
    dataset: h5py.Dataset, offset: tuple[int, ...], buffer: np.ndarray, rect: Rect
) -> np.ndarray:
    """Decode the rectangle of the chunk at `offset`; returns a view of `buffer`."""
    filter_mask, content = dataset.id.read_direct_chunk(offset)
    if filter_mask:
        # The chunk was written without the filter.
        buffer[:] = np.frombuffer(content, np.uint8).reshape(buffer.shape)
        return buffer[rect]
    return jpeg_decoding.decode(content, buffer, *rect)
