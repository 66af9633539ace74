"""The pictures of docs/results.md, drawn from the parts of one set."""

from collections import Counter
from pathlib import Path

import numpy as np
from evidence_parts import Part, accuracy
from evidence_peaks import offsets
from evidence_rows import COMPLETE
from evidence_tables import present_rows, row_name

from pipeline.streams import STREAMS

# Colours of the streams, and of the true class among the teacher's.
COLOURS = {"appearance": "tab:blue", "motion": "tab:orange"}
TRUE = "black"
# Characters of a clip's name over a panel.
LONGEST_NAME = 50
# Classes that the picture of the teacher shows, and clips in that of the evidence.
SHOWN_CLASSES, SHOWN_CLIPS = 6, 4
# Bars of a histogram on either side of 0, about.
BARS = 20
# Colours of other classes: matplotlib's "tab20", strong ones first.
PALETTE = (*range(0, 20, 2), *range(1, 20, 2))


def draw_all(parts: list[Part], folder: Path) -> dict[str, Path]:
    """Write the pictures of a set that its parts have the numbers for; their paths by name."""
    drawings = {
        "accuracy": draw_accuracies,
        "groups": draw_groups,
        "offsets": draw_offsets,
        "curves": draw_curves,
    }
    paths = {}
    for name, draw in drawings.items():
        figure = draw(parts)
        if figure is not None:
            paths[name] = folder / f"{parts[0].content['set']}-{name}.png"
            folder.mkdir(parents=True, exist_ok=True)
            # Nothing of the day or the version, so that the same numbers give the same file; white
            # paper is legible on dark pages, too.
            figure.savefig(
                paths[name], dpi=100, format="png", facecolor="white", metadata={"Software": None}
            )
    return paths


