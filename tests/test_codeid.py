"""Which code an artifact rests on, and that the package's modules import downwards only."""

import ast
import os
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from pipeline import codeid

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "workflow" / "scripts"
SOURCE = ROOT / "src" / "pipeline"
LAYERS = [  # a module imports from the lines above its own only
    {"files", "errors", "memory"},
    {"ranks"},
    {"codeid", "progress", "record", "sampling", "levels", "jpeg", "flow.pyramid", "groups", "device", "loading", 
     "models.cnn_m", "tables", "idt.camera", "idt.descriptors", "idt.farneback", "idt.svm"},
    {"flow.opencv", "flow.cpu", "flow.cuda", "settings", "report", "video", "program", "datasets.clips", "idt.trajectories"},
    {"datasets.ucf101", "datasets.hmdb51", "datasets.demo", "codings", "idt.extract"},
    {"store"},
    {"datasets.sets", "datasets.index", "fusion", "inputs", "views", "idt.fisher", "idt.sample"},
    {"models.weights", "draws"},
    {"models.vgg"},
    {"models.co2fi"},
    {"models.asyn", "models.baseline"},
    {"models.build", "losses", "scores", "pictures", "scorefiles", "idt.features"},
    {"train", "objectives"},
    {"cli"},
]


def names(script: str) -> set[str]:
    """The modules in a program's closure, such as 'datasets.index'."""
    paths = [path for path in codeid.closure(SCRIPTS / script) if path.is_relative_to(SOURCE)]
    return {".".join(path.relative_to(SOURCE).with_suffix("").parts) for path in paths}


def imports() -> dict[str, set[str]]:
    """Every module of the package and the modules of the package that it imports, also within functions."""
    modules = {".".join(path.relative_to(SOURCE).with_suffix("").parts): path for path in SOURCE.rglob("*.py")}
    graph = {}
    for name, path in modules.items():
        found = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        graph[name] = {module.removeprefix("pipeline.") for module in found if module.startswith("pipeline.")}
        graph[name] &= set(modules)
    return {name: found for name, found in graph.items() if not name.endswith("__init__")}


# The closure


def test_flow_rests_on_what_computes_flow_only():
    found = names("flow.py")
    assert {"flow.__init__", "flow.cpu", "levels", "video", "store", "datasets.index", "datasets.clips", "errors"} <= found
    assert not {"fusion", "train", "inputs", "losses"} & found and not any(name.startswith("models") for name in found)


def test_closures_of_other_programs():
    assert "fusion" in names("fuse.py") and "train" not in names("fuse.py")
    assert {"train", "losses", "models.asyn", "models.build", "models.vgg"} <= names("asyn.py")
    assert "fusion" not in names("asyn.py")
    assert codeid.closure(SCRIPTS / "flow.py").count(SCRIPTS / "flow.py") == 1


@pytest.mark.parametrize("script", ["flow.py", "examine.py"])
def test_closure_holds_all_that_python_loads(script):
    code = (f"import sys, runpy; runpy.run_path({str(SCRIPTS / script)!r}, run_name='none');"
            "print(*(m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'pipeline'))")
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert len(loaded) > 5 and set(map(Path, loaded)) <= set(codeid.closure(SCRIPTS / script))


# The id


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package and a program: program -> a -> sub.b, and c, which nothing imports."""
    folder = tmp_path / "src" / "pipeline"
    (folder / "sub").mkdir(parents=True)
    texts = {"__init__": "", "a": "from pipeline.sub import b", "sub/__init__": "", "sub/b": "x = 1", "c": "y = 1"}
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text + "\n")
    (tmp_path / "program.py").write_text("import json\nfrom pipeline import a\n")
    monkeypatch.setattr(codeid, "PACKAGE", folder)
    return tmp_path


def fresh_id(package: Path) -> str:
    """The id as a new process finds it."""
    codeid.code_id.cache_clear()
    codeid._imports.cache_clear()
    return codeid.code_id(package / "program.py")


def test_id_follows_content(package):
    ids = [fresh_id(package)]
    for name in ("program.py", "src/pipeline/a.py", "src/pipeline/sub/b.py", "src/pipeline/sub/__init__.py"):
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


# The layers


def test_imports_have_no_cycle():
    graph = imports()
    assert len(list(TopologicalSorter(graph).static_order())) == len(graph) > 20


def test_modules_import_downwards_only():
    layer = {name: number for number, members in enumerate(LAYERS) for name in members}
    graph = imports()
    assert set(graph) == set(layer), "give every module a place in LAYERS"
    upwards = [(name, other) for name, others in graph.items() for other in others if layer[other] >= layer[name]]
    assert upwards == []


def test_snakefile_imports_light_modules_only():
    """Every job of a cluster reads the Snakefile, so it must not load what only computing needs."""
    files = [ROOT / "Snakefile", *(ROOT / "workflow" / "rules").glob("*.smk")]
    lines = [line for path in files for line in path.read_text().splitlines() if line.startswith("from pipeline")]
    assert {"from pipeline import codeid, settings, tables", "from pipeline.datasets import clips, sets"} <= set(lines)
    code = "\n".join(["import sys", *lines, "print(*sys.modules)"])
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "h5py", "cv2", "torch", "ffmpeg", "tqdm", "matplotlib"} & set(loaded)
