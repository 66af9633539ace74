"""Scores of test clips: the same as instant by instant, each input through its net once."""

import numpy as np
import pytest
import torch
from inference_cases import CLASSES, CPU, HEIGHT, HIDDEN, ROWS, SIZE, WIDTH, all_models

from pipeline.data import transforms
from pipeline.data.batch import InputBatch
from pipeline.data.crops import CROP_COUNTS, Crop, eval_crops
from pipeline.data.instants import eval_centres, eval_periods, period_instants
from pipeline.data.stream import Stream
from pipeline.inference import scores
from pipeline.models.asyn import ASYN
from pipeline.models.co2fi import CO2FI
from pipeline.storage import decoding
from pipeline.streams import DIRECTIONS, STREAMS, channels

PERIOD = {"count": 12, "delta": 5, "instants": 5}
ROW = {"clip": "Archery/v_Archery_g01_c01", "frames": 40}


class Noise:
    """Pixels of noise that depend on stream, instant and crop."""

    def __init__(self, name: str):
        self.name = name

    def __call__(self, instant, crop: int = 0) -> np.ndarray:
        """(T, C, 16, 16) at instants (T,), or (C, 16, 16) at one."""
        if np.ndim(instant):
            return np.stack([self(int(t), crop) for t in instant])
        rng = np.random.default_rng([instant, STREAMS.index(self.name), crop])
        return rng.integers(0, 256, (channels(self.name, 2), 16, 16)).astype(np.uint8)

    def batch(self, instants: np.ndarray, crop: int = 0) -> InputBatch:
        """The same as a batch that holds its frames or fields in another order, each once."""
        order = np.random.default_rng(0).permutation(len(instants))
        pixels = self(np.asarray(instants)[order], crop)
        # (T, L C, 16, 16) -> (T L, C, 16, 16): C is 3 for a frame, 2 for a field
        pixels = pixels.reshape(-1, 3 if self.name == "appearance" else 2, 16, 16)
        index = np.arange(len(pixels)).reshape(len(instants), -1)[np.argsort(order)]
        return InputBatch(torch.from_numpy(pixels), torch.from_numpy(index))


def score(models: dict, last: int = 33, crops=(0,), batch: int = 7) -> dict:
    """Logits of one clip of noise by all `models`."""
    centres, instants = eval_periods(last, PERIOD)
    distinct = np.unique(instants)
    inputs = ({name: Noise(name).batch(distinct, crop) for name in STREAMS} for crop in crops)
    return scores.score_clip(
        models,
        inputs,
        np.searchsorted(distinct, centres),
        np.searchsorted(distinct, instants),
        batch,
    )


def output_of(net: CO2FI, stream: str, instant: int, crop: int = 0):
    """CO2FI's output for one input alone."""
    pixels = torch.from_numpy(Noise(stream)(instant, crop))[None]
    return net(transforms.normalise(pixels, stream))


@pytest.mark.parametrize("last", [4, 20, 33])
def test_scores_of_streams(last):
    models = all_models()
    found = score(models, last)
    for stream in STREAMS:
        with torch.inference_mode():
            expected = [
                output_of(models[stream], stream, int(t)).units[2][0].numpy()
                for centre in eval_centres(12, 5, 5, last)
                for t in period_instants(centre, 5, 5, last)
            ]
        assert found[stream].shape == (60, CLASSES)
        np.testing.assert_allclose(found[stream], expected, atol=1e-5)


def logits_of_periods(
    net: ASYN, names: tuple[str, str], last: int, crop: int = 0
) -> list[np.ndarray]:
    """A direction's logits, period by period, each input alone."""
    expected = []
    with torch.inference_mode():
        for centre in eval_centres(12, 5, 5, last):
            first = output_of(net.one, names[0], int(centre), crop).feature
            second = torch.stack(
                [
                    output_of(net.many, names[1], int(t), crop).feature
                    for t in period_instants(centre, 5, 5, last)
                ],
                dim=1,
            )
            # The prediction of the last unit.
            expected.append(net.fusion(first, second)[4, 0].numpy())
    return expected


