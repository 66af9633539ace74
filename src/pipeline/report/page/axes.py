"""Axes and curves of the page's charts, in per cent of the room that a chart has."""

from collections.abc import Iterable
from dataclasses import dataclass

# Steps between ticks, in units of the axis' power of ten.
STEPS = (1, 2, 5, 10)


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`, with round numbers at its `ticks`."""

    low: float
    high: float
    ticks: list[float]

    def place(self, value: float) -> float:
        """Where a value lies, in per cent of the axis; what is beyond it lies at its end."""
        span = self.high - self.low
        return round(min(max(100 * (value - self.low) / span, 0.0), 100.0), 2) if span else 50.0


def axis(
    values: Iterable[float], most_ticks: int = 6, inside: tuple[float, float] | None = None
) -> Axis:
    """An axis with round ends around `values`, which has some room beyond them.

    With `inside` it ends there at most, as shares do at 0 and 1.
    """
    values = list(values)
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or 0.05 * abs(high) or 0.05
    low, high = low - room, high + room
    if inside:
        low, high = max(low, inside[0]), min(high, inside[1])
    step = _step((high - low) / most_ticks)
    first = int(-(-low // step))
    ticks = []
    while (value := round((first + len(ticks)) * step, 10)) <= high:
        ticks.append(value)
    return Axis(low, high, ticks)


def _step(least: float) -> float:
    """The round number of at least `least`."""
    power = 1.0
    while power > least:
        power /= 10
    while power * 10 <= least:
        power *= 10
    return next(power * step for step in STEPS if power * step >= least * 0.999)


def path(points: Iterable[tuple[float, float]], across: Axis, up: Axis) -> str:
    """The path of a curve in a drawing of 100 by 100, whose y points down."""
    steps = [f"{across.place(x):g} {100 - up.place(y):g}" for x, y in points]
    return "M" + "L".join(steps)
