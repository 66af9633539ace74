"""docs/your-own-video.md: its commands run, and its snippet reads what they wrote."""

import re
import shlex
import shutil
from pathlib import Path

import trained_runs
from typer.testing import CliRunner
from workspace import ROOT

from pipeline.cli.app import app


def test_commands_and_snippets_of_the_page_run(tmp_path_factory, tmp_path, monkeypatch):
    """On a run that lies where the demo's would."""
    acc = trained_runs.once(tmp_path_factory)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(acc.parents[1], "results/demo")
    clips = [row["path"] for row in trained_runs.tested(acc)]
    Path("videos").mkdir()
    for clip, name in zip(clips, ("clip.avi", "film.mp4"), strict=True):
        shutil.copy(clip, name)
        shutil.copy(clip, Path("videos") / name)
    page = (ROOT / "docs" / "your-own-video.md").read_text()
    blocks = re.findall(r"^```(.*?)\n(.*?)^```$", page, re.M | re.S)
    commands = [line for kind, text in blocks if not kind for line in text.splitlines()]
    commands = [line for line in commands if not line.startswith("#")]
    assert len(commands) == 9
    for command in commands:
        line, _, out = command.partition(" > ")
        done = CliRunner().invoke(app, shlex.split(line)[1:])
        assert done.exit_code == 0, f"{command}: {done.output}"
        if out:
            Path(out).write_text(done.stdout)
    for name in ("clip.png", "shown.mp4", "clip.json", "two.csv", "demo.run"):
        assert Path(name).stat().st_size
    assert len(Path("predictions.csv").read_text().splitlines()) == 3
    names = {}
    (code,) = [text for kind, text in blocks if kind == "python"]
    exec(code, names)
    assert names["best"] == names["video"]["class"] and len(names["likeliest"]) == 3
    # Two test periods of one window.
    assert len(names["curve"]) == 2 and all(0 <= share <= 1 for share in names["curve"])
