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
    """Pixels of noise that depend on stream and instant; keeps the instants that it was asked for."""

    def __init__(self, name: str):
        self.name, self.asked = name, []

    def centre_crop(self) -> str:
        return "centre"

    def __call__(self, row: dict, instant, crop: str) -> np.ndarray:
        if np.ndim(instant):
            return np.stack([self(row, int(t), crop) for t in instant])
        assert row is ROW and crop == "centre"
        self.asked.append(instant)
        rng = np.random.default_rng([instant, inputs.STREAMS.index(self.name)])
        return rng.integers(0, 256, (inputs.channels(self.name, 2), 16, 16)).astype(np.uint8)


def co2fi(stream: str) -> CO2FI:
    return CO2FI(inputs.channels(stream, 2), CLASSES, size=16, width=1 / 32, side_maps=2, fc1=8, fc2=8, hidden=HIDDEN,
                 dropout=0.5)


def output_of(net: CO2FI, stream: str, instant: int):
    """CO2FI's output for one input alone."""
    pixels = torch.from_numpy(NoiseStream(stream)(ROW, instant, "centre"))[None]
    return net(inputs.normalise(pixels, stream))


@pytest.mark.parametrize("last", [4, 20, 33])
@pytest.mark.parametrize("stream", inputs.STREAMS)
def test_scores_of_a_stream(stream, last):
    torch.manual_seed(0)
    net, source = co2fi(stream).eval(), NoiseStream(stream)
    found = scores.of_stream(net, source, ROW, last, PERIOD, 7, CPU)
    with torch.inference_mode():
        expected = [output_of(net, stream, int(t)).units[2][0].numpy()
                    for centre in sampling.test_centres(12, 5, 5, last) for t in sampling.period(centre, 5, 5, last)]
    assert found.shape == (60, CLASSES)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert len(source.asked) == len(set(source.asked))


@pytest.mark.parametrize("last", [4, 20, 33])
@pytest.mark.parametrize("direction", inputs.DIRECTIONS)
def test_scores_of_a_direction(direction, last):
    torch.manual_seed(1)
    names = inputs.DIRECTIONS[direction]
    net = ASYN(*(co2fi(name) for name in names), Fusion(HIDDEN, CLASSES, hidden=5, dropout=0.5)).eval()
    one, many = (NoiseStream(name) for name in names)
    found = scores.of_direction(net, one, many, ROW, last, PERIOD, 7, CPU)
    expected = []
    with torch.inference_mode():
        for centre in sampling.test_centres(12, 5, 5, last):
            instants = sampling.period(centre, 5, 5, last)
            first = output_of(net.one, names[0], int(centre)).feature
            second = torch.stack([output_of(net.many, names[1], int(t)).feature for t in instants], dim=1)
            expected.append(net.fusion(first, second)[4, 0].numpy())  # the last unit's prediction
    assert found.shape == (12, CLASSES)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    for stream in (one, many):
        assert len(stream.asked) == len(set(stream.asked))


def test_scores_of_a_direction_are_those_of_the_trained_pass():
    """Training runs ASYN whole; scoring takes it apart to run each input once."""
    torch.manual_seed(2)
    net = ASYN(co2fi("appearance"), co2fi("motion"), Fusion(HIDDEN, CLASSES, hidden=5)).eval()
    one, many = NoiseStream("appearance"), NoiseStream("motion")
    found = scores.of_direction(net, one, many, ROW, 33, PERIOD, 60, CPU)
    centres, instants = scores.test_periods(ROW, 33, PERIOD)
    frames = np.stack([one(ROW, int(t), "centre") for t in centres])
    stacks = np.stack([[many(ROW, int(t), "centre") for t in row] for row in instants])
    with torch.inference_mode():
        output = net(inputs.normalise(torch.from_numpy(frames), "appearance"),
                     inputs.normalise(torch.from_numpy(stacks), "motion"))
    np.testing.assert_allclose(found, output.units[-1].numpy(), atol=1e-5)


def test_features_are_those_of_each_instant_and_can_be_learnt_on():
    torch.manual_seed(0)
    model = ASYN(co2fi("appearance"), co2fi("motion"), Fusion(HIDDEN, CLASSES, hidden=5))
    streams = [NoiseStream(name) for name in inputs.STREAMS]
    for stream, last in zip(streams, (9, 6), strict=True):
        stream.last = lambda row, last=last: last
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
    pixels = np.stack([NoiseStream("motion")(ROW, int(t), "centre")[:, 0, 0] for t in instants])
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
