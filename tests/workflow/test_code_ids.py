"""Ids of code that are kept as long as no code has changed."""

from pathlib import Path

import pytest

from pipeline.jobs import code_id
from pipeline.workflow.code_ids import CodeIds


@pytest.fixture
def code(tmp_path, monkeypatch) -> Path:
    """A package of one module, and a program that imports it."""
    package = tmp_path / "src/pipeline"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "a.py").write_text("x = 1\n")
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/one.py").write_text("from pipeline import a\n")
    monkeypatch.setattr(code_id, "PACKAGE", package)
    return tmp_path


def started(code: Path, *given: str) -> str:
    """The id that a new process finds."""
    for cached in (code_id._parsed, code_id._files, code_id._module_id):
        cached.cache_clear()
    return CodeIds(code / "scripts").of("one.py", given)


def test_an_id_is_kept_and_is_the_code_s(code, monkeypatch):
    first, other = started(code), started(code, "pipeline.a")
    assert first == code_id.code_id(code / "scripts/one.py") != other
    monkeypatch.setattr(code_id, "code_id", None)
    assert started(code) == first and started(code, "pipeline.a") == other


@pytest.mark.parametrize(
    "name", ["src/pipeline/a.py", "scripts/one.py", "src/pipeline/__init__.py"]
)
def test_any_change_of_code_is_seen(code, name):
    before = started(code)
    path = code / name
    # As long as it was, where it had anything.
    text = path.read_text().replace("1", "2").replace("import a", "import b")
    path.write_text(text or "y = 3\n")
    (code / "src/pipeline/b.py").write_text("x = 5\n")
    assert started(code) != before


def test_with_a_broken_file_or_none_it_is_taken_anew(code):
    kept = code / "src/pipeline/__pycache__/code_ids.json"
    first = started(code)
    for text in ("", "{", "[]", '{"content": 1}'):
        kept.write_text(text)
        assert started(code) == first
    kept.unlink()
    kept.parent.rmdir()
    # As where the package may not be written.
    kept.parent.write_text("no folder")
    assert started(code) == first
