"""Text as ASCII, for file names: letters without their marks and strokes."""

import unicodedata

_WHOLE = str.maketrans(
    "ĐđÐðƉɖƊɗƁɓĦħıȷƗɨƘƙŁłŊŋØøƆɔƏəƎǝƐɛĸŦŧɄʉƓɠǤǥƳƴƵƶ",
    "DdDdDdDdBbHhijIiKkLlNnOoOoEeEeEeqTtUuGgGgYyZz",
) | str.maketrans(
    {"Æ": "AE", "æ": "ae", "Œ": "OE", "œ": "oe", "ẞ": "SS", "ß": "ss", "Þ": "Th", "þ": "th"}
)
"""Letters of Latin alphabets that Unicode does not take apart, and what they are written as."""


def in_ascii(text: str) -> str:
    """Return what ASCII has of a text: Latin letters without marks and strokes, digits, signs.

    Letters of other scripts are left out, so that nothing may remain.
    """
    # taken apart first: a letter with a stroke may bear a mark besides
    plain = unicodedata.normalize("NFKD", text).translate(_WHOLE)
    return plain.encode("ascii", "ignore").decode()
