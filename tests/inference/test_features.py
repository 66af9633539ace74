"""Features of a stream: the same as instant by instant, written and read."""

import numpy as np
import pytest
import torch
from inference_cases import CPU, HIDDEN, ROWS, all_models

from pipeline.data import transforms
from pipeline.data.stream import Stream
from pipeline.errors import PipelineError
from pipeline.inference.features import features_of_clips, read_features, write_features
from pipeline.models.asyn import ASYN


def features(model: ASYN, streams: dict[str, Stream], workers: int = 0) -> dict:
    """The features of all clips, by stream."""
    return {
        name: list(features_of_clips(net, streams[name], ROWS, 4, CPU, workers))
        for name, net in (("appearance", model.one), ("motion", model.many))
    }


@pytest.mark.parametrize("workers", [0, 2])
def test_features_are_those_of_each_instant(streams, workers):
    model = all_models()["appearance-to-motion"]
    found = features(model, streams, workers)
    for clip, row in enumerate(ROWS):
        count = min(stream.last_instant(row) for stream in streams.values()) + 1
        for (name, stream), net in zip(streams.items(), (model.one, model.many), strict=True):
            # Instants are those that both streams have.
            assert found[name][clip].shape == (count, HIDDEN)
            pixels = torch.from_numpy(
                np.stack([stream(row, t, stream.centre_crop()) for t in range(count)])
            )
            with torch.inference_mode():
                expected = net(transforms.normalise(pixels, name)).feature
            np.testing.assert_allclose(found[name][clip], expected.numpy(), atol=1e-5, rtol=0)


def test_features_are_read_as_they_were_written_and_can_be_learnt_on(streams, tmp_path):
    model = all_models()["appearance-to-motion"]
    found = features(model, streams)
    paths = []
    for name, of_clips in found.items():
        paths.append(str(tmp_path / f"{name}.h5"))
        write_features(paths[-1], ROWS, of_clips, {}, "c0de")
    read = read_features(paths, ROWS)
    for clip, pair in enumerate(read):
        for name, part in zip(found, pair, strict=True):
            assert part.dtype == torch.float32
            assert np.array_equal(part.numpy(), found[name][clip])
    one, many = read[0]
    model.fusion(one[:1], many[None, :5]).sum().backward()
    assert all(weight.grad is not None for weight in model.fusion.parameters())
    assert all(
        weight.grad is None for net in (model.one, model.many) for weight in net.parameters()
    )


def test_the_digest_tells_other_features_apart(streams, tmp_path):
    of_clips = features(all_models()["appearance-to-motion"], streams)["motion"]
    digests = [write_features(tmp_path / "a.h5", ROWS, of_clips, {}, code) for code in ("a", "b")]
    of_clips[0] = np.nextafter(of_clips[0], np.float32(1))
    digests.append(write_features(tmp_path / "a.h5", ROWS, of_clips, {}, "a"))
    assert digests[0] == digests[1] != digests[2]


def test_a_clip_that_a_file_lacks_is_named(tmp_path):
    path = str(tmp_path / "features.h5")
    write_features(path, ROWS[:1], [np.zeros((3, 2), np.float32)], {}, "c0de")
    with pytest.raises(PipelineError, match=r"features\.h5: clip 'Archery/v_Archery_g01_c02'"):
        read_features([path, path], ROWS[:2])
