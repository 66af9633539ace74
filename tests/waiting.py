"""Waiting for what another process does."""

import time
from collections.abc import Callable


def wait_for(condition: Callable, seconds: float = 180):
    """Return what a condition gives once it holds; fails where it does not come."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come")