def _figure(width: float, height: float):
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def draw_accuracies(parts: list[Part]):
    """The best accuracy of each row without and with trajectories, with 95 % intervals."""
    rows = present_rows(parts)
    figure = _figure(8, 1 + 0.32 * len(rows))
    axes = figure.subplots()
    kinds = {
        "without trajectories": ("tab:blue", -0.12, ("fused", "two_stream")),
        "with trajectories": ("tab:orange", 0.12, ("with_idt",)),
    }
    for kind, (colour, shift, columns) in kinds.items():
        points = []
        for place, row in enumerate(rows):
            column = next((one for one in columns if one in row.sources), None)
            found = column and accuracy(parts, (row.variant, row.sources[column]))
            if found:
                points.append((place + shift, found.mean, *found.interval))
        if points:
            places, means, lows, highs = 100 * np.array(points).T
            axes.errorbar(
                means,
                places / 100,
                xerr=[means - lows, highs - means],
                fmt="o",
                color=colour,
                markersize=5,
                capsize=2,
                label=kind,
            )
    axes.set_yticks(range(len(rows)), [row_name(row, parts) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set(xlabel="accuracy in % of test clips, 95 % interval by bootstrap over clips")
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper right", ncols=2, frameon=False)
    return figure


# The teacher


def draw_groups(parts: list[Part]):
    """The teacher's likeliest classes over a training clip of some classes, as in Figure 4."""
    told = next((part.content["teacher"] for part in parts if part.content["teacher"]), None)
    if told is None:
        return None
    classes = parts[0].content["classes"]
    streams = [stream for stream in STREAMS if stream in told]
    names = [name for name in classes if all(name in told[one]["examples"] for one in streams)]
    chosen = np.linspace(0, len(names) - 1, min(SHOWN_CLASSES, len(names))).round().astype(int)
    shown = [names[number] for number in chosen]
    examples = {
        (name, stream): np.array(told[stream]["examples"][name]["ranked"]).T
        for name in shown
        for stream in streams
    }
    colours = _class_colours(examples)
    figure = _figure(9.5, 0.7 + 1.15 * len(shown))
    panels = figure.subplots(len(shown), len(streams), squeeze=False)
    for (name, stream), axes in zip(examples, panels.ravel(), strict=True):
        _draw_ranking(axes, examples[name, stream], classes.index(name), colours)
    for row, name in zip(panels, shown, strict=True):
        row[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for stream, axes in zip(streams, panels[0], strict=True):
        axes.set_title(stream, fontsize=10)
    for axes in panels[-1]:
        axes.set_xlabel("position: first frame or field")
    _add_legend(figure, classes, colours)
    return figure


def _class_colours(examples: dict) -> dict[int, tuple]:
    """A colour for each class that is ranked, the most frequent ones first; grey beyond them."""
    from matplotlib import colormaps

    counts = Counter(np.concatenate([ranked.ravel() for ranked in examples.values()]).tolist())
    palette = [colormaps["tab20"](index)[:3] for index in PALETTE]
    ordered = [label for label, _ in counts.most_common()]
    return {
        label: palette[place] if place < len(palette) else (0.85, 0.85, 0.85)
        for place, label in enumerate(ordered)
    }


def _draw_ranking(axes, ranked: np.ndarray, label: int, colours: dict[int, tuple]) -> None:
    """The classes of `ranked` (depth, positions), the true one with a bar through it."""
    depth, count = ranked.shape
    image = np.array([[colours[one] for one in row] for row in ranked])
    extent = (-0.5, count - 0.5, depth + 0.5, 0.5)
    axes.imshow(image, aspect="auto", interpolation="nearest", extent=extent)
    axes.hlines(np.arange(1.5, depth), -0.5, count - 0.5, color="white", lw=1)
    ranks, positions = np.nonzero(ranked == label)
    axes.hlines(ranks + 1, positions - 0.5, positions + 0.5, color=TRUE, lw=3)
    axes.set_yticks(range(1, depth + 1))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.tick_params(labelsize=7)


def _add_legend(figure, classes: list[str], colours: dict[int, tuple]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [Line2D([], [], color=TRUE, lw=3, label="the true class")]
    handles += [
        Patch(color=colour, label=classes[label])
        for label, colour in sorted(colours.items())
        if colour != (0.85, 0.85, 0.85)
    ]
    figure.legend(handles=handles, loc="outside right center", fontsize=8, frameon=False)


# Asynchrony


def draw_offsets(parts: list[Part]):
    """How far apart the evidence of both streams peaks, and how far if they were independent."""
    found = {name: offsets(parts, name) for name in ("baseline", COMPLETE)}
    found = {name: one for name, one in found.items() if one is not None}
    if not found:
        return None
    reach = max(int(np.abs(one.values).max()) for one in found.values()) + 1
    # An odd number of frames, so that the bar in the middle has as many before 0 as behind.
    width = 2 * (reach // BARS) + 1
    count = -(-reach // width)
    edges = (np.arange(-count, count + 2) - 0.5) * width
    figure = _figure(8, 3.2)
    panels = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
    for axes, (name, one) in zip(panels, found.items(), strict=True):
        weights = np.full(len(one.values), 100 / len(one.values))
        axes.hist(one.values, edges, weights=weights, color="tab:blue", label="these clips")
        weights = np.full(len(one.independent), 100 / len(one.independent))
        axes.hist(
            one.independent,
            edges,
            weights=weights,
            histtype="step",
            color="tab:red",
            label="if the streams were independent",
        )
        axes.set(title=f"streams of {'CO2FI' if name == COMPLETE else name}")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("% of clips")
    figure.supxlabel("frames from the peak of appearance to that of motion", fontsize=10)
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False
    )
    return figure


def draw_curves(parts: list[Part]):
    """The evidence for the true class over some clips whose streams peak far apart (Figure 6)."""
    for part in parts:
        told = part.content["evidence"].get(COMPLETE)
        if told and told["curves"]:
            break
    else:
        return None
    shown = list(told["curves"].items())[:SHOWN_CLIPS]
    figure = _figure(8, 2.1 * -(-len(shown) // 2) + 0.4)
    panels = figure.subplots(-(-len(shown) // 2), 2, squeeze=False).ravel()
    for axes, (clip, curve) in zip(panels, shown, strict=False):
        for stream in STREAMS:
            values = np.array(curve[stream])
            # Both streams on one scale: their own spread over the clip.
            scaled = (values - values.mean()) / (values.std() or 1)
            peak = int(np.argmax(values))
            axes.plot(curve["instants"], scaled, color=COLOURS[stream], marker=".", label=stream)
            about = {"ms": 10, "mfc": "none", "color": COLOURS[stream], "clip_on": False}
            axes.plot(curve["instants"][peak], scaled[peak], "o", **about)
        axes.set_title(f"{_shortened(clip)}\n{_outcome(part, clip)}", fontsize=8)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    figure.supxlabel("frame", fontsize=9)
    figure.supylabel("evidence for the true class", fontsize=9)
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False
    )
    return figure


def _shortened(clip: str) -> str:
    """The name of a clip, without its middle where it is too long for a panel."""
    return clip if len(clip) <= LONGEST_NAME else f"{clip[:30]} … {clip[-17:]}"


def _outcome(part: Part, clip: str) -> str:
    """Which sums are right of a clip."""
    row = part.content["clips"].index(clip)
    words = []
    for source, name in (("two_stream", "two streams"), ("asyn", "ASYN")):
        right = part.right((COMPLETE, source))
        if right is not None:
            words.append(f"{name} {'right' if right[row] else 'wrong'}")
    return ", ".join(words)
