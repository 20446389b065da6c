"""From the rows of a table to the subjects of cards, and everything that is wrong with them."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from proto.qr import MOST_SUBJECTS, SHOWN
from services.qr.payload import (
    MOST_ID_CHARACTERS,
    MOST_NAME_CHARACTERS,
    can_be_in_a_name,
    can_be_in_an_id,
)
from services.qr.rosters.columns import Column, Columns
from services.qr.rosters.errors import ColumnMissing
from services.qr.rosters.exports import STARTS_A_FORMULA
from services.qr.rosters.tables import Row, Table, letters, trimmed

LONGEST_ID = MOST_ID_CHARACTERS
LONGEST_NAME = 200
LONGEST_CLASS = 100
LONGEST_LINE = 100
"""In characters, after normalisation."""

Code = Literal[
    "missing_id",
    "missing_name",
    "duplicate_id",
    "too_long",
    "too_many",
    "control_character",
    "formula_error",
    "formula",
    "emoji",
    "garbled",
    "not_a_url",
]

_IN_NAMED = (MOST_NAME_CHARACTERS, "cards with the name in the code")
_IN_GROUPS = (MOST_ID_CHARACTERS, "group cards")
_ROWS_NAMED = 5
_SHOWN = re.compile(SHOWN)
_URL = re.compile(r"https?://[^\x00-\x20\x7f]+$(?!\n)", re.IGNORECASE)
_ERRORS = frozenset({"#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!"})
_EMOJI = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\u2b50\u2b55\u231a-\u23ff\ufe0f\u20e3\U000e0020-\U000e007f]"
)
_JOINERS = "\u200c\u200d\u200e\u200f\u061c\u00ad"
"""Invisible, and part of how Persian, Arabic and Indian names are written; the soft hyphen."""
_BROKEN_UTF8 = re.compile("[\u00c2-\u00f4][\u0080-\u00bf\u2018-\u203a\u0152-\u017e\u02c6\u02dc€™]")


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody to print a card for; texts are trimmed and in NFC."""

    row: int
    """As in Row.number."""
    student_id: str
    """1 to LONGEST_ID characters, no other subject has it."""
    name: str
    """1 to LONGEST_NAME characters."""
    class_name: str | None
    lines: tuple[str, ...]
    """What Columns.lines asks for, "" for an empty cell."""
    reference_photo_url: str = ""
    """Beginning with http:// or https://; "" for none."""


@dataclass(frozen=True, slots=True)
class RowProblem:
    """Something to look at in one row."""

    row: int
    """As in Row.number."""
    column: int | None
    """From 0; None when the row as a whole is meant."""
    code: Code
    """Never changes, safe to match on."""
    sentence: str
    """For the person who keeps the roster."""
    warning: bool = False
    """Whether the row is good for a card all the same."""


@dataclass(frozen=True, slots=True)
class _Field:
    label: str
    columns: tuple[Column, ...]
    longest: int
    longest_in_code: int | None = None
    """If the code of some cards holds it."""
    codes: str = ""
    """Which cards these are."""


def subjects(table: Table, columns: Columns) -> tuple[list[Subject], list[RowProblem]]:
    """Read the subjects of a table.

    Every problem of every row is told, in the order of the rows. A row with one that is no warning
    gives no subject; rows that share an id are all left out.

    Raises:
        ColumnMissing: No column holds the id or the name, or one is not in the table.
    """
    reader = _Reader(table, columns)
    found: list[Subject] = []
    problems: list[RowProblem] = []
    for row in table.rows:
        subject, wrong = reader.read(row)
        problems += wrong
        if subject is not None:
            found.append(subject)
    problems += reader.duplicates()
    shared = {problem.row for problem in problems if problem.code == "duplicate_id"}
    found = [subject for subject in found if subject.row not in shared]
    problems += _too_many(found)
    problems.sort(key=lambda problem: problem.row)
    return found, problems


