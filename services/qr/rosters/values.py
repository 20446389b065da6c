"""What the cells of a workbook say, as they show."""

import re
from collections.abc import Sequence
from datetime import date, datetime, time

from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format, is_timedelta_format
from openpyxl.utils.datetime import from_excel

from services.qr.rosters.errors import RosterDamaged

_EAST_ASIAN_DATES = frozenset({*range(27, 37), *range(50, 59)})
"""Number formats that are dates in Chinese, Japanese and Korean, ECMA-376 part 1, 18.8.30."""
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
_ZEROS = re.compile(r'"?(0{2,40})"?(?:;@)?')
_MIDNIGHT = re.compile(r"T00:00:00(?:\.0+)?Z?$")
_EXACT_DIGITS = 15
"""Of a number as spreadsheets keep it."""
_MOST_DIGITS = 60


class Formats:
    """Reads the part with the styles: which number format each style has."""

    def __init__(self) -> None:
        self._codes: dict[int, str] = {}
        self._of_style: list[int] = []
        self._in_cells = False
        self._cache: dict[int, str | None] = {}

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Note a format or a style."""
        if tag == "numFmt":
            self._codes[_whole(attributes.get("numFmtId"))] = attributes.get("formatCode", "")[:255]
        elif tag == "cellXfs":
            self._in_cells = True
        elif tag == "xf" and self._in_cells:
            self._of_style.append(_whole(attributes.get("numFmtId")))

    def text(self, text: str) -> None:
        """Nothing of it is needed."""

    def end(self, tag: str) -> None:
        """Note where the styles of cells end."""
        if tag == "cellXfs":
            self._in_cells = False

    def code(self, style: int) -> str:
        """Return the number format of a style; one that is not there shows numbers plainly."""
        number = self._of_style[style] if 0 <= style < len(self._of_style) else 0
        if number in _EAST_ASIAN_DATES and number not in self._codes:
            return "yyyy-mm-dd"
        return self._codes.get(number) or BUILTIN_FORMATS.get(number, "General")


class Strings:
    """Reads the part with the strings that cells share; what furigana say is left out."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._pieces: list[str] = []
        self._wanted = False
        self._spoken = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Note where text begins."""
        if tag == "si":
            self._pieces = []
        elif tag == "rPh":
            self._spoken = True
        self._wanted = tag == "t" and not self._spoken

    def text(self, text: str) -> None:
        """Keep a piece of a string."""
        if self._wanted:
            self._pieces.append(text)

    def end(self, tag: str) -> None:
        """Keep a string that ends."""
        self._wanted = False
        if tag == "rPh":
            self._spoken = False
        elif tag == "si":
            self.found.append(unescaped("".join(self._pieces)))


def shown(kind: str, raw: str, code: str, strings: Sequence[str], since: datetime) -> str:
    """Return the text of a cell.

    Args:
        kind: The cell's t: n, s, str, inlineStr, b, e or d.
        raw: What is in its v or is.
        code: Its number format.
        strings: Those that are shared.
        since: Day 0 of the workbook's dates.

    Raises:
        RosterDamaged: It names a string that is not there.
    """
    if not raw:
        return ""
    if kind == "s":
        number = _whole(raw.strip())
        if not 0 <= number < len(strings):
            raise RosterDamaged
        return strings[number]
    if kind == "b":
        return "FALSE" if raw.strip() == "0" else "TRUE"
    if kind == "d":
        return _MIDNIGHT.sub("", raw)
    if kind == "n":
        return _number(raw.strip(), code, since)
    return unescaped(raw)


def unescaped(text: str) -> str:
    """Return text with what XML cannot hold, written _x000D_, put back (ECMA-376, ST_Xstring)."""
    return _ESCAPED.sub(_character, text) if "_x" in text else text


def _character(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    return "\ufffd" if 0xD800 <= code < 0xE000 else chr(code)


def _number(raw: str, code: str, since: datetime) -> str:
    try:
        value = float(raw)
    except ValueError:
        return raw
    if code != "General":
        if is_date_format(code) and (moment := _moment(value, code, since)):
            return moment
        zeros = _ZEROS.fullmatch(code)
        if zeros and value >= 0 and value.is_integer() and len(raw) <= _MOST_DIGITS:
            return f"{value:.0f}".zfill(len(zeros[1]))
    if raw.isascii() and raw.isdigit() and len(raw) <= _MOST_DIGITS:
        return raw
    if value.is_integer() and abs(value) < 10**_EXACT_DIGITS:
        return str(int(value))
    return f"{value:.{_EXACT_DIGITS}g}"


def _moment(value: float, code: str, since: datetime) -> str | None:
    """Return a date, a time or both in ISO 8601, a duration as hours; None for no such day."""
    try:
        moment = from_excel(value, since, timedelta=is_timedelta_format(code))
    except (OverflowError, ValueError):
        return None
    if isinstance(moment, datetime):
        return (moment.date() if moment.time() == time() else moment).isoformat()
    if isinstance(moment, date | time):
        return moment.isoformat()
    return None if moment is None else str(moment)


def _whole(text: str | None) -> int:
    """Return a whole number, -1 for anything else."""
    return int(text) if text and len(text) < 10 and text.isascii() and text.isdigit() else -1
