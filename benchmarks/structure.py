"""How a checkout is built, or two: modules, rooms, imports, lengths of code, and tests.

    python benchmarks/structure.py                  # of the checkout that this file lies in
    python benchmarks/structure.py OLD NEW --json structure.json

A room is a folder of src/pipeline, or a module that lies there directly. Only files of the checkout
are read; nothing of it is imported, and Python's standard library is enough.
"""

import argparse
import ast
import json
import statistics
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = 100
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
# Modules -> the modules that they import.
Graph = dict[str, set[str]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("trees", nargs="*", type=Path, default=[ROOT], help="one or two checkouts")
    parser.add_argument("--json", type=Path, help="file to write the numbers to, too (JSON)")
    options = parser.parse_args()
    if len(options.trees) > 2:
        parser.error("give one checkout, or two")
    results = [measure(tree) for tree in options.trees]
    print_table([str(tree) for tree in options.trees], results)
    if len(results) == 2:
        old, new = (set(result["names of tests"]) for result in results)
        print_list("tests of the first that the second has not", sorted(old - new))
    if options.json:
        written = {str(tree): result for tree, result in zip(options.trees, results, strict=True)}
        options.json.write_text(json.dumps(written, indent=1) + "\n")


def measure(root: Path) -> dict:
    """Return what is counted of the checkout `root`, by the names under which it is printed."""
    package = root / "src" / "pipeline"
    sources = parse_all(package.rglob("*.py"))
    # Chains are of what loading a module imports; arrows and circles are of all imports.
    on_loading, graph = import_graph(package, nested=False), import_graph(package)
    rooms = between_rooms(graph)
    scripts = parse_all((root / "workflow/scripts").glob("*.py"))
    functions = {
        f"{path.relative_to(root)}:{node.lineno} {node.name}": node
        for path, tree in (sources | scripts).items()
        for node in ast.walk(tree)
        if isinstance(node, FUNCTIONS)
    }
    lengths = {name: node.end_lineno - node.lineno + 1 for name, node in functions.items()}
    files = {str(path.relative_to(root)): line_count(path) for path in sources | scripts}
    longest_function, longest_file = max(lengths, key=lengths.get), max(files, key=files.get)
    tests = test_names(root)
    return {
        "modules": len(graph),
        "rooms": len(rooms),
        "modules outside of folders": sum(package / f"{room}.py" in sources for room in rooms),
        "longest chain of imports": longest_chain(on_loading),
        "floors of rooms": longest_chain(rooms),
        "arrows between rooms": sum(map(len, rooms.values())),
        "arrows between modules": sum(map(len, graph.values())),
        "import circles": len(circles(graph)),
        "import circles of rooms": len(circles(rooms)),
        "lines of common.smk": line_count(root / "workflow/rules/common.smk"),
        f"lines over {COLUMNS} columns": sum(map(long_lines, code_files(root))),
        "median function, lines": statistics.median_low(lengths.values()),
        "median function, statements": statistics.median_low(map(statements, functions.values())),
        "longest function, lines": lengths[longest_function],
        "longest function": longest_function,
        "longest file, lines": files[longest_file],
        "longest file": longest_file,
        "tests": len(tests),
        "test files without a mirror": without_mirror(root, package),
        "circles": [*circles(graph), *circles(rooms)],
        "names of tests": sorted(set(tests)),
    }


def parse_all(paths: Iterable[Path]) -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text()) for path in sorted(paths)}


def import_graph(package: Path, nested: bool = True) -> Graph:
    """Return for every module of `package` the modules of it that it imports.

    With `nested` also those that are imported within functions. An empty __init__.py is no module.
    """
    trees = {
        # 'flow.tvl1' for flow/tvl1.py, 'flow' for flow/__init__.py.
        ".".join(path.relative_to(package).with_suffix("").parts).removesuffix(".__init__"): tree
        for path, tree in parse_all(package.rglob("*.py")).items()
        if tree.body
    }
    return {
        name: imported(ast.walk(tree) if nested else tree.body, package.name) & set(trees)
        for name, tree in trees.items()
    }


