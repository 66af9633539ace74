"""Names in pictures: as they are written, in a font that has their characters."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache

from pipeline.report.layout import visible

# matplotlib's own font, which every installation has.
OWN = "DejaVu Sans"
# Longer names are cut in the middle.
LONGEST = 32
# What stands for a character that no font has.
UNKNOWN = "\ufffd"


@contextmanager
def as_written(texts: Iterable[str]) -> Iterator[None]:
    """Have matplotlib print `texts` as they are while figures are drawn and saved.

    Dollars are no formulas. Characters that matplotlib's own font lacks come from other fonts that
    are installed.
    """
    from matplotlib import rc_context

    with rc_context({"text.parse_math": False, "font.family": _families(texts)}):
        yield


def label(name: str, number: int) -> str:
    """Return the name of a class for a picture, or its `number`, where no font can write it.

    `number` counts from 0; the class list counts from 1.
    """
    text = visible(name)
    if _lacking(text):
        return f"class {number + 1}"
    if len(text) > LONGEST:
        return f"{text[: LONGEST // 2 - 2]} .. {text[-LONGEST // 2 + 2 :]}"
    return text


def shown(text: str) -> str:
    """Return a text for a picture, with UNKNOWN for each character that no font has."""
    text = visible(text)
    lacking = _lacking(text)
    return "".join(UNKNOWN if ord(character) in lacking else character for character in text)


def _lacking(text: str) -> set[int]:
    """Return the characters of a text that the fonts in use lack."""
    from matplotlib import rcParams

    characters = set(map(ord, text))
    for family in rcParams["font.family"]:
        if not characters:
            break
        characters -= _characters(_file_of(family))
    return characters


def _families(texts: Iterable[str]) -> list[str]:
    """Return the fonts that have the characters of `texts`, as far as any has, matplotlib's first.

    No others are opened where matplotlib's own font suffices.
    """
    families = [OWN]
    missing = set(map(ord, "".join(texts))) - _characters(_file_of(OWN))
    while missing:
        found, family = max(
            ((len(missing & _characters(path)), family) for family, path in _installed()),
            default=(0, ""),
        )
        if not found:
            break
        families.append(family)
        missing -= _characters(_file_of(family))
    return families


def _file_of(family: str) -> str:
    from matplotlib.font_manager import FontProperties, findfont

    # A bare text would be taken for a pattern, in which '-' means something.
    return findfont(FontProperties(family=[family]))


@cache
def _installed() -> list[tuple[str, str]]:
    """Return the name and the file of the upright font of each family but matplotlib's."""
    from matplotlib import font_manager

    fonts = font_manager.fontManager.ttflist
    return sorted(
        (font.name, font.fname)
        for font in fonts
        # The last resort has a box for every character.
        if font.style == "normal" and font.weight in (400, "normal", "regular")
        if font.name != OWN and "Last Resort" not in font.name
    )


@cache
def _characters(path: str) -> frozenset[int]:
    """Return the characters of a font; none where it cannot be drawn at any size."""
    from matplotlib.ft2font import FT2Font

    try:
        font = FT2Font(path)
    except (OSError, RuntimeError):
        return frozenset()
    return frozenset(font.get_charmap()) if font.scalable else frozenset()
