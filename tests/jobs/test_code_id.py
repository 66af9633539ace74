"""Which code an artifact rests on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.jobs import code_id

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "workflow" / "scripts"
SOURCE = ROOT / "src" / "pipeline"


def names(script: str) -> set[str]:
    """The modules in a program's closure, such as 'datasets.index'."""
    paths = [path for path in code_id.closure(SCRIPTS / script) if path.is_relative_to(SOURCE)]
    return {".".join(path.relative_to(SOURCE).with_suffix("").parts) for path in paths}


# The closure


def test_flow_rests_on_what_computes_flow_only():
    found = names("flow.py")
    assert {
        "flow.tvl1",
        "flow.cpu",
        "flow.levels",
        "video.decode",
        "storage.writer",
        "datasets.index",
        "datasets.clips",
        "errors",
    } <= found
    assert {name.split(".")[0] for name in found} <= {
        "__init__",
        "flow",
        "video",
        "storage",
        "datasets",
        "jobs",
        "errors",
        "files",
    }


def test_closures_of_other_programs():
    assert "evaluation.fusion" in names("fuse.py") and "training.loop" not in names("fuse.py")
    assert {
        "training.loop",
        "training.losses",
        "models.asyn",
        "models.factory",
        "models.backbones.vgg",
    } <= names("asyn.py")
    assert "evaluation.fusion" not in names("asyn.py")
    assert code_id.closure(SCRIPTS / "flow.py").count(SCRIPTS / "flow.py") == 1


@pytest.mark.parametrize("script", ["flow.py", "examine.py"])
def test_closure_holds_all_that_python_loads(script):
    code = (
        f"import sys, runpy; runpy.run_path({str(SCRIPTS / script)!r}, run_name='none');"
        "print(*(m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'pipeline'))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(loaded) > 5 and set(map(Path, loaded)) <= set(code_id.closure(SCRIPTS / script))


# The id


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package and a program: program -> a -> sub.b, and c, which nothing imports."""
    folder = tmp_path / "src" / "pipeline"
    (folder / "sub").mkdir(parents=True)
    texts = {
        "__init__": "",
        "a": "from pipeline.sub import b",
        "sub/__init__": "",
        "sub/b": "x = 1",
        "c": "y = 1",
    }
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text + "\n")
    (tmp_path / "program.py").write_text("import json\nfrom pipeline import a\n")
    monkeypatch.setattr(code_id, "PACKAGE", folder)
    return tmp_path


def fresh_id(package: Path) -> str:
    """The id as a new process finds it."""
    code_id.code_id.cache_clear()
    code_id._imports.cache_clear()
    return code_id.code_id(package / "program.py")


def test_id_follows_content(package):
    ids = [fresh_id(package)]
    for name in (
        "program.py",
        "src/pipeline/a.py",
        "src/pipeline/sub/b.py",
        "src/pipeline/sub/__init__.py",
    ):
        path = package / name
        before = path.read_bytes()
        path.write_bytes(before + b"# more\n")
        ids.append(fresh_id(package))
        path.write_bytes(before)
    assert len(set(ids)) == 5 and fresh_id(package) == ids[0]
    assert all(len(number) == 16 and int(number, 16) >= 0 for number in ids)


def test_id_ignores_time_stamps_place_and_other_modules(package):
    before = fresh_id(package)
    os.utime(package / "src/pipeline/a.py", (1, 1))
    (package / "src/pipeline/c.py").write_text("y = 2\n")
    assert fresh_id(package) == before
    moved = package / "elsewhere"
    moved.mkdir()
    (package / "program.py").rename(moved / "program.py")
    assert fresh_id(moved) == before


def test_imports_within_functions_count(package):
    (package / "src/pipeline/a.py").write_text("def f():\n    import pipeline.c\n")
    before = fresh_id(package)
    (package / "src/pipeline/c.py").write_text("y = 2\n")
    assert fresh_id(package) != before


@pytest.mark.parametrize("line", ["from . import c", "from .c import y"])
def test_relative_imports_are_refused(package, line):
    (package / "src/pipeline/a.py").write_text(f"import json\n{line}\n")
    with pytest.raises(ValueError, match=r"a\.py:2: relative imports"):
        fresh_id(package)
