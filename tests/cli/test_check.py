"""The command `pipeline check` as a user meets it."""

import pytest
from typer.testing import CliRunner

from pipeline.cli.app import app

MINE = """\
sets:
  mine:
    format: ucf101
    videos: data/mine/videos
    lists: data/mine/lists
    accept_damaged: []
    shards: 10
"""


def check(*paths):
    return CliRunner().invoke(app, ["check", *map(str, paths)])


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(MINE)
    return path


def test_sets_of_all_files_are_named(mine, tmp_path):
    more = tmp_path / "more.yaml"
    more.write_text(MINE.replace("mine:", "no:"))
    done = check(mine, more)
    assert done.exit_code == 0, done.output
    assert done.stdout.strip().endswith("its sets: ucf101, hmdb51, demo, mine, no")


@pytest.mark.parametrize(
    "text, words",
    [
        ("sets:\n  mine:\n   format: ucf101\n  videos: [a\n", ["mine.yaml:5"]),
        (MINE.replace("shards", "shard"), ["unknown key 'sets.mine.shard'", "'shards'"]),
        (MINE + "    shards: 12\n", ["mine.yaml:8", "shards", "line 7"]),
        ("just words\n", ["mine.yaml"]),
        ("\t- a\n", ["mine.yaml:1"]),
    ],
    ids=["no YAML", "unknown key", "key twice", "no keys", "tab"],
)
def test_what_is_wrong_is_one_sentence(mine, text, words):
    mine.write_text(text)
    done = check(mine)
    assert done.exit_code == 1 and "Traceback" not in done.output
    for word in words:
        assert word in done.output


def test_missing_file_is_named(tmp_path):
    done = check(tmp_path / "none.yaml")
    assert done.exit_code == 1 and "none.yaml" in done.output and "Traceback" not in done.output
