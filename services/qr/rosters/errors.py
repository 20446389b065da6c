"""Everything that can go wrong with a roster as a whole.

RosterError
├── NotARoster              a picture, a PDF, a program: no table in it
├── UnsupportedRoster       a table, but in a format that is not read here
├── RosterLocked            protected with a password
├── RosterDamaged           cut off, or not what its format says
├── RosterTooLarge          above one of the limits, packed or unpacked
├── RosterEmpty             no row in it
├── EncodingUnknown         text, but there is no telling in which encoding
└── ColumnMissing           a column is asked for that the table does not have

`code` never changes and is safe to match on; `str(error)` is a sentence for the person who sent the
file, and says what to do. What a library said is in `__cause__`, for the log. What is wrong with
single rows is no exception: see `subjects.RowProblem`.
"""

from typing import ClassVar


class RosterError(Exception):
    """Anything this package raises on purpose."""

    code: ClassVar[str]
    sentence: ClassVar[str]

    def __init__(self, sentence: str | None = None) -> None:
        super().__init__(sentence or self.sentence)


class NotARoster(RosterError):
    """The bytes are something else, whatever the file is called. Ask for a table."""

    code = "NOT_A_ROSTER"
    sentence = "This file is not a table; send the roster as CSV or XLSX."


class UnsupportedRoster(RosterError):
    """A table of a kind that is not read here. Ask for it as CSV or XLSX."""

    code = "UNSUPPORTED_ROSTER"
    sentence = "This kind of file is not read here; save it as CSV or XLSX and send it again."


class RosterLocked(RosterError):
    """A password is needed to read it. Ask for it without one."""

    code = "ROSTER_LOCKED"
    sentence = "This file is protected with a password; save it without one and send it again."


class RosterDamaged(RosterError):
    """Part of the file is missing or makes no sense. Ask for it to be saved and sent again."""

    code = "ROSTER_DAMAGED"
    sentence = "This file is damaged; open it, save it again as XLSX or CSV, and send that."


class RosterTooLarge(RosterError):
    """Above a limit of `tables` or `packages`. Ask for it in parts."""

    code = "ROSTER_TOO_LARGE"
    sentence = "This file is too large for a roster; remove what is not part of it."


class RosterEmpty(RosterError):
    """There is no row with anything in it. Ask for the right file."""

    code = "ROSTER_EMPTY"
    sentence = "There are no rows in this file."


class EncodingUnknown(RosterError):
    """The letters cannot be told from the bytes. Ask for UTF-8, or for the encoding's name."""

    code = "ENCODING_UNKNOWN"
    sentence = "The letters in this file cannot be read; save it as CSV UTF-8 or as XLSX."


class ColumnMissing(RosterError):
    """Columns were chosen that are not enough, or not there. Ask which they are."""

    code = "COLUMN_MISSING"
    sentence = "Say which column holds the id and which the name."
