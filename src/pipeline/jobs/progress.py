"""Progress of a job for people: a bar on a terminal; in a log, lines with rate and time left."""

import sys
import time

from tqdm import tqdm

# Seconds between two lines of a log.
LOG_INTERVAL = 10.0


class Progress:
    """Counts the units of work that are done, on standard error; call `update` after each.

    >>> progress = Progress("flow demo/000", 24, "clips")
    >>> progress.update(1, "v_SwingFast_g01_c01")

    `total` is the number of units, called `unit` in the plural. `start` of them were done before;
    they do not count for the rate. A `silent` progress writes nothing: that of a process that is
    not of rank 0.
    """

    def __init__(self, title: str, total: int, unit: str, start: int = 0, *, silent: bool = False):
        self.silent = silent
        self.title, self.total, self.unit, self.done, self.start = title, total, unit, start, start
        self.start_time = self.last_log_time = time.monotonic()
        self.bar = None
        if sys.stderr.isatty() and not silent:
            self.bar = tqdm(
                total=total, initial=start, desc=title, unit=unit.rstrip("s"), dynamic_ncols=True
            )
        else:
            resumed = f", {start} of them done before" if start else ""
            self._log(f"{total} {unit}{resumed}")

    def update(self, count: int = 1, note: str = "") -> None:
        """Count `count` more units as done; `note` stands at the end of the bar or line."""
        self.done += count
        if self.bar is not None:
            self.bar.set_postfix_str(note, refresh=False)
            self.bar.update(count)
            return
        now = time.monotonic()
        if now - self.last_log_time >= LOG_INTERVAL or self.done >= self.total:
            self.last_log_time = now
            self._log(self._state(now) + (f", {note}" if note else ""))

    def skip(self, count: int) -> None:
        """Count `count` units as done before: they do not count for the rate."""
        self.done += count
        self.start += count
        if self.bar is not None:
            self.bar.initial += count
            self.bar.update(count)

    def close(self) -> None:
        """End the bar; in a log, say how much of the work was done before."""
        if self.bar is not None:
            self.bar.close()
        elif self.start:
            self._log(f"{self.start} of {self.total} {self.unit} were done before")

    def _state(self, now: float) -> str:
        """Return what is done, the rate and the time left."""
        rate = (self.done - self.start) / max(now - self.start_time, 1e-9)
        if not rate:
            pace, left = "", "?"
        else:
            pace = f"{rate:.1f} {self.unit}/s" if rate >= 1 else f"{1 / rate:.1f} s each"
            left = format_duration((self.total - self.done) / rate)
        return f"{self.done}/{self.total} {self.unit}, {pace}, {left} left"

    def _log(self, text: str) -> None:
        if not self.silent:
            print(f"{self.title}: {text}", file=sys.stderr, flush=True)


def format_duration(seconds: float) -> str:
    """Return a duration as hours, minutes and seconds: 3725 gives '1:02:05', 65 gives '1:05'."""
    minutes, second = divmod(int(seconds + 0.5), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02d}:{second:02d}" if hour else f"{minute}:{second:02d}"
