"""In which encoding a text was saved, told from its bytes.

A roster is short, and most of it are names: too little for statistics of letters in running text.
What tells is whether words look like words. Each encoding is tried on the lines that are not ASCII,
and each word counts that could be one: letters of one script, capitals where capitals stand, the
characters of everyday use among those of an East Asian set. Headings that are known count more.
"""

import codecs
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import charset_normalizer

from services.qr.rosters.errors import EncodingUnknown, NotARoster
from services.qr.rosters.headings import meaning

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE_BYTES = 32 * 1024
_ENOUGH = 0.7
"""Of the words; below it charset-normalizer is asked."""
_HEADING = 0.5
"""What one known heading that is not ASCII adds."""
_PLAIN = 0.85
"""How sure a heading is without its marks; wrong letters are taken for such."""
_MOST_CONTROLS = 0.02
"""Of the characters; a text has next to none, a picture or a program a tenth."""

_OTHERS = [
    "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp874", "tis_620", "euc_jp", "koi8_r",
    "mac_roman", "cp850", "cp866", "johab",
]  # fmt: skip
"""What charset-normalizer chooses from when none of ours fits."""

_WORD = re.compile(r"[^\W\d_]+(?:[\u0300-\u036f]+[^\W\d_]*)*")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_NEUTRAL = re.compile("[\u00a0«»–—‘’‚“”„…€°ºª·•§©®™№×´]")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_CELL_ENDS = re.compile(r"[,;\t|\r\n]")
_RUSSIAN_MOSTLY = frozenset("оаеинтрслвкмд")
_VIETNAMESE = re.compile(r"[ơưăĂƠƯ\u1ea0-\u1ef9]|\b[Đđ]")


@dataclass(frozen=True, slots=True)
class Text:
    """A text and the encoding it was in, as Python calls it."""

    text: str
    encoding: str


def decode(data: bytes, encoding: str | None = None) -> Text:
    """Decode a text; marks that stand apart from their letters (Windows-1258) are put on them.

    Args:
        data: The whole file.
        encoding: One that is known to be right, by any name that Python has for it.

    Raises:
        EncodingUnknown: No encoding fits all of it, or not the one that was asked for.
        NotARoster: It is no text.
    """
    if encoding is not None:
        return _given(data, encoding)
    for bom, name in _BOMS:
        if data.startswith(bom):
            return _as(data[len(bom) :], name)
    if b"\0" in data:
        return _as(data, _sixteen_bits(data))
    if (text := _strictly(data, "utf-8")) is not None:
        return _checked(text, "utf-8")
    return _eight_bits(data)


def _given(data: bytes, encoding: str) -> Text:
    try:
        name = codecs.lookup(encoding).name
    except (LookupError, ValueError):
        name = ""
    # Python has codecs that take hours, or are not of text at all
    text = _strictly(data, name) if name in _READABLE else None
    if text is None:
        raise EncodingUnknown(f"This file is not in the encoding {encoding[:40]}.")
    return _checked(text.removeprefix("\ufeff"), name)


def _as(data: bytes, name: str) -> Text:
    text = _strictly(data, name)
    if text is None:
        raise EncodingUnknown
    return _checked(text, name)


def _checked(text: str, name: str) -> Text:
    if len(_CONTROLS.findall(text)) > max(_MOST_CONTROLS * len(text), 4):
        raise NotARoster
    return Text(unicodedata.normalize("NFC", text) if name == "cp1258" else text, name)


