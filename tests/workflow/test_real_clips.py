"""Runs on genuine clips: UCF101 and HMDB51 down to flow, Weizmann to its result, small enough for
every change.
"""

import csv
import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from workspace import ROOT, environment

from pipeline.datasets import index
from pipeline.flow.levels import dequantise
from pipeline.storage import decoding
from pipeline.storage.keys import key_of

# Over tests/configs/weizmann.yaml: the same clips and stages, fewer jobs, a tenth of the pixels, a
# moment of training.
QUICK_SHARDS = 2
QUICK = {
    "decode": {"short_side": 48},
    "flow": {"warps": 1, "outer": 2},
    "crops": {"size": 48},
    "teacher": {"width": 0.05, "iterations": 40},
    "network": {"width": 0.05, "fc1": 32, "fc2": 32, "hidden": 32},
    "fusion_network": {"hidden": 32},
    "co2fi": {"iterations": 20},
    "asyn": {"iterations": 5},
    "period": {"count": 3},
    "idt": {"samples_per_clip": 500, "components": 16},
}


def run(
    folder: Path,
    shared: Path,
    config: Path,
    *targets: str,
    settings: dict | None = None,
    shards: int | None = None,
) -> None:
    """Run the project's own Snakefile on a config of tests/configs, with its results in
    `folder`.
    """
    content = yaml.safe_load(config.read_text())
    ((name, entry),) = content["sets"].items()
    entry["videos"] = entry["videos"].replace("../shared/data", str(shared))
    entry["lists"] = (
        entry["lists"].replace("../shared/data", str(shared)).replace("tests/", f"{ROOT}/tests/")
    )
    entry["shards"] = shards or entry["shards"]
    for section, values in (settings or {}).items():
        entry["settings"].setdefault(section, {}).update(values)
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--cores",
        "2",
        "--snakefile",
        str(ROOT / "Snakefile"),
        "--directory",
        str(folder),
        "--configfile",
        str(folder / "config.yaml"),
        "--",
        *targets,
    ]
    done = subprocess.run(
        command, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, done.stdout[-5000:]


@pytest.mark.parametrize(
    ("name", "shards", "clips"), [("hmdb51_samples", 2, 10), ("ucf101_few", 1, 3)]
)
def test_genuine_clips_down_to_flow(shared, tmp_path, name, shards, clips):
    files = [
        f"results/{name}/{kind}/{shard:03d}.h5"
        for kind in ("frames", "flow")
        for shard in range(shards)
    ]
    run(tmp_path, shared, ROOT / f"tests/configs/{name}.yaml", f"results/{name}/index.csv", *files)
    lines = (shared / "MANIFEST.tsv").read_text().splitlines()
    manifest = {Path(row["path"]).stem: row for row in csv.DictReader(lines, delimiter="\t")}
    rows = index.read(tmp_path / f"results/{name}/index.csv")
    assert len(rows) == clips
    for row in rows:
        counted = int(manifest[row["clip"].split("/")[1]]["frames"])
        assert row["frames"] == counted
        where = tmp_path / "results" / name
        with (
            h5py.File(where / f"frames/{row['shard']}.h5") as frames,
            h5py.File(where / f"flow/{row['shard']}.h5") as flow,
        ):
            pixels, fields = frames[key_of(row["clip"])], flow[key_of(row["clip"])]
            assert pixels.shape[:2] == (counted, 48) and pixels.shape[2] % 2 == 0
            assert abs(pixels.shape[2] / 48 - row["width"] / row["height"]) < 0.05
            assert fields.shape == (counted - 1, 2, *pixels.shape[1:3])
            assert pixels.attrs["clip"].decode() == row["clip"]
            assert pixels.attrs["sha256"].decode() == row["sha256"]
            assert np.abs(dequantise(decoding.read(fields))).max() > 0.3, (
                "nothing moves in a clip of an action"
            )


def test_weizmann_to_its_result(shared, tmp_path):
    run(
        tmp_path,
        shared,
        ROOT / "tests/configs/weizmann.yaml",
        "results/weizmann/split1/acc.json",
        settings=QUICK,
        shards=QUICK_SHARDS,
    )
    result = json.loads((tmp_path / "results/weizmann/split1/acc.json").read_text())
    assert (result["clips"], result["classes"]) == (20, 10)
    tested = [row for row in index.read(tmp_path / "results/weizmann/split1/test.csv")]
    assert {Path(row["path"]).name.split("_")[0] for row in tested} == {"daria", "denis"}
    trained = [row for row in index.read(tmp_path / "results/weizmann/split1/train.csv")]
    assert len(trained) == 50 and not {row["group"] for row in trained} & {
        row["group"] for row in tested
    }
    assert all(0 <= share <= 1 for share in result["accuracy"].values())
