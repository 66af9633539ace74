"""Contact sheets: evenly spaced frames or flow fields of a clip."""

from pipeline.report.canvas import titled_figure
from pipeline.report.clip import Clip
from pipeline.report.flow_colours import colour, wheel
from pipeline.report.layout import count_text, evenly_spaced
from pipeline.report.measures import code_counts, displacement, length_quantile
from pipeline.storage.decoding import read

# Tiles of a sheet, at most.
TILES = 16


def draw_frames(clip: Clip):
    """A figure of evenly spaced frames."""
    height, width = clip.data.shape[1:3]
    content = f"{count_text(len(clip.data), 'frame')}, numbered from 0"
    figure, tiles, _ = _contact_sheet(clip, height, width, content)
    for number, axes in tiles.items():
        axes.imshow(read(clip.data, [number])[0])
        axes.set_title(f"frame {number}", fontsize=10)
    return figure


def draw_flow(clip: Clip):
    """A figure of evenly spaced fields, all on one scale, with the wheel of their colours."""
    bound = clip.settings["flow"]["bound"]
    # At least two steps of the stored bytes, so that rounding is not blown up.
    scale = max(length_quantile(code_counts(clip.data), bound, 0.99), 4 * bound / 255)
    content = (
        f"{count_text(len(clip.data), 'flow field')}; field t leads from frame t to frame t + 1"
    )
    figure, tiles, legend = _contact_sheet(clip, *clip.data.shape[2:], content, legend=True)
    for number, axes in tiles.items():
        axes.imshow(colour(displacement(read(clip.data, [number])[0], bound), scale))
        axes.set_title(f"field {number}", fontsize=10)
        axes.spines[:].set_color("0.8")
    _draw_wheel(legend, scale)
    return figure


def _draw_wheel(axes, scale: float) -> None:
    """The legend of a flow sheet: the colour of each direction and length up to `scale` px."""
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
    axes.text(0, 1.4, "rim: this length or more;\n99% of the clip is within", ha="center", va="top")
    axes.set(xlim=(-1.3, 1.3), ylim=(1.9, -1.3))
    axes.set_title("displacement\nfrom frame to frame", fontsize=11)


def _contact_sheet(clip: Clip, height: int, width: int, content: str, legend: bool = False):
    """An empty sheet for up to TILES evenly spaced items of `height` x `width` pixels.

    Returns the figure, its axes by item, and those of the legend, None without.
    """
    numbers = evenly_spaced(len(clip.data), TILES)
    columns = min(4, len(numbers))
    rows = -(-len(numbers) // columns)
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
    tiles = {
        number: figure.add_subplot(grid[divmod(i, columns)]) for i, number in enumerate(numbers)
    }
    legend_axes = figure.add_subplot(grid[:, -1]) if legend else None
    for axes in tiles.values():
        axes.set(xticks=[], yticks=[])
    if legend:
        legend_axes.set_axis_off()
    return figure, tiles, legend_axes
