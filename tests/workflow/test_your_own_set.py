"""docs/your-own-set.md: its commands, as they stand there, lead from videos to a result."""

import re
import subprocess

import pytest
import workspace
import yaml
from workspace import TINY, Workspace

from pipeline.models.backbones.packages import PACKAGES

PAGE = (workspace.ROOT / "docs" / "your-own-set.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.M | re.S)
# Commands are the blocks of no language.
COMMANDS = "".join(text for language, text in BLOCKS if not language).splitlines()
PEOPLE = {"g01": "anna", "g02": "ben", "g03": "cleo"}


@pytest.fixture
def project(tmp_path):
    """A checkout with videos as the page has them: 8 classes, 3 people, 2 clips each."""
    made = Workspace(tmp_path / "project")
    for path in sorted((made.folder / "videos").rglob("*.avi")):
        _, name, group, clip = path.stem.split("_")
        other = made.folder / f"data/mine/videos/{name}/{PEOPLE[group]}_{name}_{int(clip[1:])}.avi"
        other.parent.mkdir(parents=True, exist_ok=True)
        path.rename(other)
    return made


def test_commands_of_the_page_lead_to_a_result(project):
    printed = {}
    for command in COMMANDS:
        if command.startswith("pipeline weights fetch"):
            # No test downloads anything.
            assert command.split()[-1] in PACKAGES
            continue
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=project.folder,
            env=workspace.environment(),
            text=True,
            capture_output=True,
            timeout=600,
        )
        assert done.returncode == 0, (command, done.stdout[-3000:], done.stderr[-3000:])
        printed[command.partition(" --")[0]] = done.stdout
        if command.startswith("pipeline split"):
            shorten(project)
    assert "set mine: 48 clips, 8 classes, 3 groups" in printed[next(iter(printed))]
    status = printed["pipeline status results/mine/split1"].splitlines()
    assert status[0] == "mine split1: finished" and status[2].split()[1:3] != ["0/6", "0%"]
    assert (
        "mine split1: 16 test clips, 8 classes"
        in printed["pipeline show results/mine/split1/acc.json"]
    )


def shorten(project: Workspace) -> None:
    """Have networks and shards that a test has time for; all else is as it was written."""
    path = project.folder / "data/mine/lists/mine.yaml"
    config = yaml.safe_load(path.read_text())
    config["sets"]["mine"]["settings"] = TINY | {"idt": {"enabled": False}}
    config["sets"]["mine"]["shards"] = 1
    path.write_text(yaml.safe_dump(config))
