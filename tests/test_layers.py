"""The rooms of the package: nothing imports upwards, and rooms of one floor do not import one
another.
"""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "pipeline"
FLOORS = [  # from the ground up; a room imports from the floors below its own, and from itself
    {"errors", "streams"},
    {"files", "gpus"},
    {"compute", "config", "flow", "jobs", "storage", "video"},
    {"data", "datasets", "idt", "models"},
    {"evaluation", "extraction", "inference", "training"},
    {"report", "workflow"},
    {"cli"},
]


def imports() -> dict[str, set[str]]:
    """Every module of the package and the modules of the package that it imports, also within
    functions.
    """
    paths = [path for path in SOURCE.rglob("*.py") if path.name != "__init__.py"]
    modules = {".".join(path.relative_to(SOURCE).with_suffix("").parts): path for path in paths}
    graph = {}
    for name, path in modules.items():
        found = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        graph[name] = {module.removeprefix("pipeline.") for module in found} & set(modules)
    return graph


def test_modules_import_downwards_only():
    floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    rooms = {name.split(".")[0] for name in imports()}
    assert rooms == set(floor), "give every room a floor"
    for name, others in imports().items():
        room = name.split(".")[0]
        for other in (other.split(".")[0] for other in others):
            assert other == room or floor[other] < floor[room], f"{name} imports {other}"


def test_imports_have_no_cycle():
    graph = imports()
    assert len(list(TopologicalSorter(graph).static_order())) == len(graph) > 60


def test_packages_hold_nothing_themselves():
    assert not [path for path in SOURCE.rglob("__init__.py") if path.read_text()]


def test_snakefile_imports_light_modules_only():
    """Every job of a cluster reads the Snakefile, so it must not load what only computing needs."""
    files = [ROOT / "Snakefile", *(ROOT / "workflow" / "rules").glob("*.smk")]
    lines = [
        line
        for path in files
        for line in path.read_text().splitlines()
        if line.startswith("from pipeline")
    ]
    assert "from pipeline.workflow.sets import Sets, split_of" in lines
    code = "\n".join(["import sys", *lines, "print(*sys.modules)"])
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"numpy", "h5py", "cv2", "torch", "ffmpeg", "tqdm", "matplotlib"} & set(loaded)
