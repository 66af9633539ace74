"""What files that users bring hold, told without reading them at each start. Standard library only.

Paths and time stamps are not content: a folder that was moved, copied or touched holds the videos
that it held before. So the size and the times of each file are kept beside what stands for its
content, as git does in its index. A file is read again only where these differ, and then once.
"""

import csv
import io
import json
import os
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from pipeline import files
from pipeline.errors import PipelineError

# Time of the last change of the content, and of the file's own entry: a copy that keeps the first
# has another second. A file that takes the place of another has another number, where a file system
# keeps both times.
STAT = ("st_size", "st_mtime_ns", "st_ctime_ns", "st_ino")
# The digests of files, in the folder of results.
FILES = ".files.json"


class Contents:
    """Identities of videos and of other files, kept in the folder `results`.

    With `trusted` those that are kept are taken as they are. So the jobs of a cluster, each of
    which starts Snakemake anew, agree with the run that submitted them, and look at no file.
    """

    def __init__(self, results: Path, trusted: bool = False):
        self.results, self.trusted = results, trusted

    def videos(self, name: str, folder: Path, videos: dict[str, str]) -> dict[str, str]:
        """An identity for each video of the set `name`: clip id -> text that changes when its
        content changes.

        `videos`: clip id -> file inside `folder`. The identity of a new video is its size and
        times, so that nothing is read before it is decoded. It stays when these differ, in whatever
        direction, and the content is the one that was examined.
        """
        path = self.results / name / ".videos.json"
        known, examined = _read(path), _Examined(self.results / name / "index")
        if self.trusted and known.keys() >= videos.keys():
            return {clip: known[clip][0] for clip in videos}
        found = {}
        for clip, file in videos.items():
            stat = _stat(f"{folder}/{file}")
            old = known.get(clip)
            if old and (old[1:] == stat or examined.has(clip, folder / file)):
                found[clip] = [old[0], *stat]
            else:
                found[clip] = ["-".join(map(str, stat)), *stat]
        if found != known:
            _write(path, found)
        return {clip: content[0] for clip, content in found.items()}

    def digest(self, path: str | Path) -> str:
        """The digest of any file, read again only when its size or a time has changed."""
        store, key = self.results / FILES, os.path.abspath(path)
        known, stat = _read(store), _stat(Path(path))
        if (old := known.get(key)) and (self.trusted or old[1:] == stat):
            return old[0]
        known[key] = [files.digest(path), *stat]
        _write(store, known)
        return known[key][0]

    def weights(self, path: str, key: str = "network.weights") -> str:
        """What stands for a file of weights in the params: its content. `key` names the file.

        A file that is gone has the content that it had: networks that started from it need it no
        more, and `preflight` refuses jobs that do. Raises PipelineError when there never was one.
        """
        if Path(path).is_file():
            return f"file {self.digest(path)}"
        known = _read(self.results / FILES).get(os.path.abspath(path))
        if known is None:
            raise PipelineError(
                f"{path}: there is no such weight file; correct {key} ('imagenet', "
                "'none' or a file)"
            )
        return f"file {known[0]}"


class _Examined:
    """Videos of a set as they were when they were examined."""

    def __init__(self, folder: Path):
        self.folder = folder

    def has(self, clip: str, path: Path) -> bool:
        """Whether the video at `path` is the one that was examined; reads it."""
        try:
            return clip in self._digests and self._digests[clip] == files.digest(path)
        except OSError:
            # It counts as another one, and its examination says why it cannot be read.
            return False

    @cached_property
    def _digests(self) -> dict[str, str]:
        found = {}
        for path in self.folder.glob("*.csv"):
            table = io.StringIO(files.read_intact(path).decode("utf-8", "replace"), newline="")
            found.update((row.get("clip"), row.get("sha256")) for row in csv.DictReader(table))
        return found


def _stat(path: str | Path) -> list[int]:
    """What the system says of a file without reading it; nothing of one that is gone."""
    try:
        stat = os.stat(path)
    except OSError:
        return []
    return [getattr(stat, name) for name in STAT]


def _read(path: Path) -> dict:
    """A file of identities; empty where there is none or it is broken, which costs one reading of
    the files.
    """
    try:
        content = json.loads(files.read_intact(path))
    except (PipelineError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(path: Path, content: dict) -> None:
    """Keep identities; where that cannot be, as in a folder to look at only, the files are read
    again the next time.
    """
    with suppress(OSError), files.replacing(path) as temporary:
        temporary.write_text(json.dumps(content), encoding="utf-8")
