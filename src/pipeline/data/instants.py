"""Instants of a clip: where stacks start, and the periods of the asynchronous network (ASYN).

An instant is the position of a frame and of the first flow field of a stack. A period is a number
of instants that are equally far apart. A snippet is what one of several instants that are spread
over a clip shows (temporal segment networks, TSN: Wang et al., ECCV 2016).
"""

import numpy as np


def count_stack_starts(num_fields: int, length: int) -> int:
    """Count the positions at which a stack of `length` fields can start in a clip.

    A clip with fewer than `length` fields has one, where `stack_fields` repeats the last field.
    """
    return max(1, num_fields - length + 1)


def stack_fields(starts, length: int, num_fields: int) -> np.ndarray:
    """Return the flow fields (.., length) of the stacks that start at `starts` (..).

    Stacks that reach beyond the end of the clip repeat its last field.
    """
    return np.minimum(np.asarray(starts)[..., None] + np.arange(length), num_fields - 1)


def period_instants(centre: int, delta: int, count: int, last: int) -> np.ndarray:
    """Return the `count` instants of a period around `centre`, clamped to 0 .. `last`.

    They are `delta` frames apart. The paper has 5, at offsets -2 delta .. 2 delta (section 5.1 and
    Fig. 5). With delta = 0 all are the same instant, which is the synchronous network (SYN).
    """
    offsets = (np.arange(count) - count // 2) * delta
    return np.clip(centre + offsets, 0, last)


def centre_range(delta: int, count: int, last: int) -> tuple[int, int]:
    """Return the first and the last centre of a period that lies inside a clip.

    Where the clip is too short for any, both are its middle. `last` is the last instant at which
    both a frame and a stack begin.
    """
    reach = delta * (count // 2)
    return (reach, last - reach) if last >= 2 * reach else (last // 2, last // 2)


def draw_period(
    rng: np.random.Generator, delta: int, count: int, last: int
) -> tuple[int, np.ndarray]:
    """Draw a random centre for a training period, uniform in `centre_range`.

    Returns the centre and the instants (count,) of the period.
    """
    low, high = centre_range(delta, count, last)
    centre = int(rng.integers(low, high + 1))
    return centre, period_instants(centre, delta, count, last)


def eval_centres(periods: int, delta: int, count: int, last: int) -> np.ndarray:
    """Return the centres (periods,) of the test periods, evenly spaced over `centre_range`.

    The paper has 12 periods per clip (section 6.1).
    """
    return np.rint(np.linspace(*centre_range(delta, count, last), periods)).astype(int)


def eval_periods(last: int, period: dict) -> tuple[np.ndarray, np.ndarray]:
    """Return the centres (P,) and the instants (P, T) of the test periods of a clip.

    `last` is its last instant; `period` has the settings count (P), delta and instants (T).
    """
    delta, count = period["delta"], period["instants"]
    centres = eval_centres(period["count"], delta, count, last)
    return centres, np.stack([period_instants(centre, delta, count, last) for centre in centres])


def draw_snippets(rng: np.random.Generator, segments: int, last: int) -> np.ndarray:
    """Draw the instants (segments,) of the snippets of a training clip, ascending.

    The instants 0 .. `last` of the clip are divided into segments of equal length, up to one
    instant, and each segment gives one at random (TSN, section 3.1). Of a clip with fewer instants
    than segments some are empty; these give the first instant of the next that is not.
    """
    bounds = np.arange(segments + 1) * (last + 1) // segments
    return rng.integers(bounds[:-1], np.maximum(bounds[1:], bounds[:-1] + 1))


def eval_snippets(count: int, last: int) -> np.ndarray:
    """Return the instants (count,) of the test snippets: the middles of equal parts of the clip.

    TSN has 25 per clip. A clip with fewer instants, 0 .. `last`, has some of them several times.
    """
    return (2 * np.arange(count) + 1) * (last + 1) // (2 * count)


def scored_instants(last: int, period: dict, snippets: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the centres (P,) and the instants (P, T) at which a test clip is scored.

    They are those of `eval_periods`, or, where `snippets` is not 0, as many periods of one instant
    each, by `eval_snippets`.
    """
    if not snippets:
        return eval_periods(last, period)
    centres = eval_snippets(snippets, last)
    return centres, centres[:, None]
