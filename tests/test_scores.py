"""Scores of test clips: the same as instant by instant, each input through its net once."""

import numpy as np
import pytest
import torch

from pipeline import inputs, sampling, scores
from pipeline.models.asyn import ASYN, Fusion
from pipeline.models.co2fi import CO2FI

CLASSES, HIDDEN = 7, 6
PERIOD = {"count": 12, "delta": 5, "instants": 5}
CPU = torch.device("cpu")
ROW = {"clip": "Archery/v_Archery_g01_c01", "frames": 40}


class NoiseStream:
    """Pixels of noise that depend on stream, instant and crop; keeps the instants that it was asked for."""

    def __init__(self, name: str, last: int = 33):
        self.name, self.asked, self.last = name, [], lambda row: last

    def centre_crop(self) -> int:
        return 0

    def __call__(self, row: dict, instant, crop: int) -> np.ndarray:
        if np.ndim(instant):
            return np.stack([self(row, int(t), crop) for t in instant])
        assert row is ROW
        self.asked.append((instant, crop))
        rng = np.random.default_rng([instant, inputs.STREAMS.index(self.name), crop])
        return rng.integers(0, 256, (inputs.channels(self.name, 2), 16, 16)).astype(np.uint8)

    def in_crops(self, row: dict, instants: np.ndarray, crops: list[int]):
        yield from (self(row, instants, crop) for crop in crops)


def co2fi(stream: str) -> CO2FI:
    return CO2FI(inputs.channels(stream, 2), CLASSES, size=16, width=1 / 32, side_maps=2, fc1=8, fc2=8, hidden=HIDDEN,
                 dropout=0.5)


def all_models() -> dict:
    """What scores a run of the complete method, on noise: nothing is trained."""
    torch.manual_seed(0)
    models = {stream: co2fi(stream) for stream in inputs.STREAMS}
    for direction, names in inputs.DIRECTIONS.items():
        models[direction] = ASYN(*(co2fi(name) for name in names), Fusion(HIDDEN, CLASSES, hidden=5, dropout=0.5))
    return {source: model.eval() for source, model in models.items()}


def of_clip(models: dict, last: int = 33, crops=(0,), batch: int = 7, streams: dict | None = None) -> dict:
    streams = streams or {name: NoiseStream(name, last) for name in inputs.STREAMS}
    return scores.of_clip(models, streams, ROW, crops, PERIOD, batch, CPU)


def output_of(net: CO2FI, stream: str, instant: int, crop: int = 0):
    """CO2FI's output for one input alone."""
    pixels = torch.from_numpy(NoiseStream(stream)(ROW, instant, crop))[None]
    return net(inputs.normalise(pixels, stream))


@pytest.mark.parametrize("last", [4, 20, 33])
def test_scores_of_streams(last):
    models = all_models()
    found = of_clip(models, last)
    for stream in inputs.STREAMS:
        with torch.inference_mode():
            expected = [output_of(models[stream], stream, int(t)).units[2][0].numpy()
                        for centre in sampling.test_centres(12, 5, 5, last) for t in sampling.period(centre, 5, 5, last)]
        assert found[stream].shape == (60, CLASSES)
        np.testing.assert_allclose(found[stream], expected, atol=1e-5)


def of_periods(net: ASYN, names: tuple[str, str], last: int, crop: int = 0) -> list[np.ndarray]:
    """A direction's logits, period by period, each input alone."""
    expected = []
    with torch.inference_mode():
        for centre in sampling.test_centres(12, 5, 5, last):
            first = output_of(net.one, names[0], int(centre), crop).feature
            second = torch.stack([output_of(net.many, names[1], int(t), crop).feature
                                  for t in sampling.period(centre, 5, 5, last)], dim=1)
            expected.append(net.fusion(first, second)[4, 0].numpy())  # the last unit's prediction
    return expected


@pytest.mark.parametrize("last", [4, 20, 33])
def test_scores_of_directions(last):
    models = all_models()
    found = of_clip(models, last)
    for direction, names in inputs.DIRECTIONS.items():
        assert found[direction].shape == (12, CLASSES)
        np.testing.assert_allclose(found[direction], of_periods(models[direction], names, last), atol=1e-5)


@pytest.mark.parametrize("batch", [7, 60])
@pytest.mark.parametrize("last", [4, 33])
def test_scores_have_the_bits_of_models_applied_one_by_one(last, batch):
    """Each model on its own distinct inputs, read for it alone."""
    models = all_models()
    found = of_clip(models, last, batch=batch)
    centres, instants = scores.test_periods(ROW, last, PERIOD)

    def alone(net, name: str, wanted: np.ndarray) -> torch.Tensor:
        """Outputs (n, ..) at `wanted` (n,) of the distinct instants among them, in batches."""
        distinct, place = np.unique(wanted, return_inverse=True)
        return scores.of_inputs(net, NoiseStream(name), ROW, distinct, batch, CPU)[place]

    with torch.inference_mode():
        for stream in inputs.STREAMS:
            expected = alone(lambda x, stream=stream: models[stream](x).units[-1], stream, instants.ravel())
            np.testing.assert_array_equal(found[stream], expected.numpy())
        for direction, (one, many) in inputs.DIRECTIONS.items():
            net = models[direction]
            first = alone(lambda x, net=net: net.one(x).feature, one, centres)  # (12, hidden)
            second = alone(lambda x, net=net: net.many(x).feature, many, instants.ravel()).reshape(12, 5, HIDDEN)
            np.testing.assert_array_equal(found[direction], net.fusion(first, second)[-1].numpy())


