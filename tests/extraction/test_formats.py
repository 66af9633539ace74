"""The files of each format, read by formulas of their own readers."""

import struct

import cv2
import h5py
import numpy as np
import pytest
from extraction_cases import settings

from pipeline.extraction import formats

# Fields of odd sides; displacements within the bound of 20 pixels and beyond it.
FIELDS = [
    np.random.default_rng(seed).normal(0, size, (31, 45, 2)).astype(np.float32)
    for seed, size in enumerate((0.3, 4, 15))
]


def bytes_of(field: np.ndarray, bound: float) -> np.ndarray:
    """What dense_flow's CAST makes of each value: 255 above the bound, 0 below, else rounded."""
    codes = [
        255 if v > bound else 0 if v < -bound else round(255 * (float(v) + bound) / (2 * bound))
        for v in field.ravel()
    ]
    return np.array(codes, np.uint8).reshape(field.shape)


@pytest.mark.parametrize("bound", [20.0, 15.0])
def test_png_images_are_the_bytes_of_dense_flow(tmp_path, bound):
    given = settings(format="png", layout="tsn", bound=bound)
    assert formats.write(FIELDS, tmp_path / "clip", given) == 3
    assert len(list((tmp_path / "clip").iterdir())) == 6
    for number, field in enumerate(FIELDS, start=1):
        for axis, name in enumerate("xy"):
            path = tmp_path / "clip" / f"flow_{name}_{number:05d}.png"
            image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            assert image.dtype == np.uint8
            assert np.array_equal(image, bytes_of(field[..., axis], bound))


def test_jpeg_images_are_those_of_opencv_by_default(tmp_path):
    formats.write(FIELDS, tmp_path / "clip", settings())
    for number, field in enumerate(FIELDS):
        for axis, name in enumerate("xy"):
            codes = np.ascontiguousarray(bytes_of(field[..., axis], 20))
            found = (tmp_path / "clip" / f"flow_{name}_{number:05d}.jpg").read_bytes()
            assert found == cv2.imencode(".jpg", codes)[1].tobytes()


@pytest.mark.parametrize("scale", [0, 0.01, 1, 40])
def test_png_images_of_denseflow_have_their_own_bounds(tmp_path, scale):
    """Read as its documents say: v = (byte - 128) / 128 * bound, the bound 4 times red's byte."""
    field = FIELDS[1] * np.float32(scale) * [1, 3]
    formats.write([field.astype(np.float32)], tmp_path / "clip", settings(format="png"))
    (path,) = (tmp_path / "clip").iterdir()
    assert path.name == "flow_00000.png"
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    # 31 rows: x's bound stands in rows 0 to 15, y's in 16 to 30.
    for axis, rows in enumerate((slice(0, 16), slice(16, None))):
        (quarter,) = np.unique(image[rows, :, 2])
        assert quarter % 2 == 1
        bound = 4.0 * quarter
        side = (45, 31)[axis]
        inside = np.abs(field[..., axis]) <= side
        found = (image[..., axis].astype(float) - 128) / 128 * bound
        assert np.abs(found - field[..., axis])[inside].max() <= bound / 256 + 1e-4
        # The bound is the least that holds the values, up to a side of the image.
        assert bound - 8 < min(side, np.abs(field[..., axis]).max()) * 128 / 127


def test_flo_files_are_middleburys(tmp_path):
    assert formats.write(FIELDS, tmp_path / "clip", settings(format="flo")) == 3
    for number, field in enumerate(FIELDS):
        content = (tmp_path / "clip" / f"flow_{number:05d}.flo").read_bytes()
        assert content[:4] == b"PIEH" and struct.unpack("<ii", content[4:12]) == (45, 31)
        assert np.array_equal(np.frombuffer(content, "<f4", offset=12).reshape(31, 45, 2), field)
        assert np.array_equal(
            cv2.readOpticalFlow(str(tmp_path / "clip" / f"flow_{number:05d}.flo")), field
        )


@pytest.mark.parametrize("layout, first", [("denseflow", 0), ("mmaction", 1)])
def test_h5_has_a_dataset_for_each_plane(tmp_path, layout, first):
    given = settings(format="h5", layout=layout)
    assert formats.write(FIELDS, tmp_path / "a.h5", given) == 3
    with h5py.File(tmp_path / "a.h5") as file:
        assert len(file) == 6
        for number, field in enumerate(FIELDS, start=first):
            for axis, name in enumerate("xy"):
                plane = file[f"/flow_{name}_{number:05d}"]
                assert plane.dtype == np.float32 and np.array_equal(plane, field[..., axis])


def test_npy_is_one_array(tmp_path):
    assert formats.write(iter(FIELDS), tmp_path / "a.npy", settings(format="npy")) == 3
    found = np.load(tmp_path / "a.npy", allow_pickle=False)
    assert found.dtype == np.float32 and np.array_equal(found, FIELDS)


def test_npy_of_many_fields(tmp_path):
    """The number of fields has more digits than when the file was begun."""
    formats.write((FIELDS[0][:1, :2] for _ in range(12345)), tmp_path / "a", settings(format="npy"))
    with open(tmp_path / "a", "rb") as file:
        assert np.load(file).shape == (12345, 1, 2, 2)


@pytest.mark.parametrize("kind", ["jpg", "png", "flo", "h5", "npy"])
def test_equal_fields_give_equal_bytes(tmp_path, kind):
    for name in ("a", "b"):
        formats.write(FIELDS, tmp_path / name, settings(format=kind))
    first, second = (
        [path.read_bytes() for path in sorted(p.iterdir())] if p.is_dir() else p.read_bytes()
        for p in (tmp_path / "a", tmp_path / "b")
    )
    assert first == second
