"""What `pipeline inspect` says and draws, against values worked out by hand or by another implementation."""

import colorsys

import numpy as np
import pytest
from matplotlib import image as images

from pipeline.errors import PipelineError
from pipeline.report import inspect, pictures
from pipeline.report.clip import describe_clip, displacement, find_clip, form, longest
from pipeline.storage import writer

CLASSES = ["Bow", "Jump", "Run", "Sit", "Wave", "Yawn"]
BOUND = 20.0
GREY = np.full((6, 8, 3), 100, np.uint8)


def shard(path, kind, clips, items, settings=None):
    """A shard of clips {id: arrays} as the pipeline writes it."""
    rows = [
        {
            "clip": clip,
            "path": f"videos/{clip}.avi",
            "sha256": "0123456789abcdef",
            "frames": len(arrays) + (kind == "flow"),
        }
        for clip, arrays in items.items()
        if clip in clips
    ]
    writer.write_shard(
        path, kind, rows, lambda row: iter(items[row["clip"]]), settings or {}, "c0de", "by hand"
    )
    return inspect.open_file(path)


@pytest.fixture
def frames(tmp_path):
    items = {f"{name}/{name.lower()}_{i}": [GREY] * 5 for name in ("Jump", "Run") for i in range(5)}
    items["Run/a b"] = [np.zeros((6, 8, 3), np.uint8), np.full((6, 8, 3), (255, 60, 0), np.uint8)]
    with shard(
        tmp_path / "frames.h5", "frames", items, items, {"decode": {"short_side": 256}}
    ) as file:
        yield file


@pytest.fixture
def flow(tmp_path):
    """Field 0: right at the bound; 1: left half down at the bound, right half still; 2: still."""
    right, half, still = (np.full((2, 6, 8), 128, np.uint8) for _ in range(3))
    right[0], half[1, :, :4] = 255, 255
    items = {"Run/clip": [right, half, still]}
    with shard(tmp_path / "flow.h5", "flow", items, items, {"flow": {"bound": BOUND}}) as file:
        yield file


@pytest.fixture
def groups(tmp_path):
    """Four positions, 2 apart, of class Jump (1): ranked first, third, last of five, and not at all."""
    ranked = np.array(
        [[1, 0, 2, 3, 4], [0, 2, 1, 3, 4], [0, 2, 3, 4, 1], [0, 2, 3, 4, 5]], np.uint16
    )
    path = tmp_path / "groups.h5"
    with writer.create(
        path,
        "groups",
        {"granularities": [5, 3, 1], "groups": {"stride": 2}},
        "c0de",
        classes=CLASSES,
    ) as file:
        file["Jump/jump_1"] = ranked
        file["Jump/jump_1"].attrs.update({"clip": "Jump/jump_1", "label": 1})
    with inspect.open_file(path) as file:
        yield file


@pytest.fixture
def scores(tmp_path):
    """Two clips of one period of two instants; the second's true class, Yawn, is the least likely."""
    probabilities = np.array(
        [
            [[0.5, 0.3, 0.1, 0.05, 0.03, 0.02], [0.1, 0.7, 0.1, 0.05, 0.03, 0.02]],
            [[0.4, 0.3, 0.15, 0.1, 0.04, 0.01]] * 2,
        ]
    )
    path, settings = (
        tmp_path / "scores.h5",
        {"scores": {"space": "softmax"}, "period": {"count": 1, "instants": 2}},
    )
    with writer.create(path, "scores", settings, "c0de", source="motion") as file:
        file["clips"], file["labels"], file["classes"] = (
            ["Jump/one", "Yawn/two"],
            np.array([1, 5]),
            CLASSES,
        )
        file["logits"] = np.log(probabilities).astype(np.float32) + 7
        file["scores"] = probabilities.mean(axis=1).astype(np.float32)
    with inspect.open_file(path) as file:
        yield file


@pytest.fixture
def decisions(tmp_path):
    """Scores by trajectories, which have no instants."""
    with writer.create(
        tmp_path / "decisions.h5", "scores", {"identity": "ab"}, "c0de", source="idt"
    ) as file:
        file["clips"], file["labels"], file["classes"] = ["Jump/one"], np.array([1]), CLASSES
        file["scores"] = np.array([[0.5, 0.25, -1, -1, -1, -2]], np.float32)
    with inspect.open_file(tmp_path / "decisions.h5") as file:
        yield file


