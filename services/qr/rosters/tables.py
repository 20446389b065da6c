"""A table as it was in the file: text in rows, each with its number in a spreadsheet."""

from collections.abc import Iterable
from dataclasses import dataclass

from services.qr.rosters.errors import RosterEmpty, RosterTooLarge
from services.qr.rosters.headings import TITLE_LINES, headings_at

MOST_ROWS = 10_000
"""Below the headings; empty ones do not count."""
MOST_COLUMNS = 200
MOST_CHARACTERS = 500
"""In a cell, after white space around it is taken away."""

# besides what str.strip takes: zero width space, word joiner, byte order mark, direction marks
_AROUND = "\u200b\u2060\ufeff\u200e\u200f\u061c"


@dataclass(frozen=True, slots=True)
class Row:
    """One row that is not empty."""

    number: int
    """From 1, as a spreadsheet shows it; empty rows and headings are counted."""
    cells: tuple[str, ...]
    """From column A on, trimmed, "" for an empty cell; rows may differ in length."""


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a roster, and how they were read."""

    headings: tuple[str, ...]
    """As written, as many as there are columns; all "" if the file has none."""
    rows: tuple[Row, ...]
    """What is below the headings, at least one and at most MOST_ROWS."""
    format: str
    """csv or xlsx."""
    encoding: str | None
    """Of a CSV, as Python calls it: utf-8, cp1258; None for XLSX."""
    delimiter: str | None
    """Of a CSV: , ; | or a tab; None for XLSX."""
    sheet: str | None
    """Of an XLSX, the name of the sheet that was read; None for CSV."""

    @property
    def width(self) -> int:
        """How many columns there are, 1 to MOST_COLUMNS."""
        return len(self.headings)

    def column(self, index: int) -> list[str]:
        """Return the cells of one column, "" where a row ends before it."""
        return [row.cells[index] if index < len(row.cells) else "" for row in self.rows]


def trimmed(text: str) -> str:
    """Return text without white space around it, of any kind and any width, zero included."""
    while (bare := text.strip().strip(_AROUND)) != text:
        text = bare
    return text


class Filled:
    """Collects the rows that are not empty, and holds the limits on the way."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def add(self, number: int, cells: Iterable[tuple[int, str]]) -> None:
        """Add a row, unless it is empty.

        Args:
            number: From 1.
            cells: Pairs of index from 0 and text, in any order.

        Raises:
            RosterTooLarge: It is a row, column or cell too many or too long.
        """
        texts: list[str] = []
        for index, raw in cells:
            if not (text := trimmed(raw)):
                continue
            _check(number, index, text)
            texts.extend([""] * (index + 1 - len(texts)))
            texts[index] = text
        if not texts:
            return
        self.rows.append(Row(number, tuple(texts)))
        if len(self.rows) > MOST_ROWS + TITLE_LINES:
            raise _too_many_rows()


def assemble(
    lines: Iterable[Row],
    format: str,  # noqa: A002 - it is called that
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
) -> Table:
    """Return the table that rows make, with its headings found.

    Raises:
        RosterEmpty: There is nothing below the headings.
        RosterTooLarge: There are too many rows.
    """
    rows = tuple(lines)
    if not rows:
        raise RosterEmpty
    at = headings_at([row.cells for row in rows[: TITLE_LINES * 6]])
    below = rows if at is None else rows[at + 1 :]
    if not below:
        raise RosterEmpty("There are headings in this file, but no rows below them.")
    if len(below) > MOST_ROWS:
        raise _too_many_rows()
    headings = () if at is None else rows[at].cells
    width = max(len(headings), *(len(row.cells) for row in below), 1)
    headings += ("",) * (width - len(headings))
    return Table(headings, below, format, encoding, delimiter, sheet)


def letters(index: int) -> str:
    """Return what spreadsheets call a column: 0 is A, 26 is AA."""
    name = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def _check(number: int, index: int, text: str) -> None:
    if index >= MOST_COLUMNS:
        raise RosterTooLarge(
            f"Row {number} has something in column {letters(index)}; "
            f"a roster has at most {MOST_COLUMNS} columns."
        )
    if len(text) > MOST_CHARACTERS:
        raise RosterTooLarge(
            f"Cell {letters(index)}{number} holds more than {MOST_CHARACTERS} characters; shorten "
            "it, or look for a quotation mark before it that is never closed."
        )


def _too_many_rows() -> RosterTooLarge:
    return RosterTooLarge(f"A roster has at most {MOST_ROWS} rows; send this one in parts.")
