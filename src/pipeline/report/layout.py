"""Lines of plain text in columns: tables, facts, sizes."""

import json
import textwrap

import h5py
import numpy as np

FEW = 3  # clips of a class, and names of a list, that are shown unless all are asked for


def dataset_row(name: str, data: h5py.Dataset, everything: bool = False) -> tuple[str, ...]:
    """A dataset's row of the tree; it ends with the names that the dataset lists, or with its attributes."""
    shape = "x".join(map(str, data.shape))
    if h5py.check_string_dtype(data.dtype):
        return (
            name,
            f"str {shape}",
            *readable(dataset_size(data)),
            value_text(data.asstr()[...], everything),
        )
    attributes = {
        key: value for key, value in data.attrs.items() if key != "clip" or f"/{value}" != data.name
    }
    return name, f"{data.dtype} {shape}", *readable(dataset_size(data)), value_text(attributes)


def evenly(count: int, most: int) -> list[int]:
    """Up to `most` numbers of 0 .. count - 1, evenly spaced, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, most).round().astype(int)).tolist()


def facts_lines(facts: dict, width: int, indent: str = "", everything: bool = True) -> list[str]:
    """Lines 'key  value', the values aligned and wrapped."""
    start = max(map(len, facts), default=0) + 2
    lines = []
    for key, value in facts.items():
        lines += wrap(
            value_text(value, everything) or "-",
            width,
            f"{indent}{key:{start}}",
            indent + " " * start,
        )
    return lines


def table_lines(rows: list[tuple[str, ...]], align: str, width: int) -> list[str]:
    """Cells in columns, each to the side that `align` says, '<' or '>'; then a note, which takes lines below if long.

    A first cell that would push the others out of the width gets a line of its own.
    """
    sizes = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    sizes[0] = min(sizes[0], max(width - sum(sizes[1:]) - 2 * len(sizes[1:]), 20))
    lines = []
    for first, *others, note in rows:
        if len(first) > sizes[0]:
            lines.append(first)
            first = ""
        cells = zip((first, *others), align, sizes, strict=True)
        lines.append("  ".join(f"{cell:{side}{size}}" for cell, side, size in cells))
        if len(lines[-1]) + 2 + len(note) <= width:
            lines[-1] = f"{lines[-1]}  {note}".rstrip()
        else:
            lines += wrap(note, width, " " * 6)
    return lines


def wrap(text: str, width: int, first: str, later: str | None = None) -> list[str]:
    """Wrap a text behind indents, without breaking a name or a number."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=first if later is None else later,
        break_long_words=False,
        break_on_hyphens=False,
    )


def value_text(value, everything: bool = True) -> str:
    """An attribute or a setting as text: dictionaries as 'key=value, ..', long lists cut unless all is wanted."""
    if isinstance(value, dict):
        inner = (
            f"{{{value_text(inner)}}}" if isinstance(inner, dict) else value_text(inner)
            for inner in value.values()
        )
        return ", ".join(f"{key}={text}" for key, text in zip(value, inner, strict=True))
    if isinstance(value, np.ndarray):
        names = [str(name) for name in value]
        return ", ".join(
            names
            if everything or len(names) <= FEW + 1
            else [*names[:FEW], f".. {len(names)} in all"]
        )
    return str(value) if isinstance(value, str | np.generic) else json.dumps(value)


def counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 'es' if noun.endswith('s') else 's'}"


def dataset_size(data: h5py.Dataset) -> np.ndarray:
    """Bytes of a dataset on disk and in memory; HDF5 keeps text elsewhere in the file, and references to it here."""
    disk, memory = data.id.get_storage_size(), data.nbytes
    if h5py.check_string_dtype(data.dtype):
        memory = sum(map(len, data[...].tolist()))
        disk += memory
    return np.array([disk, memory])


def readable(size: np.ndarray) -> tuple[str, str, str]:
    """Bytes on disk and in memory for people, and the latter over the former."""
    return bytes_text(size[0]), bytes_text(size[1]), f"{size[1] / size[0]:.1f}" if size[0] else ""


def bytes_text(size: float) -> str:
    """744 -> '744 B', 9123456 -> '9.1 MB'."""
    power = min(int(np.log10(max(size, 1))) // 3, 3)
    number = size / 1000**power
    return f"{number:.{int(power > 0 and number < 99.95)}f} {('B', 'kB', 'MB', 'GB')[power]}"