def text_of(file, clip=None, width=80):
    return "\n".join(describe_clip(find_clip(file, clip), width))


# Colours of flow


def middlebury(x, y):
    """The benchmark's own code for a displacement of length 1 or less: 55 colours, interpolated."""
    colours = []
    for count, start, end in (
        (15, (255, 0, 0), (255, 255, 0)),
        (6, (255, 255, 0), (0, 255, 0)),
        (4, (0, 255, 0), (0, 255, 255)),
        (11, (0, 255, 255), (0, 0, 255)),
        (13, (0, 0, 255), (255, 0, 255)),
        (6, (255, 0, 255), (255, 0, 0)),
    ):
        colours += [np.array(start) + (np.array(end) - start) * i / count for i in range(count)]
    place = (np.arctan2(-y, -x) / np.pi + 1) / 2 * 54
    low = int(place)
    full = (1 - (place - low)) * colours[low] / 255 + (place - low) * colours[(low + 1) % 55] / 255
    return 1 - np.hypot(x, y) * (1 - full)


def hue(x, y):
    return colorsys.rgb_to_hsv(*pictures.colour(np.array([[[x]], [[y]]], float), 1.0)[0, 0])[0]


def test_colours_are_those_of_the_middlebury_benchmark():
    rng = np.random.default_rng(0)
    field = rng.uniform(-0.7, 0.7, (2, 10, 10))
    expected = np.array([[middlebury(*field[:, i, j]) for j in range(10)] for i in range(10)])
    # The benchmark spreads 55 colours over 54 steps: its hues are up to 1/55 of the circle off around the seam.
    assert np.abs(pictures.colour(field, 1.0) - expected).max() < 0.13
    assert np.abs(pictures.colour(field, 1.0) - expected).mean() < 0.02


def test_no_motion_is_white_and_colour_fills_with_length():
    still, half, full, more = pictures.colour(
        np.array([[[0, 1, 2, 9]], [[0, 0, 0, 0]]], float), 2.0
    )[0]
    assert (still == 1).all()
    assert np.allclose([half, full, more], [[1, 0.5, 0.5], [1, 0, 0], [1, 0, 0]])  # right is red


@pytest.mark.parametrize("angle", np.arange(0, 180, 15))
def test_opposite_directions_have_opposite_hues(angle):
    x, y = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    apart = abs(hue(x, y) - hue(-x, -y))
    assert 0.33 < apart < 0.67  # the code's circle is uneven: six steps of unequal parts


def test_wheel_shows_each_direction_where_it_points():
    size, wheel = 101, pictures.wheel(101)
    for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1), (0.6, 0.6), (-0.5, 0.2), (0, 0)):
        column, row = (
            round((x + 1) / 2 * (size - 1)),
            round((y + 1) / 2 * (size - 1)),
        )  # +y is down, as rows go
        assert np.allclose(
            wheel[row, column],
            pictures.colour(np.array([[[x]], [[y]]], float), 1.0)[0, 0],
            atol=1e-6,
        )
    assert (wheel[0, 0] == 1).all()  # outside


# Clips


def test_frames(frames):
    said = text_of(frames, "a b")
    assert "2 of 8 x 6 pixels" in said
    assert "mean 52.5 (red 127.5, green 30.0, blue 0.0), min 0, max 255" in said
    assert "sha256  0123456789abcdef" in said and "Run/a b" in said
    figure = pictures.draw_frames(find_clip(frames, "a b"))
    assert [axes.get_title() for axes in figure.axes] == ["frame 0", "frame 1"]
    assert (figure.axes[1].images[0].get_array() == (255, 60, 0)).all()


def test_sheet_is_evenly_spaced(tmp_path):
    items = {"Run/long": [np.full((6, 8, 3), i, np.uint8) for i in range(61)]}
    with shard(tmp_path / "frames.h5", "frames", items, items) as file:
        axes = pictures.draw_frames(find_clip(file)).axes
    assert [tile.get_title() for tile in axes] == [f"frame {i}" for i in range(0, 61, 4)]
    assert [int(tile.images[0].get_array()[0, 0, 0]) for tile in axes] == list(range(0, 61, 4))


