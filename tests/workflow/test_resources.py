"""Cores, memory and GPUs of jobs, and what their programs are told."""

import json
import re
from pathlib import Path

import pytest

from pipeline.errors import PipelineError
from pipeline.gpus import Gpus
from pipeline.workflow import resources

ROOT = Path(__file__).resolve().parents[2]


def test_a_training_has_the_cores_of_all_its_processes(rules):
    rules.mini["settings"] = {"compute": {"threads": 2, "workers": 3, "processes": 4}}
    needs, wildcards = rules.start().resources, rules.wildcards(run="split1", stream="motion")
    assert needs.processes(wildcards) == 4
    assert needs.reading_cores(wildcards) == 5 and needs.training_cores(wildcards) == 20
    assert needs.training_memory(1000)(wildcards, attempt=1) == 4000
    assert needs.launcher(wildcards).endswith("torchrun.py --standalone --nproc-per-node 4")
    assert needs.training_flags(wildcards) == (
        "--workers 3 --device auto --accumulate 1 --checkpoint-minutes 5 --compile auto"
    )
    assert needs.training_gpus(wildcards) == 4 and needs.gpu(wildcards) == 1


def test_a_single_process_needs_no_torchrun(rules):
    assert rules.resources.launcher(rules.wildcards(run="split1")) == "python"


def test_networks_on_the_cpu_ask_for_no_gpu(rules):
    rules.mini["settings"] = {"compute": {"device": "cpu", "processes": 2}}
    needs, wildcards = rules.start().resources, rules.wildcards(run="split1", stream="motion")
    assert needs.training_gpus(wildcards) == needs.gpu(wildcards) == 0
    assert needs.network_flags(wildcards) == "--workers 0 --device cpu"


def test_flow_on_the_cpu_is_the_work_of_one_core(rules):
    needs, wildcards = rules.resources, rules.wildcards(shard="000")
    found = needs.flow_gpus(wildcards), needs.flow_cores(wildcards), needs.flow_memory(wildcards, 1)
    assert found == (0, 1, 2000)


def test_flow_on_the_cpus_of_a_cluster_has_four_cores_and_memory_for_them(rules):
    rules.resources.cores = None
    alone = rules.resources.memory(0)(rules.wildcards(), 1)
    assert rules.resources.flow_memory(rules.wildcards(shard="000"), 1) == alone + 3500


@pytest.mark.parametrize(
    "backend, gpus, cores, expected",
    [
        # One job more than there are GPUs.
        ("auto", 1, 8, (1, 4)),
        ("auto", 3, 8, (1, 2)),
        ("cuda", 1, 8, (1, 4)),
        ("auto", 1, 64, (1, 16)),
        ("auto", 4, 2, (1, 1)),
        # A cluster's jobs, wherever they are planned.
        ("auto", 1, None, (0, 4)),
        ("cpu", 0, None, (0, 4)),
        ("cuda", 0, None, (1, 8)),
        ("cpu", 2, 8, (0, 1)),
        ("opencv", 2, 8, (0, 1)),
    ],
)
def test_a_job_of_flow_on_a_gpu_has_cores_that_feed_it(
    rules, monkeypatch, backend, gpus, cores, expected
):
    monkeypatch.setattr(resources.gpus, "found", lambda: Gpus(gpus * ("A card",)))
    monkeypatch.setattr(resources.gpus, "missing_for_triton", list)
    rules.mini["settings"] = {"flow": {"backend": backend}}
    needs, wildcards = rules.start().resources, rules.wildcards(shard="000")
    needs.cores = cores
    assert (needs.flow_gpus(wildcards), needs.flow_cores(wildcards)) == expected


@pytest.mark.parametrize("backend, expected", [("cuda", (1, 8)), ("auto", (0, 4))])
def test_a_job_of_a_cluster_has_what_the_run_asked_for(rules, monkeypatch, backend, expected):
    """Though it sees all cores and GPUs of its node."""
    monkeypatch.setattr(resources.gpus, "found", lambda: Gpus(4 * ("A card",)))
    monkeypatch.setattr(resources.gpus, "missing_for_triton", list)
    rules.mini["settings"] = {"flow": {"backend": backend}}
    needs, wildcards = rules.start().resources, rules.wildcards(shard="000")
    needs.sets.is_job, needs.cores = True, 64
    assert (needs.flow_gpus(wildcards), needs.flow_cores(wildcards)) == expected


def test_flow_is_not_planned_for_a_gpu_that_triton_cannot_compile_for(rules, monkeypatch):
    monkeypatch.setattr(resources.gpus, "found", lambda: Gpus(("A card",)))
    monkeypatch.setattr(resources.gpus, "missing_for_triton", lambda: ["a C compiler"])
    assert rules.resources.flow_cores(rules.wildcards(shard="000")) == 1


