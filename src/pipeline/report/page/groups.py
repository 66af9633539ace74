"""Class groups: the teacher's likeliest classes over training clips, as in the paper's Figure 4."""

from collections import Counter
from pathlib import Path

import h5py
import numpy as np

from pipeline.config import kinds
from pipeline.errors import PipelineError
from pipeline.report.layout import evenly_spaced, visible
from pipeline.report.page.found import Found
from pipeline.storage import attributes
from pipeline.storage.reader import opened

# Classes of which a clip is shown, and clips of each class by which shares are measured.
SHOWN_CLASSES, MEASURED_CLIPS = 6, 5
# Colours of the classes other than the true one, in a strip; all further classes are grey.
COLOURS = 8


def groups(found: Found) -> dict:
    """By stream how often the truth is among the teacher's likeliest classes, and strips of clips.

    Raises PipelineError where its networks have none, or no rankings are beside the result.
    """
    if not kinds.has_groups(found.config):
        raise PipelineError("Networks of this kind learn no groups of classes.")
    streams = [_stream(path.with_suffix(".h5")) for path in found.records("groups")]
    streams = [stream for stream in streams if stream]
    if not streams:
        raise PipelineError("The rankings of the teacher, groups.h5, are not beside this result.")
    return {
        "streams": streams,
        "sizes": found.config["granularities"],
        "measured": MEASURED_CLIPS,
    }


def _stream(path: Path) -> dict | None:
    """What the groups of a stream say; None where there is no such file."""
    if not path.is_file():
        return None
    with opened(path, "groups") as file:
        classes = [visible(name) for name in attributes.read(file)["classes"]]
        found: dict[int, list[tuple[str, np.ndarray]]] = {}
        for folder in file.values():
            names = list(folder) if isinstance(folder, h5py.Group) else []
            for number in evenly_spaced(len(names), MEASURED_CLIPS) if names else []:
                data = folder[names[number]]
                about = attributes.read(data)
                found.setdefault(int(about["label"]), []).append(
                    (about["clip"], data[...].astype(int))
                )
    if not found:
        return None
    labels = sorted(found)
    shown = [labels[number] for number in evenly_spaced(len(labels), SHOWN_CLASSES)]
    return {
        "key": path.parent.name,
        "shares": _shares(found),
        "strips": [_strip(classes, label, *found[label][0]) for label in shown],
    }


def _shares(found: dict[int, list[tuple[str, np.ndarray]]]) -> list[dict]:
    """For each size of a group, the share of positions at which the truth is ranked within it."""
    ranks = []
    for label, clips in found.items():
        for _, ranked in clips:
            hits = ranked == label
            ranks.append(np.where(hits.any(axis=1), hits.argmax(axis=1), ranked.shape[1]))
    ranked_at = np.concatenate(ranks)
    depth = next(iter(found.values()))[0][1].shape[1]
    return [
        {"size": size, "share": float((ranked_at < size).mean())} for size in range(1, depth + 1)
    ]


def _strip(classes: list[str], label: int, clip: str, ranked: np.ndarray) -> dict:
    """The teacher's ranking (positions, depth) of a clip as runs of one class, rank by rank."""
    others = [other for other, _ in Counter(ranked[ranked != label].tolist()).most_common(COLOURS)]
    colours = {label: "true"} | {other: str(number) for number, other in enumerate(others)}
    rows = []
    for of_rank in ranked.T:
        edges = np.flatnonzero(np.diff(of_rank, prepend=-1, append=-1))
        rows.append(
            [
                {
                    "start": int(start),
                    "length": int(end - start),
                    "colour": colours.get(int(of_rank[start]), "other"),
                    "class": classes[of_rank[start]],
                }
                for start, end in zip(edges, edges[1:], strict=False)
            ]
        )
    return {
        "clip": visible(clip),
        "class": classes[label],
        "positions": len(ranked),
        "rows": rows,
        "legend": [
            {"colour": colour, "class": classes[number]} for number, colour in colours.items()
        ],
    }