def test_flow(flow):
    assert displacement(np.array([0, 128, 255], np.uint8), BOUND).tolist() == [-BOUND, 0, BOUND]
    said = text_of(flow)
    assert "3 of 8 x 6 pixels" in said
    assert "20 px in x and in y; one step is 0.157 px" in said
    assert "mean 10.00 px, max 20.00 px; 99% are within 20.00 px" in said
    assert "6.67 px right, 3.33 px down" in said
    assert "50.00% of displacements are at the bound" in said


def test_flow_sheet_and_its_legend_agree(flow):
    *tiles, legend = pictures.draw_flow(find_clip(flow)).axes
    right, half, still = (tile.images[0].get_array() for tile in tiles)
    wheel = legend.images[0].get_array()
    middle = len(wheel) // 2
    assert np.allclose(right, wheel[middle, -1])
    assert np.allclose(half[:, :4], wheel[-1, middle]) and (half[:, 4:] == 1).all()
    assert (still == 1).all()
    texts = {text.get_text(): text.get_position() for text in legend.texts}
    assert (
        texts["right"][0] > 1
        and texts["down"][1] > 1
        and legend.get_ylim()[0] > legend.get_ylim()[1]
    )
    assert "20 px" in texts and "10" in texts


def test_percentile_is_exact(flow):
    counts = np.zeros((256, 256), int)
    counts[255, 128], counts[128, 128] = 2, 98
    assert [longest(counts, BOUND, share) for share in (0.5, 0.98, 0.99, 1)] == [0, 0, BOUND, BOUND]


def test_groups_mark_the_true_class(groups):
    lines = text_of(groups).splitlines()
    positions = [lines.index(f"position {number}") for number in (0, 2, 4, 6)]
    said = [
        [line.split("  ", 2)[2].strip() for line in lines[start + 1 : start + 4]]
        for start in positions
    ]
    assert said == [
        ["*Jump*, Bow, Run, Sit, Wave", "*Jump*, Bow, Run", "*Jump*"],
        ["Bow, Run, *Jump*, Sit, Wave", "Bow, Run, *Jump*", "[Jump]"],
        ["Bow, Run, Sit, Wave, *Jump*", "Bow, Run, [Jump]", "[Jump]"],
        ["Bow, Run, Sit, Wave, [Jump]", "Bow, Run, [Jump]", "[Jump]"],
    ]
    assert "group of 5 at 25%, group of 3 at 50%, group of 1 at 75% of positions" in " ".join(
        " ".join(lines).split()
    )


def test_groups_are_those_that_training_forms():
    torch = pytest.importorskip("torch")
    from pipeline.data import groups

    ranked = np.random.default_rng(0).permuted(np.tile(np.arange(9), (50, 1)), axis=1)[:, :5]
    for size in (5, 3, 1):
        expected = groups.form(torch.tensor(ranked), torch.full((50,), 4), size).numpy()
        formed, forced = form(ranked, 4, size)
        assert (formed == expected).all() and (forced == (ranked[:, :size] != 4).all(axis=1)).all()


def test_groups_chart_shows_the_forced_positions(groups):
    from matplotlib.colors import to_rgb

    figure = pictures.draw_groups(find_clip(groups))
    chart, strip = figure.axes
    forced = np.all(np.isclose(strip.images[0].get_array(), to_rgb(pictures.FORCED)), axis=-1)
    assert forced.astype(int).tolist() == [[0, 0, 0, 1], [0, 0, 1, 1], [0, 1, 1, 1]]
    true = np.all(np.isclose(chart.images[0].get_array(), to_rgb(pictures.TRUE)), axis=-1)
    assert np.argwhere(true).tolist() == [[0, 0], [2, 1], [4, 2]]
    assert sorted(patch.get_xy() for patch in chart.patches) == [
        (-1, 0.5),
        (1, 2.5),
        (3, 4.5),
    ]  # framed, too
    assert chart.images[0].get_extent()[:2] == [-1, 7]  # positions 0, 2, 4, 6
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names[0] == "Jump (true)" and set(names[1:-1]) == set(CLASSES) - {"Jump"}


def test_scores(scores):
    first, second = text_of(scores, "Jump/one"), text_of(scores, "two")
    assert "rank 1 of 6" in first and "rank 6 of 6" in second
    rows = [line.split() for line in second.splitlines()[-6:]]
    assert rows == [
        ["1", "Bow", "0.4000"],
        ["2", "Jump", "0.3000"],
        ["3", "Run", "0.1500"],
        ["4", "Sit", "0.1000"],
        ["5", "Wave", "0.0400"],
        ["6", "Yawn", "0.0100", "<-", "the", "true", "class"],
    ]
    assert ["1", "Jump", "0.5000", "<-", "the", "true", "class"] in [
        line.split() for line in first.splitlines()
    ]


