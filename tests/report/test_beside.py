"""What lies beside a file: found where a run puts it, and nothing else."""

from report_cases import GREY, shard

from pipeline.datasets import index
from pipeline.report.beside import frame_count, frames_of
from pipeline.report.clip import find_clip


def test_frames_of_the_same_shard_and_count(tmp_path):
    for folder in ("flow", "frames"):
        (tmp_path / folder).mkdir()
    items = {"Run/a b": [GREY] * 3}
    shard(tmp_path / "frames/000.h5", "frames", items, items).close()
    with shard(tmp_path / "flow/000.h5", "frames", items, items) as file:
        clip = find_clip(file)
        assert frames_of(clip).shape == frames_of(clip, 3).shape == (3, 6, 8, 3)
        assert frames_of(clip, 4) is None
    with shard(tmp_path / "flow/001.h5", "frames", items, items) as file:
        assert frames_of(find_clip(file)) is None
    (tmp_path / "frames/001.h5").write_text("no HDF5")
    with shard(tmp_path / "flow/001.h5", "frames", items, items) as file:
        assert frames_of(find_clip(file)) is None


def test_the_number_of_frames_is_that_of_the_table_of_the_split(tmp_path, scores):
    clip = find_clip(scores, "Jump/one")
    assert frame_count(clip) is None
    row = {"clip": "Jump/one", "class": "Jump", "label": 1, "group": "a", "shard": "000"}
    row |= {"path": "a.avi", "sha256": "ab", "frames": 12, "width": 8, "height": 6}
    index.write(tmp_path / "test.csv", [row], index.COLUMNS)
    assert frame_count(clip) == 12
    assert frame_count(find_clip(scores, "Yawn/two")) is None
    (tmp_path / "test.csv").write_text("no,table\n")
    assert frame_count(clip) is None
