"""Which code an artifact rests on."""

import ast
import os
import shutil
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
        "errors",
    } <= found
    # Which clips there are is a parameter of its rule. Flow is the same on any GPU.
    assert not {"datasets.clips", "compute.device", "gpus"} & found
    id_here = code_id.code_id(SCRIPTS / "flow.py")
    assert id_here == code_id.code_id(SCRIPTS / "flow.py", code_id.APART["flow.py"])
    assert {name.split(".")[0] for name in found} <= {
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
    holding = {Path(path) for path in loaded if Path(path).stat().st_size}
    apart = {
        SOURCE.parent / f"{name.replace('.', '/')}.py" for name in code_id.APART.get(script, ())
    }
    assert all(path.is_file() for path in apart)
    assert len(holding) > 5 and holding <= apart.union(code_id.closure(SCRIPTS / script))


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
    forget()
    return code_id.code_id(package / "program.py")


def forget() -> None:
    """Let the next id be taken of the files as they are then."""
    for cached in (code_id._parsed, code_id._files, code_id._module_id):
        cached.cache_clear()


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
        path.write_bytes(before + b"more = 1\n")
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


@pytest.mark.parametrize(
    "text",
    [
        "# why\nfrom pipeline.sub import b",
        '"""What it does."""\n\n\nfrom pipeline.sub import (\n    b,  # why\n)',
    ],
    ids=["comment", "docstring and layout"],
)
def test_id_ignores_how_code_is_written(package, text):
    before = fresh_id(package)
    (package / "src/pipeline/a.py").write_text(text + "\n")
    assert fresh_id(package) == before


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 2"),
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = 'a'", "x = b'a'"),
        ("def f(a, b=1): return a", "def f(a, *, b=1): return a"),
        ("def f(): return 'text'", "def f(): return 'word'"),
        ("x = 'not a docstring'", "x = 'another'"),
        ("def f():\n    x = 1\n    'a string'", "def f():\n    'a string'\n    x = 1"),
        ("x = f'{1:>3}'", "x = f'{1:<3}'"),
        ("import os\nx = 1", "import sys\nx = 1"),
        ("from os import path as a", "from os import path as b"),
        ("if a:\n    x = 1\ny = 1", "if a:\n    x = 1\n    y = 1"),
    ],
)
def test_id_follows_behaviour(package, one, other):
    path = package / "src/pipeline/sub/b.py"
    path.write_text(one + "\n")
    before = fresh_id(package)
    path.write_text(other + "\n")
    assert fresh_id(package) != before


def test_a_moved_module_is_the_same_module(package):
    """Only the lines that import it change, and these say what is imported, not where it lies."""
    before = fresh_id(package)
    (package / "src/pipeline/elsewhere").mkdir()
    (package / "src/pipeline/elsewhere/__init__.py").touch()
    (package / "src/pipeline/sub/b.py").rename(package / "src/pipeline/elsewhere/b.py")
    (package / "src/pipeline/a.py").write_text("from pipeline.elsewhere import b\n")
    assert fresh_id(package) == before
    (package / "src/pipeline/elsewhere/b.py").write_text("x = 2\n")
    assert fresh_id(package) != before


def test_names_swapped_between_modules_are_seen(package):
    """Both programs import the same two files under the same two names, but the other way round."""
    (package / "src/pipeline/d.py").write_text("x = 3\n")
    (package / "src/pipeline/a.py").write_text("from pipeline import c as one, d as two\n")
    before = fresh_id(package)
    (package / "src/pipeline/a.py").write_text("from pipeline import d as one, c as two\n")
    assert fresh_id(package) != before


def test_modules_whose_outcome_is_a_parameter_do_not_count(package):
    program, given = package / "program.py", ("pipeline.sub.b",)
    forget()
    before = code_id.code_id(program, given)
    assert before != code_id.code_id(program)
    (package / "src/pipeline/sub/b.py").write_text("x = 2\n")
    forget()
    assert code_id.code_id(program, given) == before
    assert package / "src/pipeline/sub/b.py" not in code_id.closure(program, given)


def test_circles_of_imports_are_refused(package):
    (package / "src/pipeline/sub/b.py").write_text("from pipeline import a\n")
    with pytest.raises(ValueError, match=r"in a circle: .*a\.py -> .*b\.py -> .*a\.py"):
        fresh_id(package)


# The package's own modules and programs


def all_ids() -> dict[str, str]:
    """The ids of all programs, as their rules take them."""
    return {path.name: code_id.code_id(path) for path in sorted(SCRIPTS.glob("*.py"))}


@pytest.fixture
def edited(monkeypatch):
    """What edits the text of a module as the ids see it, one module at a time; the file stays as it
    is.
    """

    def edit(path: Path, text: str) -> dict[str, str]:
        tree = ast.parse(text)
        monkeypatch.setattr(code_id, "_parsed", lambda file: tree if file == path else parsed(file))
        code_id._module_id.cache_clear()
        return all_ids()

    parsed = code_id._parsed
    yield edit
    monkeypatch.undo()
    code_id._module_id.cache_clear()


MODULES = sorted(path for path in SOURCE.rglob("*.py") if path.name != "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_reworded_docstring_changes_no_id_and_a_constant_those_of_its_users(edited, path):
    before, text = all_ids(), path.read_text()
    docstring = ast.get_docstring(ast.parse(text), clean=False)
    assert docstring, "every module says what it holds"
    reworded = text.replace(docstring, f"Reworded. {docstring}", 1) + "\n\n# A comment.\n"
    assert edited(path, reworded) == before
    changed = edited(path, text + "\nAN_ADDED_CONSTANT = 1\n")
    users = {program.name for program in SCRIPTS.glob("*.py") if path in code_id.closure(program)}
    assert {name for name in before if changed[name] != before[name]} == users


def pythons_of(version: str) -> list[str]:
    """Interpreters of a version that run: the one of the path, and those that pyenv has."""
    kept = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found = [shutil.which(f"python{version}"), *kept.glob(f"{version}.*/bin/python")]
    return [
        str(python)
        for python in found
        if python and not subprocess.run([python, "-c", ""], capture_output=True).returncode
    ]


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_ids_are_the_same_in_every_python(version):
    """An upgrade of Python must not have all made again."""
    code = (
        f"import sys; sys.path.insert(0, {str(SOURCE.parent)!r}); import pathlib; "
        "from pipeline.jobs.code_id import code_id; "
        f"print(*(code_id(p) for p in sorted(pathlib.Path({str(SCRIPTS)!r}).glob('*.py'))))"
    )
    pythons = pythons_of(version)
    if not pythons:
        pytest.skip(f"no python{version} here")
    for python in pythons:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.split() == list(all_ids().values()), python


@pytest.mark.parametrize("line", ["from . import c", "from .c import y"])
def test_relative_imports_are_refused(package, line):
    (package / "src/pipeline/a.py").write_text(f"import json\n{line}\n")
    with pytest.raises(ValueError, match=r"a\.py:2: relative imports"):
        fresh_id(package)
