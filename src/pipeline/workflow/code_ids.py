"""Ids of the code of programs, kept so that it is not parsed at each start. Standard library only.

Each job of a cluster starts Snakemake anew, and the syntax trees of the whole package took a third
of what a start takes. An id counts as long as all files of the package and all programs have the
content that they had.
"""

import hashlib
import json
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from pipeline import files
from pipeline.jobs import code_id


class CodeIds:
    """Ids of the programs in the folder `scripts`, kept where Python keeps what it compiles."""

    def __init__(self, scripts: Path):
        self.scripts = scripts
        self.path = code_id.PACKAGE / "__pycache__" / "code_ids.json"

    def of(self, program: str, given: tuple[str, ...] = ()) -> str:
        """The id of a program of the folder; as `code_id.code_id`, which it raises like."""
        name = " ".join([program, *sorted(given)])
        if name not in self._known:
            self._known[name] = code_id.code_id(self.scripts / program, given)
            self._keep()
        return self._known[name]

    @cached_property
    def _content(self) -> str:
        """What stands for the content of all code."""
        known = hashlib.sha256()
        for folder in (code_id.PACKAGE, self.scripts):
            for path in sorted(folder.rglob("*.py")):
                text = path.read_bytes()
                known.update(f"{path.relative_to(folder)} {len(text)} ".encode() + text)
        return known.hexdigest()

    @cached_property
    def _known(self) -> dict[str, str]:
        with suppress(OSError, ValueError, KeyError, TypeError):
            found = json.loads(self.path.read_text(encoding="utf-8"))
            if found["content"] == self._content:
                return dict(found["ids"])
        return {}

    def _keep(self) -> None:
        # A package that is to be read only stays as it is.
        with suppress(OSError), files.replacing(self.path, sealed=False) as temporary:
            content = {"content": self._content, "ids": self._known}
            temporary.write_text(json.dumps(content), encoding="utf-8")
