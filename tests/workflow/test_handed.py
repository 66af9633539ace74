"""What a run tells its jobs of a set, so that they need not read the lists."""

import json

from pipeline.workflow import handed
from pipeline.workflow.handed import Handed
from pipeline.workflow.params import JobParams
from pipeline.workflow.paths import InputFiles
from pipeline.workflow.sets import Sets


def asked(config: dict, is_job: bool, rules) -> dict:
    """What rules ask for a few jobs."""
    sets = Sets(config, is_job=is_job)
    inputs = InputFiles(sets)
    params = JobParams(sets, inputs)
    shard, run = rules.wildcards(shard="001"), rules.wildcards(run="split1", stream="motion")
    one = rules.wildcards(split="split1", subset="test")
    return {
        "rendered": inputs.rendered(shard),
        "examine": [params.videos(shard), params.listing(shard)],
        "flow": params.settings("flow", shard=True)(shard),
        "index": [inputs.all_shards("{shard}")(shard), params.splits(shard)],
        "subset": [inputs.subset_shards("{shard}")(one), params.subset(one)],
        "co2fi": [inputs.listing("train")(run), params.settings("co2fi", subset="train")(run)],
        "wanted": params.wanted(run),
        "clips": sets.summary("mini").clips,
    }


def test_jobs_are_told_what_their_run_knew(rules, monkeypatch):
    by_run = asked(rules.config, False, rules)
    assert by_run["clips"] == 48
    # Neither lists nor videos are read by the job.
    monkeypatch.setattr("pipeline.workflow.sets.load_set", None)
    monkeypatch.setattr("pipeline.workflow.sets.locate", None)
    assert asked(rules.config, True, rules) == by_run


def test_edited_lists_and_entries_are_seen_by_jobs(rules):
    before = asked(rules.config, False, rules)
    path = rules.folder / "lists/trainlist01.txt"
    # As many bytes, at the same time: one train clip of split1 for another name that is no clip.
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:-1], lines[0]]) + "\n")
    after = asked(rules.config, True, rules)
    assert after["co2fi"] != before["co2fi"] and after["examine"] == before["examine"]
    path.write_text("\n".join(lines) + "\n")
    rules.mini["accept_damaged"] = ["SwayFew/v_SwayFew_g01_c01"]
    assert Sets(rules.config, is_job=True).handed.get("mini", "summary", "other") is None
    damaged = asked(rules.config, True, rules)
    assert damaged["co2fi"] == before["co2fi"]


def test_a_job_without_a_run_reads_the_lists(rules):
    assert asked(rules.config, True, rules)["clips"] == 48
    assert not (rules.folder / "results/mini/.handed").exists()


def test_listings_tell_the_clips_of_a_shard(rules):
    listing = rules.params.listing(rules.wildcards(shard="001"))
    rows = json.loads((rules.folder / listing.removeprefix("@")).read_text())
    held = rules.sets.shards("mini")["001"]
    assert rows == [[clip.id, f"{clip.id}.avi", f"{clip.id}.avi"] for clip in held]


def test_the_key_follows_names_and_contents_of_lists(tmp_path):
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "b.txt").write_text("two")
    first = handed.key({}, tmp_path)
    (tmp_path / "a.txt").write_text("onet")
    (tmp_path / "b.txt").write_text("wo")
    assert len({first, handed.key({}, tmp_path), handed.key({"a": 1}, tmp_path)}) == 3
    (tmp_path / "read.me").write_text("no list")
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "b.txt").write_text("two")
    assert handed.key({}, tmp_path) == first


def test_broken_files_are_none(tmp_path):
    own = Handed(tmp_path)
    own.put("set", "what", "key", [1])
    assert own.get("set", "what", "key") == [1] and own.get("set", "what", "other") is None
    for text in ("", "{", "[]", "{}"):
        (tmp_path / "set/.handed/what.json").write_text(text)
        assert own.get("set", "what", "key") is None
