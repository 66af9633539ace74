"""The options that the programs of workflow/scripts share, and the help of each program."""

import re
import runpy
import sys
from pathlib import Path

import pytest

from pipeline.jobs import program

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow" / "scripts"
# torchrun.py passes its arguments on to torch, whose options they are.
PROGRAMS = sorted(path.name for path in SCRIPTS.glob("*.py") if path.name != "torchrun.py")
# What has no settings, and does so little that its code is no reason to run again.
PLAIN = ("store.py",)


@pytest.mark.parametrize("script", PROGRAMS)
def test_help_says_what_every_option_is(script, monkeypatch):
    """The programs are loaded in this process, so that torch is imported once."""
    monkeypatch.setenv("COLUMNS", "100")
    page = runpy.run_path(str(SCRIPTS / script))["build_parser"]().format_help()
    help_texts = options_in(page)
    common = {"--help"} if script in PLAIN else {"--help", "--settings", "--code"}
    assert common <= set(help_texts)
    assert not [option for option, text in help_texts.items() if len(text) < 10]


def test_a_job_computes_anew_where_its_machine_computes_otherwise(tmp_path, monkeypatch):
    """Flow of another solver is other flow: it must not be taken over from the run before."""
    computed = []

    def compute(options) -> None:
        computed.append(options.set)
        Path(options.out).write_text("content")

    arguments = ["--settings", "{}", "--set", "mini", "--out", str(tmp_path / "000.h5")]
    monkeypatch.setattr(sys, "argv", ["program.py", *arguments])
    for solver, runs in (("cpu 1", 1), ("cpu 1", 1), ("cuda 1", 2)):
        (tmp_path / "000.h5").unlink(missing_ok=True)
        program.run_job(
            compute,
            program.parser("A program.", "set", "out", record=False),
            outputs=("out",),
            environment=lambda options, solver=solver: solver,
        )
        assert len(computed) == runs and (tmp_path / "000.h5").read_text() == "content"


def options_in(page: str) -> dict[str, str]:
    """The long options of a help page, each with its help text, '' where there is none."""
    _, _, described = page.partition("\noptions:\n")
    entries = re.split(r"^ {2}(?=-)", described, flags=re.MULTILINE)[1:]
    found = {}
    for entry in entries:
        # '--set SET', then at least two blanks or a line break, then the text.
        names, _, text = re.sub(r"\s{2,}", "\n", entry.strip()).partition("\n")
        found[re.search(r"--[\w-]+", names)[0]] = text
    return found


def test_page_without_help_is_noticed():
    parser = program.parser("A program.", "set")
    parser.add_argument("--bare", nargs="+", required=True)
    page = options_in(parser.format_help())
    assert page["--bare"] == "" and page["--set"] == program.OPTIONS["set"]


def test_option_without_help_text_is_refused():
    with pytest.raises(KeyError, match="colour"):
        program.parser("A program.", "set", "colour")


@pytest.mark.parametrize("text", program.OPTIONS.values())
def test_shared_help_fits_argparse(text):
    """Argparse would take a percent sign for a placeholder."""
    assert "%" not in text and len(text) <= 90 and not text.endswith(".")