def test_further_tries_ask_for_more_memory_and_time_up_to_a_limit(rules):
    wildcards, tries = rules.wildcards(), (1, 2, 3, 4, 11)
    memory = rules.resources.memory(3000)
    assert [memory(wildcards, attempt) for attempt in tries] == [3000, 4500, 6000, 6000, 6000]
    minutes = rules.resources.minutes(500)
    # Partitions that let a job run for a day are common.
    assert [minutes(wildcards, attempt) for attempt in tries] == [500, 1000, 1440, 1440, 1440]


def test_a_cluster_gives_memory_to_the_snakemakes_around_a_program(rules):
    rules.resources.cores = None
    # 48 clips take less than a megabyte.
    assert rules.resources.memory(1000)(rules.wildcards(), attempt=1) == 1350
    assert rules.resources.training_memory(1000)(rules.wildcards(run="split1"), attempt=2) == 1850


def test_no_job_asks_for_more_time_than_the_environment_allows(rules, monkeypatch):
    monkeypatch.setenv("PIPELINE_MINUTES", "240")
    assert rules.resources.minutes(1440)(rules.wildcards(), attempt=1) == 240
    monkeypatch.setenv("PIPELINE_MINUTES", "4 h")
    with pytest.raises(PipelineError, match="PIPELINE_MINUTES is '4 h'; it is the longest"):
        rules.resources.minutes(1440)


@pytest.mark.parametrize(
    ("word", "gpus", "gres"),
    [
        (None, 3, ""),
        ("gpus", 3, ""),
        ("none", 0, ""),
        ("gpu", 0, "gpu:3"),
        ("gpu:a100", 0, "gpu:a100:3"),
    ],
)
def test_one_switch_says_how_jobs_ask_for_gpus(rules, monkeypatch, word, gpus, gres):
    if word:
        monkeypatch.setenv("PIPELINE_GPUS", word)
    needs = rules.resources
    needs.cores = None
    assert needs.asked(lambda wildcards: 3)(rules.wildcards()) == gpus
    assert needs.gres(lambda wildcards: 3)(rules.wildcards()) == gres
    assert needs.gres(lambda wildcards: 0)(rules.wildcards()) == ""
    # It is about clusters.
    needs.cores = 8
    assert needs.asked(lambda wildcards: 3)(rules.wildcards()) == 3
    assert needs.gres(lambda wildcards: 3)(rules.wildcards()) == ""


def test_a_switch_of_gpus_with_a_number_is_refused(rules, monkeypatch):
    monkeypatch.setenv("PIPELINE_GPUS", "gpu:1")
    rules.resources.cores = None
    with pytest.raises(PipelineError, match="PIPELINE_GPUS is 'gpu:1'; it is gpus, none, or what"):
        rules.resources.gres(lambda wildcards: 1)(rules.wildcards())


def test_clusters_have_no_cores_of_this_machine(rules):
    assert rules.resources.all_cores(rules.wildcards()) == 8
    rules.resources.cores = None
    assert rules.resources.all_cores(rules.wildcards()) == 4


def test_programs_are_told_where_videos_and_lists_lie(rules):
    entry = json.loads(rules.resources.entry(rules.wildcards()))
    assert (entry["videos"], entry["lists"], entry["format"]) == ("videos", "lists", "ucf101")
    assert rules.resources.video_folder(rules.wildcards()) == "videos"


def test_svms_ask_for_memory_and_time_by_the_number_of_clips(rules, monkeypatch):
    needs, wildcards = rules.resources, rules.wildcards(split="split1")
    monkeypatch.setattr(needs, "_memory_around", lambda wildcards: 0)
    # 8 classes, and 2 clips of each of 2 scenes.
    assert needs._training_clips(wildcards) == 32
    assert (needs.svm_memory(wildcards, 1), needs.svm_minutes(wildcards, 1)) == (4000, 240)
    # 14 x 16,000^2 bytes and 2 x 4 x 16,000 x 4,096 of columns; 8 classes.
    monkeypatch.setattr(needs, "_training_clips", lambda wildcards: 16_000)
    assert needs.svm_memory(wildcards, 1) == 500 + 3584 + 524 + 4
    assert needs.svm_memory(wildcards, 3) == 2 * 4612
    monkeypatch.setattr(needs, "_training_clips", lambda wildcards: 95_000)
    assert (needs.svm_memory(wildcards, 1), needs.svm_minutes(wildcards, 1)) == (4000, 1440)


def test_every_rule_asks_for_memory_and_time_by_itself():
    # What a user gives by --default-resources takes the place of all that a profile has there.
    found = 0
    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        for block in re.split(r"^ *rule\b", path.read_text(), flags=re.MULTILINE)[1:]:
            found += 1
            assert "mem_mb=" in block and "runtime=" in block, path
    assert found >= 20