def _too_many(found: Sequence[Subject]) -> Iterator[RowProblem]:
    if len(found) > MOST_SUBJECTS:
        sentence = (
            f"This roster has {len(found):,} subjects; a sheet has at most {MOST_SUBJECTS:,}, so "
            "print it in parts."
        )
        yield RowProblem(found[MOST_SUBJECTS].row, None, "too_many", sentence, warning=True)


class _Reader:
    def __init__(self, table: Table, columns: Columns) -> None:
        name = columns.name or (columns.first_name and columns.last_name)
        if columns.student_id is None or name is None:
            raise ColumnMissing
        self._columns = columns
        self._id = _Field("id", (columns.student_id,), LONGEST_ID)
        self._name = _Field("name", _name_columns(columns), LONGEST_NAME, *_IN_NAMED)
        self._class = columns.class_name and _Field(
            "class", (columns.class_name,), LONGEST_CLASS, *_IN_GROUPS
        )
        self._lines = [_Field("line", (Column(index),), LONGEST_LINE) for index in columns.lines]
        self._seen: dict[str, list[int]] = defaultdict(list)
        fields = (self._id, self._name, self._class, *self._lines)
        read = [column for field in fields if field for column in field.columns]
        for column in (*read, columns.reference_photo_url):
            if column and not 0 <= column.index < table.width:
                raise ColumnMissing(f"There is no column {column.index} in this roster.")

    def read(self, row: Row) -> tuple[Subject | None, list[RowProblem]]:
        """Return the subject of a row unless something is wrong, and its problems."""
        problems: list[RowProblem] = []
        student_id = self._text(row, self._id, problems)
        name = self._text(row, self._name, problems)
        class_name = self._text(row, self._class, problems) if self._class else ""
        lines = tuple(self._text(row, field, problems) for field in self._lines)
        url = self._url(row, problems)
        if student_id:
            self._seen[student_id].append(row.number)
        if not student_id:
            problems.append(_missing(row, self._id, "missing_id"))
        if not name:
            problems.append(_missing(row, self._name, "missing_name"))
        if all(problem.warning for problem in problems):
            found = Subject(row.number, student_id, name, class_name or None, lines, url)
            return found, problems
        return None, problems

    def duplicates(self) -> Iterator[RowProblem]:
        """Give a problem for each row whose id another has."""
        column = self._id.columns[0].index
        for student_id, rows in self._seen.items():
            if len(rows) > 1:
                named = ", ".join(map(str, rows[:_ROWS_NAMED]))
                more = f" and {len(rows) - _ROWS_NAMED} more" if len(rows) > _ROWS_NAMED else ""
                sentence = f"The id {_quoted(student_id)} is in rows {named}{more}."
                for row in rows:
                    yield RowProblem(row, column, "duplicate_id", sentence)

    def _url(self, row: Row, problems: list[RowProblem]) -> str:
        """Return where the reference photograph lies, and note what is no URL."""
        column = self._columns.reference_photo_url
        text = row.cells[column.index] if column and column.index < len(row.cells) else ""
        if column is None or not text or _URL.match(text):
            return text
        place = f"Cell {letters(column.index)}{row.number}"
        sentence = f"{place} holds no URL that begins with http:// or https://; it is left out."
        problems.append(RowProblem(row.number, column.index, "not_a_url", sentence, warning=True))
        return ""

    def _text(self, row: Row, field: _Field, problems: list[RowProblem]) -> str:
        """Return what a field says, and note what is wrong with it."""
        texts = []
        for column in field.columns:
            raw = row.cells[column.index] if column.index < len(row.cells) else ""
            text = _normalised(raw)
            if field.label == "id":
                text = _with_plain_spaces(text)
            for code, sentence, warning in _wrong(text, raw, field.label == "id"):
                place = f"Cell {letters(column.index)}{row.number}"
                problems.append(
                    RowProblem(row.number, column.index, code, f"{place} {sentence}", warning)
                )
            texts.append(text)
        text = _joined(texts)
        if not _SHOWN.match(text):
            return ""
        if len(text) > field.longest:
            column = field.columns[0]
            sentence = (
                f"The {field.label} in row {row.number} has {len(text)} characters; "
                f"at most {field.longest} are printed."
            )
            problems.append(RowProblem(row.number, column.index, "too_long", sentence))
        elif (most := field.longest_in_code) is not None and len(text) > most:
            column = field.columns[0]
            sentence = (
                f"The {field.label} in row {row.number} has {len(text)} characters; "
                f"{field.codes} hold at most {most}."
            )
            problems.append(RowProblem(row.number, column.index, "too_long", sentence, True))
        return text


