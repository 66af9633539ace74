"""The command `pipeline report` as a user meets it."""

import json
import subprocess
import sys

import page_cases
import pytest
from typer.testing import CliRunner

from pipeline.cli.app import app


def report(*arguments):
    done = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["report", *map(str, arguments)])
    assert "Traceback" not in done.output
    return done


def test_a_page_is_written_where_it_is_wanted(tmp_path):
    path, out = page_cases.few(tmp_path), tmp_path / "new folder" / "page.html"
    done = report(path.parent, "--out", out)
    assert done.exit_code == 0 and done.stderr == ""
    assert done.stdout.startswith(f"{out}: ") and "kB; open it in a browser" in done.stdout
    assert "own split1" in out.read_text() and list(out.parent.iterdir()) == [out]


def test_several_results_make_one_page(tmp_path):
    paths = [page_cases.few(tmp_path, run=f"split1/seed{seed}") for seed in (2, 3)]
    assert report(*paths, "--out", tmp_path / "page.html").exit_code == 0
    text = (tmp_path / "page.html").read_text()
    assert "2 results side by side" in text and "Means over splits and seeds" in text


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("none.json", None, "there is no such file"),
        ("acc.json", "[1]", "not a result of this program"),
        ("acc.json", json.dumps({"set": "x"}), "'split' is no text"),
    ],
)
def test_what_is_no_result_is_one_sentence(tmp_path, name, content, words):
    path, out = tmp_path / name, tmp_path / "page.html"
    if content:
        path.write_text(content)
    done = report(path, "--out", out)
    assert done.exit_code == 1 and done.stdout == "" and done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: {path}: ") and words in done.stderr
    assert not out.exists()


def test_a_result_is_not_written_over(tmp_path):
    path = page_cases.few(tmp_path)
    before = path.read_bytes()
    done = report(path, "--out", path)
    assert done.exit_code == 1 and "let the name end in .html" in done.stderr
    assert path.read_bytes() == before
    done = report(path, "--out", tmp_path)
    assert done.exit_code == 1 and "this is a folder" in done.stderr


def test_names_of_files_and_classes_may_be_odd(tmp_path):
    path = page_cases.few(tmp_path / "a 'b' \"c\" ü", classes=page_cases.ODD)
    done = report(path, "--out", tmp_path / "-ü '$(x)'.html")
    assert done.exit_code == 0 and (tmp_path / "-ü '$(x)'.html").is_file()


def test_piped_it_says_one_line(tmp_path):
    path, code = page_cases.few(tmp_path), "from pipeline.cli.app import app; app()"
    command = [sys.executable, "-c", code, "report", path, "--out", tmp_path / "page.html"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "" and done.stdout.count("\n") == 1


def test_help_has_examples_within_80_columns():
    done = report("--help")
    assert "pipeline report results/demo/split1 --out report.html" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
