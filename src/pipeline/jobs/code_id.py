"""Which code an artifact was made by: an id of a program and of all that it imports from this
package.

Snakemake sees neither a changed module behind a program nor, in `shell:` rules, the program itself.
So each rule carries `code=code_id(...)` in its params.

The id says what the code does, not how it is written. It is taken of the syntax tree without
docstrings, so comments, blank lines, formatting and the order of imports do not change it. A module
is known by its own id and not by its name, so moving a file does not change it either. Standard
library only: the Snakefile imports this.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

# .../src/pipeline
PACKAGE = Path(__file__).resolve().parents[1]
# Fields of syntax trees that say nothing of behaviour, or that some versions of Python lack.
IGNORED = {"ctx", "kind", "type_comment", "type_ignores"}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
IMPORTS = (ast.Import, ast.ImportFrom)
# Modules that a program imports and that its outcome does not depend on: flow has the same bits on
# any GPU, and a change to how trainings share GPUs must not make all of it again.
APART = {"flow.py": ("pipeline.compute.device", "pipeline.gpus")}


def code_id(program: str | Path, given: tuple[str, ...] = ()) -> str:
    """16 hex digits over a program and its import closure inside this package.

    `given` names modules, such as 'pipeline.datasets.load', whose outcome is a parameter of the
    program's rule already: their code is left out. Raises ValueError for relative imports and for
    circles of imports.
    """
    path = Path(program).resolve()
    return _module_id(path, frozenset(_left_out(path, given)))[:16]


def closure(program: str | Path, given: tuple[str, ...] = ()) -> list[Path]:
    """`program` and the modules of this package that it imports, directly or not, sorted by
    path.
    """
    found: set[Path] = set()
    queue = [Path(program).resolve()]
    given = _left_out(queue[0], given)
    while queue:
        path = queue.pop()
        if path not in found:
            found.add(path)
            for node in ast.walk(_parsed(path)):
                if isinstance(node, IMPORTS):
                    for module, _ in _imported(node, path):
                        queue.extend([] if module in given else _files(module))
    return sorted(found)


def _left_out(program: Path, given: tuple[str, ...]) -> tuple[str, ...]:
    """The modules that are left out of the closure of a program."""
    return (*given, *APART.get(program.name, ()))


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def _module_id(path: Path, given: frozenset[str]) -> str:
    """The id of one file, in which each import of this package stands as the ids of what it
    loads.
    """
    words: list[str] = []
    _open.append(path)
    if path in _open[:-1]:
        raise ValueError(f"imports in a circle: {' -> '.join(str(module) for module in _open)}")
    _describe(_parsed(path), words, path, given)
    _open.pop()
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


# The files whose ids are being taken, each imported by the one before.
_open: list[Path] = []


def _describe(node, words: list[str], path: Path, given: frozenset[str]) -> None:
    """Append the words that stand for a syntax tree: the same in every version of Python."""
    if isinstance(node, ast.AST):
        words.append(type(node).__name__)
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(node, ast.JoinedStr):
                # Some releases of Python 3.12 end a format such as {x:{width}} with an empty text.
                value = [part for part in value if getattr(part, "value", None) != ""]
            if name == "body" and isinstance(node, DOCUMENTED):
                value = value[1:] if ast.get_docstring(node, clean=False) is not None else value
            if name not in IGNORED and value is not None and value != []:
                words.append(name)
                _describe(value, words, path, given)
        words.append(")")
    elif isinstance(node, list):
        imports: list[str] = []
        for item in node:
            if isinstance(item, IMPORTS):
                imports += _import_words(item, path, given)
                continue
            # The order of neighbouring imports does not count.
            words += sorted(imports)
            imports.clear()
            _describe(item, words, path, given)
        words += [*sorted(imports), "]"]
    else:
        words.append(repr(node))


def _import_words(
    node: ast.Import | ast.ImportFrom, path: Path, given: frozenset[str]
) -> list[str]:
    """A line for each name that an import binds: what it is, by the ids of what is loaded for
    it.
    """
    lines = []
    for alias, (module, name) in zip(node.names, _imported(node, path), strict=True):
        files = [] if module in given else _files(module)
        if not files:
            lines.append(f"import {module} {name} as {alias.asname}")
            continue
        ids = " ".join(_module_id(file, given) for file in files)
        if isinstance(node, ast.Import):
            # Without `as`, the code spells the dotted name out.
            bound = alias.asname or alias.name
        else:
            bound = alias.asname or alias.name.rsplit(".", 1)[-1]
        lines.append(f"import {ids} {name} as {bound}")
    return lines


def _imported(node: ast.Import | ast.ImportFrom, path: Path) -> Iterator[tuple[str, str | None]]:
    """The module that each alias of an import loads, and what it takes out of it, if not the module
    itself.
    """
    if isinstance(node, ast.Import):
        yield from ((alias.name, None) for alias in node.names)
        return
    if node.level:
        raise ValueError(
            f"{path}:{node.lineno}: relative imports are not followed; write 'from pipeline...'"
        )
    for alias in node.names:
        whole = f"{node.module}.{alias.name}"
        yield (whole, None) if _is_module(whole) else (node.module, alias.name)


def _base(module: str) -> Path:
    return PACKAGE.parent.joinpath(*module.split("."))


def _is_module(module: str) -> bool:
    base = _base(module)
    return module.split(".")[0] == PACKAGE.name and (
        base.with_suffix(".py").is_file() or (base / "__init__.py").is_file()
    )


@cache
def _files(module: str) -> tuple[Path, ...]:
    """The files of this package that importing a module runs: a.b.c runs a/__init__, a/b/__init__
    and a/b/c.

    Packages' `__init__.py` count where they hold anything.
    """
    parts = module.split(".")
    if parts[0] != PACKAGE.name:
        return ()
    packages = [_base(".".join(parts[:end])) / "__init__.py" for end in range(1, len(parts) + 1)]
    files = [path for path in packages if path.is_file() and _parsed(path).body]
    own = _base(module).with_suffix(".py")
    return (*files, own) if own.is_file() else tuple(files)
