"""What grows with the clips of a set does not grow the commands of its jobs."""

import json

from pipeline.jobs.program import read_json
from pipeline.workflow.long_texts import LONGEST, as_argument


def test_short_texts_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert as_argument('{"a":1}', "mini") == '{"a":1}' and read_json('{"a":1}') == {"a": 1}
    assert not list(tmp_path.iterdir())


def test_long_texts_come_back_from_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    value = {"clips": [f"Jump/跳-{number}" for number in range(13_320)]}
    argument = as_argument(json.dumps(value), "mini")
    assert len(argument) < 100 and argument.startswith("@results/mini/.settings/")
    assert read_json(argument) == value
    assert as_argument(json.dumps(value), "mini") == argument
    assert as_argument(json.dumps(value | {"more": 1}), "mini") != argument
    assert len("x" * LONGEST) == len(as_argument("x" * LONGEST, "mini"))


def test_no_argument_grows_with_clips_and_shards(rules):
    """All clips are in one shard, and damaged."""
    clips = sorted(rules.sets.clip_set("mini").clips)
    rules.mini["shards"], rules.mini["accept_damaged"] = 1, clips
    rules.start()
    names = rules.wildcards(shard="000")
    few = [rules.params.videos(names), rules.resources.entry(names)]
    assert [read_json(text)["accept_damaged"] for text in few] == [clips, clips]
    rules.mini["accept_damaged"] = clips * 400
    rules.start()
    accepted = read_json(rules.resources.entry(names))["accept_damaged"]
    assert accepted == clips * 400 and len(rules.resources.entry(names)) < 100
