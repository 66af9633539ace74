"""The fenced blocks of README.md and docs/, and what tests do with each of them.

A page that is not registered here, or that has blocks of a kind that its entry does not name, fails
`tests/docs/test_blocks.py`.
"""

import re
import textwrap
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    *sorted(set((ROOT / "docs").glob("*.md")) - {ROOT / "docs/results.remarks.md"}),
]
# Languages of blocks: commands have none.
COMMANDS, PYTHON, YAML, TEXT, MATH = "", "python", "yaml", "text", "math"

# What is done with the commands and the Python of a page, all of them in the order of the page.
# RUN: tests/docs/test_commands.py runs them in a checkout with a small demo, but for PLANNED ones.
RUN = "run"
# They need data or hours: tests/docs/test_commands.py has Snakemake plan their targets, and looks
# for the options of other commands in their help.
PLAN = "plan"
TREATMENT = {
    "README.md": {COMMANDS: RUN},
    "cluster.md": {COMMANDS: PLAN},
    "files.md": {COMMANDS: RUN, PYTHON: RUN},
    "flow-for-others.md": {COMMANDS: "cli/test_flow.py", PYTHON: "cli/test_flow.py"},
    "flow.md": {PYTHON: RUN},
    "idt.md": {COMMANDS: PLAN},
    "quick-start.md": {COMMANDS: RUN},
    "report.md": {COMMANDS: RUN},
    "store.md": {COMMANDS: "storage/test_elsewhere.py", PYTHON: "storage/test_elsewhere.py"},
    "tables.md": {COMMANDS: PLAN},
    "training.md": {COMMANDS: PLAN},
    "ucf101.md": {COMMANDS: RUN},
    "what-reruns-when.md": {COMMANDS: RUN},
    "when-something-goes-wrong.md": {COMMANDS: "workflow/test_when_something_goes_wrong.py"},
    "your-own-set.md": {COMMANDS: "workflow/test_your_own_set.py"},
    "your-own-video.md": {
        COMMANDS: "cli/test_own_video_page.py",
        PYTHON: "cli/test_own_video_page.py",
    },
}
# Beginnings of commands of RUN pages that are planned all the same, and why.
PLANNED = {
    "pipeline status results/ucf101/split1 --watch": "it ends by Ctrl-C",
    "pipeline weights fetch": "no test downloads anything",
    "pipeline report results/ucf101": "data and hours",
    "snakemake --cores 2 --configfile tests/configs/probe.yaml": "57 jobs",
    "snakemake --cores 2 results/demo/tables.json": "67 jobs",
    "snakemake --cores 2 results/demo/split1/baseline/acc.json": "networks of half a minute",
    "snakemake --cores 8": "data and hours",
}


class Block(NamedTuple):
    """A fenced block: its language, and its text without the indentation of a list."""

    page: str
    language: str
    text: str


def blocks(page: str | Path, language: str | None = None) -> list[Block]:
    """Return the blocks of a page, or those of one language."""
    path = page if isinstance(page, Path) else ROOT / "docs" / page
    found = re.findall(r"^ *```(\w*)\n(.*?)^ *```", path.read_text(), re.M | re.S)
    every = [Block(path.name, kind, textwrap.dedent(text)) for kind, text in found]
    return [block for block in every if language in (None, block.language)]


def commands(block: Block) -> list[str]:
    """Return the commands of a block, without comments; lines that go on are one command."""
    joined = re.sub(r"\\\n\s*", "", block.text)
    lines = [re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines()]
    return [line for line in lines if line]


def is_planned(command: str) -> bool:
    return command.startswith(tuple(PLANNED))