@pytest.mark.parametrize("last", [4, 20, 33])
def test_scores_of_directions(last):
    models = all_models()
    found = score(models, last)
    for direction, names in DIRECTIONS.items():
        assert found[direction].shape == (12, CLASSES)
        np.testing.assert_allclose(
            found[direction], logits_of_periods(models[direction], names, last), atol=1e-5
        )


@pytest.mark.parametrize("batch", [7, 60])
@pytest.mark.parametrize("last", [4, 33])
def test_scores_have_the_bits_of_models_applied_one_by_one(last, batch):
    """Each model on its own distinct inputs, read for it alone."""
    models = all_models()
    found = score(models, last, batch=batch)
    centres, instants = eval_periods(last, PERIOD)

    def alone(net, name: str, wanted: np.ndarray) -> torch.Tensor:
        """Outputs (n, ..) at `wanted` (n,) of the distinct instants among them, in batches."""
        distinct, place = np.unique(wanted, return_inverse=True)
        parts = [distinct[start : start + batch] for start in range(0, len(distinct), batch)]
        return torch.cat(
            [net(transforms.normalise(Noise(name).batch(part), name)) for part in parts]
        )[place]

    with torch.inference_mode():
        for stream in STREAMS:
            expected = alone(
                lambda x, stream=stream: models[stream](x).units[-1], stream, instants.ravel()
            )
            np.testing.assert_array_equal(found[stream], expected.numpy())
        for direction, (one, many) in DIRECTIONS.items():
            net = models[direction]
            first = alone(lambda x, net=net: net.one(x).feature, one, centres)  # (12, hidden)
            second = alone(lambda x, net=net: net.many(x).feature, many, instants.ravel()).reshape(
                12, 5, HIDDEN
            )
            np.testing.assert_array_equal(found[direction], net.fusion(first, second)[-1].numpy())


def test_logits_of_several_crops_follow_each_other():
    """Those of each crop alone, crop after crop; a direction sees both streams in the same crop."""
    models, crops = all_models(), [3, 0, 9]
    found = score(models, crops=crops)
    for source in models:
        expected = [score({source: models[source]}, crops=[crop])[source] for crop in crops]
        np.testing.assert_array_equal(found[source], np.concatenate(expected))
    for direction, names in DIRECTIONS.items():
        for part, crop in zip(np.split(found[direction], 3), crops, strict=True):
            np.testing.assert_allclose(
                part, logits_of_periods(models[direction], names, 33, crop), atol=1e-5
            )


def test_scores_of_a_direction_are_those_of_the_trained_pass():
    """Training runs ASYN whole; scoring takes it apart to run each input once."""
    net = all_models()["appearance-to-motion"]
    found = score({"appearance-to-motion": net}, batch=60)["appearance-to-motion"]
    one, many = Noise("appearance"), Noise("motion")
    centres, instants = eval_periods(33, PERIOD)
    frames = one(centres)  # (12, 3, 16, 16)
    stacks = np.stack([many(row) for row in instants])  # (12, 5, 4, 16, 16)
    with torch.inference_mode():
        output = net(
            transforms.normalise(torch.from_numpy(frames), "appearance"),
            transforms.normalise(torch.from_numpy(stacks), "motion"),
        )
    np.testing.assert_allclose(found, output.units[-1].numpy(), atol=1e-5)


def input_batch(stream: Stream, row: dict, instants: np.ndarray, crop: Crop) -> InputBatch:
    """What a training sample reads at `instants` (T,), as a batch of T inputs."""
    pixels = torch.from_numpy(stream(row, instants, crop))
    # (T, L C, size, size) -> (T L, C, size, size)
    pixels = pixels.reshape(-1, stream.channels_per_item, SIZE, SIZE)
    return InputBatch(pixels, torch.arange(len(pixels)).reshape(len(instants), -1))


