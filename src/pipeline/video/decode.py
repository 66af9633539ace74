"""Decode video files with ffmpeg.

Frames are counted by decoding them: headers are off by one or more in many real clips (reference:
opencv/opencv#15569). Whether a video is damaged is decided by what decodes, too: by errors of its
decoder and bytes that its container lacks (`pipeline.video.messages`).
"""

import signal
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from pipeline.errors import MachineError, PipelineError
from pipeline.video import container, ffmpeg
from pipeline.video.ffmpeg import machine_error, shown
from pipeline.video.messages import failure_of_machine
from pipeline.video.process import Process, Stalled

# Smaller frames have no levels of a flow pyramid, and fewer pixels than a network's last map.
LEAST_SIDE = 16
# Seconds that ffmpeg has for one frame where no limits are given.
PATIENCE = 600
USABLE = "replace the file, or list the clip under accept_damaged of its set to use what decodes"


@dataclass(frozen=True)
class Limits:
    """What a clip may cost, so that no file fills the memory, the disk or the time of a run.

    pixels: width times height of a frame, checked before it is decoded.
    frames: of a clip.
    seconds: of a processor, to decode the whole clip.
    patience: seconds to wait for the next frame.
    """

    pixels: int = 36_000_000
    frames: int = 1_000_000
    seconds: int = 36_000
    patience: int = 300

    @classmethod
    def from_settings(cls, settings: dict) -> "Limits":
        """Return the limits of the section `limits` of the settings."""
        return cls(**{field.name: settings["limits"][field.name] for field in fields(cls)})


DEFAULT_LIMITS = Limits()


class _BeyondLimits(PipelineError):
    """A clip costs more than it may."""


def decode(
    path: str | Path,
    short_side: int | None = None,
    accept_damage: bool = False,
    limits: Limits | None = None,
) -> Iterator[np.ndarray]:
    """Yield the frames of a video, (H, W, 3) uint8 RGB, in order, each decoded once.

    They are those of the first stream of video that is no cover picture, as a player shows them:
    turned as the file says, without what an edit list cuts off. Fields of interlaced video stay
    woven, pixels that are not square stay as stored, transparency is dropped. Where the size
    changes within the stream, later frames are scaled to the size of the first.
    Frames whose shorter side exceeds `short_side` pixels are scaled down to it, keeping the aspect
    ratio; none is scaled up.
    Raises PipelineError when the file is missing, unreadable, empty, not a video, cut short,
    damaged or beyond the `limits`. It comes after the frames that could be decoded. With
    `accept_damage` it comes only when no frame could be.
    Raises MachineError when ffmpeg was killed, or memory or a disk failed.
    """
    path = Path(path)
    container.check(path, accept_damage)
    process = Process(
        _command(path, short_side, limits),
        limits.patience if limits else PATIENCE,
        limits.seconds if limits else None,
    )
    count = 0
    try:
        for frame in _read_frames(process):
            if limits and count == limits.frames:
                raise _BeyondLimits(
                    f"{shown(path)}: more than {limits.frames:,} frames; raise limits.frames in "
                    "the config, or remove the clip from the split lists"
                )
            if limits and frame.shape[0] * frame.shape[1] > limits.pixels:
                raise _too_large(path, (frame.shape[1], frame.shape[0]), limits)
            count += 1
            yield frame
        process.finish()
    except Stalled as stall:
        raise _stalled(path, stall, count, limits) from None
    finally:
        # The process is still alive when the caller stops before the last frame.
        process.stop()
    _check_end(path, process, count, accept_damage, limits)


def probe(
    path: str | Path, accept_damage: bool = False, limits: Limits | None = DEFAULT_LIMITS
) -> dict:
    """Decode a whole video and return {'frames', 'width', 'height'}, the size as it is stored.

    Raises PipelineError as `decode` does, and for a clip of one frame, which has no optical flow,
    or of frames that are too small for it. A refusal must repeat itself, or it is a MachineError:
    what passes is the machine's, not the file's.
    """
    try:
        return _probe(path, accept_damage, limits)
    except (MachineError, _BeyondLimits):
        raise
    except PipelineError as first:
        try:
            _probe(path, accept_damage, limits)
        except MachineError:
            raise
        except PipelineError as second:
            if str(first) == str(second):
                raise
        raise machine_error(path, f"it was read twice and differently, first: {first}") from first


def _probe(path: str | Path, accept_damage: bool, limits: Limits | None) -> dict:
    frames, height, width = 0, 0, 0
    for frame in decode(path, accept_damage=accept_damage, limits=limits):
        frames, (height, width) = frames + 1, frame.shape[:2]
        if min(height, width) < LEAST_SIDE:
            raise PipelineError(
                f"{shown(path)}: its frames have {width} x {height} pixels, and optical flow and "
                f"the networks need {LEAST_SIDE} at least on each side; replace it, or remove the "
                "clip from the split lists"
            )
    if frames < 2:
        raise PipelineError(
            f"{shown(path)}: the clip has one frame, and optical flow needs two; replace it, or "
            "remove the clip from the split lists"
        )
    return {"frames": frames, "width": width, "height": height}


