"""Scores of test clips: the same as instant by instant, each input through its net once."""

import numpy as np
import pytest
import torch

from pipeline.data import transforms
from pipeline.data.batch import InputBatch
from pipeline.data.crops import CROP_COUNTS, eval_crops
from pipeline.data.instants import eval_centres, eval_periods, period_instants
from pipeline.data.stream import Stream
from pipeline.inference import scores
from pipeline.inference.features import features_of_clips
from pipeline.models.asyn import ASYN, Fusion
from pipeline.models.co2fi import CO2FI
from pipeline.storage import decoding, writer
from pipeline.storage.codecs import Codec
from pipeline.streams import DIRECTIONS, STORES, STREAMS, channels

CLASSES, HIDDEN = 7, 6
PERIOD = {"count": 12, "delta": 5, "instants": 5}
CPU = torch.device("cpu")
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

    def shown(self, instants: np.ndarray, crop: int = 0) -> InputBatch:
        """The same as a batch whose planes stand in another order, frames and fields each once."""
        order = np.random.default_rng(0).permutation(len(instants))
        planes, each = (
            self(np.asarray(instants)[order], crop),
            3 if self.name == "appearance" else 2,
        )
        planes = planes.reshape(-1, each, 16, 16)  # (T, L P, ..) -> (T L, P, ..)
        places = np.arange(len(planes)).reshape(len(instants), -1)[np.argsort(order)]
        return InputBatch(torch.from_numpy(planes), torch.from_numpy(places))


def co2fi(stream: str) -> CO2FI:
    return CO2FI(
        channels(stream, 2),
        CLASSES,
        size=16,
        width=1 / 32,
        side_maps=2,
        fc1=8,
        fc2=8,
        hidden=HIDDEN,
        dropout=0.5,
    )


def all_models() -> dict:
    """What scores a run of the complete method, on noise: nothing is trained."""
    torch.manual_seed(0)
    models = {stream: co2fi(stream) for stream in STREAMS}
    for direction, names in DIRECTIONS.items():
        models[direction] = ASYN(
            *(co2fi(name) for name in names), Fusion(HIDDEN, CLASSES, hidden=5, dropout=0.5)
        )
    return {source: model.eval() for source, model in models.items()}


def of_clip(models: dict, last: int = 33, crops=(0,), batch: int = 7) -> dict:
    centres, instants = eval_periods(ROW, last, PERIOD)
    distinct = np.unique(instants)
    shown = ({name: Noise(name).shown(distinct, crop) for name in STREAMS} for crop in crops)
    return scores.score_clip(
        models, shown, *(np.searchsorted(distinct, which) for which in (centres, instants)), batch
    )


def output_of(net: CO2FI, stream: str, instant: int, crop: int = 0):
    """CO2FI's output for one input alone."""
    pixels = torch.from_numpy(Noise(stream)(instant, crop))[None]
    return net(transforms.normalise(pixels, stream))


@pytest.mark.parametrize("last", [4, 20, 33])
def test_scores_of_streams(last):
    models = all_models()
    found = of_clip(models, last)
    for stream in STREAMS:
        with torch.inference_mode():
            expected = [
                output_of(models[stream], stream, int(t)).units[2][0].numpy()
                for centre in eval_centres(12, 5, 5, last)
                for t in period_instants(centre, 5, 5, last)
            ]
        assert found[stream].shape == (60, CLASSES)
        np.testing.assert_allclose(found[stream], expected, atol=1e-5)


def of_periods(net: ASYN, names: tuple[str, str], last: int, crop: int = 0) -> list[np.ndarray]:
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
            expected.append(net.fusion(first, second)[4, 0].numpy())  # the last unit's prediction
    return expected


@pytest.mark.parametrize("last", [4, 20, 33])
def test_scores_of_directions(last):
    models = all_models()
    found = of_clip(models, last)
    for direction, names in DIRECTIONS.items():
        assert found[direction].shape == (12, CLASSES)
        np.testing.assert_allclose(
            found[direction], of_periods(models[direction], names, last), atol=1e-5
        )


