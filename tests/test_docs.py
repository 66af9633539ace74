"""README.md and the pages of docs/: their paths, headings and modules exist."""

import importlib.util
import re
import sys
import textwrap
import tomllib
import types
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
# Files that CONTRIBUTING.md adds by way of example.
EXAMPLES = {
    "src/pipeline/video/luma.py",
    "workflow/scripts/luma.py",
    "src/pipeline/models/backbones/small.py",
    "src/pipeline/models/pooled.py",
    "src/pipeline/datasets/table.py",
}
FOLDERS = "|".join(("benchmarks", "docs", "envs", "profiles", "src", "tests", "workflow"))


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page in one language, also those of lists."""
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```", (ROOT / page).read_text(), re.M | re.S)
    return [textwrap.dedent(block) for block in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_of_the_checkout_exist(page):
    """Also those that stand in commands, such as `python benchmarks/idt.py ../shared/data`."""
    text = page.read_text()
    # Not in patterns, such as `tests/models/test_<name>.py`.
    words = set(re.findall(rf"(?<![\w/.>-])((?:{FOLDERS})/[\w/.-]*\w)(?![<\w/.-]*<)", text))
    words -= EXAMPLES
    links = {link.partition("#")[0] for link in re.findall(r"\[[^]]+\]\(([^()]+)\)", text)}
    relative = {link for link in links if link and "://" not in link}
    # docs/architecture.md names files of the package from there.
    places = (ROOT, ROOT / "src" / "pipeline")
    assert not [word for word in words if not any((place / word).exists() for place in places)]
    assert not [link for link in relative if not (page.parent / link).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_headings_that_are_linked_exist(page):
    for target, anchor in re.findall(r"\]\(([\w./-]*)#([\w-]+)\)", page.read_text()):
        assert anchor in anchors(page.parent / target if target else page), (target, anchor)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site make them."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_modules_of_the_package_exist(page):
    """A dotted name is a module, or a name in one."""
    for name in set(re.findall(r"`(pipeline(?:\.\w+)+)`", page.read_text())):
        if page.name != "CHANGELOG.md":
            assert has(name), name


def has(name: str) -> bool:
    """Whether there is such a module, or a module before the last dot that has the name."""
    module, _, last = name.rpartition(".")
    if module == "pipeline":
        return importlib.util.find_spec(name) is not None
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return hasattr(importlib.import_module(module), last)


def test_modules_of_the_practice_pages_load(monkeypatch):
    """In the order in which they stand there: later ones import earlier ones."""
    loaded = set()
    for code in blocks("CONTRIBUTING.md", "python"):
        path = re.match(r"# (\S+\.py)\n", code)
        if path:
            name = path[1].removeprefix("src/").removesuffix(".py").replace("/", ".")
            module = types.ModuleType(name)
            monkeypatch.setitem(sys.modules, name, module)
            exec(compile(code, path[1], "exec"), module.__dict__)
            loaded.add(path[1])
    assert loaded == EXAMPLES


def test_versions_agree():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    changes = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert changes[0] == version