def _strictly(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except ValueError:
        return None


def _sixteen_bits(data: bytes) -> str:
    """Tell the order of bytes by which makes more of them ASCII. Raises NotARoster."""
    if len(data) % 2:
        raise NotARoster
    little, big = (_ascii(data[high::2], data[low::2]) for high, low in ((1, 0), (0, 1)))
    if max(little, big) == 0:
        raise NotARoster
    return "utf-16-le" if little > big else "utf-16-be"


def _ascii(high: bytes, low: bytes) -> int:
    """Count pairs of bytes that are an ASCII character of a text."""
    printed = bytes(range(32, 127)) + b"\t\r\n"
    return sum(h == 0 and w in printed for h, w in zip(high[:65536], low[:65536], strict=False))


def _eight_bits(data: bytes) -> Text:
    lines = [line for line in data.splitlines(keepends=True) if not line.isascii()]
    sample = b""
    for line in lines:
        if sample and len(sample) + len(line) > _SAMPLE_BYTES:
            break
        sample += line
    scores = {name: _score(sample, name, likely) for name, likely in _LIKELY.items()}
    for name in sorted(scores, key=lambda name: -scores[name]):
        if scores[name] >= _ENOUGH and (text := _strictly(data, name)) is not None:
            return _checked(text, name)
    return _asked(data, sample[:_SAMPLE_BYTES])


def _asked(data: bytes, sample: bytes) -> Text:
    """Ask charset-normalizer, and hold its answer to what a text is."""
    best = charset_normalizer.from_bytes(sample, cp_isolation=_OTHERS).best()
    if best is None or (text := _strictly(data, best.encoding)) is None:
        raise EncodingUnknown
    words = _words(text[: 4 * _SAMPLE_BYTES])
    if not words or sum(map(_one_script, words)) < _ENOUGH * len(words):
        raise EncodingUnknown
    return _checked(text, best.encoding)


def _score(sample: bytes, name: str, likely: Callable[[str], float]) -> float:
    """Return how much of a sample reads like text in an encoding: 0 to 1, more with headings."""
    text = _strictly(sample, name)
    if text is None:
        return 0.0
    text = unicodedata.normalize("NFC", text)
    cells = {cell.strip(' "') for cell in _CELL_ENDS.split(text[:2000])}
    meanings = (meaning(cell) for cell in cells if not cell.isascii())
    known = sum(found is not None and found.confidence > _PLAIN for found in meanings)
    return likely(text) + _HEADING * min(known, 3)


def _words(text: str) -> list[str]:
    """Return what stands between ASCII that is no letter, if not all of it is ASCII."""
    runs = re.findall(r"[A-Za-z\u0080-\U0010ffff]+", _NEUTRAL.sub(" ", text))
    return [run for run in runs if not run.isascii()]


def _western(text: str) -> float:
    return _share(_words(text), lambda word: _latin(word, 1))


def _central(text: str) -> float:
    # where Windows-1252 reads as well it is meant, being the more common
    return 0.95 * _western(text)


def _vietnamese(text: str) -> float:
    words = _words(text)
    # without a letter that only Vietnamese has, Windows-1252 is meant
    telling = _share(words, lambda word: bool(_VIETNAMESE.search(word)))
    return _share(words, lambda word: _latin(word, 2)) * (0.9 + 0.2 * telling)


def _latin(word: str, more: int) -> bool:
    """Whether a word is of Latin letters, not many more of them marked than plain."""
    marked = _NOT_ASCII.findall(word)
    return (
        word.isalpha()
        and all(ord(letter) < 0x1B5 or "\u1ea0" <= letter <= "\u1ef9" for letter in marked)
        and len(marked) <= len(word) - len(marked) + more
        and _cased(word)
    )


def _cyrillic(text: str) -> float:
    words = _words(text)
    letters = "".join(words).lower()
    usual = sum(letter in _RUSSIAN_MOSTLY for letter in letters) / max(len(letters), 1)
    whole = _share(words, lambda w: all("\u0400" <= c <= "\u04ff" for c in w) and _cased(w))
    return whole * min(usual / 0.5, 1.0)


def _cased(word: str) -> bool:
    """Whether capitals stand where they do in names: at the front, or throughout, or McDonald."""
    return not any(
        low.islower() and high.isupper() and not high.isascii() for low, high in pairwise(word)
    )


def _one_script(word: str) -> bool:
    scripts = {unicodedata.name(letter, "?").split()[0] for letter in word}
    # Thai and Arabic write vowels as marks
    letters = all(unicodedata.category(letter)[0] in "LM" for letter in word)
    return letters and len(scripts) == 1 and _cased(word)


def _everyday(encoding: str, leads: bytes, fillers: bytes) -> Callable[[str], float]:
    """Return the share of characters that are in the everyday rows of a set of two bytes each.

    Args:
        encoding: The set, in the narrowest codec.
        leads: First bytes of the everyday rows.
        fillers: Of the rows of punctuation and wide Latin, which say nothing either way.
    """

    def likely(text: str) -> float:
        weights = []
        for character in _NOT_ASCII.findall(text):
            code = character.encode(encoding, "replace")
            if len(code) == 2 and code[0] in fillers:
                continue
            weights.append(len(code) == 2 and code[0] in leads)
        return sum(weights) / len(weights) if weights else 0.0

    return likely


def _share(words: list[str], holds: Callable[[str], bool]) -> float:
    return sum(map(holds, words)) / len(words) if words else 0.0


_LIKELY: dict[str, Callable[[str], float]] = {
    # where two are as likely, the first is taken
    "cp1252": _western,
    "cp1258": _vietnamese,
    "cp1250": _central,
    "cp1251": _cyrillic,
    # rows 16 to 40: the 2,350 Hangul syllables
    "cp949": _everyday("euc_kr", bytes(range(0xB0, 0xC9)), b"\xa1\xa3"),
    # kana, and the 2,965 kanji of level 1
    "cp932": _everyday("shift_jis", b"\x82\x83" + bytes(range(0x88, 0x98)), b"\x81"),
    # the 5,401 frequently used
    "cp950": _everyday("big5", bytes(range(0xA4, 0xC7)), b"\xa1\xa2\xa3"),
    # the 3,755 of level 1
    "gb18030": _everyday("gb2312", bytes(range(0xB0, 0xD8)), b"\xa1\xa3"),
}

_READABLE = {
    codecs.lookup(name).name
    for name in (
        *("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gbk", "gb2312", "big5"),
        *("euc_kr", "shift_jis", "ascii", *(f"iso8859-{n}" for n in range(1, 17) if n != 12)),
        *_LIKELY,
        *_OTHERS,
    )
}
"""What a caller may ask for."""
