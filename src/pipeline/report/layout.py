"""Plain text in columns: tables, facts and sizes."""

import json
import textwrap
import unicodedata

import h5py
import numpy as np

from pipeline.storage import attributes

# Control characters, which would act on a terminal, as text.
_VISIBLE = {code: f"\\x{code:02x}" for code in [*range(32), *range(127, 160)]}
# Clips of a class, and names of a list, that are shown unless all are wanted.
FEW = 3


def dataset_row(name: str, data: h5py.Dataset, everything: bool = False) -> tuple[str, ...]:
    """The row of a dataset in the tree of a file: name, type, sizes, and a note.

    The note holds the names that the dataset lists, all of them with `everything`, or else its
    attributes.
    """
    shape = "x".join(map(str, data.shape))
    sizes = size_texts(dataset_size(data))
    if h5py.check_string_dtype(data.dtype):
        return name, f"str {shape}", *sizes, value_text(data.asstr()[...], everything)
    # The attribute 'clip' says something new only where HDF5's path of the clip is another.
    facts = {
        key: value
        for key, value in attributes.read(data).items()
        if key != "clip" or f"/{value}" != data.name
    }
    return name, f"{data.dtype} {shape}", *sizes, value_text(facts)


def evenly_spaced(count: int, most: int) -> list[int]:
    """Up to `most` numbers of 0 .. count - 1, evenly spaced, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, most).round().astype(int)).tolist()


def facts_lines(facts: dict, width: int, indent: str = "", everything: bool = True) -> list[str]:
    """Lines 'key  value', the values aligned and wrapped."""
    start = max(map(len, facts), default=0) + 2
    lines = []
    for key, value in facts.items():
        text = value_text(value, everything) or "-"
        lines += wrap(text, width, f"{indent}{key:{start}}", indent + " " * start)
    return lines


def table_lines(rows: list[tuple[str, ...]], align: str, width: int) -> list[str]:
    """Rows of cells in columns, the last cell of each a note behind them.

    `align` is '<' or '>' for each column. A first cell that would push the others out of the width
    gets a line of its own; so do long notes, below their row.
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
    """Lines of a text behind the indents `first` and `later`, no name or number broken."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=first if later is None else later,
        break_long_words=False,
        break_on_hyphens=False,
    )


def value_text(value, everything: bool = True) -> str:
    """An attribute or a setting as text.

    Dictionaries become 'key=value, ..'; long lists are cut unless `everything` is wanted.
    """
    if isinstance(value, dict):
        inner = (
            f"{{{value_text(inner)}}}" if isinstance(inner, dict) else value_text(inner)
            for inner in value.values()
        )
        return ", ".join(f"{key}={text}" for key, text in zip(value, inner, strict=True))
    if isinstance(value, np.ndarray):
        names = [str(name) for name in value]
        if not everything and len(names) > FEW + 1:
            names = [*names[:FEW], f".. {len(names)} in all"]
        return ", ".join(names)
    return str(value) if isinstance(value, str | np.generic) else json.dumps(value)


def visible(text: str) -> str:
    r"""A line of text, its control characters written as '\x1b' is here."""
    return text.translate(_VISIBLE)


def columns_of(text: str) -> int:
    """The columns of a terminal that a text takes: Chinese signs take two, added accents none."""
    return sum(_columns(sign) for sign in text)


def _columns(sign: str) -> int:
    if unicodedata.combining(sign):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1


def fit(text: str, width: int) -> str:
    """A text in `width` columns of a terminal: shortened in its middle, or filled with blanks."""
    text = visible(text)
    if columns_of(text) > width:
        begin, end = (width - 2) - (width - 2) // 2, (width - 2) // 2
        text = f"{_start(text, begin)}..{_start(text[::-1], end)[::-1]}"
    return text + " " * (width - columns_of(text))


def _start(text: str, width: int) -> str:
    """As many signs of the start of a text as fit into `width` columns."""
    ends = np.cumsum([_columns(sign) for sign in text])
    return text[: int(np.searchsorted(ends, width, side="right"))]


def count_text(count: int, noun: str) -> str:
    """'1 clip', '3 clips', '2 classes'."""
    return f"{count} {noun}{'' if count == 1 else 'es' if noun.endswith('s') else 's'}"


def dataset_size(data: h5py.Dataset) -> np.ndarray:
    """Bytes of a dataset on disk and in memory, (2,)."""
    disk, memory = data.id.get_storage_size(), data.nbytes
    # HDF5 keeps text elsewhere in the file, and references to it in the dataset.
    if h5py.check_string_dtype(data.dtype):
        memory = sum(map(len, data[...].tolist()))
        disk += memory
    return np.array([disk, memory])


def size_texts(size: np.ndarray) -> tuple[str, str, str]:
    """Bytes on disk and in memory for people, and the latter over the former."""
    disk, memory = size
    return bytes_text(disk), bytes_text(memory), f"{memory / disk:.1f}" if disk else ""


def bytes_text(size: float) -> str:
    """744 -> '744 B', 9123456 -> '9.1 MB'."""
    power = min(int(np.log10(max(size, 1))) // 3, 3)
    number = size / 1000**power
    return f"{number:.{int(power > 0 and number < 99.95)}f} {('B', 'kB', 'MB', 'GB')[power]}"
