"""Which code an artifact was made by: a hash over a program and everything it imports from this package.

Snakemake sees neither a changed module behind a script nor, for `shell:` rules, the script itself. The rules
therefore carry `code=code_id(script)` in their params. Contents count, time stamps do not. Standard library only:
the Snakefile imports this.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]  # .../src/pipeline


@cache
def code_id(script: str | Path) -> str:
    """16 hex digits over the contents of `script` and of its import closure inside this package."""
    digest = hashlib.sha256()
    for path in closure(script):
        name = (
            path.relative_to(PACKAGE.parent) if path.is_relative_to(PACKAGE.parent) else path.name
        )
        digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def closure(script: str | Path) -> list[Path]:
    """`script` and the modules of this package that it imports, directly or not, sorted by path."""
    found: set[Path] = set()
    queue = [Path(script).resolve()]
    while queue:
        path = queue.pop()
        if path not in found:
            found.add(path)
            queue.extend(_imports(path))
    return sorted(found)


@cache
def _imports(path: Path) -> tuple[Path, ...]:
    """Files of this package that the file at `path` imports, packages' `__init__.py` included."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(), filename=str(path))):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules.add(node.module)
            modules.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            raise ValueError(
                f"{path}:{node.lineno}: relative imports are not followed; write 'from pipeline...'"
            )
    files = set()
    for module in modules:
        parts = module.split(".")
        if parts[0] != PACKAGE.name:
            continue
        for end in range(
            1, len(parts) + 1
        ):  # importing a.b.c runs a/__init__, a/b/__init__ and a/b/c
            base = PACKAGE.parent.joinpath(*parts[:end])
            files.update(p for p in (base / "__init__.py", base.with_suffix(".py")) if p.is_file())
    return tuple(files)
