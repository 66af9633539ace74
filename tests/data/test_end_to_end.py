"""From a colour video of known motion, through the workflow's programs, to the network's inputs.

Nothing here asks the project what it did. Which instant and crop an input shows, and whether it is
mirrored, is found by comparing it with the rendered frames and their motion.
"""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import torch
import yaml

from pipeline import files
from pipeline.data import loader, transforms
from pipeline.data.crops import Crop
from pipeline.data.dataset import PeriodDataset, StreamDataset
from pipeline.data.groups import CachedRankings
from pipeline.data.stream import Stream
from pipeline.datasets import index
from pipeline.storage import writer
from pipeline.streams import DIRECTIONS
from pipeline.video.decode import probe
from pipeline.video.encode import encode

ROOT = Path(__file__).resolve().parents[2]
CLIP = "Run/clip"
WIDTH, HEIGHT, SIZE, STACK, DELTA = 160, 120, 96, 3, 1
CROPS = {
    "frame": [WIDTH, HEIGHT],
    "size": SIZE,
    "test": SIZE,
    "appearance": [SIZE],
    "motion": [SIZE],
    "flip": True,
}
CENTRE = (32, 12)
CORNERS = [(0, 0), (64, 0), (0, 24), (64, 24), CENTRE]  # left and top of a crop
MOVES = np.array(
    [(2, 1), (2, 1), (-1, 2), (3, -2), (0, 1), (-3, 2), (1, -1), (2, 3), (-2, 0), (1, -3), (-1, -2)]
)
FRAMES = len(MOVES) + 1  # MOVES[t]: (right, down) in pixels from frame t to t + 1
QUARTERS = [(slice(y, y + 60), slice(x, x + 80)) for y in (0, 60) for x in (0, 80)]
MARGIN = 8  # pixels about the seams of the quarters, where content comes and goes
STORES = {
    "default": yaml.safe_load((ROOT / "config.yaml").read_text())["store"],
    "gzip": {"frames": "gzip", "frames_quality": 85, "flow": "gzip", "flow_quality": 90},
}
STREAMS = {"appearance": "frames", "motion": "flow"}
CPU = torch.device("cpu")
ROW = {"clip": CLIP, "frames": FRAMES, "label": 0, "shard": "000"}
# A process of its own, because importing the plug-in would register it for all tests.
LZ4 = (
    "import sys, numpy, hdf5plugin, h5py; "
    "numpy.save(sys.argv[3], h5py.File(sys.argv[1])[sys.argv[2]][...])"
)


def moves(quarter: int) -> np.ndarray:
    """Each quarter of the frame starts elsewhere in MOVES, so the motion tells where a crop
    lies.
    """
    return np.roll(MOVES, -3 * quarter, axis=0)


def rendered() -> np.ndarray:
    """Frames (FRAMES, 3, HEIGHT, WIDTH) with a moving texture of blobs in each quarter.

    Red, green and blue have textures of their own.
    """
    rng = np.random.default_rng(0)
    frames = np.empty((FRAMES, 3, HEIGHT, WIDTH), np.uint8)
    for number, (rows, columns) in enumerate(QUARTERS):
        canvas = np.stack(
            [cv2.GaussianBlur(rng.standard_normal((140, 160)), (0, 0), 4) for _ in range(3)]
        )
        canvas = np.clip(128 + 45 * canvas / canvas.std(), 0, 255)
        for frame, (right, down) in zip(
            frames, np.vstack([[0, 0], np.cumsum(moves(number), axis=0)]), strict=True
        ):
            frame[:, rows, columns] = np.rint(
                canvas[:, 40 - down : 100 - down, 40 - right : 120 - right]
            )
    return frames


def motion() -> tuple[np.ndarray, np.ndarray]:
    """The fields (FRAMES - 1, 2, HEIGHT, WIDTH) in pixels, and where they hold: off the seams."""
    fields, holds = np.empty((FRAMES - 1, 2, HEIGHT, WIDTH)), np.ones((HEIGHT, WIDTH), bool)
    for number, (rows, columns) in enumerate(QUARTERS):
        fields[:, :, rows, columns] = moves(number)[:, :, None, None]
    holds[60 - MARGIN : 60 + MARGIN], holds[:, 80 - MARGIN : 80 + MARGIN] = False, False
    return fields, holds


def cut(planes: np.ndarray, corner: tuple[int, int], mirrored: bool) -> np.ndarray:
    left, top = corner
    planes = planes[..., top : top + SIZE, left : left + SIZE]
    return planes[..., ::-1] if mirrored else planes


