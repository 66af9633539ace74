"""Every test clip: what each source says of it, and a picture where its frames are at hand."""

import numpy as np

from pipeline.errors import PipelineError
from pipeline.report.layout import visible
from pipeline.report.page.found import Found
from pipeline.report.page.images import data_uri
from pipeline.report.probabilities import as_probabilities
from pipeline.report.text import NAMES
from pipeline.storage import decoding, reader

# The likeliest classes that are told of each source.
TOP = 5
# Probabilities are told in thousandths.
PARTS = 1000
# Pixels across of a picture, and the most pictures: each takes some milliseconds.
WIDTH, MOST_PICTURES = 104, 700


def clips(found: Found, allowance: int, top: int = TOP) -> dict:
    """All test clips, by source their `top` likeliest classes, and pictures of `allowance` bytes.

    Lists of classes and of their probabilities follow one another clip by clip.
    Raises PipelineError where the scores of the clips are not at hand.
    """
    values, top = found.fused.values, min(top, len(found.classes))
    space = found.config.get("scores", {}).get("space", "softmax")
    told = {}
    for source in found.sources:
        order = np.argsort(-values[source], axis=1, kind="stable")[:, :top]
        shares = as_probabilities(
            source, values[source], found.scores.keys(), space, found.fused.about
        )
        parts = np.rint(PARTS * np.take_along_axis(shares, order, axis=1)).astype(int)
        told[source] = {"classes": order.ravel().tolist(), "parts": parts.ravel().tolist()}
    pictures, without = _pictures(found, _interesting(found), allowance)
    return {
        "top": top,
        "names": [visible(clip) for clip in found.clips],
        "labels": found.labels.tolist(),
        "classes": [visible(name) for name in found.classes],
        "sources": [
            {"key": key, "name": NAMES.get(key, key), **told[key]} for key in found.sources
        ],
        "pictures": pictures,
        "without_pictures": without,
    }


def _right(found: Found, source: str) -> np.ndarray:
    """Which clips (clips,) a source gets right; none where the result has no such source."""
    values = found.fused.values.get(source)
    if values is None:
        return np.zeros(len(found.labels), bool)
    return values.argmax(axis=1) == found.labels


def _interesting(found: Found) -> np.ndarray:
    """All clips (clips,): those on which sources differ first, then those that are wrong."""
    by_asyn, together = _right(found, "asyn"), _right(found, "asyn_idt")
    has = found.fused.values.keys()
    mended = by_asyn & ~_right(found, "two_stream") if {"asyn", "two_stream"} <= has else False
    broken = by_asyn & ~together if "asyn_idt" in has else False
    wrong = ~_right(found, found.headline)
    rank = np.select(
        [mended | np.zeros_like(wrong), broken | np.zeros_like(wrong), wrong], [0, 1, 2], 3
    )
    return np.argsort(rank, kind="stable")


def _pictures(found: Found, order: np.ndarray, allowance: int) -> tuple[dict[int, str], str]:
    """Pictures of the clips' middle frames by the clips' number, and why there are no others."""
    try:
        rows = found.rows
        frames = reader.Shards(found.set_folder / "frames", "frames")
        pictures, size = {}, 0
        for number in order[:MOST_PICTURES].tolist():
            data = frames.dataset(rows[number])
            pictures[number] = data_uri(decoding.read(data, [len(data) // 2])[0], WIDTH)
            size += len(pictures[number])
            if size > allowance:
                break
    except PipelineError:
        return (
            {},
            "The frames of these clips are not beside this result, so there are no pictures.",
        )
    if len(pictures) < len(order):
        return pictures, (
            f"{len(pictures):,} clips have a picture, those first on which sources differ: "
            "pictures of all would make this file too large."
        )
    return pictures, ""
