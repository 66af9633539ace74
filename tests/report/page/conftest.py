"""A browser without a screen, in which pages are tried as a user does."""

import shutil
from collections.abc import Iterator

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """Chromium; what needs it is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"there is no browser: none of {', '.join(NAMES)} is installed")
    with playwright.sync_playwright() as started:
        # Chromium's own sandbox does not work for root, as whom containers run.
        found = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield found
        found.close()
