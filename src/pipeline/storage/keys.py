"""Names of clips as HDF5 paths, and back."""

from functools import lru_cache
from urllib.parse import quote, unquote


@lru_cache(maxsize=2**16)  # every draw asks
def key_of(clip_id: str) -> str:
    """HDF5 path of a clip: HDF5 and shells leave it whole, and `id_of` gives the id back.

    All but letters, digits, '_', '.', '-' is written %XX, as in URLs; so is a leading '-' or '.'.
    """

    def part(text: str) -> str:
        safe = quote(text, safe="").replace("~", "%7E")
        return f"%{ord(safe[0]):02X}{safe[1:]}" if safe[:1] in ("-", ".") else safe

    return "/".join(part(text) for text in clip_id.split("/"))


def id_of(key: str) -> str:
    """The clip id that `key_of` made `key` from."""
    return unquote(key.strip("/"))
