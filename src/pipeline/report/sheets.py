"""Contact sheets: evenly spaced frames of a clip, or its flow fields beside their frames."""

from pipeline.report.beside import frames_of
from pipeline.report.canvas import titled_figure
from pipeline.report.clip import Clip
from pipeline.report.flow_colours import LEAST_MOTION, colour, wheel
from pipeline.report.layout import count_text, evenly_spaced
from pipeline.report.measures import code_counts, displacement, length_quantile
from pipeline.storage.decoding import read

# Tiles of a sheet, at most.
TILES = 16


def draw_frames(clip: Clip):
    """A figure of evenly spaced frames."""
    height, width = clip.data.shape[1:3]
    content = f"{count_text(len(clip.data), 'frame')}, numbered from 0"
    numbers = evenly_spaced(len(clip.data), TILES)
    figure, tiles, _ = contact_sheet(
        clip, [f"frame {t}" for t in numbers], (height, width), content
    )
    for number, axes in zip(numbers, tiles, strict=True):
        axes.imshow(read(clip.data, [number])[0])
    return figure


def draw_flow(clip: Clip):
    """A figure of evenly spaced fields, all on one scale, with the wheel of their colours.

    Each field has the frame that it starts from beside it, where the frames of the clip are near.
    """
    bound = clip.settings["flow"]["bound"]
    scale = max(length_quantile(code_counts(clip.data), bound, 0.99), LEAST_MOTION)
    content = (
        f"{count_text(len(clip.data), 'flow field')}; field t leads from frame t to frame t + 1"
    )
    frames = frames_of(clip, len(clip.data) + 1)
    numbers = evenly_spaced(len(clip.data), TILES if frames is None else TILES // 2)
    kinds = ("field",) if frames is None else ("frame", "field")
    names = [f"{kind} {number}" for number in numbers for kind in kinds]
    figure, tiles, legend = contact_sheet(clip, names, clip.data.shape[2:], content, legend=True)
    for place, number in enumerate(numbers):
        *beside, axes = tiles[len(kinds) * place :][: len(kinds)]
        if beside:
            beside[0].imshow(read(frames, [number])[0])
        axes.imshow(colour(displacement(read(clip.data, [number])[0], bound), scale))
        axes.spines[:].set_color("0.8")
    _draw_wheel(legend, scale, is_floor=scale == LEAST_MOTION)
    return figure


def _draw_wheel(axes, scale: float, is_floor: bool) -> None:
    """The legend of a flow sheet: the colour of each direction and length up to `scale` px.

    A scale that `is_floor` is not the clip's own, which is almost still.
    """
    from matplotlib.patches import Circle

    axes.imshow(wheel(), extent=(-1, 1, 1, -1))
    for x, y, side, rotation in (
        (1, 0, "right", 270),
        (0, 1, "down", 0),
        (-1, 0, "left", 90),
        (0, -1, "up", 0),
    ):
        axes.text(
            1.15 * x, 1.15 * y, side, ha="center", va="center", rotation=rotation, fontsize=11
        )
    axes.add_patch(Circle((0, 0), 0.5, fill=False, ls=":", lw=1))
    axes.text(0, 0, "0", ha="center", va="center")
    axes.text(0.36, 0.36, f"{scale / 2:.2g}", va="top")
    axes.text(0.73, 0.73, f"{scale:.2g} px", va="top")
    within = "the clip hardly moves" if is_floor else "99% of the clip is within"
    axes.text(0, 1.4, f"rim: this length or more;\n{within}", ha="center", va="top")
    axes.set(xlim=(-1.3, 1.3), ylim=(1.9, -1.3))
    axes.set_title("displacement\nfrom frame to frame", fontsize=11)


def contact_sheet(
    clip: Clip, names: list[str], shape: tuple[int, int], content: str, legend: bool = False
):
    """An empty sheet of tiles of `shape` (height, width) pixels, one for each of the `names`.

    Returns the figure, the axes of its tiles, and those of the legend, None without.
    """
    height, width = shape
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    # The longer side of a tile is 2.6 inches.
    inches_per_pixel = 2.6 / max(height, width)
    figure = titled_figure(
        clip,
        max(7, columns * width * inches_per_pixel + 2.8 * legend),
        max(rows * (height * inches_per_pixel + 0.3) + 0.8, 4.5 * legend),
        content,
    )
    grid = figure.add_gridspec(
        rows,
        columns + legend,
        width_ratios=[width * inches_per_pixel] * columns + [2.6] * legend,
    )
    tiles = [figure.add_subplot(grid[divmod(place, columns)]) for place in range(len(names))]
    legend_axes = figure.add_subplot(grid[:, -1]) if legend else None
    for name, axes in zip(names, tiles, strict=True):
        axes.set(xticks=[], yticks=[])
        axes.set_title(name, fontsize=10)
    if legend:
        legend_axes.set_axis_off()
    return figure, tiles, legend_axes
