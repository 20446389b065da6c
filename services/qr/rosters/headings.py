"""What stands above a column, and what it says is below; the words are in headings.toml."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

Role = Literal[
    "student_id",
    "name",
    "first_name",
    "last_name",
    "class_name",
    "reference_photo_url",
    "ordinal",
    "other",
]
Language = str
"""ISO 639-1."""

TITLE_LINES = 10
"""How many filled lines may stand above the headings: the school, the year, who printed it."""

_BRACKETS = re.compile(r"[(\[（【][^)\]）】]*[)\]）】]|\*")
_APART = re.compile(r"[/|\n\r\t、／·:：]|\s-\s|\s–\s")
_MARKED_LATIN = re.compile(r"(?<=[a-z])[\u0300-\u036f]+")
_STROKES = str.maketrans({"đ": "d", "ø": "o", "ł": "l", "ı": "i"})

_GUESSED = 0.6
"""How sure a meaning is that was found inside a longer heading."""
_MOST_WORD = 80
_MOST_WORDS_MORE = 3
"""What a longer heading may have besides the words that are known."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one heading says."""

    role: Role
    language: Language
    """The first of those in which the words mean this."""
    confidence: float
    """From 0 to 1."""


def meaning(heading: str) -> Meaning | None:
    """Return what a heading says, None if it is not known."""
    if not heading or len(heading) > _MOST_WORD:
        return None
    exact, plain = _words()
    found = exact.get(_key(heading)) or exact.get(_key(_BRACKETS.sub(" ", heading)))
    if found:
        return Meaning(*found, 0.95)
    for part in _APART.split(_BRACKETS.sub(" ", heading)):
        if found := exact.get(_key(part)):
            return Meaning(*found, 0.9)
    if found := plain.get(_plain(_key(_BRACKETS.sub(" ", heading)))):
        return Meaning(*found, 0.85)
    return _within(heading)


def headings_at(lines: Sequence[Sequence[str]]) -> int | None:
    """Return where the headings stand among the first lines, None if there are none.

    A line whose words are known is one, in the first TITLE_LINES; else the first line if it reads
    like names of columns: no digits, nothing twice, no gaps, and digits below it.
    """
    best, most = None, 0
    for index, cells in enumerate(lines[:TITLE_LINES]):
        meanings = (meaning(cell) for cell in cells)
        roles = {found.role for found in meanings if found and found.confidence > _GUESSED}
        # one word may stand in any line: a name can be Class, or Sex
        known = len(roles) if len(roles) > 1 or (index == 0 and roles) else 0
        if known > most:
            best, most = index, known
    if best is not None:
        return None if most == 1 and _reads_like_data(lines, best) else best
    return 0 if lines and (_guessed(lines[0]) or _reads_like_headings(lines)) else None


def _guessed(cells: Sequence[str]) -> bool:
    """Whether a line has words for two of the things that are looked for inside longer ones."""
    meanings = (meaning(cell) for cell in cells)
    return len({found.role for found in meanings if found} - {"other"}) > 1


def _reads_like_data(lines: Sequence[Sequence[str]], at: int) -> bool:
    """Whether a line with one known word has other cells that no heading would have."""
    return any(any(map(str.isdigit, cell)) and meaning(cell) is None for cell in lines[at])


def _reads_like_headings(lines: Sequence[Sequence[str]]) -> bool:
    first, below = lines[0], lines[1:]
    if not below or len(first) < 2 or any(not cell or _has_digit(cell) for cell in first):
        return False
    if len(set(first)) < len(first):
        return False
    return any(
        sum(_has_digit(line[index]) for line in below if index < len(line)) > len(below) / 2
        for index in range(len(first))
    )


def _has_digit(text: str) -> bool:
    return any(map(str.isdigit, text))


def _within(heading: str) -> Meaning | None:
    """Find known words inside a longer heading: the longest; something known as other wins."""
    words = _APART.sub(" ", _BRACKETS.sub(" ", heading)).replace("_", " ").split()
    exact, plain = _words()
    best: tuple[int, tuple[Role, Language]] | None = None
    for start in range(len(words)):
        for end in range(start + 1, len(words) + 1):
            key = _key(" ".join(words[start:end]))
            found = exact.get(key) or plain.get(_plain(key))
            if found is None:
                continue
            if found[0] == "other":
                return Meaning(*found, _GUESSED)
            if len(words) - (end - start) <= _MOST_WORDS_MORE and len(key) > 2:
                best = max(best or (0, found), (len(key), found), key=lambda pair: pair[0])
    return best and Meaning(*best[1], _GUESSED)


@cache
def _words() -> tuple[dict[str, tuple[Role, Language]], dict[str, tuple[Role, Language]]]:
    """Return what is known as it is written, and without the marks that many leave out."""
    text = (Path(__file__).parent / "headings.toml").read_bytes()
    roles = msgspec.toml.decode(text, type=dict[Role, dict[Language, list[str]]])
    exact: dict[str, tuple[Role, Language]] = {}
    plain: dict[str, tuple[Role, Language]] = {}
    for role, languages in roles.items():
        for language, words in languages.items():
            for word in words:
                exact.setdefault(_key(word), (role, language))
                plain.setdefault(_plain(_key(word)), (role, language))
    return exact, plain


@cache
def _separates(character: str) -> bool:
    # Thai vowels and Arabic marks are of category M and part of a word
    return unicodedata.category(character)[0] in "ZPC" or character == "_"


def _key(text: str) -> str:
    """Return a heading without case, spaces and punctuation."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(c for c in folded if not _separates(c))
    return kept or folded.strip()


def _plain(key: str) -> str:
    """Return a key without marks on Latin letters."""
    bare = _MARKED_LATIN.sub("", unicodedata.normalize("NFD", key))
    return unicodedata.normalize("NFC", bare).translate(_STROKES)