def stacks(fields: np.ndarray, negated) -> dict:
    """The expected inputs by (t, corner, mirrored); mirrored ones have `negated(x)` for x."""
    result = {}
    for t in range(FRAMES - STACK):
        for corner in CORNERS:
            for mirrored in (False, True):
                planes = []
                for x, y in fields[t : t + STACK]:
                    planes += [
                        cut(negated(x) if mirrored else x, corner, mirrored),
                        cut(y, corner, mirrored),
                    ]
                result[t, corner, mirrored] = np.stack(planes)  # x1 y1 x2 y2 x3 y3
    return result


def pictures(frames: np.ndarray) -> dict:
    """The same of `frames`."""
    return {
        (t, corner, mirrored): cut(frames[t], corner, mirrored)
        for t in range(FRAMES)
        for corner in CORNERS
        for mirrored in (False, True)
    }


FIELDS, HOLDS = motion()
PICTURES, STACKS = pictures(rendered()), stacks(FIELDS, np.negative)


def seen(pixels: np.ndarray) -> tuple[int, tuple[int, int], bool]:
    """Instant, corner and mirror of a frame (3, SIZE, SIZE) as the network gets it."""
    return min(PICTURES, key=lambda key: np.abs(PICTURES[key] - pixels.astype(float)).mean())


def felt(planes: np.ndarray) -> tuple[int, tuple[int, int], bool]:
    """The same of a stack (2 STACK, SIZE, SIZE), by its motion."""
    return min(STACKS, key=lambda key: off(planes, key))


def off(planes: np.ndarray, key: tuple) -> float:
    """Mean difference in pixels between a stack of bytes and the motion at `key`, where it
    holds.
    """
    return np.abs(planes / 255 * 40 - 20 - STACKS[key])[:, cut(HOLDS, *key[1:])].mean()


FIND = {"appearance": seen, "motion": felt}


@pytest.fixture(scope="module", params=STORES)
def folder(request, tmp_path_factory) -> Path:
    """A set of one clip, by the workflow's programs, in the codecs of the config and in gzip."""
    folder = tmp_path_factory.mktemp("set") / request.param
    folder.mkdir()
    encode(folder / "clip.avi", rendered().transpose(0, 2, 3, 1), 25, quality=2)
    row = {
        "clip": CLIP,
        "path": str(folder / "clip.avi"),
        "sha256": files.digest(folder / "clip.avi"),
        "problem": "",
        **probe(folder / "clip.avi"),
    }
    index.write(folder / "clips.csv", [row], index.EXAMINED)
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    settings = {
        "decode": config["decode"],
        "flow": config["flow"] | {"backend": "cpu"},
        "store": STORES[request.param],
        "accept_damaged": [],
    }
    for kind in ("frames", "flow"):
        subprocess.run(
            [
                sys.executable,
                ROOT / "workflow" / "scripts" / f"{kind}.py",
                "--clips",
                folder / "clips.csv",
                "--videos",
                folder,
                "--settings",
                json.dumps(settings),
                "--out",
                folder / kind / "000.h5",
                "--record",
                folder / kind / "000.json",
            ],
            check=True,
        )
    with writer.create(
        folder / "groups.h5", "groups", {}, "test"
    ) as file:  # position p ranks class p
        file[CLIP] = np.arange(FRAMES, dtype=np.uint16)[:, None]
    return folder


def stream(folder: Path, name: str) -> Stream:
    return Stream(name, folder / STREAMS[name], CROPS, STACK, [ROW])


def items(draws, count: int) -> list[dict]:
    """Draws as `loading` hands them on, apart again."""
    batches = loader.iterate_batches(draws, range(count), 8, CPU, 0)
    return [
        {name: getattr(value, "stacked", value)[place].numpy() for name, value in batch.items()}
        for batch in batches
        for place in range(len(batch["label"]))
    ]


def stored(folder: Path, kind: str) -> np.ndarray:
    """All pixels of the clip, (n, 3, H, W) or (n, 2, H, W), read without the project's code.

    h5py, its lz4 plug-in and OpenCV decode them.
    """
    path = folder / kind / "000.h5"
    with h5py.File(path, locking=False) as file:
        data, coding = file[CLIP], file.attrs["coding"].decode().split(":")[0]
        if coding == "jpeg":
            chunks = [
                np.frombuffer(data.id.read_direct_chunk((t, 0, 0, 0))[1], np.uint8)
                for t in range(len(data))
            ]
            pixels = np.stack([cv2.imdecode(chunk, cv2.IMREAD_COLOR_RGB) for chunk in chunks])
        elif coding == "gzip":
            pixels = data[...]
    if coding == "lz4":
        subprocess.run([sys.executable, "-c", LZ4, path, CLIP, folder / "pixels.npy"], check=True)
        pixels = np.load(folder / "pixels.npy")
    return pixels.transpose(0, 3, 1, 2) if kind == "frames" else pixels


def eaten(folder: Path, name: str) -> dict:
    """What a network should get of the bytes in the file, by (t, corner, mirrored)."""
    pixels = stored(folder, STREAMS[name])
    return pictures(pixels) if name == "appearance" else stacks(pixels, lambda x: 255 - x)


