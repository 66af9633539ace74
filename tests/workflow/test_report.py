"""The rule `report`: a page of a result, made where it is asked for and nowhere else."""

import json
import subprocess
import sys
from pathlib import Path

import page_cases
import workspace
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGE = "results/own/split1/report.html"


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run the rules on a folder that has a result, but nothing that it was made of."""
    entry = {"format": "ucf101", "videos": "videos", "lists": "lists", "accept_damaged": []}
    (folder / "own.yaml").write_text(yaml.safe_dump({"sets": {"own": entry}}))
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--cores", "1"]
    return subprocess.run(
        [*command, "--configfile", "own.yaml", *arguments],
        cwd=folder,
        env=workspace.environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def test_the_page_is_made_of_a_result_and_again_when_it_changes(tmp_path):
    path = page_cases.few(tmp_path)
    done = snakemake(tmp_path, "--allowed-rules", "report", "--", PAGE)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "50.0 %" in (tmp_path / PAGE).read_text()
    again = snakemake(tmp_path, "-n", "--allowed-rules", "report", "--", PAGE)
    assert workspace.jobs(again.stdout) == {}
    result = json.loads(path.read_text())
    result["accuracy"]["asyn"] = 0.25
    path.write_text(json.dumps(result))
    again = snakemake(tmp_path, "-n", "--allowed-rules", "report", "--", PAGE)
    assert workspace.jobs(again.stdout) == {"report": 1}


def test_no_result_asks_for_its_page():
    """No other rule reads the page, so that no result waits for it."""
    texts = {path.name: path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk")}
    assert [name for name, text in texts.items() if "report.html" in text] == ["report.smk"]
    assert "report.html" not in (ROOT / "Snakefile").read_text()
