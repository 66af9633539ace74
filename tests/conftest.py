"""Where the real test material lies: clips, official lists and published scores that the project
does not hold.
"""

import os
from pathlib import Path

import pytest


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