def imported(nodes: Iterable[ast.AST], package: str) -> set[str]:
    """Return what the import statements among `nodes` name of `package`, without its name."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name[len(package) + 1 :] for name in names if (name or "").startswith(f"{package}.")}


def between_rooms(graph: Graph) -> Graph:
    """Return for every room the other rooms that its modules import."""
    rooms = {name.split(".")[0]: set() for name in graph}
    for name, others in graph.items():
        room = name.split(".")[0]
        rooms[room] |= {other.split(".")[0] for other in others} - {room}
    return rooms


def longest_chain(graph: Graph) -> int | None:
    """Return the number of nodes in the longest chain of imports; None where there are circles."""
    length = {}
    try:
        for name in TopologicalSorter(graph).static_order():
            length[name] = 1 + max((length[other] for other in graph[name]), default=0)
    except CycleError:
        return None
    return max(length.values())


def circles(graph: Graph) -> list[list[str]]:
    """Return the largest groups of nodes in which each reaches each other by imports."""
    reached = {name: reachable(graph, name) for name in graph}
    groups = {
        frozenset(other for other in others if name in reached[other])
        for name, others in reached.items()
    }
    return sorted(sorted(group) for group in groups if group)


def reachable(graph: Graph, start: str) -> set[str]:
    """Return every node to which a chain of one import or more leads from `start`."""
    found, pending = set(), [start]
    while pending:
        new = graph[pending.pop()] - found
        found |= new
        pending += new
    return found


def code_files(root: Path) -> list[Path]:
    """Return the Python files and the rules of a checkout."""
    folders = ("src", "workflow", "benchmarks", "tests")
    found = [path for folder in folders for path in (root / folder).rglob("*")]
    return [root / "Snakefile", *(path for path in found if path.suffix in (".py", ".smk"))]


def long_lines(path: Path) -> int:
    return sum(len(line) > COLUMNS for line in path.read_text().splitlines())


def line_count(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.is_file() else 0


def test_names(root: Path) -> list[str]:
    """Return the names of all test functions; parameters are not counted."""
    return [
        node.name
        for path in (root / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, FUNCTIONS) and node.name.startswith("test_")
    ]


def statements(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many statements a function has, which no layout changes; docstrings aside."""
    counted = [node for node in ast.walk(function) if isinstance(node, ast.stmt)]
    return len(counted) - 1 - (ast.get_docstring(function) is not None)


def without_mirror(root: Path, package: Path) -> list[str]:
    """Return the test files that do not lie where a module of the same name lies in the package."""
    tests = root / "tests"
    return sorted(
        str(path.relative_to(root))
        for path in tests.rglob("test_*.py")
        if not (
            package / path.parent.relative_to(tests) / path.name.removeprefix("test_")
        ).is_file()
    )


def print_table(titles: list[str], results: list[dict]) -> None:
    """Print a line for each number, and below the table what the lists hold."""
    apart = {"circles", "names of tests", "longest function", "longest file"}
    rows = [["", *titles]]
    for label in [label for label in results[0] if label not in apart]:
        rows.append([label, *(cell(result[label]) for result in results)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for label, *values in rows:
        cells = [value.rjust(width) for value, width in zip(values, widths[1:], strict=True)]
        print(label.ljust(widths[0]), *cells, sep="  ")
    for title, result in zip(titles, results, strict=True):
        print(f"\n{title}")
        print_list(
            "longest function and file", [result["longest function"], result["longest file"]]
        )
        print_list("import circles", [", ".join(circle) for circle in result["circles"]])
        print_list("test files without a mirror", result["test files without a mirror"])


def cell(value: int | list | None) -> str:
    """Return how the table shows a value: a list by its length."""
    return "-" if value is None else str(len(value) if isinstance(value, list) else value)


def print_list(title: str, lines: list[str]) -> None:
    print(f"{title}:", *lines or ["none"], sep="\n  ")


if __name__ == "__main__":
    main()
