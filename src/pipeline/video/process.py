"""A run of ffmpeg that writes frames to us, and that is never waited for without end."""

import os
import resource
import select
import subprocess
import time
from pathlib import Path

from pipeline.video.ffmpeg import start
from pipeline.video.messages import Messages

# A pipe holds this much where nobody asks for more.
CHUNK = 1 << 16
# Seconds that ffmpeg has to end once it has closed its output.
ENDING = 60


class Stalled(Exception):
    """ffmpeg wrote nothing for the time that it has.

    `works` says whether it computed meanwhile, as on a file that it never gets through, or waited,
    as for a disk that does not answer.
    """

    def __init__(self, works: bool):
        super().__init__("ffmpeg wrote nothing")
        self.works = works


class Process:
    """A running ffmpeg whose standard output is read and whose messages are collected.

    messages: what it has said so far.
    returncode: its status once `finish` or `stop` has been called, negative for a signal.
    """

    def __init__(self, command: list[str], patience: float, processor_seconds: int | None = None):
        """Start `command`, which has `patience` seconds to write anything at all, and
        `processor_seconds` in all, after which SIGXCPU ends it.

        Raises MachineError when it cannot be started.
        """
        self.messages, self._patience = Messages(), patience
        self._process = start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._out, self._err = self._process.stdout.fileno(), self._process.stderr.fileno()
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN)
        self._poll.register(self._err, select.POLLIN)
        self._err_open = True
        if processor_seconds is not None:
            self._limit(processor_seconds)

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    def read_into(self, buffer: memoryview) -> int:
        """Read into all of the buffer and return the number of bytes, less at the end of output.

        Raises Stalled.
        """
        count = 0
        while count < len(buffer):
            self._wait_for_output()
            more = os.readv(self._out, [buffer[count:]])
            if not more:
                break
            count += more
        return count

    def read_some(self) -> bytes:
        """Return the next bytes of the output, CHUNK at most; none at its end. Raises Stalled."""
        self._wait_for_output()
        return os.read(self._out, CHUNK)

    def finish(self) -> None:
        """Wait for the end of the process, which has written all. Raises Stalled."""
        self._poll.unregister(self._out)
        end = time.monotonic() + ENDING
        while self._err_open:
            if not self._poll.poll(max(0, end - time.monotonic()) * 1000):
                break
            self._take_messages()
        self.messages.feed(b"")
        try:
            self._process.wait(max(1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise Stalled(works=False) from None

    def stop(self) -> None:
        """End the process if it still runs, and close all that belongs to it."""
        self._process.kill()
        self._process.stdout.close()
        self._process.stderr.close()
        self._process.wait()

    def _limit(self, seconds: int) -> None:
        try:
            hard = resource.prlimit(self._process.pid, resource.RLIMIT_CPU)[1]
            soft = seconds if hard == resource.RLIM_INFINITY else min(seconds, hard)
            resource.prlimit(self._process.pid, resource.RLIMIT_CPU, (soft, hard))
        except ProcessLookupError:
            # It has ended already.
            pass

    def _wait_for_output(self) -> None:
        """Collect messages until there is output to read, or its end."""
        begun, spent = time.monotonic(), None
        while True:
            left = self._patience - (time.monotonic() - begun)
            # The usual case first, which costs one call: output is there, or soon.
            longest = 0.05 if spent is None else 1
            ready = dict(self._poll.poll(max(0, min(left, longest)) * 1000))
            if self._err in ready:
                self._take_messages()
            if self._out in ready:
                return
            if spent is None:
                spent = self._processor_seconds()
            if left <= 0:
                raise Stalled(self._processor_seconds() - spent > self._patience / 10)

    def _take_messages(self) -> None:
        data = os.read(self._err, CHUNK)
        if data:
            self.messages.feed(data)
        else:
            self._poll.unregister(self._err)
            self._err_open = False

    def _processor_seconds(self) -> float:
        """The processor time that the process has taken so far."""
        try:
            # After the name, which may hold anything, user and system time are words 12 and 13.
            words = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
