"""Published scores of other methods on the three splits of UCF101."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def published(shared) -> dict:
    """Scores, names, labels and classes by split."""
    folder = shared / "published_scores" / "aligned"
    return {split: dict(np.load(folder / f"ucf101_split{split}.npz")) for split in (1, 2, 3)}
