"""Contact sheets of frames and of flow."""

import numpy as np
from report_cases import shard

from pipeline.report import sheets
from pipeline.report.clip import find_clip


def test_sheet_is_evenly_spaced(tmp_path):
    items = {"Run/long": [np.full((6, 8, 3), i, np.uint8) for i in range(61)]}
    with shard(tmp_path / "frames.h5", "frames", items, items) as file:
        axes = sheets.draw_frames(find_clip(file)).axes
    assert [tile.get_title() for tile in axes] == [f"frame {i}" for i in range(0, 61, 4)]
    assert [int(tile.images[0].get_array()[0, 0, 0]) for tile in axes] == list(range(0, 61, 4))


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
