"""Artifacts that were made with other settings than the config has are refused."""

import json
import re
from pathlib import Path

import pytest

from pipeline.errors import PipelineError
from pipeline.jobs import agreement, record
from pipeline.storage.codecs import DESCRIPTIONS, Codec

FLOW = {
    "decode": {"short_side": 256},
    "flow": {"bound": 20, "backend": "auto"},
    "store": {"flow": "lz4", "flow_quality": 90},
}
CO2FI = {"seed": 1, "granularities": [5, 3, 1], "loss": {"alpha": [0.1, 0.1, 1]}}
SET = FLOW | CO2FI | {"teacher": {"lr": 0.01}, "idt": {"components": 256}}
VARIANT = SET | {"granularities": [3, 1], "loss": {"alpha": [0.1, 1]}}
IDENTITY = {"train": "t0", "test": "t1", "splits": {"split1": ["t0", "t1"]}}


@pytest.fixture
def results(tmp_path, monkeypatch) -> Path:
    """The results of a set; a job of the variant `pair` and seed 2 asks."""
    monkeypatch.chdir(tmp_path)
    runs = {"": SET, "split1": SET | {"seed": 3}, "split1/pair/seed2": VARIANT | {"seed": 2}}
    runs["split1/pair/seed2/appearance/co2fi"] = VARIANT | {"seed": 2, "co2fi": {"lr": 0.1}}
    content = {"runs": runs, "identity": IDENTITY}
    Path("wanted.json").write_text(json.dumps(content))
    return Path("results/mini")


def made(path: Path, stage: str, settings: dict) -> Path:
    record.write(path, stage, "d", settings, "code")
    return path


def refusal(*records: Path) -> list[str]:
    with pytest.raises(PipelineError) as caught:
        agreement.check(records, "wanted.json")
    return str(caught.value).splitlines()


def test_what_the_config_wants_is_taken(results):
    identity = {"identity": "t0"}
    agreement.check(
        [
            made(results / "flow/000.json", "flow", FLOW | {"accept_damaged": ["Run/a"]}),
            made(results / "split1/motion/teacher.json", "teacher", {"seed": 1} | identity),
            made(results / "split1/motion/co2fi.json", "co2fi", CO2FI | {"seed": 3} | identity),
            made(
                results / "split1/pair/seed2/motion/co2fi.json",
                "co2fi",
                {"seed": 2, "granularities": [3, 1], "loss": {"alpha": [0.1, 1.0]}},
            ),
            made(
                results / "split1/pair/seed2/appearance/co2fi.json",
                "co2fi",
                {"seed": 2, "granularities": [3, 1], "co2fi": {"lr": 0.1}},
            ),
            made(results / "split1/idt/scores.json", "scores", {"identity": "t1", "given": "f00"}),
            made(results / "split1/idt/fisher/000.json", "idt_fisher", {"codebook": "c0"}),
            made(results / "index.json", "index", {"identity": IDENTITY["splits"]}),
        ],
        "wanted.json",
    )


def test_flow_of_another_bound_is_refused_once_for_all_shards(results):
    other = FLOW | {"flow": {"bound": 5, "backend": "auto"}}
    records = [made(results / f"flow/{n:03d}.json", "flow", other) for n in range(3)]
    records.append(made(results / "flow/003.json", "flow", FLOW))
    assert refusal(*records) == [
        "results/mini/flow/000.json and 2 more: made with flow.bound 5, where the config has 20; "
        "correct the config, or have it made again: the same snakemake command with --forcerun flow"
    ]


@pytest.mark.parametrize(
    "path, stage, settings, words",
    [
        ("frames/000.json", "frames", {"decode": {"short_side": 96}}, "decode.short_side 96"),
        ("split1/motion/teacher.json", "teacher", {"teacher": {"lr": 0.1}}, "teacher.lr 0.1"),
        ("split1/motion/groups.json", "groups", {"granularities": [9, 1]}, "granularities [9, 1]"),
        # The variant has other granularities than the set.
        ("split1/pair/seed2/motion/co2fi.json", "co2fi", CO2FI, "granularities [5, 3, 1]"),
        ("split1/pair/seed2/x-to-y/asyn.json", "asyn", {"seed": 1}, "seed 1, where .* has 2"),
        ("split1/motion/scores.json", "scores", {"seed": 1}, "seed 1, where .* has 3; .* mv "),
        # A network of one stream with a schedule of its own.
        (
            "split1/pair/seed2/appearance/co2fi.json",
            "co2fi",
            {"co2fi": {"lr": 0.2}},
            "co2fi.lr 0.2, where .* has 0.1",
        ),
        ("split1/idt/codebook.json", "idt_codebook", {"idt": {"components": 4}}, "components 4"),
        ("split1/motion/teacher.json", "teacher", {"identity": "t1"}, "other clips or classes"),
        ("split1/motion/scores.json", "scores", {"identity": "t0"}, "other clips or classes"),
        ("index.json", "index", {"identity": {"split1": ["t0", "t2"]}}, "other clips or classes"),
    ],
)
def test_each_artifact_is_compared_with_its_own_settings(results, path, stage, settings, words):
    (line,) = refusal(made(results / path, stage, settings))
    assert line.startswith(f"results/mini/{path}: made ")
    assert re.search(words.replace("[", r"\["), line)


@pytest.mark.parametrize(
    "section, value",
    [
        ("flow", {"bound": 20.0, "backend": "cuda"}),
        ("store", {"flow": "gzip", "flow_quality": 50}),
        ("flow", {"bound": 20, "backend": "cpu", "a_key_of_another_version": 1}),
        ("a_section_of_another_version", {"a": 1}),
    ],
)
def test_values_of_the_same_outcome_agree(results, section, value):
    agreement.check(
        [made(results / "flow/000.json", "flow", FLOW | {section: value})], "wanted.json"
    )


@pytest.mark.parametrize(
    "section, value, words",
    [
        ("flow", {"bound": 20, "backend": "opencv"}, 'flow.backend "opencv"'),
        ("store", {"flow": "jpeg", "flow_quality": 90}, 'store.flow "jpeg"'),
    ],
)
def test_values_of_another_outcome_do_not(results, section, value, words):
    (line,) = refusal(made(results / "flow/000.json", "flow", FLOW | {section: value}))
    assert words in line


def test_quality_counts_where_both_are_lossy(results):
    want = SET | {"store": {"flow": "jpeg", "flow_quality": 90}}
    Path("wanted.json").write_text(json.dumps({"runs": {"": want}, "identity": IDENTITY}))
    jpeg = {"store": {"flow": "jpeg", "flow_quality": 50}}
    (line,) = refusal(made(results / "flow/000.json", "flow", FLOW | jpeg))
    assert "store.flow_quality 50, where the config has 90" in line


def test_codecs_that_are_the_same_lose_nothing():
    for kind in ("frames", "flow"):
        names = {name for name in DESCRIPTIONS if Codec(name).lossless}
        assert set(agreement.SAME[f"store.{kind}"]) == names


def test_records_are_those_of_artifacts(results):
    made(results / "flow/000.json", "flow", FLOW)
    Path("other.json").write_text("{}")
    paths = [results / "flow/000.h5", "train.csv", "other.npz", results / "flow/001.h5"]
    assert agreement.records_of(paths) == [results / "flow/000.json"]
