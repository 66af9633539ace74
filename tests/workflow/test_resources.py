"""Cores, memory and GPUs of jobs, and what their programs are told."""

import json


def test_a_training_has_the_cores_of_all_its_processes(rules):
    rules.mini["settings"] = {"compute": {"threads": 2, "workers": 3, "processes": 4}}
    needs, wildcards = rules.start().resources, rules.wildcards(run="split1", stream="motion")
    assert needs.processes(wildcards) == 4
    assert needs.reading_cores(wildcards) == 5 and needs.training_cores(wildcards) == 20
    assert needs.training_memory(1000)(wildcards) == 4000
    assert needs.launcher(wildcards).endswith("torchrun.py --standalone --nproc-per-node 4")
    assert needs.training_flags(wildcards) == "--workers 3 --device auto --accumulate 1"
    assert needs.training_gpus(wildcards) == 4 and needs.gpu(wildcards) == 1


def test_a_single_process_needs_no_torchrun(rules):
    assert rules.resources.launcher(rules.wildcards(run="split1")) == "python"


def test_networks_on_the_cpu_ask_for_no_gpu(rules):
    rules.mini["settings"] = {"compute": {"device": "cpu", "processes": 2}}
    needs, wildcards = rules.start().resources, rules.wildcards(run="split1", stream="motion")
    assert needs.training_gpus(wildcards) == needs.gpu(wildcards) == 0
    assert needs.network_flags(wildcards) == "--workers 0 --device cpu"


def test_a_job_of_flow_asks_for_a_gpu_where_the_config_does(rules):
    wildcards = rules.wildcards(shard="000")
    assert rules.resources.flow_gpus(wildcards) == 0
    rules.mini["settings"] = {"flow": {"backend": "cuda"}}
    assert rules.start().resources.flow_gpus(wildcards) == 1


def test_clusters_have_no_cores_of_this_machine(rules):
    assert rules.resources.all_cores(rules.wildcards()) == 8
    rules.resources.cores = None
    assert rules.resources.all_cores(rules.wildcards()) == 4


def test_programs_are_told_where_videos_and_lists_lie(rules):
    entry = json.loads(rules.resources.entry(rules.wildcards()))
    assert (entry["videos"], entry["lists"], entry["format"]) == ("videos", "lists", "ucf101")
    assert rules.resources.video_folder(rules.wildcards()) == "videos"
