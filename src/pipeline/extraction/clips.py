"""The flow of one clip, complete or absent, whenever a run is killed.

A clip is written in `.partial/`, then takes its place by renaming. `.pending/` gets its record
before that, and `.done/` after, there under the clip's name: so a clip in its place is this
program's own if either has a record of it. The names of the folders begin with '.', so that
readers that list folders see clips alone. `.flow.json` holds the settings that all clips share.
Several runs may work in one folder, as on the nodes of a cluster, each on videos of its own.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np

from pipeline import files
from pipeline.errors import PipelineError
from pipeline.extraction import formats
from pipeline.extraction.fields import fields
from pipeline.extraction.layouts import Settings
from pipeline.extraction.videos import Video
from pipeline.flow import tvl1
from pipeline.jobs import watch
from pipeline.video import container
from pipeline.video.decode import LEAST_SIDE, decode
from pipeline.video.ffmpeg import shown

SETTINGS = ".flow.json"
DONE, PENDING, PARTIAL = ".done", ".pending", ".partial"


def prepare(out: Path, settings: Settings) -> None:
    """Make the output folder, or check that what it holds was made with the same settings.

    What processes of this machine that have ended have left unfinished is removed.
    Raises PipelineError where they differ, or where the path is no folder.
    """
    if out.exists() and not out.is_dir():
        raise PipelineError(f"{shown(out)}: this is no folder; name another with --out")
    clear(out)
    path, wanted = out / SETTINGS, settings.as_dict()
    found = _read(path)
    if found == wanted:
        return
    if _is_begun(out):
        if found is None:
            raise PipelineError(
                f"{shown(path)}: the settings of the flow in this folder are missing or damaged; "
                "name another folder with --out"
            )
        raise _other_settings(out, found, wanted)
    _write(path, wanted)


def _other_settings(path: Path, found: dict, wanted: dict) -> PipelineError:
    """The error to raise for flow at `path` that was made with other settings than are wanted."""
    different = [
        f"{key} {found.get(key)} and not {value}"
        for key, value in wanted.items()
        if found.get(key) != value
    ]
    return PipelineError(
        f"{shown(path)}: the flow in it was made with {', '.join(different)}; name another "
        "folder with --out, or give the same settings"
    )


def _is_begun(out: Path) -> bool:
    """Whether a finished clip is in the folder, or another run computes one."""
    done = out / DONE
    marks = (path for path in done.rglob("*") if path.is_file())
    return (out / PARTIAL).exists() or any((out / p.relative_to(done)).exists() for p in marks)


def clear(out: Path) -> None:
    """Remove what processes of this machine that have ended have left unfinished."""
    partial = out / PARTIAL
    for folder in partial.glob(f"{os.uname().nodename}.*"):
        if watch.start_time(int(folder.name.rpartition(".")[2])) is None:
            shutil.rmtree(folder, ignore_errors=True)
    for folder in (partial, out / PENDING):
        # Another run may need it.
        with suppress(OSError):
            folder.rmdir()


def extract(settings: Settings, out: Path, video: Video, advance: Callable[[int], None]) -> dict:
    """Write the flow of a video below `out`, unless it is there; return its record.

    `advance` is called with the number of fields that have been computed since the call before.
    The record has 'fields', 'was_there', and what else `.done/` keeps.
    Raises PipelineError for a video that cannot be used, and for an output that is there and is
    not the whole flow of this video. Raises MachineError and OSError when the machine fails.
    """
    container.check(Path(video.path), settings.damaged)
    sha256, target = files.digest(video.path), out / video.target
    done, pending = out / DONE / video.target, out / PENDING / _digest(video.target)
    if os.path.lexists(target):
        record = _read(done) or _read(pending)
        _check_finished(target, record, settings, video, sha256)
        # A kill may have come between the two.
        if pending.exists():
            _move(pending, done)
        return record | {"was_there": True}
    done.unlink(missing_ok=True)
    own = out / PARTIAL / f"{os.uname().nodename}.{os.getpid()}"
    own.mkdir(parents=True, exist_ok=True)
    try:
        partial = own / "clip"
        record = {"video": video.path, "sha256": sha256, "settings": settings.as_dict()}
        record |= _compute(video, settings, partial, advance)
        _write(pending, record)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            _put(partial, target)
        except PipelineError:
            pending.unlink()
            raise
        _move(pending, done)
    except OSError as error:
        # Where a disk is full, the error does not say which file could not be written.
        error.add_note(f"{files.WRITING}{target}")
        raise
    finally:
        shutil.rmtree(own, ignore_errors=True)
    return record | {"was_there": False}


def _compute(
    video: Video, settings: Settings, partial: Path, advance: Callable[[int], None]
) -> dict:
    """Write the flow of a video to `partial`; return the counts of its record."""
    # More cores compute more clips at a time.
    cv2.setNumThreads(1)
    counts = {"frames": 0, "width": 0, "height": 0}
    grey = _grey_frames(video, settings, counts)

    def advancing() -> Iterator[np.ndarray]:
        for field in fields(grey, settings.step, settings.form.skips, settings.backend):
            yield field
            advance(1)

    count = formats.write(advancing(), partial, settings)
    frames, step = counts["frames"], settings.step
    if frames <= step:
        raise PipelineError(
            f"{shown(video.path)}: the video has {frames} frame{'s' if frames > 1 else ''}, and "
            f"flow over a step of {step} needs {step + 1} at least; leave it out"
        )
    expected = (frames - 1) // step if settings.form.skips else frames - step
    if count != expected:
        raise RuntimeError(f"{video.path}: {count} fields of {frames} frames")
    return counts | {"fields": count} | _size(partial)


def _grey_frames(video: Video, settings: Settings, counts: dict) -> Iterator[np.ndarray]:
    """Yield the frames of a video in grey, and keep their number and size in `counts`."""
    for frame in decode(video.path, settings.short_side or None, settings.damaged):
        height, width = frame.shape[:2]
        if min(height, width) < LEAST_SIDE:
            raise PipelineError(
                f"{shown(video.path)}: its frames have {width} x {height} pixels, and flow needs "
                f"{LEAST_SIDE} at least on each side; leave it out"
            )
        counts |= {"frames": counts["frames"] + 1, "width": width, "height": height}
        yield tvl1.grey(frame)


def _check_finished(
    target: Path, record: dict | None, settings: Settings, video: Video, sha256: str
) -> None:
    """Raise PipelineError unless `target` is as this program has written it for the video."""
    cure = "move it away, or name another folder with --out"
    if record is None:
        raise PipelineError(f"{shown(target)}: it is there, and not made by this command; {cure}")
    if record["settings"] != settings.as_dict():
        raise _other_settings(target, record["settings"], settings.as_dict())
    if record["sha256"] != sha256:
        raise PipelineError(
            f"{shown(target)}: it was made from another video than {shown(video.path)} is now, "
            f"from {shown(record['video'])}; {cure}"
        )
    found = _size(target)
    if any(found[key] != record[key] for key in found):
        raise PipelineError(
            f"{shown(target)}: {found['files']:,} files of {found['bytes']:,} bytes where "
            f"{record['files']:,} of {record['bytes']:,} were written: it was changed since; "
            f"{cure}"
        )


def _size(path: Path) -> dict:
    """The number of files in a folder and their bytes; of a file, 1 and its own."""
    if not path.is_dir():
        return {"files": 1, "bytes": path.stat().st_size}
    sizes = [entry.stat().st_size for entry in os.scandir(path)]
    return {"files": len(sizes), "bytes": sum(sizes)}


def _read(path: Path) -> dict | None:
    """The record in a file; None where there is none, or none that is whole."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _write(path: Path, record: dict) -> None:
    with files.replacing(path, sealed=False) as temporary:
        # ASCII, so that names that are no text go in and come out.
        temporary.write_text(json.dumps(record, sort_keys=True) + "\n", encoding="ascii")


def _put(partial: Path, target: Path) -> None:
    """Give a finished clip its place, unless something is there."""
    if not os.path.lexists(target):
        try:
            return os.rename(partial, target)
        except FileExistsError:
            pass
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
    raise PipelineError(
        f"{shown(target)}: it came while it was computed; let one run at a time work on a video"
    )


def _digest(target: str) -> str:
    """A name for a clip's record in one folder with those of all others."""
    return hashlib.sha256(os.fsencode(target)).hexdigest()[:32]


def _move(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    os.replace(path, to)
