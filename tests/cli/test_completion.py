"""Completion of the command in shells: by bash itself, of the others by what they ask and read."""

import os
import subprocess

import pytest
from workspace import environment

ASK = 'eval "$(_PIPELINE_COMPLETE=source_bash pipeline)"; COMP_WORDS=({}); COMP_CWORD={}; '
ANSWER = '_pipeline_completion pipeline; printf "%s\\n" "${COMPREPLY[@]}"'


def answer(words: list[str], **variables: str) -> str:
    return subprocess.run(
        words, env={**environment(), **variables}, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize(
    "typed, found",
    [
        (["pipeline", "spl"], ["split"]),
        (["pipeline", "s"], ["split", "status", "show"]),
        (["pipeline", "weights", "l"], ["list"]),
        (["pipeline", "status", "--w"], ["--watch"]),
        # Nothing, so that bash completes the names of files.
        (["pipeline", "show", "results/"], []),
    ],
)
def test_bash(typed, found):
    code = ASK.format(" ".join(typed), len(typed) - 1) + ANSWER
    assert answer(["bash", "-c", code]).split() == found


def test_zsh():
    words = answer(
        ["pipeline"], _PIPELINE_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS="pipeline spl"
    )
    assert words.startswith("_arguments") and '"split":"Split your own videos' in words


def test_fish():
    words = answer(
        ["pipeline"],
        _PIPELINE_COMPLETE="complete_fish",
        _TYPER_COMPLETE_FISH_ACTION="get-args",
        _TYPER_COMPLETE_ARGS="pipeline spl",
    )
    assert words.split("\t")[0] == "split"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_are_shown_and_installed_for_the_shell_that_asks(shell, tmp_path):
    script = answer(["pipeline"], _PIPELINE_COMPLETE=f"source_{shell}")
    assert "_PIPELINE_COMPLETE=complete_" + shell in script
    variables = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    shown = answer(["pipeline", "--show-completion", shell], **variables)
    assert shown.strip() == script.strip()
    assert f"{shell} completion installed" in answer(
        ["pipeline", "--install-completion", shell], **variables
    )
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any("_PIPELINE_COMPLETE=complete_" in path.read_text() for path in written)
    assert os.environ.get("HOME") != str(tmp_path)