def _check_end(
    path: Path, process: Process, count: int, accept_damage: bool, limits: Limits | None
) -> None:
    """Raise what the end of ffmpeg and its messages say after `count` frames."""
    messages, status = process.messages, process.returncode
    if messages.too_large:
        raise _too_large(path, messages.too_large, limits)
    if limits and -status == signal.SIGXCPU:
        raise _BeyondLimits(
            f"{shown(path)}: decoding takes more than {limits.seconds:,} seconds; raise "
            "limits.seconds in the config, or remove the clip from the split lists"
        )
    if reason := failure_of_machine(status, messages):
        raise machine_error(path, reason)
    reason = messages.damage or messages.error or f"ffmpeg ended with {status}"
    if count == 0:
        raise PipelineError(
            f"{shown(path)}: no frame can be decoded, it is no video or its codec is unknown "
            f"(ffmpeg: {reason}); replace the file, or remove the clip from the split lists"
        )
    if (status or messages.damage) and not accept_damage:
        raise PipelineError(
            f"{shown(path)}: damaged after frame {count} or before (ffmpeg: {reason}); {USABLE}"
        )


def _too_large(path: Path, size: tuple[int, int], limits: Limits) -> PipelineError:
    """Return the error to raise for frames of `size`, (width, height)."""
    return _BeyondLimits(
        f"{shown(path)}: frames of {size[0]} x {size[1]} pixels, more than the {limits.pixels:,} "
        "of limits.pixels in the config; raise it, or remove the clip from the split lists"
    )


def _stalled(path: Path, stall: Stalled, count: int, limits: Limits | None) -> PipelineError:
    """Return the error to raise when no frame came after `count` frames."""
    patience = limits.patience if limits else PATIENCE
    if not stall.works:
        return machine_error(
            path,
            f"no frame came within {patience} seconds after frame {count}, as when a disk "
            "does not answer",
        )
    return _BeyondLimits(
        f"{shown(path)}: no frame came within {patience} seconds of work after frame {count}; "
        "replace the file, or raise limits.patience in the config"
    )


def _command(path: Path, short_side: int | None, limits: Limits | None) -> list[str]:
    """The ffmpeg command that writes all frames of a video to its standard output."""
    options = ffmpeg.passthrough_option() | {
        # Frames are written by the clock of the filters. By its own, which is the video's rate, the
        # encoder would give one time stamp to two frames of a slow video.
        "enc_time_base": "1:25",
        # PPM images carry their own size, so no second program has to be asked for it.
        "f": "image2pipe",
        "c:v": "ppm",
        "pix_fmt": "rgb24",
        "threads": "1",
    }
    return [
        ffmpeg.executable(),
        *("-nostdin", "-hide_banner", "-nostats"),
        # Every message once for each time that it occurs, and with its level.
        *("-v", "repeat+level+info"),
        # A status other than 0 for any error of the decoder.
        *("-max_error_rate", "0"),
        *("-threads", "1"),
        # Decoders add margins to frames before they compare, so ours is the exact limit.
        *(("-max_pixels", str(limits.pixels * 11 // 10 + 1_000_000)) if limits else ()),
        *("-format_whitelist", ",".join(container.FORMATS)),
        *("-protocol_whitelist", "file"),
        # With 'file:' in front, a name that has a colon or a leading '-' is still only a name.
        *("-i", f"file:{path}"),
        *("-filter_complex", f"[0:V:0]{_filters(short_side)}[out]", "-map", "[out]"),
        *(word for key, value in options.items() for word in (f"-{key}", value)),
        "pipe:",
    ]


def _filters(short_side: int | None) -> str:
    """The filters of a video: scaled down to `short_side`, and with time stamps of our own."""
    # Every frame gets a time stamp of its own, because a muxer refuses repeated ones.
    stamps = "settb=1/25,setpts=N"
    if not short_side:
        return stamps
    fits = f"lte(min(iw,ih),{short_side})"
    # -2 is the even size that keeps the aspect ratio.
    width = f"if({fits},iw,if(gt(iw,ih),-2,{short_side}))"
    height = f"if({fits},ih,if(gt(iw,ih),{short_side},-2))"
    return f"scale=w='{width}':h='{height}':flags=area,{stamps}"


def _read_frames(process: Process) -> Iterator[np.ndarray]:
    """Yield the images of a pipe, each 'P6 width height 255' and its pixels, as (H, W, 3) uint8.

    Ends at the end of the pipe, and before what is no image or an image that is cut short.
    """
    pending = b""
    while True:
        while (head := pending.split(b"\n", 3))[3:] == []:
            more = process.read_some()
            if not more:
                return
            pending += more
        if head[0] != b"P6" or head[2] != b"255":
            return
        width, height = map(int, head[1].split())
        frame = np.empty(width * height * 3, np.uint8)
        # What came with the head is the begin of the pixels, or more than them where they are few.
        begin = np.frombuffer(head[3], np.uint8)[: len(frame)]
        frame[: len(begin)] = begin
        pending = head[3][len(begin) :]
        rest = memoryview(frame)[len(begin) :]
        if process.read_into(rest) < len(rest):
            return
        # (H W 3,) -> (H, W, 3)
        yield frame.reshape(height, width, 3)
