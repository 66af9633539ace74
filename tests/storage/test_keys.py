"""HDF5 paths of clips: every id has one of its own, from which the id can be told again."""

import random
import re

import h5py

from pipeline.storage.keys import id_of, key_of


def strange_ids(count: int) -> list[str]:
    """Clip ids of what file names may hold, the awkward first characters among them."""
    rng = random.Random(7)
    alphabet = "ab09_.-()!#[]&+;~@% '\"$,=?*:^{}|<>\\`\u00e9e\u0301\u6f22\U0001f600"
    names = {
        "-a",
        "--",
        ".a",
        "..",
        ".",
        "%41",
        "%2D",
        "~a",
        "A",
        "a",
        "\u00e9",
        "e\u0301",
        "(HQ)_Yards!!!_300+",
    }
    while len(names) < count:
        names.add("".join(rng.choices(alphabet, k=rng.randint(1, 12))))
    return [f"{rng.choice(['Run', 'a b', '-x', 'c#[1]'])}/{name}" for name in sorted(names)]


def test_keys_give_ids_back_and_survive_hdf5():
    ids = strange_ids(600)
    keys = [key_of(clip_id) for clip_id in ids]
    assert [id_of(key) for key in keys] == ids and len(set(keys)) == len(ids)
    assert all(
        re.fullmatch(r"[A-Za-z0-9_%][A-Za-z0-9_%.-]*/[A-Za-z0-9_%][A-Za-z0-9_%.-]*", key)
        for key in keys
    )
    stored = {}

    def visit(key, node):
        if isinstance(node, h5py.Dataset):
            stored[key] = node[()]

    with h5py.File("keys.h5", "w", driver="core", backing_store=False) as file:
        for number, key in enumerate(keys):
            file[key] = number
        file.visititems(visit)
    assert {id_of(key): number for key, number in stored.items()} == {
        clip_id: number for number, clip_id in enumerate(ids)
    }


def test_plain_ids_are_their_own_keys():
    clip_id = "HandstandPushups/v_HandStandPushups_g01_c01"
    assert key_of(clip_id) == clip_id
