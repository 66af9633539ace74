"""HDF5 paths of clips: from the id of a clip to its path, and back."""

from functools import lru_cache
from urllib.parse import quote, unquote


# Cached because every training sample asks for the path of its clip.
@lru_cache(maxsize=2**16)
def key_of(clip_id: str) -> str:
    """The HDF5 path of a clip, in characters that neither HDF5 nor a shell changes.

    All but letters, digits, '_', '.' and '-' is written %XX, as in URLs; so is a leading '-' or
    '.'. The '/' between class and clip stays. `id_of` gives the id back.
    """
    return "/".join(_quote(part) for part in clip_id.split("/"))


def _quote(part: str) -> str:
    quoted = quote(part, safe="").replace("~", "%7E")
    if quoted[:1] in ("-", "."):
        return f"%{ord(quoted[0]):02X}{quoted[1:]}"
    return quoted


def id_of(key: str) -> str:
    """The id of the clip for which `key_of` gives `key`."""
    return unquote(key.strip("/"))
