"""Pictures of clips as files."""

import pytest
from matplotlib import image as images

from pipeline.errors import PipelineError
from pipeline.report import pictures
from pipeline.report.clip import find_clip


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
