"""Rosters in CSV, as spreadsheets of any country write it."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator

from services.qr.rosters.encodings import decode
from services.qr.rosters.errors import NotARoster, RosterTooLarge
from services.qr.rosters.headings import meaning
from services.qr.rosters.tables import MOST_COLUMNS, Filled, Table, assemble

DELIMITERS = (",", ";", "\t", "|")
_MOST_LINES = 1_048_576
"""Empty ones included, as many as a sheet has."""
_LONG_LINE = re.compile(rb"(?:\A|[\r\n])[^\r\n]{400001}")
"""In bytes: MOST_COLUMNS cells of MOST_CHARACTERS characters of four bytes."""
_SAMPLE_LINES = 64
_SAMPLE_CHARACTERS = 64 * 1024
_SEPARATOR_LINE = re.compile(r"sep=([,;\t|])\r?\n", re.IGNORECASE)
"""How Excel lets a file say what separates its cells."""


def read_delimited(data: bytes, encoding: str | None) -> Table:
    """Read a CSV; see `reading.read`."""
    _check_lines(data)
    decoded = decode(data, encoding)
    text = decoded.text.rstrip("\x1a")  # old programs end a file with it
    told = _SEPARATOR_LINE.match(text)
    delimiter = told[1] if told else _delimiter(text)
    lines = enumerate(_lines(text, delimiter), 1)
    if told:
        next(lines)
    filled = Filled()
    for number, cells in lines:
        filled.add(number, enumerate(cells))
    return assemble(filled.rows, "csv", encoding=decoded.encoding, delimiter=delimiter)


def _check_lines(data: bytes) -> None:
    """Refuse what would take long to find out, before letters are made of bytes."""
    if max(data.count(b"\n"), data.count(b"\r")) > _MOST_LINES:
        raise RosterTooLarge("There are too many lines in this file, most of them empty.")
    if _LONG_LINE.search(data):
        raise RosterTooLarge("There is a line in this file that is too long for a roster.")


def _lines(text: str, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "field larger" in str(error):
                raise RosterTooLarge(
                    f"Row {reader.line_num} holds a cell without an end; look for a quotation mark "
                    "that is never closed."
                ) from error
            raise NotARoster from error


def _delimiter(text: str) -> str:
    """Return what separates the cells: what divides most lines alike, or shows known headings."""
    sample = text[:_SAMPLE_CHARACTERS]
    return max(DELIMITERS, key=lambda delimiter: _fits(sample, delimiter))


def _fits(sample: str, delimiter: str) -> tuple[int, float, int]:
    rows: list[list[str]] = []
    try:
        for cells in _lines(sample, delimiter):
            if cells:
                rows.append(cells)
            if len(rows) == _SAMPLE_LINES:
                break
    except (RosterTooLarge, NotARoster):
        return (0, 0.0, 0)
    if not rows:
        return (0, 0.0, 0)
    known = max(sum(meaning(cell.strip()) is not None for cell in row) for row in rows[:10])
    width, alike = Counter(map(len, rows)).most_common(1)[0]
    if width == 1 or width > MOST_COLUMNS:
        return (0, 0.0, 0)
    return (known if known > 1 else 0, alike / len(rows), width)
