"""The command `pipeline doctor` as a user meets it."""

import os

import pytest
import workspace
import yaml
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.datasets import demo, render
from pipeline.video.encode import encode


def doctor(*arguments):
    done = CliRunner().invoke(app, ["doctor", *map(str, arguments)])
    assert "Traceback" not in done.output and done.stderr == ""
    # A path is not broken, and that of a test is as long as it comes.
    lines = done.stdout.replace(os.getcwd(), "folder").splitlines()
    assert max(map(len, lines)) <= 80
    return done


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Lists and a config of a set whose videos are not there."""
    monkeypatch.chdir(tmp_path)
    demo.write_lists(demo.clip_set("mini", groups=3, clips=1), tmp_path / "lists")
    entry = {"format": "ucf101", "videos": "videos", "lists": "lists"}
    entry["settings"] = workspace.TINY | {"idt": {"enabled": False}}
    (tmp_path / "mini.yaml").write_text(yaml.safe_dump({"sets": {"mini": entry}}))
    return tmp_path


def test_the_machine_alone():
    done = doctor()
    assert done.exit_code == 0
    states = {line[:7].strip() for line in done.stdout.splitlines()}
    assert states <= {"ok", "note", ""} and "ok     Python 3." in done.stdout


def test_a_set_is_looked_at_and_estimated(project):
    for clip in demo.clip_set("mini", groups=3, clips=1).clips.values():
        path = project / "videos" / clip.file
        path.parent.mkdir(parents=True, exist_ok=True)
        encode(path, render.render(clip.id, seed=1, frames=18), render.FPS)
    for name in ("mini", "results/mini/split1"):
        done = doctor(name, "--configfile", "mini.yaml")
        assert done.exit_code == 0, done.stdout
    lines = done.stdout.splitlines()
    assert "ok     8 videos decoded: 18 frames of 80 x 60" in lines
    at = next(number for number, line in enumerate(lines) if line.startswith("stage"))
    stages = [line.split()[0] for line in lines[at + 1 : at + 10]]
    assert " ".join(stages) == "index frames flow teacher groups co2fi asyn scores all"
    assert sorted(path.name for path in project.iterdir()) == ["lists", "mini.yaml", "videos"]


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["mini", "--configfile", "mini.yaml"], "video folder of set 'mini' does not exist"),
        (["mnii", "--configfile", "mini.yaml"], "there is no set 'mnii' in mini.yaml"),
        (["mini", "--configfile", "none.yaml"], "none.yaml: the config cannot be read"),
    ],
)
def test_an_error_is_a_line_and_the_status(project, arguments, words):
    done = doctor(*arguments)
    assert done.exit_code == 1
    errors = [line for line in done.stdout.splitlines() if line.startswith("error  ")]
    assert len(errors) == 1 and words in errors[0]
    # The machine is looked at in any case.
    assert done.stdout.startswith("ok     Python 3.")


def test_a_config_is_refused_as_by_check(project):
    text = (project / "mini.yaml").read_text().replace("lists: lists", "list: lists")
    (project / "mini.yaml").write_text(text)
    said = CliRunner().invoke(app, ["check", "mini.yaml"]).stderr.splitlines()
    done = " ".join(doctor("mini", "--configfile", "mini.yaml").stdout.split())
    for line in said:
        assert line.removeprefix("error: ") in done