def _missing(row: Row, field: _Field, code: Code) -> RowProblem:
    column = field.columns[0].index
    sentence = f"Row {row.number} has no {field.label} in column {letters(column)}."
    return RowProblem(row.number, column, code, sentence)


def _name_columns(columns: Columns) -> tuple[Column, ...]:
    if columns.name:
        return (columns.name,)
    both = tuple(c for c in (columns.first_name, columns.last_name) if c)
    return both[::-1] if columns.family_first else both


def _normalised(raw: str) -> str:
    text = unicodedata.normalize("NFC", trimmed(raw))
    # the apostrophe with which exports, ours too, keep a text from being computed
    if text[:1] == "'" and text[1:2] in STARTS_A_FORMULA:
        return text[1:]
    return text


def _wrong(text: str, raw: str, is_id: bool) -> Iterator[tuple[Code, str, bool]]:
    """Give code, rest of a sentence, and whether it is a warning."""
    for code, sentence, warning, holds in _CHECKS:
        if holds(text):
            yield code, sentence, warning
    if is_id and not can_be_in_an_id(text) and not _is_control(text):
        yield "control_character", "holds an invisible character; type it again.", False
    if not is_id and not can_be_in_a_name(text) and not _is_control(text):
        yield "control_character", "holds a character that no code holds and no font has.", True


def _with_plain_spaces(text: str) -> str:
    """Return an id with the space of the keyboard for those of other kinds and widths."""
    return "".join(" " if unicodedata.category(c) == "Zs" else c for c in text)


def _is_control(text: str) -> bool:
    return (
        any(
            unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c not in _JOINERS
            for c in text
        )
        and not text.isprintable()
    )


def _looks_garbled(text: str) -> bool:
    """Whether it is UTF-8 that was once read as Windows-1252, or lost letters altogether."""
    if "\ufffd" in text:
        return True
    if not _BROKEN_UTF8.search(text):
        return False
    try:
        return len(text.encode("cp1252").decode("utf-8")) < len(text)
    except ValueError:
        return False


def _joined(texts: list[str]) -> str:
    """Put the parts of a name together, without a space where its script has none."""
    parts = [text for text in texts if text]
    apart = "" if all(map(_is_east_asian, parts)) else " "
    return apart.join(parts)


def _is_east_asian(text: str) -> bool:
    return all(
        "\u3400" <= c <= "\u9fff" or "\uac00" <= c <= "\ud7a3" or c > "\U0001ffff" for c in text
    )


def _quoted(text: str) -> str:
    shown = "".join(c if c.isprintable() else "·" for c in text)
    return f"“{shown[:40]}…”" if len(shown) > 40 else f"“{shown}”"


_CHECKS: tuple[tuple[Code, str, bool, Callable[[str], bool]], ...] = (
    (
        "control_character",
        "holds a line break or another character that cannot be printed.",
        False,
        _is_control,
    ),
    ("formula_error", "holds the error of a formula.", False, _ERRORS.__contains__),
    (
        "formula",
        "begins like a formula; it is kept as text.",
        True,
        lambda text: text.startswith(STARTS_A_FORMULA),
    ),
    (
        "emoji",
        "holds an emoji, which may not be printed.",
        True,
        lambda text: bool(_EMOJI.search(text)),
    ),
    (
        "garbled",
        "looks garbled; was the file saved in the right encoding?",
        True,
        _looks_garbled,
    ),
)
