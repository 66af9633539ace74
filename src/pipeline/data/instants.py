"""Instants of a clip: positions of stacks, and periods of the asynchronous network."""

import numpy as np


def count_stack_starts(fields: int, length: int) -> int:
    """How many positions a stack of `length` fields can start at in a clip of `fields`; at least 1 (short clips clamp)."""
    return max(1, fields - length + 1)


def stack_fields(starts, length: int, fields: int) -> np.ndarray:
    """Indices (.., length) of the flow fields of stacks that start at `starts`: a short clip repeats its last field."""
    return np.minimum(np.asarray(starts)[..., None] + np.arange(length), fields - 1)


def period_instants(centre: int, delta: int, units: int, last: int) -> np.ndarray:
    """The instants of one ASYN period: `units` (5) of them, `delta` apart, around `centre`, clamped to 0 .. last.

    Paper, section 5.1 and Fig. 5: offsets -2 delta .. 2 delta. With delta = 0 all are one instant (SYN).
    """
    offsets = (np.arange(units) - units // 2) * delta
    return np.clip(centre + offsets, 0, last)


def centre_range(delta: int, units: int, last: int) -> tuple[int, int]:
    """First and last centre of a period that lies inside a clip; where none does, the clip's middle twice.

    `last` is the last instant at which both a frame and a stack begin.
    """
    reach = delta * (units // 2)
    return (reach, last - reach) if last >= 2 * reach else (last // 2, last // 2)


def draw_period(
    rng: np.random.Generator, delta: int, units: int, last: int
) -> tuple[int, np.ndarray]:
    """A random period of training: its centre, anywhere in `centre_range`, and its instants."""
    low, high = centre_range(delta, units, last)
    centre = int(rng.integers(low, high + 1))
    return centre, period_instants(centre, delta, units, last)


def eval_centres(periods: int, delta: int, units: int, last: int) -> np.ndarray:
    """Centres of the `periods` (12) test periods, evenly over `centre_range`. Paper, section 6.1."""
    return np.rint(np.linspace(*centre_range(delta, units, last), periods)).astype(int)


def eval_periods(row: dict, last: int, period: dict) -> tuple[np.ndarray, np.ndarray]:
    """Centres (P,) and instants (P, T) of a clip's test periods; `period`: settings count, delta, instants."""
    centres = eval_centres(period["count"], period["delta"], period["instants"], last)
    instants = np.stack(
        [period_instants(centre, period["delta"], period["instants"], last) for centre in centres]
    )
    return centres, instants
