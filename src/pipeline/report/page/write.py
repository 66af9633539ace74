"""The page of one or several results: one HTML file that holds all that it shows."""

import base64
import hashlib
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from pipeline.config import shipped
from pipeline.errors import MachineError, PipelineError
from pipeline.files import replacing
from pipeline.report.layout import bytes_text, count_text, visible
from pipeline.report.page import (
    accuracies,
    clips,
    comparison,
    confusion,
    costs,
    gallery,
    groups,
    origins,
    paper,
    sweeps,
    training,
)
from pipeline.report.page.axes import Axis, axis, path
from pipeline.report.page.found import Found, find

PACKAGE = "pipeline.report.page"
# Bytes of pictures of clips, and clips of the gallery, for all results together: the page of a
# set as large as UCF101 stays below 3 MB.
PICTURES, GALLERY = 900_000, 6
# Results of which all likeliest classes of a clip are told; of more results the first alone is.
FEW = 3
# What the system says of a place where no file can be; of a full disk it says others.
UNWRITABLE = (FileNotFoundError, FileExistsError, NotADirectoryError, PermissionError)
# What a part of a result is read with that somebody has changed by hand.
UNREADABLE = (KeyError, TypeError, AttributeError, ValueError, IndexError)


@dataclass(frozen=True)
class Section:
    """A part of the page: its `content`, or a sentence that says why it is `absent`."""

    content: dict | list | None
    absent: str = ""


def write(paths: Sequence[Path], out: Path) -> None:
    """Write the page of the results at `paths` to `out`, whole or not at all.

    Raises PipelineError for what is no result, and where the file cannot be written.
    """
    text = page([find(path) for path in paths])
    try:
        with replacing(out, sealed=False) as temporary:
            # JSON can hold halves of characters, which no file can.
            temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    except UNWRITABLE as error:
        raise PipelineError(
            f"{out}: it cannot be written ({error.strerror}); name another file"
        ) from error


def page(founds: list[Found]) -> str:
    """The HTML of the page of some results."""
    names = _names(founds)
    results = [
        _sections(found, name, number, len(founds))
        for number, (found, name) in enumerate(zip(founds, names, strict=True))
    ]
    compared = _section(lambda: comparison.compare(founds, names)) if len(founds) > 1 else None
    script = resources.files(PACKAGE).joinpath("page.js").read_text(encoding="utf-8")
    data = {"results": [_data(result) for result in results]}
    environment = Environment(
        loader=PackageLoader(PACKAGE, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= FILTERS
    environment.globals |= {"axis": axis, "Axis": Axis}
    return environment.get_template("page.html").render(
        title=", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else ""),
        results=results,
        compared=compared,
        script=Markup(script),
        # Only this script may run, and nothing may be fetched.
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=htmlsafe_json_dumps(data, dumps=_compact),
        version=shipped.version(),
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
    )


def _names(founds: list[Found]) -> list[str]:
    """A name for each result; those that would be the same have that of their paths with them in
    which they differ.
    """
    names = [visible(found.name) for found in founds]
    parts = [found.path.absolute().parent.parts for found in founds]
    told = []
    for number, (name, own) in enumerate(zip(names, parts, strict=True)):
        same = [others for other, others in zip(names, parts, strict=True) if other == name]
        differing = visible("/".join(_differing(own, same))) or f"no. {number + 1}"
        told.append(name if len(same) == 1 else f"{name} ({differing})")
    # The same result may be named twice.
    return [
        name if told.count(name) == 1 else f"{name}, no. {number}"
        for number, name in enumerate(told, start=1)
    ]


def _differing(own: tuple[str, ...], same: list[tuple[str, ...]]) -> tuple[str, ...]:
    """The parts of a path without those that all of the `same` begin and end with."""
    first = len(os.path.commonprefix(same))
    last = len(os.path.commonprefix([parts[first:][::-1] for parts in same]))
    return own[first : len(own) - last]


def _sections(found: Found, name: str, number: int, count: int) -> dict:
    """All sections of a result by name."""
    builders: dict[str, Callable[[], dict | list]] = {
        "headline": lambda: accuracies.headline(found),
        "sources": lambda: accuracies.sources(found),
        "classes": lambda: accuracies.by_class(found),
        "confusion": lambda: confusion.confusion(found),
        "clips": lambda: clips.clips(found, PICTURES // count, clips.TOP if count <= FEW else 1),
        "gallery": lambda: gallery.gallery(found, max(2, GALLERY // count)),
        "groups": lambda: groups.groups(found),
        "training": lambda: training.curves(found),
        "sweeps": lambda: sweeps.sweeps(found),
        "tables": lambda: paper.beside_the_paper(found),
        "costs": lambda: costs.costs(found),
        "origins": lambda: origins.origins(found),
    }
    sections = {key: _section(build) for key, build in builders.items()}
    return {
        "name": name,
        "set": visible(found.result["set"]),
        "run": visible(found.result["split"]),
        "number": number,
        "headline_source": found.headline,
        **sections,
    }


def _section(build: Callable[[], dict | list]) -> Section:
    """A section, or why there is none."""
    try:
        return Section(build())
    except MachineError:
        raise
    except PipelineError as error:
        text = visible(str(error))
        return Section(None, text if text.endswith(".") else f"{text}.")
    except UNREADABLE:
        return Section(None, "This result does not say this as results of this program do.")


def _data(result: dict) -> dict:
    """What the script of the page shows of a result."""
    confused = result["confusion"].content
    return {
        "confusion": confused
        and {key: confused[key] for key in ("classes", "order", "totals", "cells")},
        "clips": result["clips"].content,
    }


def _compact(value, **_) -> str:
    return json.dumps(value, separators=(",", ":"))


# Filters of the template.


def percent(share: float | None, digits: int = 1) -> str:
    """0.937 gives '93.7', nothing a dash."""
    return "–" if share is None else f"{100 * share:.{digits}f}"


def signed(share: float | None) -> str:
    """0.012 gives '+1.2', in points of per cent, with a minus that is as wide as the plus."""
    if share is None:
        return "–"
    return f"{100 * share:+.1f}".replace("-", "−") if abs(share) >= 0.0005 else "0.0"


def duration(seconds: float) -> str:
    """7260 gives '2.0 h', 95 '1.6 min', 4.2 '4.2 s'."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.1f} s"


def p_value(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def colour_class(key: str) -> str:
    """The CSS class of the colour of a source; names from elsewhere are cut to what may be one."""
    return "c-" + re.sub(r"[^a-z_]", "_", key.lower())[:40]


FILTERS = {
    "percent": percent,
    "signed": signed,
    "duration": duration,
    "p_value": p_value,
    "colour": colour_class,
    "size": lambda size: "–" if size is None else bytes_text(size),
    "count": count_text,
    "path": path,
    "shown": visible,
}
