"""Confidence intervals of accuracies."""

import math


def wilson(share: float, clips: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's interval (1927) of a `share` of `clips` clips, 95 % for the default `z`.

    Unlike the normal one it holds near 0 and 1 and for few clips.
    """
    # By hand: scipy's binomtest takes counts alone, and a mean over splits is no count.
    centre = (share + z * z / (2 * clips)) / (1 + z * z / clips)
    half = (
        z
        / (1 + z * z / clips)
        * math.sqrt(share * (1 - share) / clips + z * z / (4 * clips * clips))
    )
    return max(0.0, centre - half), min(1.0, centre + half)
