"""What can be said of a video file before any of it is decoded."""

import os
import stat
import struct
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.video.ffmpeg import MACHINE_ERRORS, machine_error, shown

# The containers that people keep videos in, by ffmpeg's names of their readers. All that lead
# ffmpeg to other files (playlists, image sequences), or that make a video of text, are left out.
FORMATS = (
    *("avi", "mov", "matroska", "mpeg", "mpegts", "mpegtsraw", "mpegvideo", "m4v", "h261", "h263"),
    *("h264", "hevc", "vvc", "av1", "obu", "evc", "vc1", "dirac", "cavsvideo", "avs2", "avs3"),
    *(
        "mjpeg",
        "jpeg_pipe",
        "flv",
        "live_flv",
        "kux",
        "asf",
        "asf_o",
        "ogg",
        "gif",
        "apng",
        "webp_anim",
        "dv",
    ),
    *("mxf", "gxf", "lxf", "nut", "nuv", "ivf", "rm", "swf", "yuv4mpegpipe", "wtv", "pva", "roq"),
    *("film_cpk", "flic", "smk", "bink", "dnxhd", "r3d", "cine", "dhav", "pmp", "nsv", "xmv"),
)
# Sizes in the head of an AVI file that was written to a pipe, where the size is not known.
UNKNOWN_SIZES = (0, 0xFFFFFFFF)


def check(path: Path, accept_damage: bool = False) -> None:
    """Refuse a file that is missing, unreadable, empty or a truncated AVI.

    Raises PipelineError for these, and MachineError where the disk fails. With `accept_damage`, a
    truncated AVI is none of them.
    """
    try:
        # A file is opened only when it is one: opening a FIFO waits for a writer.
        _check_kind(path, os.stat(path).st_mode)
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            expected = _expected_size(file, size)
    except OSError as error:
        raise unreadable(path, error) from error
    if size == 0:
        raise PipelineError(
            f"{shown(path)}: the file is empty (0 bytes), as after a broken download; replace it"
        )
    if size < expected and not accept_damage:
        raise PipelineError(
            f"{shown(path)}: the file is cut short, {size} of {expected} bytes are there; replace "
            "it, or list the clip under accept_damaged of its set to use what decodes"
        )


def unreadable(path: Path, error: OSError) -> PipelineError:
    """Return the error to raise for a video that the system does not let us read."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        what = "there is no such video"
        if os.path.islink(path):
            what += f", the symbolic link leads to {shown(os.readlink(path))}, which is missing"
        return PipelineError(
            f"{shown(path)}: {what}; add it, or remove the clip from the split lists"
        )
    if error.errno in MACHINE_ERRORS:
        return machine_error(path, error.strerror)
    return PipelineError(
        f"{shown(path)}: the video cannot be read ({error.strerror}); make it readable, or remove "
        "the clip from the split lists"
    )


def _check_kind(path: Path, mode: int) -> None:
    """Refuse what is no regular file, by its `mode` of os.stat."""
    if stat.S_ISREG(mode):
        return
    kinds = {stat.S_IFDIR: "folder", stat.S_IFIFO: "named pipe", stat.S_IFSOCK: "socket"}
    kind = kinds.get(stat.S_IFMT(mode), "device")
    raise PipelineError(
        f"{shown(path)}: there is no such video, a {kind} has its name; put the file in its place, "
        "or remove the clip from the split lists"
    )


def _expected_size(file, size: int) -> int:
    """Return how many bytes an AVI file says that it has; 0 for other files.

    It is a row of parts of at most 2 GB, each of which begins with 'RIFF', the number of bytes that
    follow, and 'AVI ' or, from the second part on, 'AVIX'.
    """
    end, kind = 0, b"AVI "
    while end < size:
        file.seek(end)
        head = file.read(12)
        if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != kind:
            break
        (following,) = struct.unpack("<I", head[4:8])
        if following in UNKNOWN_SIZES:
            break
        # A part is padded to an even number of bytes.
        end, kind = end + 8 + following, b"AVIX"
        if end < size:
            end += following % 2
    return end
