"""Take over the outputs of an earlier run of a job whose inputs, settings and code were the same.

Snakemake plans all jobs behind one that runs again, before anybody can know that this makes the
same bytes as before. So each job keeps hard links to what it made, which take no room, and where
nothing has changed in substance it takes that over in place of computing it again. The links lie in
'.kept/' beside the outputs, which no rule declares. Delete that folder to have a job computed anew
in any case.
"""

import csv
import hashlib
import io
import json
import os
import shutil
from pathlib import Path

from pipeline import files
from pipeline.jobs.record import content_path


def input_digest(paths: list[str | Path], stores: list[str | Path], clips: str | Path) -> str:
    """16 hex digits over the content of a job's inputs: files, and those shards of `stores` that
    hold the `clips`.

    `stores`: folders of shards '<shard>.h5'; `clips`: a table with a column 'shard'. An artifact
    counts by what its content file says, any other file by its bytes.
    """
    shards = shards_of(clips) if stores else []
    paths = [*paths, *(Path(store) / f"{shard}.h5" for store in stores for shard in shards)]
    digests = [_content(Path(path)) for path in paths]
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()[:16]


def _content(path: Path) -> str:
    content = content_path(path)
    if content.is_file():
        return files.read_intact(content).decode()
    with files.reading(path):
        files.require_intact(path)
        return files.digest(path)


def shards_of(clips: str | Path) -> list[str]:
    """The shards that hold the clips of a table, by its column 'shard'."""
    text = files.read_intact(clips).decode("utf-8", "replace")
    rows = csv.DictReader(io.StringIO(text, newline=""))
    # The program itself refuses what is no table.
    return sorted({row["shard"] for row in rows if row.get("shard")})


class Reuse:
    """What one job made last. `identity` is anything that JSON can hold and that tells what the job
    computes.
    """

    def __init__(self, outputs: list[str | Path], identity: object):
        self.outputs = [Path(path) for path in outputs]
        self.identity = json.loads(json.dumps(identity))
        self.folder = self.outputs[0].parent / ".kept" / self.outputs[0].stem

    def take_over(self) -> bool:
        """Put the kept outputs into place; False where there are none of this identity, or they are
        damaged.

        Of several processes of one training only the first writes.
        """
        try:
            kept = json.loads((self.folder / "job.json").read_text())
        except (OSError, ValueError):
            return False
        copies = self._copies(self.folder)
        if kept != {"identity": self.identity, "digests": _digests(copies)}:
            return False
        if _is_first_process():
            for copy, output in zip(copies, self.outputs, strict=True):
                with files.replacing(output) as temporary:
                    os.link(copy, temporary)
                # Snakemake compares times, too.
                os.utime(output)
        return True

    def keep(self) -> None:
        """Keep links to the outputs in place of those of the run before."""
        if not _is_first_process():
            return
        new = self.folder.with_name(f"{self.folder.name}.new")
        for folder in (new, self.folder):
            shutil.rmtree(folder, ignore_errors=True)
        new.mkdir(parents=True)
        try:
            for copy, output in zip(self._copies(new), self.outputs, strict=True):
                os.link(output, copy)
        except OSError:
            # A file system without hard links: the next run computes again.
            shutil.rmtree(new, ignore_errors=True)
            return
        job = {"identity": self.identity, "digests": _digests(self._copies(new))}
        (new / "job.json").write_text(json.dumps(job))
        os.replace(new, self.folder)

    def _copies(self, folder: Path) -> list[Path]:
        return [folder / f"{number}-{path.name}" for number, path in enumerate(self.outputs)]


def _digests(paths: list[Path]) -> list[str | None]:
    return [files.digest(path) if path.is_file() else None for path in paths]


def _is_first_process() -> bool:
    """Whether this is rank 0, or the only process; torchrun tells by the environment."""
    return os.environ.get("RANK", "0") == "0"
