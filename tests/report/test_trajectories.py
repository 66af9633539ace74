"""Trajectories drawn over frames, worked out by hand."""

import numpy as np
import pytest
from report_cases import GREY, shard

from pipeline.errors import PipelineError
from pipeline.idt.extract import COLUMNS
from pipeline.report import inspect, pictures, trajectories
from pipeline.report.clip import find_clip, whole_file
from pipeline.storage import writer


def straight(end, x, y, length=30.0, size=(8, 6)):
    """A trajectory that goes right in steps of one size, around (x, y) in frames of a size."""
    row = np.zeros(COLUMNS, np.float32)
    row[[0, 1, 2, 5, 6]] = end, x, y, length, 1
    row[7:9] = x / size[0], y / size[1]
    row[10:40:2] = 1 / 15
    return row


def test_paths_lie_around_their_mean():
    """15 steps of 2 px: from 15 px left of the mean to 15 px right of it."""
    (path,) = trajectories.paths(straight(20, 100, 50, 30)[None])
    np.testing.assert_allclose(path[:, 0], 100 + np.arange(-15, 16, 2), atol=1e-4)
    np.testing.assert_allclose(path[:, 1], 50, atol=1e-4)


def lines_of(axes):
    return [segment for found in axes.collections[:1] for segment in found.get_segments()]


def test_each_is_drawn_once_on_the_frame_of_its_middle(tmp_path):
    for folder in ("frames", "idt"):
        (tmp_path / folder).mkdir()
    frames = {"Run/one": [np.full((6, 8, 3), number, np.uint8) for number in range(30)]}
    shard(tmp_path / "frames/000.h5", "frames", frames, frames).close()
    # Middles at frames 8, 8, 9 and 22.
    rows = np.stack([straight(end, 4, 3, 3) for end in (15, 15, 16, 29)])
    items = {"Run/one": [rows]}
    with shard(tmp_path / "idt/000.h5", "samples", items, items) as file:
        axes = trajectories.draw_trajectories(find_clip(file)).axes
    assert [tile.get_title() for tile in axes] == [
        *("frame 8: 3", "frame 10: 0", "frame 12: 0", "frame 14: 0"),
        *("frame 16: 0", "frame 18: 0", "frame 20: 0", "frame 22: 1"),
    ]
    assert [int(tile.images[0].get_array()[0, 0, 0]) for tile in axes] == list(range(8, 23, 2))
    assert [len(lines_of(tile)) for tile in axes] == [3, 0, 0, 0, 0, 0, 0, 1]
    np.testing.assert_allclose(lines_of(axes[0])[0][[0, -1], 0], [2.5, 5.5], atol=1e-5)


def test_many_are_thinned_out(tmp_path, monkeypatch):
    monkeypatch.setattr(trajectories, "MOST", 4)
    items = {"Run/one": [np.stack([straight(15, 4, 3)] * 9)]}
    with shard(tmp_path / "idt.h5", "samples", items, items) as file:
        (tile,) = trajectories.draw_trajectories(find_clip(file)).axes
    assert tile.get_title() == "frame 8: 4 of 9" and len(lines_of(tile)) == 4
    # No frames are near: the ground is plain and has their size.
    assert not tile.images and tile.get_xlim() == (-0.5, 7.5) and tile.get_ylim() == (5.5, -0.5)


@pytest.fixture
def of_video(tmp_path):
    """Trajectories of a file of one video, and a clip of other frames than they are of."""
    with writer.create(
        tmp_path / "paths.h5", "trajectories", {"short_side": None}, "c0de", source="a.avi"
    ) as file:
        file["trajectories"] = np.stack([straight(15, 100, 50, 30, (320, 240))] * 2)
    with inspect.open_file(tmp_path / "paths.h5") as file:
        yield file


def test_a_file_of_one_video_is_shown_whole(of_video, tmp_path):
    text = " ".join(" ".join(inspect.describe(of_video)).split())
    assert "trajectories 2 ends in frames 15 to 15 path mean 30.0 px, max 30.0 px" in text
    pictures.draw(whole_file(of_video), tmp_path / "out.png")
    title = trajectories.draw_trajectories(whole_file(of_video)).get_suptitle()
    assert title.startswith("a.avi\n2 trajectories of 15 frames")


def test_over_a_real_video(of_video, shared, tmp_path):
    video = next((shared / "jhmdb14/videos/catch").iterdir())
    (tile,) = trajectories.draw_trajectories(whole_file(of_video), video).axes
    assert tile.images[0].get_array().shape == (240, 320, 3)
    # Beside the file it is found by its name.
    (tmp_path / "a.avi").symlink_to(video)
    (beside,) = trajectories.draw_trajectories(whole_file(of_video)).axes
    assert (beside.images[0].get_array() == tile.images[0].get_array()).all()


def test_a_video_of_another_size_is_refused(of_video, shared):
    video = next((shared / "weizmann").rglob("*.avi"))
    with pytest.raises(
        PipelineError, match="and the trajectories are of 320 x 240; name the video"
    ):
        trajectories.draw_trajectories(whole_file(of_video), video)
    with pytest.raises(PipelineError, match="there is no such video"):
        trajectories.draw_trajectories(whole_file(of_video), "none.avi")


def test_only_trajectories_are_drawn_over_a_video(tmp_path):
    with (
        shard(tmp_path / "frames.h5", "frames", ["Run/a"], {"Run/a": [GREY]}) as file,
        pytest.raises(PipelineError, match="--video is for trajectories"),
    ):
        pictures.draw(find_clip(file), tmp_path / "out.png", "a.avi")
