"""Rosters in XLSX: the first visible sheet with anything in it, as it shows.

Read by our own code over expat, a row at a time, because a library that makes an object of every
element can be brought to fill the memory by a file of some hundred kilobytes. What the numbers
mean, dates above all, openpyxl knows.
"""

import re
from datetime import datetime

from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900

from services.qr.rosters.errors import RosterDamaged, RosterEmpty, RosterTooLarge, UnsupportedRoster
from services.qr.rosters.packages import Package
from services.qr.rosters.tables import Filled, Table, assemble
from services.qr.rosters.values import Formats, Strings, shown

_MOST_ROW_NUMBER = 1_048_576
_MOST_COLUMN_NUMBER = 16_384
_REFERENCE = re.compile(r"([A-Za-z]{1,3})[0-9]{0,7}")
_MOST_RAW = 40_000
"""Characters of one cell; spreadsheets take 32,767."""


def read_workbook(data: bytes) -> Table:
    """Read an XLSX; see `reading.read`."""
    package = Package(data)
    book = _book(package)
    parts = package.relations(book)
    outline, strings, formats = _Outline(), Strings(), Formats()
    package.read(book, outline)
    for _, kind, part in parts:
        if kind == "sharedStrings":
            package.read(part, strings)
        elif kind == "styles":
            package.read(part, formats)
    sheets = {id_: part for id_, kind, part in parts if kind == "worksheet"}
    for name, id_ in outline.visible:
        if id_ not in sheets:
            continue
        cells = _Cells(formats, strings.found, outline.since)
        package.read(sheets[id_], cells)
        if cells.filled.rows:
            return assemble(cells.filled.rows, "xlsx", sheet=name)
    raise RosterEmpty


def _book(package: Package) -> str:
    """Return the part that is the workbook. Raises UnsupportedRoster when there is none."""
    for _, kind, part in package.relations(""):
        if kind == "officeDocument" and part.endswith(".bin"):
            raise UnsupportedRoster("This is an XLSB file; save it as XLSX and send it again.")
        if kind == "officeDocument" and part.startswith("xl/"):
            return part
    raise UnsupportedRoster


class _Outline:
    """Reads the part with the names of the sheets."""

    def __init__(self) -> None:
        self.visible: list[tuple[str, str]] = []
        """Name and id of the relation."""
        self.since: datetime = CALENDAR_WINDOWS_1900

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "workbookPr" and attributes.get("date1904") in ("1", "true"):
            self.since = CALENDAR_MAC_1904
        elif tag == "sheet" and attributes.get("state", "visible") == "visible":
            ids = [value for key, value in attributes.items() if key.endswith(" id")]
            self.visible.append((attributes.get("name", ""), ids[0] if ids else ""))

    def text(self, text: str) -> None:
        """Nothing of it is needed."""

    def end(self, tag: str) -> None:
        """Nothing is left to do."""


class _Cells:
    """Reads the part that is a sheet."""

    def __init__(self, formats: Formats, strings: list[str], since: datetime) -> None:
        self.filled = Filled()
        self._formats, self._strings, self._since = formats, strings, since
        self._row = self._column = 0
        self._line: list[tuple[int, str]] = []
        self._cell: dict[str, str] | None = None
        self._pieces: list[str] = []
        self._length = 0
        self._wanted = self._spoken = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "row":
            self._begin_row(attributes.get("r"))
        elif tag == "c":
            self._begin_cell(attributes)
        elif tag == "rPh":
            self._spoken = True
        self._wanted = self._cell is not None and tag in ("v", "t") and not self._spoken

    def text(self, text: str) -> None:
        if self._wanted:
            self._length += len(text)
            if self._length > _MOST_RAW:
                raise RosterTooLarge
            self._pieces.append(text)

    def end(self, tag: str) -> None:
        self._wanted = False
        if tag == "c" and self._cell is not None:
            self._end_cell(self._cell)
        elif tag == "row":
            self.filled.add(self._row, self._line)
            self._line = []
        elif tag == "rPh":
            self._spoken = False

    def _begin_row(self, number: str | None) -> None:
        row = self._row + 1 if number is None else _number(number)
        if not self._row < row <= _MOST_ROW_NUMBER:
            raise RosterDamaged
        self._row, self._column, self._line = row, 0, []

    def _begin_cell(self, attributes: dict[str, str]) -> None:
        reference = attributes.get("r")
        column = self._column + 1 if reference is None else _column(reference)
        if not self._column < column <= _MOST_COLUMN_NUMBER:
            raise RosterDamaged
        self._column, self._cell = column, attributes
        self._pieces, self._length = [], 0

    def _end_cell(self, attributes: dict[str, str]) -> None:
        self._cell = None
        if not self._pieces:
            return
        code = self._formats.code(_number(attributes.get("s", "0")))
        kind = attributes.get("t", "n")
        text = shown(kind, "".join(self._pieces), code, self._strings, self._since)
        if text:
            self._line.append((self._column - 1, text))


def _column(reference: str) -> int:
    """Return the number of the column in a reference: 1 of A7. Raises RosterDamaged."""
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise RosterDamaged
    number = 0
    for letter in match[1].upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _number(text: str) -> int:
    """Return a number of up to seven digits. Raises RosterDamaged."""
    if not (text.isascii() and text.isdigit() and len(text) <= 7):
        raise RosterDamaged
    return int(text)
