"""Names of files, as the programs write and read them whose layouts these are."""

from pathlib import Path

import pytest
from extraction_cases import settings


@pytest.mark.parametrize(
    "layout, step, kind, index, name",
    [
        # open-mmlab/denseflow:src/common.cpp: from 0, and other steps than 1 stand in the name.
        ("denseflow", 1, "flow_x", 0, "flow_x_00000"),
        ("denseflow", 2, "flow_y", 4, "flow_y_p2_00004"),
        # wanglimin/dense_flow:src/common.cpp, and tsn-pytorch's loader: from 1.
        ("tsn", 1, "flow_y", 0, "flow_y_00001"),
        ("tsn", 3, "flow_x", 1, "flow_x_00002"),
        # mmaction2's RawframeDataset: start_index is 1, filename_tmpl knows no step.
        ("mmaction", 1, "flow_x", 0, "flow_x_00001"),
        ("mmaction", 2, "flow_x", 99998, "flow_x_99999"),
        ("mmaction", 1, "flow_x", 99999, "flow_x_100000"),
    ],
)
def test_names_of_fields(layout, step, kind, index, name):
    assert settings(layout=layout, step=step).field_name(kind, index) == name


@pytest.mark.parametrize(
    "layout, kind, step, target",
    [
        ("denseflow", "jpg", 1, "Run/a.b"),
        ("denseflow", "jpg", 2, "Run/a.b"),
        ("denseflow", "h5", 1, "Run/a.b.h5"),
        ("denseflow", "h5", 2, "Run/a.b_p2.h5"),
        ("mmaction", "npy", 2, "Run/a.b.npy"),
        ("mmaction", "flo", 1, "Run/a.b"),
        ("tsn", "png", 1, "a.b"),
        ("tsn", "h5", 1, "a.b.h5"),
    ],
)
def test_places_of_clips(layout, kind, step, target):
    assert settings(layout=layout, format=kind, step=step).target("Run", "a.b") == Path(target)


def test_settings_that_runs_share():
    """A run may take what decodes of the videos that the run before named as damaged."""
    assert settings().as_dict() == settings(damaged=True).as_dict()
    assert settings().as_dict() == {
        "format": "jpg",
        "layout": "denseflow",
        "bound": 20.0,
        "step": 1,
        "short_side": 256,
        "solver": "cpu 1",
    }
