"""A video scored by itself has the very scores that the workflow's programs gave it as a clip."""

import json

import numpy as np
import pytest
import torch
import trained_runs

from pipeline.errors import PipelineError
from pipeline.evaluation.score_files import read_scores
from pipeline.inference import trained, video
from pipeline.storage import decoding, reader
from pipeline.storage.keys import key_of
from pipeline.streams import STREAMS

CPU = torch.device("cpu")
# Genuine clips of two sizes: 320 x 240 and 180 x 144.
GENUINE = {
    "Archery/v_Archery_g08_c01": "ucf101_6class/videos/Archery/v_Archery_g08_c01.avi",
    "wave1/lena_wave1": "weizmann/videos/wave1/lena_wave1.avi",
}


def of_run(acc) -> trained.Trained:
    result = json.loads(acc.read_text())
    return trained.of_run(result, acc, result["fusion"])


def score(run: trained.Trained, path, lengths: list[int], **more) -> list[video.Window]:
    return list(video.score_video(run, path, lengths, CPU, more.pop("pictured", []), **more))


def require_equal(acc) -> None:
    """Check each test clip of a run against what the programs of the workflow wrote."""
    run = of_run(acc)
    for number, row in enumerate(trained_runs.tested(acc)):
        (window,) = score(run, row["path"], [int(row["frames"])])
        assert list(window.scores) == run.sources
        for source, values in window.scores.items():
            folder = acc.parent / source
            folder = folder if folder.is_dir() else acc.parents[1] / source
            wanted = read_scores(str(folder / "scores.h5"))
            assert wanted.clips[number] == row["clip"]
            np.testing.assert_array_equal(values.astype(np.float64), wanted.values[number])


def test_scores_are_those_of_the_test_clip(tmp_path_factory):
    require_equal(trained_runs.once(tmp_path_factory))


@pytest.mark.parametrize(
    "changes",
    [
        {"store": {"frames": "jpeg", "flow": "lz4"}, "scores": {"crops": "ten"}},
        {"store": {"flow": "jpeg"}, "scores": {"space": "softmax"}, "fusion": {"rule": "paper"}},
    ],
    ids=["ten crops", "paper"],
)
def test_scores_of_genuine_clips_through_lossy_codecs(tmp_path, shared, changes):
    """Of UCF101 and Weizmann; in few pixels, so that flow takes seconds."""
    clips = {clip: shared / path for clip, path in GENUINE.items()}
    chosen = trained_runs.settings(decode={"short_side": 48}, **changes)
    classes = ["Archery", "wave1", "wave2"]
    first = {"wave2/lena_wave2": shared / "weizmann/videos/wave2/lena_wave2.avi"}
    acc = trained_runs.make(tmp_path, first | clips, chosen, classes, idt=False)
    require_equal(acc)


def test_streams_without_directions_at_snippets(tmp_path):
    """As a baseline or TSN is scored, in the folder of a variant and a seed."""
    chosen = trained_runs.settings(network={"kind": "baseline"}, scores={"snippets": 5})
    clips = trained_runs.rendered(tmp_path / "videos")
    acc = trained_runs.make(
        tmp_path, clips, chosen, run="split1/tsn/seed2", sources=STREAMS, idt=False
    )
    require_equal(acc)
    run = of_run(acc)
    (window,) = score(run, trained_runs.tested(acc)[0]["path"], [trained_runs.FRAMES])
    assert window.centres.shape == (5,)
    assert window.over_time["motion"].shape == (5, len(trained_runs.CLASSES))
    np.testing.assert_allclose(
        window.over_time["motion"].mean(axis=0), window.scores["motion"], atol=1e-6
    )


def test_pictures_are_those_of_the_store(tmp_path_factory):
    acc = trained_runs.once(tmp_path_factory)
    row = trained_runs.tested(acc)[0]
    (window,) = score(of_run(acc), row["path"], [18], pictured=[0, 7, 17])
    assert list(window.pictures) == [0, 7, 17]
    for kind, part in (("frames", 0), ("flow", 1)):
        with reader.opened(acc.parents[1] / kind / "000.h5", kind) as file:
            stored = decoding.read(file[key_of(row["clip"])])
        for number, pair in window.pictures.items():
            # The last frame shows the last field.
            np.testing.assert_array_equal(pair[part], stored[min(number, len(stored) - 1)])


def test_windows_are_clips_of_their_own(tmp_path_factory):
    """Each has the scores of the frames that it holds, whatever comes before and after."""
    acc = trained_runs.once(tmp_path_factory)
    run, path = of_run(acc), trained_runs.tested(acc)[0]["path"]
    counted = []
    windows = score(run, path, [7, 11], pictured=[3, 12], on_frame=lambda: counted.append(1))
    assert [(window.first, window.frames) for window in windows] == [(0, 7), (7, 11)]
    assert [list(window.pictures) for window in windows] == [[3], [12]]
    assert len(counted) == 18
    whole = score(run, path, [18])[0]
    for window in windows:
        assert window.scores.keys() == whole.scores.keys()
        assert not np.array_equal(window.scores["motion"], whole.scores["motion"])


def test_a_video_of_other_frames_is_refused(tmp_path_factory):
    acc = trained_runs.once(tmp_path_factory)
    with pytest.raises(PipelineError, match="18 frames .* where 20 were counted before"):
        score(of_run(acc), trained_runs.tested(acc)[0]["path"], [20])


@pytest.mark.parametrize(
    ("frames", "seconds", "lengths"),
    [
        (100, None, [100]),
        (100, 2, [50, 50]),
        # None is much shorter than the others.
        (101, 2, [50, 51]),
        (130, 2, [43, 44, 43]),
        (100, 1000, [100]),
        # Flow needs two frames.
        (5, 0.001, [2, 3]),
        (3, 1e-320, [3]),
        (2, 0.01, [2]),
        (100, float("inf"), [100]),
    ],
)
def test_cut(frames, seconds, lengths):
    found = video.cut(frames, 25.0, seconds)
    assert sum(found) == frames and sorted(found) == sorted(lengths)
