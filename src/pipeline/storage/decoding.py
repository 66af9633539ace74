"""Codings of frames and flow inside HDF5, and a way to read them that decodes no more than is asked for.

| coding | loses | HDF5 filter | a chunk |
|---|---|---|---|
| gzip | nothing | built in | a frame or field |
| lz4 | nothing | 32004 | a frame, or 5 fields in blocks of one: each decodes alone |
| jpeg | by quality | 32019 | the JPEG file of a frame, or of one plane (x or y) of a field |

Filters 32004 and 32019 are registered with The HDF Group: programs that have them read the datasets like any other. We read
and write such chunks directly and code them ourselves, so HDF5 copies nothing and caches nothing, and needs no plug-in.
docs/store.md says what was measured and how to read the files elsewhere.
"""

import struct
from collections.abc import Iterable, Iterator
from itertools import repeat

import h5py
import imagecodecs
import numpy as np

from pipeline.errors import PipelineError, first_line, remake
from pipeline.storage import jpeg
from pipeline.storage.codecs import JPEG, LZ4
from pipeline.storage.keys import id_of


def frames_or_fields(
    data: h5py.Dataset, places: np.ndarray, rows: slice, columns: slice
) -> Iterator[np.ndarray]:
    """`rows` and `columns` of the frames (h, w, 3) or fields (2, h, w) of a clip at `places`, which ascend.

    Each is valid until the next. Raises PipelineError for what cannot be decoded.
    """
    return _decoded(data, places, repeat(np.empty(data.shape[1:], np.uint8)), (rows, columns))


def read(
    data: h5py.Dataset, places: np.ndarray | range | None = None, out: np.ndarray | None = None
) -> np.ndarray:
    """(n, H, W, 3) frames or (n, 2, H, W) fields of a clip at `places`, which ascend, or all; in `out` where it is given.

    Raises PipelineError for what cannot be decoded.
    """
    places = range(len(data)) if places is None else places
    out = np.empty((len(places), *data.shape[1:]), data.dtype) if out is None else out
    height, width = data.shape[1:3] if data.shape[-1] == 3 else data.shape[2:]
    for _ in _decoded(data, places, out, (slice(0, height), slice(0, width))):
        pass
    return out


def _decoded(
    data: h5py.Dataset,
    places: np.ndarray | range,
    targets: Iterable[np.ndarray],
    cut: tuple[slice, slice],
) -> Iterator[np.ndarray]:
    """The rectangle `cut`, its rows and columns, of each of `places`, decoded into the next of `targets`, or elsewhere.

    Chunks of a filter that we know are decoded here, block by block; all others, and those with more filters than one, by
    HDF5.
    """
    decode = {LZ4: _lz4_items, JPEG: _jpeg_items}.get(filter_of(data), _hdf5_items)
    try:
        yield from decode(data, places, targets, cut)
    except (OSError, RuntimeError, ValueError, IndexError, struct.error) as error:
        where, what = (
            f"{data.file.filename}: clip '{id_of(data.name.strip('/'))}'",
            first_line(error),
        )
        if "filter" in what and "regist" in what or "plugin" in what:
            raise PipelineError(
                f"{where} is coded by a filter that HDF5 does not find ({what}); pip install hdf5plugin, "
                "then export HDF5_PLUGIN_PATH=$(python -c 'import hdf5plugin as h; print(h.PLUGIN_PATH)')"
            ) from error
        raise PipelineError(
            f"{where} cannot be decoded ({what}); {remake(data.file.filename)}"
        ) from error


def filter_of(data: h5py.Dataset) -> int | None:
    """The number of a dataset's one filter; None where it has none or several."""
    properties = data.id.get_create_plist()
    return properties.get_filter(0)[0] if properties.get_nfilters() == 1 else None


def _hdf5_items(
    data: h5py.Dataset, places: np.ndarray, targets: Iterable[np.ndarray], cut: tuple
) -> Iterator[np.ndarray]:
    """Runs of neighbours, in one read each."""
    cut = cut if data.shape[-1] == 3 else (slice(None), *cut)
    places, targets = np.asarray(places), iter(targets)
    for run in np.split(places, np.flatnonzero(np.diff(places) != 1) + 1):
        for found in data[run[0] : run[-1] + 1] if len(run) else ():
            item = next(targets)
            item[:] = found
            yield item[cut]


def _lz4_items(
    data: h5py.Dataset, places: np.ndarray, targets: Iterable[np.ndarray], cut: tuple
) -> Iterator[np.ndarray]:
    cut = cut if data.shape[-1] == 3 else (slice(None), *cut)
    a_chunk, size, held = data.chunks[0], int(np.prod(data.shape[1:])), None
    for place, item in zip(places, targets, strict=False):
        chunk, number = divmod(int(place), a_chunk)
        if chunk != held:
            mask, content = data.id.read_direct_chunk((chunk * a_chunk, 0, 0, 0))
            blocks, held = None if mask else _lz4_blocks(memoryview(content), size, a_chunk), chunk
        if mask:  # written without the filter
            item[:] = np.frombuffer(content, np.uint8).reshape(data.chunks)[number]
        elif blocks is None:  # by another program, in blocks of another size
            item[:] = data[place]
        elif len(blocks[number]) == size:
            item.reshape(-1)[:] = blocks[number]
        elif len(imagecodecs.lz4_decode(blocks[number], out=item.reshape(-1))) != size:
            raise ValueError("a block of other size")
        yield item[cut]


def _lz4_blocks(content: memoryview, size: int, count: int) -> list[memoryview] | None:
    """The coded blocks of a chunk of `count` blocks of `size`; None where it has others. See `_lz4_chunk`."""
    whole, block = struct.unpack_from(">QI", content)
    if whole != size * count:
        raise ValueError("a chunk of other size")
    if block != size:
        return None
    blocks, at = [], 12
    for _ in range(count):
        (length,) = struct.unpack_from(">I", content, at)
        blocks.append(content[at + 4 : at + 4 + length])
        at += 4 + length
    if at > len(content):
        raise ValueError("a chunk cut short")
    return blocks


def _jpeg_items(
    data: h5py.Dataset, places: np.ndarray, targets: Iterable[np.ndarray], cut: tuple
) -> Iterator[np.ndarray]:
    """No more of a file is decoded than the rectangle needs."""
    for place, item in zip(places, targets, strict=False):
        if data.chunks[-1] == 3:
            yield _jpeg_cut(data, (int(place), 0, 0, 0), item, cut)
        else:
            for number, plane in enumerate(item):
                plane[cut] = _jpeg_cut(data, (int(place), number, 0, 0), plane, cut)
            yield item[:, *cut]


def _jpeg_cut(
    data: h5py.Dataset, chunk: tuple[int, ...], out: np.ndarray, cut: tuple
) -> np.ndarray:
    mask, content = data.id.read_direct_chunk(chunk)
    if not mask:
        return jpeg.decode(content, out, *cut)
    out[:] = np.frombuffer(content, np.uint8).reshape(out.shape)  # written without the filter
    return out[cut]
