"""Weight files of VGG-16 in every layout give the same network; others are refused in words."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from pipeline.data.transforms import normalise
from pipeline.errors import PipelineError
from pipeline.models.backbones.vgg import STAGES, VGG16
from pipeline.models.backbones.vgg_weights import ALIKE, FILTER, KNOWN, TORCHVISION, channel_order
from pipeline.models.baseline import Baseline

WIDTH, SIZE, FC = 1 / 4, 64, 12  # conv1_1 has 16 filters, so that the known one is among them
NAMES = [
    f"conv{stage}_{number}"
    for stage, sizes in enumerate(STAGES, 1)
    for number in range(1, len(sizes) + 1)
]
PLACES = [place for places in TORCHVISION for place in places]
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])  # torchvision's, RGB
PIXELS = np.array([123.68, 116.779, 103.939])  # Simonyan and Zisserman's, RGB


def published(width: float = WIDTH, seed: int = 0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Layers by Caffe's names, for RGB pixels minus PIXELS.

    Weights are (out, in, h, w) or (out, in), biases (out,).
    """
    rng = np.random.default_rng(seed)
    before, layers = 3, {}
    for name, size in zip(NAMES, (size for stage in STAGES for size in stage), strict=True):
        after = round(size * width)
        layers[name] = rng.normal(0, 0.2, (after, before, 3, 3)), rng.normal(0, 0.5, after)
        before = after
    layers["conv1_1"][0][KNOWN] = FILTER.numpy()
    layers["fc6"] = rng.normal(0, 0.1, (FC, before * (SIZE // 32) ** 2)), rng.normal(0, 0.5, FC)
    layers["fc7"] = rng.normal(0, 0.1, (FC, FC)), rng.normal(0, 0.5, FC)
    return {
        name: (weight.astype(np.float32), bias.astype(np.float32))
        for name, (weight, bias) in layers.items()
    }


def kernels_last(name: str, weight: np.ndarray) -> np.ndarray:
    """Keras's layout: (h, w, in, out), and (in, out) with fc6's inputs in the order h, w, c."""
    if weight.ndim == 4:
        return weight.transpose(2, 3, 1, 0)
    if name == "fc6":
        side = SIZE // 32
        return weight.reshape(FC, -1, side, side).transpose(2, 3, 1, 0).reshape(-1, FC)
    return weight.T


def stored(
    layers: dict, names: dict, weight_name: str, bias_name: str, *, bgr: bool, last: bool
) -> dict[str, np.ndarray]:
    """A file's arrays; `weight_name` and `bias_name` make a layer's of its name."""
    arrays = {}
    for name, (weight, bias) in layers.items():
        weight = weight[:, ::-1] if bgr and name == "conv1_1" else weight
        own = names.get(name, name)
        arrays[weight_name.format(own)] = np.ascontiguousarray(
            kernels_last(name, weight) if last else weight
        )
        arrays[bias_name.format(own)] = bias
    return arrays


KERAS = {
    "fc6": "fc1",
    "fc7": "fc2",
    **{name: name.replace("conv", "block").replace("_", "_conv") for name in NAMES},
}
THEIRS = {
    "fc6": "classifier.0",
    "fc7": "classifier.3",
    **{name: f"features.{place}" for name, place in zip(NAMES, PLACES, strict=True)},
}
FILES = {  # kind -> ending, names, weight, bias, BGR, kernels last
    "caffe npz": ("npz", {}, "{}_weight", "{}_bias", True, False),
    "caffe hdf5": ("h5", {}, "data/{}/0", "data/{}/1", True, False),
    "caffe torch": ("pth", {}, "{}.weight", "{}.bias", True, False),
    "keras hdf5": ("h5", KERAS, "{0}/{0}/kernel:0", "{0}/{0}/bias:0", True, True),
    "keras 1 hdf5": ("h5", KERAS, "{0}/{0}_W_1:0", "{0}/{0}_b_1:0", True, True),
    "keras model": (
        "h5",
        KERAS,
        "model_weights/{0}/{0}/kernel:0",
        "model_weights/{0}/{0}/bias:0",
        True,
        True,
    ),
    "keras npz": ("npz", KERAS, "{}_kernel", "{}_bias", True, True),
    "tensorflow npz": ("npz", {}, "{}_W", "{}_b", False, True),  # turned to RGB
    "torchvision bgr": ("pth", THEIRS, "{}.weight", "{}.bias", True, False),
    "torchvision rgb": (
        "pth",
        THEIRS,
        "{}.weight",
        "{}.bias",
        False,
        False,
    ),  # VGG16_Weights.IMAGENET1K_FEATURES
    "parallel": ("pth", THEIRS, "module.{}.weight", "module.{}.bias", True, False),
}


def write(folder: Path, kind: str, layers: dict) -> str:
    ending, names, weight, bias, bgr, last = FILES[kind]
    path = folder / f"vgg16.{ending}"
    arrays = stored(layers, names, weight, bias, bgr=bgr, last=last)
    if ending == "npz":
        np.savez(path, **arrays)
    elif ending == "pth":
        state = {name: torch.from_numpy(value) for name, value in arrays.items()}
        torch.save({"epoch": 3, "state_dict": state} if kind == "parallel" else state, path)
    else:
        with h5py.File(path, "w") as file:
            for name, value in arrays.items():
                file[name] = value
            file["names"] = "no weights at all"
            if kind == "keras model":
                for name, value in arrays.items():
                    file[name.replace("model_weights", "optimizer_weights")] = np.zeros_like(value)
    return str(path)


def adapted(weight: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """conv1_1 for (x / 255 - MEAN) / STD in place of x - PIXELS."""
    weight = weight.astype(np.float64)
    more = np.einsum("ochw,c->o", weight, 255 * MEAN - PIXELS)
    return np.einsum("ochw,c->ochw", weight, 255 * STD), bias + more


def same(layer: torch.nn.Module, values: tuple[np.ndarray, np.ndarray]) -> bool:
    return all(
        (p.detach().numpy() == value).all()
        for p, value in zip((layer.weight, layer.bias), values, strict=True)
    )


@pytest.mark.parametrize("kind", FILES)
def test_every_layout_gives_the_same_network(tmp_path, kind):
    layers = published()
    net = Baseline(VGG16(3, WIDTH), 7, size=SIZE, fc=FC, dropout=0.5)
    net.start_from(write(tmp_path, kind, layers))
    found = dict(
        zip(NAMES, (conv for stage in net.vgg.convolutions() for conv in stage), strict=True)
    )
    found |= {"fc6": net.fc6, "fc7": net.fc7}
    weight, bias = adapted(*layers.pop("conv1_1"))
    first = found.pop("conv1_1")
    np.testing.assert_allclose(first.weight.detach(), weight, rtol=1e-6)
    np.testing.assert_allclose(first.bias.detach(), bias, rtol=1e-5)
    assert all(same(layer, layers[name]) for name, layer in found.items())


def test_converted_weights_answer_pixels_as_the_original():
    """conv1_1 by hand on x - PIXELS, and ours on normalised pixels, agree.

    They differ at the border only, where the paddings differ.
    """
    x = np.random.default_rng(1).integers(0, 256, (2, 3, 9, 11)).astype(np.uint8)
    weight, bias = published()["conv1_1"]
    windows = np.lib.stride_tricks.sliding_window_view(
        x - PIXELS[:, None, None], (3, 3), axis=(2, 3)
    )  # (2, 3, 7, 9, 3, 3)
    expected = (
        np.einsum("nchwij,ocij->nohw", windows, weight.astype(np.float64)) + bias[:, None, None]
    )
    new_weight, new_bias = (torch.from_numpy(value).float() for value in adapted(weight, bias))
    found = torch.conv2d(
        normalise(torch.from_numpy(x), "appearance"), new_weight, new_bias, padding=1
    )
    np.testing.assert_allclose(
        found[:, :, 1:-1, 1:-1], expected, rtol=1e-4, atol=1e-3
    )  # float32 of values up to 400


def test_motion_takes_the_mean_of_the_converted_layer(tmp_path):
    layers = published()
    net = VGG16(20, WIDTH)
    net.start_from(write(tmp_path, "keras hdf5", layers))
    weight, bias = adapted(*layers["conv1_1"])
    first = net.convolutions()[0][0]
    for channel in range(20):
        np.testing.assert_allclose(
            first.weight[:, channel].detach(), weight.mean(axis=1), rtol=1e-4, atol=1e-5
        )
    np.testing.assert_allclose(first.bias.detach(), bias, rtol=1e-5)


def test_torchvisions_own_weights_stay_as_they_are(tmp_path):
    layers = published()
    layers["conv1_1"][0][KNOWN] = np.random.default_rng(2).normal(0, 0.2, (3, 3, 3))
    net = VGG16(3, WIDTH)
    net.start_from(write(tmp_path, "torchvision rgb", layers))
    convolutions = [conv for stage in net.convolutions() for conv in stage]
    assert all(same(conv, layers[name]) for name, conv in zip(NAMES, convolutions, strict=True))


# Real values


@pytest.fixture(scope="module")
def real(shared) -> dict[str, np.ndarray]:
    """The first four convolutions that Simonyan and Zisserman published, (h, w, in, out), BGR."""
    path = shared / "vgg16_imagenet_partial/vgg16_conv1_1_to_conv2_2.npz"
    if not path.is_file():
        pytest.skip(f"{path} is missing")
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def test_the_known_filter_is_the_originals_and_like_no_other(real):
    kernels = torch.from_numpy(
        real["conv1_1_kernel"].transpose(3, 2, 0, 1).copy()
    )  # (64, 3, 3, 3), BGR
    assert channel_order(kernels) == "BGR" and channel_order(kernels.flip(1)) == "RGB"
    assert channel_order(kernels.flip(2, 3)) is None  # Theano's, turned by 180 degrees
    close = torch.nn.functional.cosine_similarity
    assert close(kernels[KNOWN].flip(0).flatten(), FILTER.flatten(), dim=0) > 0.999
    for turned in (
        kernels,
        kernels.flip(1),
        kernels.flip(2),
        kernels.flip(3),
        kernels.flip(2, 3),
        kernels.flip(1, 2, 3),
    ):
        alike = close(turned.flatten(1), FILTER.flatten()[None], dim=1)  # (64,)
        assert (alike[torch.arange(64) != KNOWN] < ALIKE - 0.01).all()
        if not torch.equal(turned, kernels.flip(1)):
            assert alike[KNOWN] < 0.45
    torch.manual_seed(0)
    tuned = kernels + 0.1 * kernels.std() * torch.randn_like(
        kernels
    )  # far more than fine-tuning moves it
    assert channel_order(tuned) == "BGR"


def test_the_size_of_values_does_not_tell_the_scale_of_pixels(real):
    """Why a known filter is needed to identify the original.

    For pixels of 0 .. 255 conv1_1 is hardly smaller than He et al.'s start for unit variance, 0.27.
    """
    assert 0.2 < np.sqrt((real["conv1_1_kernel"] ** 2).mean()) < np.sqrt(2 / 27)


@pytest.mark.parametrize("kind", ["caffe npz", "keras hdf5", "tensorflow npz", "torchvision bgr"])
def test_files_with_the_real_values(tmp_path, real, kind):
    layers = published(width=1.0)
    for name in NAMES[:4]:
        kernel = real[f"{name}_kernel"].transpose(3, 2, 0, 1)
        layers[name] = (
            kernel[:, ::-1] if name == "conv1_1" else kernel,
            real[f"{name}_bias_approx"].astype(np.float32),
        )
    net = VGG16()
    net.start_from(write(tmp_path, kind, {name: layers[name] for name in NAMES}))
    (first, second), _, *_ = net.convolutions()
    np.testing.assert_allclose(first.weight.detach(), adapted(*layers["conv1_1"])[0], rtol=1e-6)
    assert (second.weight.detach().numpy() == real["conv1_2_kernel"].transpose(3, 2, 0, 1)).all()
    assert (net.convolutions()[4][2].weight.detach().numpy() == layers["conv5_3"][0]).all()


def test_part_of_the_network_is_refused(shared):
    path = shared / "vgg16_imagenet_partial/vgg16_conv1_1_to_conv2_2.npz"
    with torch.device("meta"):
        net = VGG16()
    with pytest.raises(
        PipelineError,
        match=r"npz: Caffe's names, but no weight of layer 'conv3_1', so it is not the whole",
    ):
        net.start_from(str(path))


# Refusals


def torch_file(content) -> callable:
    return lambda path: torch.save(content, path)


ONE = {"features.0.weight": torch.zeros(64, 3, 3, 3), "features.0.bias": torch.zeros(64)}
REFUSED = {
    "missing": (lambda path: None, "no such weight file"),
    "empty": (lambda path: path.write_bytes(b""), "load safely"),
    "text": (lambda path: path.write_bytes(b"hello"), "load safely"),
    "object": (torch_file(Path("a/pickle")), "load safely"),
    "pickled array": (lambda path: np.save(path.open("wb"), {"conv1_1": [1]}), "load safely"),
    "pickles in an npz": (
        lambda path: np.savez(path.open("wb"), conv1_1_W=np.array({"a": 1}, object)),
        "load safely",
    ),
    "half an HDF5": (
        lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100)),
        "load safely",
    ),
    "tensor": (torch_file(torch.zeros(3)), "holds Tensor, not a dict"),
    "no names": (torch_file({}), "no layer of VGG-16.*features.0.weight"),
    "nested": (torch_file({"state_dict": {}}), "no layer of VGG-16"),
    "no bias": (
        torch_file({"features.0.weight": ONE["features.0.weight"]}),
        "no bias of layer 'features.0'",
    ),
    "one layer": (torch_file(ONE), "torchvision's names, but no weight of layer 'features.2'"),
}


@pytest.mark.parametrize("make, words", REFUSED.values(), ids=REFUSED)
def test_files_that_are_none_are_refused(tmp_path, make, words):
    make(tmp_path / "vgg.pth")
    with torch.device("meta"):
        net = VGG16()
    with pytest.raises(PipelineError, match=f"vgg.pth: .*{words}"):
        net.start_from(str(tmp_path / "vgg.pth"))


@pytest.mark.parametrize("kind", ["caffe npz", "keras hdf5"])
@pytest.mark.parametrize(
    "change", ["another", "turned"]
)  # trained anew; Theano's, turned by 180 degrees
def test_a_first_layer_that_is_not_the_originals_is_refused(tmp_path, kind, change):
    layers = published()
    weight, bias = layers["conv1_1"]
    layers["conv1_1"] = weight[:, :, ::-1, ::-1] if change == "turned" else weight[::-1], bias
    with pytest.raises(
        PipelineError, match=f"{kind.split()[0].title()}'s names, but conv1_1 is not the original"
    ):
        VGG16(3, WIDTH).start_from(write(tmp_path, kind, layers))


def test_values_that_are_no_numbers_are_refused_where_they_are_needed(tmp_path):
    layers = published()
    layers["fc7"][0][0, 0] = (
        np.nan
    )  # as in VGG16_Weights.IMAGENET1K_FEATURES, which has convolutions only
    path = write(tmp_path, "torchvision rgb", layers)
    VGG16(3, WIDTH).start_from(path)
    with pytest.raises(
        PipelineError, match="the weight of layer 'classifier.3' holds what is no number"
    ):
        Baseline(VGG16(3, WIDTH), 7, size=SIZE, fc=FC, dropout=0.5).start_from(path)


def test_a_bias_of_another_size_is_refused(tmp_path):
    layers = published()
    layers["conv2_1"] = layers["conv2_1"][0], layers["conv2_1"][1][:1]
    with pytest.raises(
        PipelineError, match=r"'features.5.bias' is \(1,\), the network wants \(32,\)"
    ):
        VGG16(3, WIDTH).start_from(write(tmp_path, "caffe torch", layers))


@pytest.mark.parametrize(
    "name, weight, bias, words",
    [
        ("conv1_1", (16, 3, 3, 3), (3,), "which do not fit"),
        ("conv1_1", (), (16,), r"of shape \(\), where 4 dimensions are wanted"),
        ("conv1_1", (16, 3, 3), (16,), "where 4 dimensions are wanted"),
        ("conv3_1", (0, 32, 3, 3), (64,), "where 4 dimensions are wanted"),
        ("conv5_3", (128, 128, 3, 3), (), r"bias of layer .* of shape \(\)"),
        ("fc6", (12, 3, 3, 3), (12,), "where 2 dimensions are wanted"),
    ],
)
@pytest.mark.parametrize("kind", ["caffe npz", "torchvision bgr"])
def test_layers_of_other_shapes_are_refused(tmp_path, kind, name, weight, bias, words):
    layers = published()
    layers[name] = np.full(weight, 0.1, np.float32), np.zeros(bias, np.float32)
    if name == "conv1_1" and len(weight) == 4:
        layers[name][0][KNOWN] = FILTER.numpy()
    net = Baseline(VGG16(3, WIDTH), 7, size=SIZE, fc=FC, dropout=0.5)
    path = stored_as_is(tmp_path, kind, layers)
    with pytest.raises(PipelineError, match=f"^{path}: .*{words}"):
        net.start_from(path)


def stored_as_is(folder: Path, kind: str, layers: dict) -> str:
    """`write` for layers whose channels cannot be reversed."""
    ending, names, weight, bias, *_ = FILES[kind]
    return write_arrays(
        folder / f"vgg16.{ending}",
        {
            text.format(names.get(name, name)): value
            for name, values in layers.items()
            for text, value in zip((weight, bias), values, strict=True)
        },
    )


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> str:
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        torch.save({name: torch.from_numpy(value) for name, value in arrays.items()}, path)
    return str(path)


def test_fc1_that_reads_no_square_map_is_refused(tmp_path):
    layers = published()
    arrays = stored(layers, KERAS, "{}_kernel", "{}_bias", bgr=True, last=True)
    arrays["fc1_kernel"] = arrays["fc1_kernel"][:-1]
    path = write_arrays(tmp_path / "vgg16.npz", arrays)
    with pytest.raises(PipelineError, match="fc1 reads 511 values, which are no square map of 128"):
        Baseline(VGG16(3, WIDTH), 7, size=SIZE, fc=FC, dropout=0.5).start_from(path)


def test_values_that_overflow_when_converted_are_refused(tmp_path):
    layers = published()
    layers["conv1_1"][0][0, 0, 0, 0] = 3e38
    with pytest.raises(PipelineError, match="'conv1_1' holds values of up to float32's largest"):
        VGG16(3, WIDTH).start_from(write(tmp_path, "caffe npz", layers))


def test_two_networks_in_one_file_are_refused(tmp_path):
    layers = published()
    arrays = stored(layers, THEIRS, "rgb.{}.weight", "rgb.{}.bias", bgr=True, last=False)
    again = {name.replace("rgb", "flow"): value for name, value in arrays.items()}
    path = write_arrays(tmp_path / "same.pth", arrays | again)
    VGG16(3, WIDTH).start_from(path)
    again["flow.features.28.bias"] = again["flow.features.28.bias"] + 1
    path = write_arrays(tmp_path / "two.pth", arrays | again)
    with pytest.raises(PipelineError, match="'rgb.features.28.bias' and 'flow.features.28.bias'"):
        VGG16(3, WIDTH).start_from(path)
