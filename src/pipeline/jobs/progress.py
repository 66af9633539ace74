"""Progress for people: a bar on a terminal, plain lines with rate and time left in a log."""

import sys
import time

from tqdm import tqdm

EVERY = 10.0  # seconds between two lines of a log


class Progress:
    """Counts `total` units of work under a title; `update` after each.

    >>> progress = Progress("flow demo/000", 24, "clips")
    >>> progress.update(1, "v_SwingFast_g01_c01")
    """

    def __init__(self, title: str, total: int, unit: str, start: int = 0, *, silent: bool = False):
        self.silent = silent
        self.title, self.total, self.unit, self.done, self.start = title, total, unit, start, start
        self.begun = self.said = time.monotonic()
        self.bar = None
        if sys.stderr.isatty() and not silent:
            self.bar = tqdm(
                total=total, initial=start, desc=title, unit=unit.rstrip("s"), dynamic_ncols=True
            )
        else:
            resumed = f", {start} of them done before" if start else ""
            self._say(f"{total} {unit}{resumed}")

    def update(self, count: int = 1, note: str = "") -> None:
        """Say that `count` more units are done."""
        self.done += count
        if self.bar is not None:
            self.bar.set_postfix_str(note, refresh=False)
            self.bar.update(count)
            return
        now = time.monotonic()
        if now - self.said >= EVERY or self.done >= self.total:
            self.said = now
            rate = (self.done - self.start) / max(now - self.begun, 1e-9)
            left = clock((self.total - self.done) / rate) if rate else "?"
            pace = (
                f"{rate:.1f} {self.unit}/s"
                if rate >= 1
                else f"{1 / rate:.1f} s each"
                if rate
                else ""
            )
            self._say(
                f"{self.done}/{self.total} {self.unit}, {pace}, {left} left{', ' + note if note else ''}"
            )

    def skip(self, count: int) -> None:
        """Say that `count` units were done before: they count, but not for the rate."""
        self.done += count
        self.start += count
        if self.bar is not None:
            self.bar.initial += count
            self.bar.update(count)

    def close(self) -> None:
        """End the bar; in a log, say how much of the work an earlier run had done."""
        if self.bar is not None:
            self.bar.close()
        elif self.start:
            self._say(f"{self.start} of {self.total} {self.unit} were done before")

    def _say(self, text: str) -> None:
        if not self.silent:
            print(f"{self.title}: {text}", file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """3725 -> '1:02:05', 65 -> '1:05'."""
    minutes, second = divmod(int(seconds + 0.5), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02d}:{second:02d}" if hour else f"{minute}:{second:02d}"