@pytest.mark.parametrize("how", CROP_COUNTS)
@pytest.mark.parametrize("workers", [0, 2])
def test_clips_are_scored_on_the_pixels_that_training_draws(streams, workers, how):
    """Each crop by itself, as a training sample is read; workers do not change a bit."""
    models, crops = all_models(), eval_crops((WIDTH, HEIGHT), 20, how)
    found = list(scores.score_clips(models, streams, ROWS, crops, PERIOD, 7, CPU, workers))
    assert len(found) == len(ROWS)
    for row, logits in zip(ROWS, found, strict=True):
        centres, instants = eval_periods(
            min(stream.last_instant(row) for stream in streams.values()), PERIOD
        )
        distinct = np.unique(instants)
        inputs = [
            {name: input_batch(stream, row, distinct, crop) for name, stream in streams.items()}
            for crop in crops
        ]
        expected = scores.score_clip(
            models,
            inputs,
            np.searchsorted(distinct, centres),
            np.searchsorted(distinct, instants),
            7,
        )
        assert logits.keys() == expected.keys()
        for source in models:
            np.testing.assert_array_equal(logits[source], expected[source])
            assert len(logits[source]) == len(crops) * (60 if source in STREAMS else 12)


def test_streams_are_scored_at_evenly_spaced_instants(streams):
    """Both streams have 38 instants of the clip of 40 frames, 1 of that of 3, and 10 of 12."""
    models = {stream: net for stream, net in all_models().items() if stream in STREAMS}
    crops = eval_crops((WIDTH, HEIGHT), 20, "centre")
    found = list(scores.score_clips(models, streams, ROWS, crops, PERIOD, 7, CPU, snippets=4))
    # The middles of four equal parts: 38 (2 i + 1) / 8, and so on.
    middles = [[4, 14, 23, 33], [0, 0, 0, 0], [1, 3, 6, 8]]
    for row, logits, instants in zip(ROWS, found, middles, strict=True):
        for name, stream in streams.items():
            assert logits[name].shape == (4, CLASSES)
            batch = input_batch(stream, row, np.array(instants), crops[0])
            with torch.inference_mode():
                expected = models[name](transforms.normalise(batch, name)).units[-1]
            np.testing.assert_allclose(logits[name], expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("how", CROP_COUNTS)
@pytest.mark.parametrize("sources", [STREAMS, [*DIRECTIONS], [*STREAMS, *DIRECTIONS]])
def test_a_clip_is_read_once_for_all_sources_and_crops(streams, monkeypatch, sources, how):
    """Both streams have 38 instants of 40 frames: frames 0 to 37, stacks of fields 0 to 38."""
    models, reads, read = all_models(), [], decoding.frames_or_fields
    monkeypatch.setattr(
        decoding,
        "frames_or_fields",
        lambda data, indices, *rect: reads.append(list(indices)) or read(data, indices, *rect),
    )
    crops = eval_crops((WIDTH, HEIGHT), 20, how)
    found = list(
        scores.score_clips(
            {source: models[source] for source in sources}, streams, ROWS[:1], crops, PERIOD, 7, CPU
        )
    )
    assert list(found[0]) == list(sources)
    needed = np.unique([period_instants(centre, 5, 5, 37) for centre in eval_centres(12, 5, 5, 37)])
    assert reads == [needed.tolist(), sorted({*needed, *(needed + 1)})]


def test_summarise():
    """The mean over instants, of probabilities or of logits."""
    logits = np.random.default_rng(0).normal(0, 3, (4, 12, CLASSES))
    p = np.exp(logits)
    p /= p.sum(axis=2, keepdims=True)
    np.testing.assert_allclose(scores.summarise(logits, "softmax"), p.sum(axis=1) / 12, rtol=1e-12)
    np.testing.assert_allclose(
        scores.summarise(logits, "logits"), logits.sum(axis=1) / 12, rtol=1e-12
    )
    np.testing.assert_allclose(
        scores.summarise(logits[0], "softmax"), p[0].sum(axis=0) / 12, rtol=1e-12
    )


def test_summarise_stands_large_logits():
    np.testing.assert_allclose(
        scores.summarise(np.array([[2000.0, 0.0], [0.0, 2000.0]]), "softmax"), [0.5, 0.5]
    )


def test_spaces_may_disagree():
    """One sure instant outweighs many doubtful ones in logits, not in probabilities."""
    logits = np.array([[50.0, 0.0], [0.0, 3.0], [0.0, 3.0]])
    assert (
        scores.summarise(logits, "logits").argmax() == 0
        and scores.summarise(logits, "softmax").argmax() == 1
    )
