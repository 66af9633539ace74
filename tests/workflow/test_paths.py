"""Which files a job reads."""

import pytest

from pipeline.errors import PipelineError
from pipeline.workflow.paths import CONTENT


def test_a_split_lists_the_shards_of_its_training_clips(rules):
    wildcards = rules.wildcards(split="split1", subset="train", store="flow")
    files = rules.inputs.subset_shards("results/{set}/{store}/{shard}.h5")(wildcards)
    shards = rules.sets.subset_shards("mini", "split1", "train")
    assert files == [f"results/mini/flow/{shard}.h5" for shard in shards] and files
    train = {clip.id for clip in rules.sets.clip_set("mini").subset("split1", "train")}
    held = {
        shard for shard, clips in rules.sets.shards("mini").items() if train & {c.id for c in clips}
    }
    assert set(shards) == held


def test_readers_rest_on_the_listing_of_their_store(rules):
    training = rules.wildcards(run="split1/seed2", stream="motion")
    listed = "results/mini/split1/{}.content.json"
    assert rules.inputs.listing("train")(training) == listed.format("train.flow")
    run = rules.wildcards(run="split1/syn")
    assert rules.inputs.listing("test", "appearance")(run) == listed.format("test.frames")
    names = ("train.frames", "train.flow", "test.frames", "test.flow")
    assert rules.inputs.listings(run) == list(map(listed.format, names))


def test_variants_share_what_belongs_to_the_split(rules):
    wildcards = rules.wildcards(run="split2/baseline/seed3", stream="motion")
    groups = rules.inputs.of_split("{stream}/groups.h5")(wildcards)
    assert groups == "results/mini/split2/motion/groups.h5"


@pytest.mark.parametrize("variant", ["baseline", "direct", "tsn", "baseline_syn"])
def test_only_co2fi_reads_groups(rules, variant):
    of, stream = rules.inputs.groups("h5"), {"stream": "motion"}
    assert of(rules.wildcards(run="split1/no_coarseness", **stream)) == [
        "results/mini/split1/motion/groups.h5"
    ]
    assert of(rules.wildcards(run=f"split1/{variant}", **stream)) == []


def test_directions_read_groups_where_they_train_co2fi(rules):
    def of(run: str) -> list[list[str]]:
        wildcards = rules.wildcards(run=run, direction="motion-to-appearance")
        return [rules.inputs.groups("h5", place)(wildcards) for place in (0, 1)]

    assert of("split1/syn") == [
        [f"results/mini/split1/{stream}/groups.h5"] for stream in ("motion", "appearance")
    ]
    assert of("split1/baseline_syn") == [[], []]
    rules.mini["settings"] = {"asyn": {"joint": False}}
    rules.start()
    assert of("split1/syn") == [[], []]


@pytest.mark.parametrize(
    ("variant", "stages"),
    [
        ("no_grouping", {"teacher", "groups"}),
        ("direct", {"teacher"}),
        ("baseline", set()),
        ("baseline_syn", set()),
        ("tsn", set()),
    ],
)
def test_a_result_rests_on_a_teacher_where_its_networks_do(rules, variant, stages):
    records = rules.inputs.stage_records(rules.wildcards(run=f"split1/{variant}"))
    found = {stage for stage in ("teacher", "groups") for path in records if f"/{stage}." in path}
    assert found == stages


def test_only_direct_reads_a_teacher(rules):
    of = rules.inputs.teacher_of_direct("pt")
    assert of(rules.wildcards(run="split1", stream="motion")) == []
    direct = of(rules.wildcards(run="split1/direct", stream="motion"))
    assert direct == "results/mini/split1/motion/teacher.pt"


@pytest.mark.parametrize(
    ("run", "of"),
    [("split1", "split1"), ("split1/syn", "split1"), ("split1/baseline_syn", "split1/baseline")],
)
def test_a_direction_starts_from_the_networks_of_its_streams(rules, run, of):
    wildcards = rules.wildcards(run=run, direction="motion-to-appearance")
    assert rules.inputs.stream_networks(CONTENT)(wildcards) == [
        f"results/mini/{of}/{stream}/co2fi.content.json" for stream in ("motion", "appearance")
    ]
    rules.mini["settings"] = {"asyn": {"start": "weights"}}
    assert rules.start().inputs.stream_networks(CONTENT)(wildcards) == []


