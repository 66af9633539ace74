"""Read frames and flow fields out of HDF5 datasets, decoding no more of them than is asked for.

Chunks of the filters lz4 and jpeg (see `codecs`) are read directly and decoded here: HDF5 copies
nothing, caches nothing, and needs no plug-in. All other datasets are read by HDF5.

An index is the number of a frame or field within its clip. A rect is a pair of slices: the rows and
the columns of a rectangle of pixels. A buffer is memory for a whole frame or field.
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import repeat

import h5py
import imagecodecs
import numpy as np

from pipeline.errors import PipelineError, first_line, remake
from pipeline.storage import jpeg_decoding
from pipeline.storage.codecs import CHECKED, CHECKSUM, JPEG_FILTER, LZ4_FILTER, crc32
from pipeline.storage.damage import broken
from pipeline.storage.keys import id_of

Rect = tuple[slice, slice]
# Takes the offset of a chunk, gives its filter mask and its content.
ReadChunk = Callable[[tuple[int, ...]], tuple[int, bytes | memoryview]]


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
    path, clip = dataset.file.filename, f"clip '{id_of(dataset.name.strip('/'))}'"
    with broken(path, clip):
        decode, checked = _decoder(dataset)
        read_chunk = partial(_read_chunk, dataset, checked)
        try:
            yield from decode(dataset, read_chunk, indices, buffers, rect)
        except OSError as error:
            reason = first_line(error)
            if "filter" in reason and "regist" in reason or "plugin" in reason:
                raise PipelineError(
                    f"{path}: {clip} is coded by a filter that HDF5 does not find ({reason}); "
                    "pip install hdf5plugin, then export HDF5_PLUGIN_PATH="
                    "$(python -c 'import hdf5plugin as h; print(h.PLUGIN_PATH)')"
                ) from error
            raise


def _decoder(dataset: h5py.Dataset) -> tuple[Callable[..., Iterator[np.ndarray]], bool]:
    """The function that decodes a dataset, and whether its chunks end with checksums.

    HDF5 decodes what has an unknown filter, or several.
    """
    properties = dataset.id.get_create_plist()
    if properties.get_nfilters() != 1:
        return _decode_by_hdf5, False
    number, _, options, _ = properties.get_filter(0)
    decode = {LZ4_FILTER: _decode_lz4, JPEG_FILTER: _decode_jpeg}.get(number, _decode_by_hdf5)
    return decode, options[-1:] == (CHECKED,)


def _read_chunk(
    dataset: h5py.Dataset, checked: bool, offset: tuple[int, ...]
) -> tuple[int, bytes | memoryview]:
    """Read a chunk: the mask of the filters that it was written without, and its content.

    Raises PipelineError where the content has another checksum than stands behind it.
    """
    filter_mask, content = dataset.id.read_direct_chunk(offset)
    # What another program wrote without the filter has no checksum.
    if not checked or filter_mask:
        return filter_mask, content
    content, checksum = memoryview(content)[: -CHECKSUM.size], content[-CHECKSUM.size :]
    if CHECKSUM.pack(crc32(content)) != checksum:
        path = dataset.file.filename
        raise PipelineError(
            f"{path}: clip '{id_of(dataset.name.strip('/'))}' is damaged: the chunk of "
            f"{_item(dataset)} {offset[0]} has another checksum than was written; {remake(path)}"
        )
    return filter_mask, content


def _item(dataset: h5py.Dataset) -> str:
    return "frame" if _is_frames(dataset) else "field"


def _is_frames(dataset: h5py.Dataset) -> bool:
    """Whether a dataset holds frames (n, H, W, 3), not fields (n, 2, H, W)."""
    return dataset.shape[-1] == 3


def _within_item(dataset: h5py.Dataset, rect: Rect) -> tuple[slice, ...]:
    """The rectangle as an index into one frame (H, W, 3) or one field (2, H, W)."""
    return rect if _is_frames(dataset) else (slice(None), *rect)


def _decode_by_hdf5(
    dataset: h5py.Dataset,
    _: ReadChunk,
    indices: np.ndarray | range,
    buffers: Iterable[np.ndarray],
    rect: Rect,
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
    dataset: h5py.Dataset,
    read_chunk: ReadChunk,
    indices: np.ndarray | range,
    buffers: Iterable[np.ndarray],
    rect: Rect,
) -> Iterator[np.ndarray]:
    """Decode blocks of LZ4, each a frame or field; a chunk is read once for all of its blocks."""
    crop = _within_item(dataset, rect)
    chunk_length, size = dataset.chunks[0], int(np.prod(dataset.shape[1:]))
    current_chunk = None
    for index, buffer in zip(indices, buffers, strict=False):
        chunk, position = divmod(int(index), chunk_length)
        if chunk != current_chunk:
            filter_mask, content = read_chunk((chunk * chunk_length, 0, 0, 0))
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
    dataset: h5py.Dataset,
    read_chunk: ReadChunk,
    indices: np.ndarray | range,
    buffers: Iterable[np.ndarray],
    rect: Rect,
) -> Iterator[np.ndarray]:
    """Decode JPEG files, of each no more than the rectangle needs."""
    # A frame is one file, a field is one file for x and one for y.
    file_per_frame = dataset.chunks[-1] == 3
    for index, buffer in zip(indices, buffers, strict=False):
        if file_per_frame:
            yield _decode_jpeg_chunk(read_chunk, (int(index), 0, 0, 0), buffer, rect)
        else:
            for number, plane in enumerate(buffer):
                chunk = (int(index), number, 0, 0)
                plane[rect] = _decode_jpeg_chunk(read_chunk, chunk, plane, rect)
            yield buffer[:, *rect]


def _decode_jpeg_chunk(
    read_chunk: ReadChunk, offset: tuple[int, ...], buffer: np.ndarray, rect: Rect
) -> np.ndarray:
    """Decode the rectangle of the chunk at `offset`; returns a view of `buffer`."""
    filter_mask, content = read_chunk(offset)
    if filter_mask:
        # The chunk was written without the filter.
        buffer[:] = np.frombuffer(content, np.uint8).reshape(buffer.shape)
        return buffer[rect]
    return jpeg_decoding.decode(content, buffer, *rect)
