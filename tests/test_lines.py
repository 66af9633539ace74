"""Code of every language keeps to 100 columns, to which ruff holds Python alone."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 100
ENDINGS = {".css", ".html", ".js", ".py", ".sh", ".smk", ".toml"}
# Code whose name does not tell its language.
NAMES = {".ci/run", "Makefile", "Snakefile"}


def code() -> list[str]:
    """The files of code that the checkout has, also where it has no git."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        folders = ("benchmarks", "docs", "src", "tests", "workflow")
        paths = [path for folder in folders for path in (ROOT / folder).rglob("*")]
        listed = [path.relative_to(ROOT).as_posix() for path in [*paths, *ROOT.glob("*")]]
    return [
        name
        for name in listed
        if (Path(name).suffix in ENDINGS or name in NAMES) and (ROOT / name).is_file()
    ]


def test_lines_of_code_end_at_column_100():
    found = code()
    assert {"Snakefile", "src/pipeline/report/page/page.css"} <= set(found)
    longer = [
        f"{name}:{number}: {len(line)} columns"
        for name in found
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > LONGEST
    ]
    assert longer == []