@pytest.mark.parametrize("batch", [7, 60])
@pytest.mark.parametrize("last", [4, 33])
def test_scores_have_the_bits_of_models_applied_one_by_one(last, batch):
    """Each model on its own distinct inputs, read for it alone."""
    models = all_models()
    found = of_clip(models, last, batch=batch)
    centres, instants = eval_periods(ROW, last, PERIOD)

    def alone(net, name: str, wanted: np.ndarray) -> torch.Tensor:
        """Outputs (n, ..) at `wanted` (n,) of the distinct instants among them, in batches."""
        distinct, place = np.unique(wanted, return_inverse=True)
        parts = [distinct[start : start + batch] for start in range(0, len(distinct), batch)]
        return torch.cat(
            [net(transforms.normalise(Noise(name).shown(part), name)) for part in parts]
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
    found = of_clip(models, crops=crops)
    for source in models:
        expected = [of_clip({source: models[source]}, crops=[crop])[source] for crop in crops]
        np.testing.assert_array_equal(found[source], np.concatenate(expected))
    for direction, names in DIRECTIONS.items():
        for part, crop in zip(np.split(found[direction], 3), crops, strict=True):
            np.testing.assert_allclose(
                part, of_periods(models[direction], names, 33, crop), atol=1e-5
            )


def test_scores_of_a_direction_are_those_of_the_trained_pass():
    """Training runs ASYN whole; scoring takes it apart to run each input once."""
    net = all_models()["appearance-to-motion"]
    found = of_clip({"appearance-to-motion": net}, batch=60)["appearance-to-motion"]
    one, many = Noise("appearance"), Noise("motion")
    centres, instants = eval_periods(ROW, 33, PERIOD)
    frames = one(centres)  # (12, 3, 16, 16)
    stacks = np.stack([many(row) for row in instants])  # (12, 5, 4, 16, 16)
    with torch.inference_mode():
        output = net(
            transforms.normalise(torch.from_numpy(frames), "appearance"),
            transforms.normalise(torch.from_numpy(stacks), "motion"),
        )
    np.testing.assert_allclose(found, output.units[-1].numpy(), atol=1e-5)


# --- of stored clips


SIZE, WIDTH, HEIGHT = 16, 40, 30
CROPS = {
    "frame": [WIDTH, HEIGHT],
    "size": SIZE,
    "test": 20,
    "appearance": [20],
    "motion": [20],
    "flip": True,
}
ROWS = [
    {
        "clip": f"Archery/v_Archery_g01_c0{number}",
        "path": f"{number}.avi",
        "sha256": "0",
        "frames": frames,
        "label": 0,
        "shard": "000",
    }
    for number, frames in enumerate((40, 3, 12), start=1)
]


@pytest.fixture(scope="module", params=["gzip", "defaults"])
def streams(request, tmp_path_factory) -> dict[str, Stream]:
    """Clips of texture: more than the periods need, fewer than a stack has fields, and between."""
    folder, codings = (
        tmp_path_factory.mktemp("set"),
        {"gzip": ("gzip", "gzip"), "defaults": ("jpeg", "lz4")}[request.param],
    )
    for kind, shape, coding in zip(
        ("frames", "flow"), ((HEIGHT, WIDTH, 3), (2, HEIGHT, WIDTH)), codings, strict=True
    ):

        def items(row, kind=kind, shape=shape):
            rng = np.random.default_rng([row["frames"], kind == "flow"])
            yield from rng.integers(0, 256, (row["frames"] - (kind == "flow"), *shape)).astype(
                np.uint8
            )

        writer.write_shard(
            folder / kind / "000.h5",
            kind,
            ROWS,
            items,
            {},
            "test",
            "test",
            codec=Codec(coding, 90),
        )
    return {name: Stream(name, folder / kind, CROPS, 2, ROWS) for name, kind in STORES.items()}


@pytest.mark.parametrize("how", CROP_COUNTS)
@pytest.mark.parametrize("workers", [0, 2])
def test_clips_are_scored_on_the_pixels_that_training_draws(streams, workers, how):
    """Each crop by itself, as a training draw reads it; any number of workers gives the same bits."""
    models, crops = all_models(), eval_crops((WIDTH, HEIGHT), 20, how)
    found = list(scores.score_clips(models, streams, ROWS, crops, PERIOD, 7, CPU, workers))
    assert len(found) == len(ROWS)
    for row, logits in zip(ROWS, found, strict=True):
        centres, instants = eval_periods(
            row, min(stream.last(row) for stream in streams.values()), PERIOD
        )
        distinct = np.unique(instants)
        shown = []
        for crop in crops:
            planes = {
                name: torch.from_numpy(stream(row, distinct, crop)).reshape(
                    -1, stream.each, SIZE, SIZE
                )
                for name, stream in streams.items()
            }  # (T, L P, ..) -> (T L, P, ..)
            shown.append(
                {
                    name: InputBatch(every, torch.arange(len(every)).reshape(len(distinct), -1))
                    for name, every in planes.items()
                }
            )
        expected = scores.score_clip(
            models, shown, *(np.searchsorted(distinct, which) for which in (centres, instants)), 7
        )
        assert logits.keys() == expected.keys()
        for source in models:
            np.testing.assert_array_equal(logits[source], expected[source])
            assert len(logits[source]) == len(crops) * (60 if source in STREAMS else 12)


@pytest.mark.parametrize("how", CROP_COUNTS)
@pytest.mark.parametrize("sources", [STREAMS, [*DIRECTIONS], [*STREAMS, *DIRECTIONS]])
def test_a_clip_is_read_once_for_all_sources_and_crops(streams, monkeypatch, sources, how):
    """The instants of the periods that both streams have: 38 stacks of 2 in 40 frames, frames 0 to 37, fields 0 to 38."""
    models, asked, read = all_models(), [], decoding.frames_or_fields
    monkeypatch.setattr(
        decoding,
        "frames_or_fields",
        lambda data, places, *cut: asked.append(list(places)) or read(data, places, *cut),
    )
    crops = eval_crops((WIDTH, HEIGHT), 20, how)
    found = list(
        scores.score_clips(
            {source: models[source] for source in sources}, streams, ROWS[:1], crops, PERIOD, 7, CPU
        )
    )
    assert list(found[0]) == list(sources)
    needed = np.unique([period_instants(centre, 5, 5, 37) for centre in eval_centres(12, 5, 5, 37)])
    assert asked == [needed.tolist(), sorted({*needed, *(needed + 1)})]


@pytest.mark.parametrize("workers", [0, 2])
def test_features_are_those_of_each_instant_and_can_be_learnt_on(streams, workers):
    model = all_models()["appearance-to-motion"]
    features = features_of_clips(model, tuple(streams.values()), ROWS, 4, CPU, workers)
    for row, found in zip(ROWS, features, strict=True):
        count = min(stream.last(row) for stream in streams.values()) + 1
        for stream, net, part in zip(streams.values(), (model.one, model.many), found, strict=True):
            assert part.shape == (count, HIDDEN)  # of the instants that both streams have
            pixels = torch.from_numpy(
                np.stack([stream(row, t, stream.centre_crop()) for t in range(count)])
            )
            with torch.inference_mode():
                expected = net(transforms.normalise(pixels, stream.name)).feature
            torch.testing.assert_close(part, expected, atol=1e-5, rtol=0)
    one, many = features[0]
    model.fusion(one[:1], many[None, :5]).sum().backward()
    assert all(weight.grad is not None for weight in model.fusion.parameters())
    assert all(
        weight.grad is None for net in (model.one, model.many) for weight in net.parameters()
    )


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("batch", [1, 3, 100])
def test_of_inputs_joins_batches_in_order(streams, batch, workers):
    sizes = []

    def net(x):
        sizes.append(len(x))
        return x[:, :, 5, 5]

    motion, instants = (
        streams["motion"],
        [np.array([5, 2, 9, 1, 7, 3, 8]), np.array([0]), np.array([4, 4, 10])],
    )
    found = list(
        scores.apply_at_instants(
            {"motion": net}, {"motion": motion}, ROWS, instants, batch, CPU, workers
        )
    )
    assert max(sizes) <= batch and sum(sizes) == 11
    for row, wanted, values in zip(ROWS, instants, found, strict=True):
        pixels = np.stack([motion(row, int(t), motion.centre_crop())[:, 5, 5] for t in wanted])
        np.testing.assert_allclose(
            values["motion"].numpy(), (pixels - 128.0) / (0.226 * 255), atol=1e-5
        )


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
