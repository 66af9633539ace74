"""What ffmpeg's messages and the way that it ended say about a video.

Many of its messages say nothing about the file: those of filters, of the encoder, and of the
container that we have frames written to. Damage is what the decoder of the stream says, or what the
reader of the container says about bytes that are not there.
"""

import os
import re
import signal
from dataclasses import dataclass, field

from pipeline.video.container import FORMATS
from pipeline.video.ffmpeg import MACHINE_ERRORS

# A line is '[mpeg4 @ 0x5581] [error] ac-tex damaged at 2 12': parts of ffmpeg, the level, the text.
LINE = re.compile(
    r"(?P<parts>(?:\[[^\]]*\] )*?)\[(?P<level>panic|fatal|error|warning|info)\] (?P<text>.*)"
)
# 'Stream #0:0 (h264) -> settb:default': the stream whose frames we get, and its decoder.
DECODER = re.compile(r"\s*Stream #0:(?P<stream>\d+) \((?P<name>.+)\) -> ")
TOO_LARGE = re.compile(r"Picture size (\d+)x(\d+) exceeds specified max pixel count")
ERRORS = ("panic", "fatal", "error")
# What decoders, and readers of containers, say of healthy videos at the level of errors.
HARMLESS = re.compile(
    "mmco: unref short failure|number of reference frames|unable to decode APP fields|"
    "edit list|index entry before timestamp|Something went wrong during header parsing|"
    "Duplicate element"
)
# What ffmpeg itself says about packets and frames, at whatever level.
CORRUPT_FRAME, CORRUPT_PACKET = "corrupt decoded frame", "corrupt input packet"
# A transport stream counts its packets, and where two of them were joined the count is broken.
JOINABLE = "mpegts"
# The stream that a message is about, where it says so.
ABOUT = re.compile(r"\bstream (\d+)")
# ffmpeg's own statuses: ended by a signal, and after the third one.
INTERRUPTED = (255, 123)
# What a shell says for a program that it cannot start.
NOT_STARTED = (126, 127)
# Since ffmpeg 6, the status is the error number, negative and in one byte.
MACHINE_STATUSES = {-number & 0xFF: os.strerror(number) for number in MACHINE_ERRORS}
# A demuxer that finds less than it wants says 'Input/output error', too, whatever the disk does.
MACHINE_TEXTS = {os.strerror(number) for number in MACHINE_ERRORS} - {"Input/output error"}
DEADLY = {signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGHUP, signal.SIGSEGV}
DEADLY |= {signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGXCPU}


@dataclass
class Messages:
    """The messages of one run of ffmpeg, read line by line with `-v repeat+level+info`.

    machine: the first message that shows that the machine failed, or ''.
    too_large: width and height of a frame beyond -max_pixels, or None.
    error: the last message at the level of errors, or ''.
    """

    machine: str = ""
    too_large: tuple[int, int] | None = None
    error: str = ""
    # Stream and decoder, and the first message of damage by the stream that it is about.
    _stream: str = ""
    _decoder: str = ""
    _damage: dict[str, str] = field(default_factory=dict)
    _rest: bytes = b""

    @property
    def damage(self) -> str:
        """The first message that shows damage of the stream that was decoded, or ''."""
        return self._damage.get(self._stream) or self._damage.get("", "")

    def feed(self, data: bytes) -> None:
        """Take the next bytes of ffmpeg's standard error; none at its end."""
        lines = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        # A line without an end does not fill the memory.
        self._rest = lines.pop()[:65536] if data else b""
        for line in lines:
            self._take(line.decode(errors="replace"))

    def _take(self, line: str) -> None:
        match = LINE.match(line)
        if not match:
            return
        level, text = match["level"], match["text"]
        if level == "info":
            if decoder := DECODER.match(text):
                self._stream, self._decoder = decoder["stream"], decoder["name"]
            return
        parts = [part.partition(" @ ")[0] for part in re.findall(r"\[([^\]]*)\]", match["parts"])]
        if size := TOO_LARGE.search(text):
            self.too_large = (int(size[1]), int(size[2]))
        if self._is_damage(parts, level, text):
            about = ABOUT.search(text)
            self._damage.setdefault(about[1] if about else "", _plain(text))
        if level in ERRORS:
            self.error = _plain(text)
            if not self.machine:
                self.machine = next((words for words in MACHINE_TEXTS if words in text), "")

    def _is_damage(self, parts: list[str], level: str, text: str) -> bool:
        if CORRUPT_FRAME in text:
            return True
        if CORRUPT_PACKET in text:
            return not any(JOINABLE in part for part in parts)
        if level not in ERRORS or HARMLESS.search(text):
            return False
        return any(self._is_decoder(part) or _is_reader(part) for part in parts)

    def _is_decoder(self, part: str) -> bool:
        """Whether a part of ffmpeg is the decoder of our stream, as 'h264' or 'dec:h264'.

        There is none while ffmpeg looks for streams, when decoders may be given less than they
        need.
        """
        return bool(self._decoder) and part.rpartition(":")[2] == self._decoder


def _is_reader(part: str) -> bool:
    """Whether a part of ffmpeg reads the container, as 'avi', 'in#0' or 'in#0/avi'."""
    return part.startswith("in#") or any(name in FORMATS for name in part.split(","))


def failure_of_machine(status: int, messages: Messages) -> str:
    """Return why ffmpeg's end says nothing about the video: a signal or a want of the machine.

    It is '' where the end does say something. `status` is that of the process, negative for a
    signal. A shell around ffmpeg tells a signal as 128 and its number.
    """
    if status < 0 or (status - 128) in DEADLY:
        number = -status if status < 0 else status - 128
        return f"ffmpeg was killed by {_signal_name(number)}"
    if status in INTERRUPTED:
        return "ffmpeg was interrupted by a signal"
    if status in NOT_STARTED:
        return f"ffmpeg cannot be run, status {status}"
    if status in MACHINE_STATUSES and MACHINE_STATUSES[status] in MACHINE_TEXTS:
        return MACHINE_STATUSES[status]
    return messages.machine if status or messages.damage else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _plain(text: str) -> str:
    """A message without our own 'file:' and addresses, which differ from run to run."""
    return re.sub(r"file:| ?@ 0x[0-9a-f]+", "", text).strip()
