"""docs/when-something-goes-wrong.md: its commands run, and the pipeline says what it quotes."""

import ast
import re
import subprocess
from pathlib import Path

import pytest
import workspace
import yaml
from workspace import RESULT, Workspace

from pipeline.config import check

ROOT = workspace.ROOT
PAGE = (ROOT / "docs" / "when-something-goes-wrong.md").read_text()


def blocks(language: str = "") -> list[str]:
    """The blocks of the page in one language; commands have none."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.M | re.S)
    return [text for own, text in found if own == language]


def texts() -> str:
    """All that the code can say: the constant parts of its strings, one after the other."""
    found = []
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = [
                    part.value if isinstance(part, ast.Constant) else "*" for part in node.values
                ]
                found.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    shells = [path.read_text() for path in (ROOT / "workflow" / "scripts").glob("*.sh")]
    return "\n".join([*found, *shells])


def test_sentences_of_the_page_are_those_of_the_code():
    said = texts()
    quoted = re.findall(r"^\| `([^`]+)` \|", PAGE, re.M)
    assert len(quoted) >= 10
    for sentence in quoted:
        pattern = re.sub(r"\bmine\b", r"\*", re.escape(sentence))
        assert re.search(pattern, said), sentence


def test_keys_of_the_page_are_those_of_a_set():
    entry = {"format": "ucf101", "videos": "videos", "lists": "lists", "shards": 3}
    (own,) = [yaml.safe_load(block)["sets"]["mine"] for block in blocks("yaml")]
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    config["sets"]["mine"] = entry | own
    check.check(config)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Workspace:
    """A set with its result."""
    made = Workspace(tmp_path_factory.mktemp("wrong") / "project")
    made.printed = made.make()
    return made


def test_commands_of_the_page_run_and_end_in_the_same_result(finished):
    """In the order of the page, each by bash, as they stand there but for the name of the set."""
    before = finished.read(RESULT)
    lines = [line for block in blocks() for line in block.splitlines() if line]
    commands = [re.sub(r"\bmine\b", "mini", line) for line in lines]
    assert len(commands) > 8
    for command in commands:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=finished.folder,
            env=workspace.environment(),
            text=True,
            capture_output=True,
            timeout=600,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    assert accuracies(finished.read(RESULT)) == accuracies(before)
    assert Path(finished.folder / "results/mini/flow/000.h5").is_file()


def test_a_run_ends_with_its_result(finished):
    """What a user reads: a line for each job, then what `pipeline show` says."""
    text = finished.printed.partition(" jobs; the full log: ")[2]
    jobs, _, result = text.partition("mini split1: 16 test clips, 8 classes")
    assert "34/34  fuse" in jobs and "asynchronous fusion" in result
    assert result.rstrip().splitlines()[-1].startswith("scores of each clip ")
    assert len(finished.printed.splitlines()) < 80


def accuracies(result: bytes) -> dict:
    """What a result states but for how and when it was made."""
    return {key: value for key, value in yaml.safe_load(result).items() if key != "provenance"}
