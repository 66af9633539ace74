"""Jobs that wait in vain; a real queue is asked in tests/workflow/test_slurm.py."""

from pathlib import Path

from pipeline.workflow.slurm_queue import waiting_in_vain

HERE = Path("/runs/ours")
QUEUE = """\
PartitionTimeLimit|rule_asyn_wildcards_ucf101_split1_motion-to-appearance|/runs/ours
PartitionTimeLimit|rule_asyn_wildcards_ucf101_split1_appearance-to-motion|/runs/ours
PartitionTimeLimit|rule_co2fi_wildcards_ucf101_split1_motion|/runs/theirs
PartitionTimeLimit|(null)|/runs/ours
Resources|rule_flow_wildcards_ucf101_003|/runs/ours
BadConstraints|rule_index|/runs/ours
"""


def test_jobs_that_will_never_start_are_named_by_rule_once():
    assert waiting_in_vain(QUEUE, HERE) == [
        "rule asyn waits in vain: it asks for more time than its partition allows; begin with a "
        "lower PIPELINE_MINUTES (PartitionTimeLimit)",
        "rule index waits in vain: it asks for what no node has (BadConstraints)",
    ]


def test_an_empty_queue_and_other_words_say_nothing():
    assert waiting_in_vain("", HERE) == waiting_in_vain("slurm_load_jobs error\n", HERE) == []
