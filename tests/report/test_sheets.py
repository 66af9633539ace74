"""Contact sheets of frames and of flow."""

import numpy as np
from report_cases import BOUND, GREY, shard

from pipeline.report import sheets
from pipeline.report.clip import find_clip


def test_sheet_is_evenly_spaced(tmp_path):
    items = {"Run/long": [np.full((6, 8, 3), i, np.uint8) for i in range(61)]}
    with shard(tmp_path / "frames.h5", "frames", items, items) as file:
        axes = sheets.draw_frames(find_clip(file)).axes
    assert [tile.get_title() for tile in axes] == [f"frame {i}" for i in range(0, 61, 4)]
    assert [int(tile.images[0].get_array()[0, 0, 0]) for tile in axes] == list(range(0, 61, 4))


def test_fields_lie_beside_the_frames_that_they_start_from(tmp_path):
    for kind in ("frames", "flow"):
        (tmp_path / kind).mkdir()
    frames = {"Run/one": [np.full((6, 8, 3), 10 * i, np.uint8) for i in range(3)]}
    fields = {"Run/one": [np.full((2, 6, 8), 128, np.uint8)] * 2}
    settings = {"flow": {"bound": BOUND}}
    shard(tmp_path / "frames/000.h5", "frames", frames, frames).close()
    with shard(tmp_path / "flow/000.h5", "flow", fields, fields, settings) as file:
        *tiles, _ = sheets.draw_flow(find_clip(file)).axes
    assert [tile.get_title() for tile in tiles] == ["frame 0", "field 0", "frame 1", "field 1"]
    assert [int(tile.images[0].get_array()[0, 0, 0]) for tile in tiles[::2]] == [0, 10]
    # Still.
    assert all((tile.images[0].get_array() == 1).all() for tile in tiles[1::2])


def test_flow_of_another_number_of_frames_is_shown_alone(tmp_path):
    for kind in ("frames", "flow"):
        (tmp_path / kind).mkdir()
    frames = {"Run/one": [GREY] * 5}
    fields = {"Run/one": [np.full((2, 6, 8), 128, np.uint8)] * 2}
    shard(tmp_path / "frames/000.h5", "frames", frames, frames).close()
    with shard(
        tmp_path / "flow/000.h5", "flow", fields, fields, {"flow": {"bound": BOUND}}
    ) as file:
        *tiles, _ = sheets.draw_flow(find_clip(file)).axes
    assert [tile.get_title() for tile in tiles] == ["field 0", "field 1"]


def test_noise_of_still_clips_stays_pale(tmp_path):
    """A step of the bytes, 0.16 px right, is a sixth of the full colour at 1 px."""
    field = np.full((2, 6, 8), 128, np.uint8)
    field[0] = 129
    items = {"Run/one": [field]}
    settings = {"flow": {"bound": BOUND}}
    with shard(tmp_path / "flow.h5", "flow", items, items, settings) as file:
        tile, legend = sheets.draw_flow(find_clip(file)).axes
    step = 129 * 2 * BOUND / 255 - BOUND
    # Red is full, the others are what saturation leaves.
    np.testing.assert_allclose(tile.images[0].get_array()[0, 0], [1, 1 - step, 1 - step], atol=1e-6)
    texts = [text.get_text() for text in legend.texts]
    assert "1 px" in texts and "the clip hardly moves" in texts[-1]


def test_flow_sheet_and_its_legend_agree(flow):
    *tiles, legend = sheets.draw_flow(find_clip(flow)).axes
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
