"""Listings of what a split reads of a store."""

import hashlib
import json
from pathlib import Path

import pytest

from pipeline.errors import PipelineError
from pipeline.jobs import listings, record


@pytest.fixture
def store(tmp_path) -> Path:
    """A store of two shards, with a record and a content file each."""
    folder = tmp_path / "mini/flow"
    for shard in ("000", "001"):
        record.write(folder / f"{shard}.json", "flow", f"digest-{shard}", {}, "c0de")
        (folder / f"{shard}.h5").touch()
    return folder


def listing_of(store: Path) -> Path:
    path = store.parents[0] / "split1/train.flow.content.json"
    listings.write(path, store, ["001", "000"])
    return path


def test_a_listing_says_what_each_shard_is(store):
    content = json.loads(listing_of(store).read_text())
    digests = {"000": "digest-000", "001": "digest-001"}
    own = hashlib.sha256(json.dumps(digests).encode()).hexdigest()[:16]
    assert content == {"digest": own, "shards": digests}
    # In whatever order the shards were named, the bytes are the same.
    before = listing_of(store).read_bytes()
    listings.write(listing_of(store), store, ["000", "001"])
    assert listing_of(store).read_bytes() == before


def test_a_listing_changes_with_the_content_of_a_shard_alone(store):
    before = listing_of(store).read_bytes()
    record.write(store / "000.json", "flow", "digest-000", {"another": 1}, "other")
    assert listing_of(store).read_bytes() == before
    record.write(store / "000.json", "flow", "changed", {}, "c0de")
    assert listing_of(store).read_bytes() != before


def test_a_shard_without_content_cannot_be_listed(store):
    (store / "000.content.json").unlink()
    with pytest.raises(PipelineError, match="000.content.json"):
        listing_of(store)


@pytest.mark.parametrize("ending", listings.FILES)
def test_a_shard_that_is_gone_takes_its_listings_with_it(store, tmp_path, ending):
    path, other = listing_of(store), listing_of(store).with_name("test.flow.content.json")
    listings.write(other, store, ["001"])
    listings.drop_stale(tmp_path)
    assert path.is_file() and other.is_file()
    (store / f"000.{ending}").unlink()
    listings.drop_stale(tmp_path)
    assert not path.exists() and other.is_file()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"shards": 3}'])
def test_what_is_no_listing_is_made_again(store, tmp_path, content):
    path = listing_of(store)
    path.write_text(content)
    listings.drop_stale(tmp_path)
    assert not path.exists()


def test_without_results_nothing_is_dropped(tmp_path):
    listings.drop_stale(tmp_path / "results")
    assert list(tmp_path.iterdir()) == []
