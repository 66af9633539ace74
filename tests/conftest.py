"""Where the real test material lies, which the project does not hold; and a browser without a
screen, in which pages are tried as a user does.
"""

import os
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

# Tests interrupt programs, and a shell has what it starts in the background ignore that.
signal.signal(signal.SIGINT, signal.default_int_handler)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Folders whose tests are few and take minutes, and of them the file whose tests wait.
LONG, FIRST = ("workflow", "faults"), "test_slurm.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the file that waits, then those of whole runs, then those of many tests, so that
    none that takes long is left to one process at the end.
    """
    counts = Counter(item.path for item in items)
    items.sort(
        key=lambda item: (
            item.path.name != FIRST,
            item.path.parent.name not in LONG,
            -counts[item.path],
        )
    )


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real material, read where it lies; what needs it is skipped where it is
    missing.
    """
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("PIPELINE_TEST_DATA") or beside)
    if not (folder / "MANIFEST.tsv").is_file():
        pytest.skip(f"no real test material in {folder} (another folder: PIPELINE_TEST_DATA)")
    return folder


# Not of all tests: while it runs, those after it in the same process have a running event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator:
    """Chromium; what needs it is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"there is no browser: none of {', '.join(BROWSERS)} is installed")
    with playwright.sync_playwright() as started:
        # Chromium's own sandbox does not work for root, as whom containers run.
        found = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield found
        found.close()