def test_scores_of_ten_crops(tmp_path):
    """Ten times two instants: the chart shows each instant's mean over the crops."""
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(6), (1, 10, 2))  # (clips, crops, instants, classes)
    settings = {
        "scores": {"space": "softmax", "crops": "ten"},
        "period": {"count": 1, "instants": 2},
    }
    with writer.create(tmp_path / "ten.h5", "scores", settings, "c0de", source="motion") as file:
        file["clips"], file["labels"], file["classes"] = ["Jump/one"], np.array([1]), CLASSES
        file["logits"] = np.log(probabilities).reshape(1, 20, 6)
        file["scores"] = probabilities.mean(axis=(1, 2))
    with inspect.open_file(tmp_path / "ten.h5") as file:
        text, clip = text_of(file), find_clip(file)
        assert "2 in each of 10 crops" in text
        chart = pictures.draw_scores(clip).axes[1]
        order = np.argsort(-probabilities.mean(axis=(0, 1, 2)))
        np.testing.assert_allclose(
            chart.images[0].get_array(), probabilities[0].mean(axis=0)[:, order].T, atol=1e-6
        )
        assert chart.get_xlabel() == "test instant, 1 periods of 2"


def test_scores_chart(scores, monkeypatch):
    from matplotlib.colors import to_rgba

    monkeypatch.setattr(pictures, "BARS", 3)
    bars, chart, _ = pictures.draw_scores(find_clip(scores, "Yawn/two")).axes
    assert [label.get_text().split() for label in bars.get_yticklabels()] == [
        ["Bow", "1"],
        ["Jump", "2"],
        ["Run", "3"],
        ["Yawn", "6"],
    ]  # the best three, and the truth
    assert [bar.get_facecolor() == to_rgba(pictures.TRUE) for bar in bars.patches] == [
        False,
        False,
        False,
        True,
    ]
    assert np.allclose(
        chart.images[0].get_array(), [[0.4] * 2, [0.3] * 2, [0.15] * 2, [0.01] * 2], atol=1e-6
    )


def test_scores_by_trajectories_are_decision_values(decisions):
    text = text_of(decisions)
    assert "rank 2 of 6" in text and "decision value" in text and "instants" not in text
    (bars,) = pictures.draw_scores(find_clip(decisions)).axes
    assert bars.get_xlabel() == "decision value"


def test_file_of_one_clips_trajectories(tmp_path):
    with writer.create(
        tmp_path / "features.h5", "trajectories", {"short_side": None}, "c0de", source="a.avi"
    ) as file:
        file["trajectories"] = np.zeros((5, 436), np.float32)
    with inspect.open_file(tmp_path / "features.h5") as file:
        text = "\n".join(inspect.describe(file))
        assert "float32 5x436" in text and " clip" not in text.split("MBHy")[1]
        with pytest.raises(PipelineError, match="no clips"):
            find_clip(file)


def test_samples_of_trajectories_and_their_vectors(tmp_path):
    rows = np.zeros((3, 436), np.float32)
    rows[:, 5], rows[:, 6] = [10, 20, 60], [1, 1, 2**0.5]
    items = {"Run/some": [rows], "Run/none": [rows[:0]]}
    with shard(tmp_path / "samples.h5", "samples", items, items) as file:
        some, none = text_of(file, "some"), text_of(file, "none")
        assert (
            "mean 30.0 px, max 60.0 px" in some
            and "1.00: 2, 1.41: 1" in some
            and "trajectories  none" in none
        )
        with pytest.raises(PipelineError, match="no pictures of samples"):
            pictures.draw(find_clip(file), tmp_path / "out.png")
    items = {"Run/some": [np.array([3, 4], np.float32)], "Run/none": [np.zeros(2, np.float32)]}
    with shard(tmp_path / "fisher.h5", "fisher", items, items) as file:
        assert "5.000" in text_of(file, "some") and "no trajectories" not in text_of(file, "some")
        assert "0.000, the clip has no trajectories" in text_of(file, "none")


