"""docs/architecture.md against the code: rooms, files, imports and names are those that exist."""

import ast
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "pipeline"
PAGE = (ROOT / "docs" / "architecture.md").read_text()
structure = runpy.run_path(str(ROOT / "benchmarks" / "structure.py"))


def section(title: str) -> str:
    """The text below a heading of the page, up to the next."""
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)[1]


def table(title: str) -> list[list[str]]:
    """The cells of a section's table, below its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def quoted(text: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`]+)`", text)


def test_rooms_and_their_imports_are_those_of_the_code():
    rooms = structure["between_rooms"](structure["import_graph"](PACKAGE))
    stated = {quoted(room)[0]: set(quoted(imports)) for _, room, _, imports in table("Rooms")}
    assert stated == rooms


def test_rooms_import_from_floors_below_only():
    floors = {quoted(room)[0]: int(floor) for floor, room, _, _ in table("Rooms")}
    for _, room, _, imports in table("Rooms"):
        for other in quoted(imports):
            assert floors[other] < floors[quoted(room)[0]], f"{room} imports {other}"


def test_every_file_has_one_line():
    listed = re.findall(r"^- `([^`]+\.py)`: \S.*\.$", section("Files of `src/pipeline`"), re.M)
    found = [path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"]
    assert len(listed) == len(set(listed))
    assert set(listed) == {str(path.relative_to(PACKAGE)) for path in found}


def test_files_stand_below_their_room():
    text = section("Files of `src/pipeline`")
    lists = dict(re.findall(r"^`(\w+)`:\n\n((?:- .*\n)+)", text, re.M))
    assert set(lists) == {
        path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()
    }
    for room, lines in lists.items():
        assert all(line.startswith(f"- `{room}/") for line in lines.splitlines())


@pytest.mark.parametrize("row", table("Where do I find"), ids=lambda row: row[0].split()[0])
def test_names_are_where_the_page_says(row):
    _, files, names = row
    found = set()
    for file in quoted(files):
        path = next(path for path in (PACKAGE / file, ROOT / file) if path.is_file())
        found |= names_in(path) if path.suffix == ".py" else set()
    assert set(quoted(names)) <= found


def names_in(path: Path) -> set[str]:
    """The names that a module gives: its functions, classes and constants."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def test_every_stage_names_its_rules_file():
    stated = {rule for *_, cell in table("How data flows") for rule in quoted(cell)}
    # common.smk is shared by all; demo.smk renders videos for those who have none.
    rules = {path.name for path in (ROOT / "workflow" / "rules").glob("*.smk")}
    assert stated == rules - {"common.smk", "demo.smk"}