@pytest.mark.parametrize("sources", [inputs.STREAMS, [*inputs.DIRECTIONS], [*inputs.STREAMS, *inputs.DIRECTIONS]])
def test_a_clip_is_read_once_for_all_sources(sources):
    streams = {name: NoiseStream(name) for name in inputs.STREAMS}
    models = all_models()
    found = of_clip({source: models[source] for source in sources}, streams=streams)
    assert list(found) == list(sources)
    needed = np.unique([sampling.period(centre, 5, 5, 33) for centre in sampling.test_centres(12, 5, 5, 33)])
    for stream in streams.values():
        assert stream.asked == [(t, 0) for t in needed]


def test_the_shorter_stream_ends_the_instants():
    streams = {"appearance": NoiseStream("appearance", 39), "motion": NoiseStream("motion", 30)}
    of_clip(all_models(), streams=streams)
    assert max(streams["appearance"].asked) == max(streams["motion"].asked) == (30, 0)


def test_logits_of_several_crops_follow_each_other():
    """Those of each crop alone, crop after crop; a direction sees both streams in the same crop."""
    models, crops = all_models(), [3, 0, 9]
    found = of_clip(models, crops=crops)
    for source in models:
        expected = [of_clip({source: models[source]}, crops=[crop])[source] for crop in crops]
        np.testing.assert_array_equal(found[source], np.concatenate(expected))
    for direction, names in inputs.DIRECTIONS.items():
        for part, crop in zip(np.split(found[direction], 3), crops, strict=True):
            np.testing.assert_allclose(part, of_periods(models[direction], names, 33, crop), atol=1e-5)


def test_scores_of_a_direction_are_those_of_the_trained_pass():
    """Training runs ASYN whole; scoring takes it apart to run each input once."""
    net = all_models()["appearance-to-motion"]
    found = of_clip({"appearance-to-motion": net}, batch=60)["appearance-to-motion"]
    one, many = NoiseStream("appearance"), NoiseStream("motion")
    centres, instants = scores.test_periods(ROW, 33, PERIOD)
    frames = one(ROW, centres, 0)  # (12, 3, 16, 16)
    stacks = np.stack([many(ROW, row, 0) for row in instants])  # (12, 5, 4, 16, 16)
    with torch.inference_mode():
        output = net(inputs.normalise(torch.from_numpy(frames), "appearance"),
                     inputs.normalise(torch.from_numpy(stacks), "motion"))
    np.testing.assert_allclose(found, output.units[-1].numpy(), atol=1e-5)


def test_features_are_those_of_each_instant_and_can_be_learnt_on():
    torch.manual_seed(0)
    model = ASYN(co2fi("appearance"), co2fi("motion"), Fusion(HIDDEN, CLASSES, hidden=5))
    streams = [NoiseStream("appearance", 9), NoiseStream("motion", 6)]
    (one, many), = scores.features_of_clips(model, *streams, [ROW], 4, CPU)
    assert one.shape == many.shape == (7, HIDDEN)  # of the instants that both streams have
    model.eval()
    with torch.inference_mode():
        for name, net, found in zip(inputs.STREAMS, (model.one, model.many), (one, many), strict=True):
            expected = torch.cat([output_of(net, name, t).feature for t in range(7)])
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    model.fusion(one[:1], many[None, :5]).sum().backward()
    assert all(weight.grad is not None for weight in model.fusion.parameters())
    assert all(weight.grad is None for net in (model.one, model.many) for weight in net.parameters())


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_of_inputs_joins_batches_in_order(batch):
    sizes = []

    def net(x):
        sizes.append(len(x))
        return x[:, :, 0, 0]

    instants = np.array([5, 2, 9, 1, 7, 3, 8])
    found = scores.of_inputs(net, NoiseStream("motion"), ROW, instants, batch, CPU).numpy()
    pixels = np.stack([NoiseStream("motion")(ROW, int(t), 0)[:, 0, 0] for t in instants])
    np.testing.assert_allclose(found, (pixels - 128.0) / (0.226 * 255), atol=1e-5)
    assert max(sizes) <= batch and sum(sizes) == 7


def test_summarise():
    """The mean over instants, of probabilities or of logits."""
    logits = np.random.default_rng(0).normal(0, 3, (4, 12, CLASSES))
    p = np.exp(logits)
    p /= p.sum(axis=2, keepdims=True)
    np.testing.assert_allclose(scores.summarise(logits, "softmax"), p.sum(axis=1) / 12, rtol=1e-12)
    np.testing.assert_allclose(scores.summarise(logits, "logits"), logits.sum(axis=1) / 12, rtol=1e-12)
    np.testing.assert_allclose(scores.summarise(logits[0], "softmax"), p[0].sum(axis=0) / 12, rtol=1e-12)


def test_summarise_stands_large_logits():
    np.testing.assert_allclose(scores.summarise(np.array([[2000.0, 0.0], [0.0, 2000.0]]), "softmax"), [0.5, 0.5])


def test_spaces_may_disagree():
    """One sure instant outweighs many doubtful ones in logits, not in probabilities."""
    logits = np.array([[50.0, 0.0], [0.0, 3.0], [0.0, 3.0]])
    assert scores.summarise(logits, "logits").argmax() == 0 and scores.summarise(logits, "softmax").argmax() == 1