@pytest.mark.parametrize("kind", ["frames", "flow", "groups", "scores", "decisions"])
def test_picture_is_a_png_titled_with_clip_class_and_file(kind, request, tmp_path):
    clip = find_clip(request.getfixturevalue(kind))
    pictures.draw(clip, tmp_path / "out.png")
    pixels = images.imread(tmp_path / "out.png")
    assert pixels.shape[0] > 300 and pixels.shape[1] > 600 and pixels[..., :3].std() > 0.01
    title = pictures.PICTURES[clip.kind](clip).get_suptitle()
    assert clip.id in title and f"class {clip.class_name}" in title and f"{kind}.h5" in title
    assert not list(tmp_path.glob(".out*"))


@pytest.mark.parametrize(
    "path, complaint",
    [
        ("out.jpg", "PNG"),
        ("none/out.png", "folder does not exist"),
        ("folder.png", "this is a folder"),
    ],
)
def test_picture_that_cannot_be_written(frames, tmp_path, path, complaint):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(PipelineError, match=complaint):
        pictures.draw(find_clip(frames), tmp_path / path)


# Files


def test_tree_names_clips_with_shapes_and_sizes(frames):
    lines = inspect.describe(frames, 80)
    text = "\n".join(lines)
    assert (
        "Decoded video frames" in text
        and "short_side=256" in text
        and "by hand" in text
        and "c0de" in text
    )
    row = next(line for line in lines if "jump_2" in line)
    assert (
        row.split()[:3] == ["jump_2", "uint8", "5x6x8x3"] and "720 B" in row
    )  # 5 * 6 * 8 * 3 bytes
    assert next(line for line in lines if line.startswith("Run/")).split()[1:3] == ["6", "clips"]
    assert "source=jump_2.avi" in text
    memory = 10 * 720 + 2 * 6 * 8 * 3
    assert f"{memory / 1000:.1f} kB" in next(
        line for line in lines if line.startswith("total of 2 classes")
    )
    assert max(map(len, lines)) <= 80


def test_tree_is_cut_and_says_so(frames):
    cut, whole = (
        "\n".join(inspect.describe(frames, 80, everything)) for everything in (False, True)
    )
    assert "jump_2" in cut and "jump_3" not in cut and "6 of 11 clips are shown; --all" in cut
    assert "jump_3" in whole and "run_4" in whole and "--all" not in whole
    assert "clip=Run/a b" in whole  # HDF5 calls it otherwise


def test_tree_of_scores_lists_its_clips(scores):
    text = "\n".join(inspect.describe(scores, 80))
    assert "float32 2x2x6" in text and "Jump/one, Yawn/two" in text and "source  motion" in text
    assert "Bow, Jump, Run, .. 6 in all" in text
    assert ", ".join(CLASSES) in "\n".join(inspect.describe(scores, 80, everything=True))


def test_long_names_stay_whole_and_lines_short(tmp_path):
    name = "Run/" + "x" * 90
    items = {name: [GREY], "Run/b": [GREY]}
    with shard(tmp_path / "frames.h5", "frames", items, items) as file:
        lines = inspect.describe(file, 80)
    assert "  " + "x" * 90 in lines
    assert (
        max(len(line) for line in lines if "x" * 90 not in line and str(tmp_path) not in line) <= 80
    )


def test_clips_are_found_by_id_path_or_name(frames):
    for wanted in ("Run/run_1", "/Run/run_1", "run_1"):
        assert find_clip(frames, wanted).id == "Run/run_1"
    assert find_clip(frames, "Run/a%20b").id == find_clip(frames, "a b").id == "Run/a b"
    assert find_clip(frames).id == "Jump/jump_0"


def test_unknown_clip_suggests_the_nearest(frames):
    with pytest.raises(PipelineError, match="no clip 'Jmp/jump_3' in it; the nearest: Jump/jump_3"):
        find_clip(frames, "Jmp/jump_3")
    with pytest.raises(PipelineError, match="no clip 'RUN_9' in it; the nearest: Run/run_"):
        find_clip(frames, "RUN_9")


def test_name_of_two_clips_is_refused(tmp_path):
    items = {"Jump/same": [GREY], "Run/same": [GREY]}
    with (
        shard(tmp_path / "frames.h5", "frames", items, items) as file,
        pytest.raises(
            PipelineError, match="2 clips are named 'same', say which: Jump/same, Run/same"
        ),
    ):
        find_clip(file, "same")