def test_the_files_are_in_the_codings_that_are_meant(folder):
    expected = {"default": ("jpeg", "lz4"), "gzip": ("gzip", "gzip")}[folder.name]
    for kind, coding in zip(("frames", "flow"), expected, strict=True):
        with h5py.File(folder / kind / "000.h5", locking=False) as file:
            assert file.attrs["coding"].decode().startswith(f"{coding}: ") and len(
                file[CLIP]
            ) == FRAMES - (kind == "flow")


def test_frames_show_their_instant_in_rgb(folder):
    """Each channel is like its own texture and like no other's.

    MPEG-4 and JPEG halve chroma in both directions.
    """
    appearance = stream(folder, "appearance")
    for t in range(FRAMES):
        pixels = appearance(ROW, t, appearance.centre_crop())
        assert seen(pixels) == (t, CENTRE, False)
        likeness = np.corrcoef(pixels.reshape(3, -1), PICTURES[t, CENTRE, False].reshape(3, -1))[
            :3, 3:
        ]
        assert (
            np.diag(likeness).min() > 0.95
            and np.abs(likeness - np.diag(np.diag(likeness))).max() < 0.5
        )


def test_a_stack_begins_with_the_field_from_its_instant_to_the_next(folder):
    motion = stream(folder, "motion")
    assert motion.last_instant(ROW) == FRAMES - 1 - STACK
    for t in range(motion.last_instant(ROW) + 1):
        planes = motion(ROW, t, motion.centre_crop())
        assert felt(planes) == (t, CENTRE, False) and off(planes, (t, CENTRE, False)) < 0.1


def test_right_is_above_128_in_x_and_down_in_y(folder):
    """The first two fields of the first quarter move by (2, 1) pixels.

    Their bytes are (2 + 20) / 40 * 255 and (1 + 20) / 40 * 255.
    """
    motion = stream(folder, "motion")
    for mirrored, columns, x in (
        (False, slice(0, 80 - MARGIN), 140),
        (True, slice(SIZE - 80 + MARGIN, SIZE), 115),
    ):
        planes = motion(ROW, 0, Crop(0, 0, SIZE / WIDTH, SIZE / HEIGHT, mirrored))[
            :4, : 60 - MARGIN, columns
        ]
        assert np.abs(np.median(planes, axis=(1, 2)) - [x, 134, x, 134]).max() <= 1


@pytest.mark.parametrize("name", STREAMS)
def test_draws_are_crops_of_the_clip_at_their_instants(folder, name):
    """All corners and instants, mirrored and not; a mirror flips pixels and negates x only.

    The bytes are those of the file.
    """
    expected, found = eaten(folder, name), set()
    for item in items(
        StreamDataset([ROW], stream(folder, name), 1, CachedRankings(folder / "groups.h5", 1)), 96
    ):
        key = FIND[name](item["input"])
        found.add(key)
        assert key[0] == item["groups"][0]
        assert np.array_equal(item["input"], expected[key])
    assert {key[1:] for key in found} == set(itertools.product(CORNERS, (False, True)))
    assert {key[0] for key in found} == set(
        range(FRAMES if name == "appearance" else FRAMES - STACK)
    )


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_period_is_one_crop_at_instants_that_are_apart(folder, direction):
    one, many = DIRECTIONS[direction]
    cached = CachedRankings(folder / "groups.h5", 1)
    draws = PeriodDataset(
        [ROW], stream(folder, one), stream(folder, many), 1, DELTA, 5, cached, cached
    )
    mirrors = set()
    for item in items(draws, 12):
        centre, *crop = FIND[one](item["one"])
        found = [FIND[many](pixels) for pixels in item["many"]]
        assert found == [(centre + offset, *crop) for offset in (-2, -1, 0, 1, 2)]
        assert item["groups_one"][0] == centre and item["groups_many"][:, 0].tolist() == [
            key[0] for key in found
        ]
        mirrors.add(crop[1])
    assert mirrors == {False, True}


def test_a_network_eats_what_is_normalised(folder):
    """The same as float64 arithmetic on the files, with ImageNet's statistics.

    The byte of no motion is 128.
    """
    rgb = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[:, :, None, None]
    for name, (mean, std) in (("appearance", rgb), ("motion", (128 / 255, 0.226))):
        expected = eaten(folder, name)
        (batch,) = loader.iterate_batches(
            StreamDataset([ROW], stream(folder, name), 3), range(8), 8, CPU, 2
        )
        normal = transforms.normalise(batch["input"], name).numpy()
        for planes, values in zip(batch["input"].stacked.numpy(), normal, strict=True):
            np.testing.assert_allclose(
                values, (expected[FIND[name](planes)] / 255 - mean) / std, atol=1e-5
            )
