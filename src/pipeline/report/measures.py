"""Numbers of one clip that both its text and its picture show."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np

from pipeline.data.crops import CROP_COUNTS
from pipeline.data.instants import count_stack_starts, scored_instants
from pipeline.report.beside import frame_count
from pipeline.report.clip import Clip
from pipeline.storage import decoding
from pipeline.storage.layout import BLOCK

# What `groups.missing` may be, and what pads groups that have one class fewer than others.
REPLACE, ADD = "replace", "add"
NO_CLASS = -1


def blocks(data: h5py.Dataset) -> Iterator[np.ndarray]:
    """All frames or fields of a clip, BLOCK of them at a time."""
    for start in range(0, len(data), BLOCK):
        yield decoding.read(data, range(start, min(start + BLOCK, len(data))))


# Flow


def displacement(codes: np.ndarray, bound: float) -> np.ndarray:
    """Bytes of flow as pixels, float32.

    The byte for no motion gives 0, not the half step by which it is off.
    """
    from pipeline.flow.levels import ZERO, dequantise

    return np.where(codes == ZERO, np.float32(0), dequantise(codes, bound))


def code_counts(fields: h5py.Dataset) -> np.ndarray:
    """How often each pair of bytes (x, y) is in a clip, (256, 256).

    Statistics of the counts are exact, and the clip need not fit in memory.
    """
    counts = np.zeros(256 * 256, np.int64)
    for block in blocks(fields):
        # (n, 2, H, W) -> (n H W) numbers of pairs
        pairs = (block[:, 0].astype(np.int32) * 256 + block[:, 1]).ravel()
        counts += np.bincount(pairs, minlength=counts.size)
    return counts.reshape(256, 256)


def length_quantile(counts: np.ndarray, bound: float, share: float) -> float:
    """The length in pixels that a `share` of the displacements do not exceed.

    `counts` (256, 256) are those of `code_counts`.
    """
    lengths = np.hypot(*displacement(np.indices(counts.shape), bound)).ravel()
    order = np.argsort(lengths)
    cumulative = np.cumsum(counts.ravel()[order])
    return float(lengths[order[np.searchsorted(cumulative, share * cumulative[-1])]])


# Groups


def missing_rule(clip: Clip) -> tuple[str, bool]:
    """What `groups.missing` was for the network that learned from a file of groups, and whether
    one says so; else the default.

    The file itself holds rankings, of which any network forms its groups.
    """
    record = Path(clip.file.filename).with_name("co2fi.json")
    with suppress(OSError, ValueError, KeyError, TypeError):
        missing = json.loads(record.read_text())["settings"]["groups"]["missing"]
        if missing in (REPLACE, ADD):
            return missing, True
    return REPLACE, False


def form_group(
    ranked: np.ndarray, label: int, size: int, missing: str = REPLACE
) -> tuple[np.ndarray, np.ndarray]:
    """Groups of (positions, depth) rankings, and where the label was forced in, (positions,).

    Groups are (positions, size), or with `missing` 'add' (positions, size + 1), where those that
    need no class more end with NO_CLASS. Does in numpy what `data.groups.form` does in torch, which
    need not be loaded to show a file.
    """
    group = ranked[:, :size].astype(int)
    forced = ~(group == label).any(axis=1)
    if missing == ADD:
        group = np.pad(group, ((0, 0), (0, 1)), constant_values=NO_CLASS)
    group[forced, -1] = label
    return group, forced


# Scores


def rank_classes(clip: Clip) -> tuple[np.ndarray, np.ndarray, int]:
    """A clip's scores by class, the classes from best to worst, and the rank of the true class.

    Of equal scores the class with the smaller number ranks higher; ranks count from 0.
    """
    values = clip.file["scores"][clip.index].astype(float)
    order = np.argsort(-values, kind="stable")
    return values, order, int(np.flatnonzero(order == clip.label)[0])


def crop_count(clip: Clip) -> int:
    """The number of crops that a clip was scored in; without the setting it is one."""
    return CROP_COUNTS[clip.settings["scores"].get("crops", "centre")]


def score_meaning(clip: Clip) -> str:
    """What the scores of a file are."""
    if clip.data.ndim == 2:
        return "decision value"
    return "mean probability" if clip.settings["scores"]["space"] == "softmax" else "mean logit"


def scored_frames(clip: Clip, count: int) -> np.ndarray | None:
    """The frames (count,) at which a test clip was scored, in the order of its `count` logits.

    None where the number of its frames is not known, or these are not what its settings say. A
    period of a direction is scored as a whole; its frame is its centre.
    """
    total, settings = frame_count(clip), clip.settings
    if total is None or not {"stack", "period"} <= set(settings):
        return None
    last = count_stack_starts(total - 1, settings["stack"]) - 1
    centres, instants = scored_instants(
        last, settings["period"], settings["scores"].get("snippets", 0)
    )
    frames = centres if count == len(centres) else instants.reshape(-1)
    return frames if count == len(frames) else None
