"""The small set of data_cases, written once."""

from pathlib import Path

import pytest
from data_cases import write_set


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    return write_set(tmp_path_factory.mktemp("set"))
