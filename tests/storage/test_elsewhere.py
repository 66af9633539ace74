"""docs/store.md, word for word: h5py, OpenCV and hdf5-tools read files without the package."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.storage import writer
from pipeline.storage.codecs import Codec

DOCS = (Path(__file__).resolve().parents[2] / "docs" / "store.md").read_text()
SECTION = re.search(r"## Reading without the package\n(.*?)\n## ", DOCS, re.S)[1]
READ, EXPORT, PICTURE = re.findall(r"```\w*\n(.*?)```", SECTION, re.S)
PLAIN = READ.replace(", hdf5plugin", "")
OPEN = PLAIN.split("fields")[0]
CLIP, FRAMES = "Archery/v_Archery_g01_c01", 24
CODECS = {"gzip": Codec("gzip"), "lz4": Codec("lz4"), "jpeg": Codec("jpeg", 95)}
SETTINGS = {"flow": {"bound": 20.0}}
# The environment of a user who has neither the package nor plug-ins on a path.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name not in ("PYTHONPATH", "HDF5_PLUGIN_PATH")
}
needs_hdf5_tools = pytest.mark.skipif(
    not (shutil.which("h5ls") and shutil.which("h5dump")),
    reason="Debian's hdf5-tools are not installed",
)


def pixels(kind: str) -> np.ndarray:
    """Frames (n, H, W, 3) or fields (n - 1, 2, H, W), smooth, different in each and per channel."""
    rng = np.random.default_rng(len(kind))
    planes = rng.standard_normal((FRAMES - (kind == "flow"), 3 if kind == "frames" else 2, 32, 48))
    planes = np.stack([[cv2.GaussianBlur(plane, (0, 0), 6) for plane in item] for item in planes])
    planes = np.clip(128 + 40 * planes / planes.std(), 0, 255).astype(np.uint8)
    # (n, 3, H, W) -> (n, H, W, 3)
    return planes.transpose(0, 2, 3, 1) if kind == "frames" else planes


@pytest.fixture(scope="module", params=CODECS)
def folder(request, tmp_path_factory) -> Path:
    """A folder of shards, named after their codec."""
    return write_shards(tmp_path_factory.mktemp("coded") / request.param, request.param)


def write_shards(folder: Path, codec: str) -> Path:
    """Write frames/000.h5 and flow/000.h5, as the workflow writes them."""
    row = {"clip": CLIP, "path": "/v/v_Archery_g01_c01.avi", "sha256": "5a" * 32, "frames": FRAMES}
    for kind in ("frames", "flow"):
        writer.write_shard(
            folder / kind / "000.h5",
            kind,
            [row],
            lambda row, kind=kind: iter(pixels(kind)),
            SETTINGS,
            "c0de",
            "ffmpeg 7",
            codec=CODECS[codec],
        )
    return folder


def run_python(program: str, folder: Path, **environment: str) -> subprocess.CompletedProcess:
    """Run a program that knows neither the package nor plug-ins that it does not import."""
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
    )


def last_array(program: str, folder: Path, **environment: str) -> np.ndarray:
    """Run a program; returns the array that it assigns to a name last."""
    name = re.findall(r"^(\w+) =", program, re.M)[-1]
    save = f"\nimport sys, numpy\nassert 'pipeline' not in sys.modules\nnumpy.save('a.npy', {name})"
    done = run_python(program + save, folder, **environment)
    assert done.returncode == 0, done.stderr
    return np.load(folder / "a.npy")


def plugin_path() -> str:
    """The value that the line of docs/store.md gives to HDF5_PLUGIN_PATH."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", f'{EXPORT}\nprintf %s "$HDF5_PLUGIN_PATH"'],
        env=ENVIRONMENT | {"PATH": path},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_plain_h5py_reads_structure_and_attributes(folder):
    """Whatever the codec."""
    done = run_python(
        OPEN + "\nimport json"
        "\nfound = dict(clip.file.attrs), dict(clip.attrs), clip.shape, str(clip.dtype)"
        # Text comes as bytes.
        "\nprint(json.dumps(found, default=lambda value: getattr(value, 'decode', value.item)()))",
        folder,
    )
    assert done.returncode == 0, done.stderr
    of_file, of_clip, shape, dtype = json.loads(done.stdout)
    assert of_file["format"] == "pipeline/flow"
    assert of_file["coding"].startswith(f"{folder.name}: ")
    assert json.loads(of_file["settings"]) == SETTINGS
    assert (of_file["code"], of_file["made_with"]) == ("c0de", "ffmpeg 7")
    assert of_clip == {"clip": CLIP, "source": "v_Archery_g01_c01.avi", "sha256": "5a" * 32}
    assert (shape, dtype) == ([FRAMES - 1, 2, 32, 48], "uint8")