@pytest.mark.parametrize(("run", "of"), [("split1", "split1"), ("split1/syn", "split1")])
def test_a_direction_learns_on_features_where_its_streams_do_not(rules, run, of):
    wildcards = rules.wildcards(run=run, direction="motion-to-appearance")
    assert rules.inputs.features("h5")(wildcards) == []
    assert not any("features" in path for path in rules.inputs.stage_records(wildcards))
    rules.mini["settings"] = {"asyn": {"joint": False}}
    inputs = rules.start().inputs
    files = [f"results/mini/{of}/{stream}/features" for stream in ("motion", "appearance")]
    assert inputs.features("h5")(wildcards) == [f"{file}.h5" for file in files]
    assert {f"{file}.json" for file in files} <= set(inputs.stage_records(wildcards))
    baseline = rules.wildcards(run="split1/baseline")
    assert not any("features" in path for path in inputs.stage_records(baseline))


@pytest.mark.parametrize(
    ("run", "sources"),
    [
        ("split1", ["appearance", "motion", "appearance-to-motion", "motion-to-appearance"]),
        ("split1/baseline", ["appearance", "motion"]),
        ("split1/syn/seed2", ["appearance-to-motion", "motion-to-appearance"]),
    ],
)
def test_a_run_is_scored_by_its_own_networks(rules, run, sources):
    networks = rules.inputs.networks_of_run("pt")(rules.wildcards(run=run))
    assert networks == [
        f"results/mini/{run}/{source}/{'asyn' if '-' in source else 'co2fi'}.pt"
        for source in sources
    ]
    kinds = {tuple(of): name for name, of, _ in rules.inputs.scoring_rules()}
    assert tuple(sources) in kinds


def test_trajectories_are_part_of_the_complete_method(rules):
    of = rules.inputs.idt_scores("h5")
    assert of(rules.wildcards(run="split1")) == ["results/mini/split1/idt/scores.h5"]
    assert of(rules.wildcards(run="split1/baseline")) == []
    rules.mini["settings"] = {"idt": {"scores": "given.npz"}}
    assert rules.start().inputs.idt_scores("h5")(rules.wildcards(run="split1")) == [
        "results/mini/split1/idt/given.h5"
    ]
    with pytest.raises(PipelineError, match="'mini' is given.npz: there is no file given.npz"):
        rules.inputs.given_scores(rules.wildcards(split="split1"))


def test_a_result_names_the_records_of_all_that_it_rests_on(rules):
    wildcards = rules.wildcards(run="split1/baseline_syn")
    records = rules.inputs.stage_records(wildcards)
    assert "results/mini/split1/baseline/motion/co2fi.json" in records
    assert "results/mini/split1/baseline_syn/appearance-to-motion/asyn.json" in records
    assert len(records) == len(set(records))
    assert rules.inputs.trajectory_records(wildcards) == []
    complete = rules.inputs.trajectory_records(rules.wildcards(run="split1"))
    (trained, *_) = rules.sets.subset_shards("mini", "split1", "train")
    assert f"results/mini/idt/{trained}.json" in complete
    assert "results/mini/split1/idt/fisher/000.json" in complete
    # Listings stand for these.
    assert not any("/frames/" in path or "/flow/" in path for path in complete)


def test_tables_name_every_run_of_their_rows(rules):
    rules.mini["settings"] = {
        "tables": {
            "splits": ["split1", "split2"],
            "seeds": [1, 2],
            "rows": [
                {"table": 1, "name": "a", "variant": "baseline", "sources": ["motion"]},
                {
                    "table": 3,
                    "name": "b",
                    "variant": "complete",
                    "sources": ["asyn"],
                    "splits": "all",
                },
            ],
        }
    }
    runs = rules.start().inputs.table_runs(rules.wildcards())
    assert {name: str(run) for name, run in runs.items()} == {
        "baseline/split1/1": "split1/baseline",
        "baseline/split1/2": "split1/baseline/seed2",
        "complete/split1/1": "split1",
        "complete/split1/2": "split1/seed2",
        "complete/split2/1": "split2",
        "complete/split2/2": "split2/seed2",
    }
    results = rules.inputs.table_results(rules.wildcards())
    assert results[0] == "results/mini/split1/baseline/acc.json" and len(results) == 6
    assert rules.params.table_runs(rules.wildcards()) == list(runs)