def test_gzip_needs_nothing_more(tmp_path):
    np.testing.assert_array_equal(
        last_array(PLAIN, write_shards(tmp_path, "gzip")), pixels("flow")[10:20]
    )


@pytest.mark.parametrize("codec", ["lz4", "jpeg"])
def test_the_error_without_the_plug_in_is_the_one_quoted(tmp_path, codec):
    found = re.search(r"h5py says\s+`(.*?)`.*exists,\s+`(.*?)`", SECTION, re.S).groups()
    # A quotation may go on in the next line.
    quoted, other = (" ".join(text.split()) for text in found)
    write_shards(tmp_path, codec)
    (tmp_path / "plugins").mkdir()
    found = (
        run_python(PLAIN, tmp_path),
        run_python(PLAIN, tmp_path, HDF5_PLUGIN_PATH=str(tmp_path / "plugins")),
    )
    first, second = (done.stderr.splitlines()[-1] for done in found)
    assert second.startswith("OSError: ") and other in second
    if Path(re.search(r"directory \((.*?)\)", quoted)[1]).exists():
        pytest.skip("HDF5's folder of plug-ins exists here")
    assert first == quoted


def test_lz4_is_read_with_one_import_or_one_variable(tmp_path):
    write_shards(tmp_path, "lz4")
    np.testing.assert_array_equal(last_array(READ, tmp_path), pixels("flow")[10:20])
    np.testing.assert_array_equal(
        last_array(PLAIN, tmp_path, HDF5_PLUGIN_PATH=plugin_path()), pixels("flow")[10:20]
    )


def test_a_chunk_of_jpeg_is_a_picture_by_the_line_of_the_docs(tmp_path):
    """The error is JPEG's at quality 95; the channels of smooth noise are tens of levels apart."""
    write_shards(tmp_path, "jpeg")
    begin = f"import cv2, numpy as np\nt = 7\n{OPEN}"
    found = last_array(begin.replace("flow/", "frames/") + PICTURE, tmp_path)
    assert found.shape == (32, 48, 3) and np.abs(found.astype(int) - pixels("frames")[7]).mean() < 4
    for number in range(2):
        found = last_array(
            begin + PICTURE.replace("(t, 0, 0, 0)", f"(t, {number}, 0, 0)"), tmp_path
        )[..., 0]
        assert np.abs(found.astype(int) - pixels("flow")[7, number]).mean() < 2


@needs_hdf5_tools
def test_hdf5_tools_show_structure_attributes_and_filters(folder):
    for kind, shape in (("frames", (FRAMES, 32, 48, 3)), ("flow", (FRAMES - 1, 2, 32, 48))):
        listed, header, values = (
            subprocess.run(
                [*command, folder / kind / "000.h5"], check=True, capture_output=True, text=True
            ).stdout
            for command in (["h5ls", "-rv"], ["h5dump", "-H", "-p"], ["h5dump", "-A"])
        )
        # The first axis can grow.
        sizes = ", ".join(f"{size}/{size if axis else 'Inf'}" for axis, size in enumerate(shape))
        assert f"/{CLIP} Dataset {{{sizes}}}" in listed
        for output, gzip, prefix in (
            (listed, "deflate", "method-"),
            (header, "COMPRESSION DEFLATE", "FILTER_ID "),
        ):
            filters = {"gzip": gzip, "lz4": f"{prefix}32004", "jpeg": f"{prefix}32019"}
            assert filters[folder.name] in output
        for attribute, value in (
            ("format", f"pipeline/{kind}"),
            ("coding", f"{folder.name}: "),
            ("code", "c0de"),
            ("clip", CLIP),
            ("source", "v_Archery_g01_c01.avi"),
            ("sha256", "5a" * 32),
        ):
            assert f"Attribute: {attribute} scalar" in listed
            assert f'ATTRIBUTE "{attribute}"' in header
            assert f'(0): "{value}' in values


@needs_hdf5_tools
@pytest.mark.parametrize("codec", ["gzip", "lz4"])
def test_h5dump_prints_the_pixels(tmp_path, codec):
    write_shards(tmp_path, codec)
    environment = ENVIRONMENT | ({"HDF5_PLUGIN_PATH": plugin_path()} if codec == "lz4" else {})
    done = subprocess.run(
        ["h5dump", "-y", "-d", f"/{CLIP}[13,1,2,0;1,1,1,1;1,1,1,6]", tmp_path / "flow" / "000.h5"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ", ".join(map(str, pixels("flow")[13, 1, 2, :6])) in done.stdout, done.stderr
