"""Rosters as uploaded files: read in a process of its own, the answer written beside the file."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from kit.aside import Aside, Overrun
from kit.storage import BadKey, ObjectNotFound, ObjectTooLarge, Storage
from proto.errors import InvalidRequest
from proto.ids import StorageKey
from proto.qr import ReadRoster
from services.qr.rosters.columns import Column, Columns, guess
from services.qr.rosters.errors import ColumnMissing, RosterError
from services.qr.rosters.reading import MOST_BYTES, read
from services.qr.rosters.subjects import RowProblem, Subject, subjects
from services.qr.rosters.tables import Table, letters

NAMED = (
    "student_id",
    "name",
    "first_name",
    "last_name",
    "class_name",
    "reference_photo_url",
)
"""The columns that somebody may choose."""

MOST_PROBLEMS = 1_000
"""That are told one by one."""

_READING_SECONDS = 10.0


class _Problem(msgspec.Struct, frozen=True):
    """Something to look at, as it is told."""

    row: int
    column: str | None
    """As spreadsheets call it: B."""
    code: str
    message: str
    warning: bool


class RosterFiles:
    """Reads the files that lie in one storage."""

    def __init__(self, storage: Storage, aside: Aside) -> None:
        self._storage = storage
        self._aside = aside

    async def read(self, request: ReadRoster) -> StorageKey:
        """Read a file and return where the answer lies. Raises InvalidRequest."""
        data = await self._bytes(request)
        try:
            told = await self._aside.run(
                _READING_SECONDS, told_of, data, request.filename, request.encoding, request.columns
            )
        except Overrun as error:
            raise InvalidRequest(
                "This file takes too long to read; remove what is not part of the roster."
            ) from error
        key = StorageKey(f"{request.key}.json")
        await self._storage.put(key, told, "application/json")
        return key

    async def _bytes(self, request: ReadRoster) -> bytes:
        if not request.key.startswith(f"uploads/{request.account}/"):
            raise InvalidRequest("the file must lie in the account's own folder")
        try:
            return await self._storage.get(request.key, MOST_BYTES)
        except (ObjectNotFound, BadKey) as error:
            raise InvalidRequest("the uploaded file is not there any more") from error
        except ObjectTooLarge as error:
            raise InvalidRequest(f"A roster file has at most {MOST_BYTES >> 20} MB.") from error


def told_of(data: bytes, filename: str, encoding: str, chosen: Mapping[str, int]) -> bytes:
    """Return what a roster says, as JSON.

    Args:
        data: The whole file.
        filename: What it is called.
        encoding: Of a CSV; guessed if it is empty.
        chosen: Columns, from 0, by what they hold; guessed where they are left out.

    Raises InvalidRequest, with a sentence for the person who sent it. Where columns
    cannot be guessed and none was chosen, the answer shows the headings to choose from, and nobody.
    """
    try:
        table = read(data, filename, encoding or None)
        columns = _columns(table, chosen)
        found, problems = _subjects(table, columns, must_be_told=bool(chosen))
    except RosterError as error:
        raise InvalidRequest(str(error)) from error
    return msgspec.json.encode(
        {
            "format": table.format,
            "encoding": table.encoding,
            "delimiter": table.delimiter,
            "sheet": table.sheet,
            "headings": table.headings,
            "rows": len(table.rows),
            "columns": {name: _column(getattr(columns, name)) for name in NAMED},
            "subjects": [
                {
                    "row": subject.row,
                    "student_id": subject.student_id,
                    "name": subject.name,
                    "class_name": subject.class_name or "",
                    "lines": subject.lines,
                    "reference_photo_url": subject.reference_photo_url,
                }
                for subject in found
            ],
            "problems": problems[:MOST_PROBLEMS],
            "problems_total": len(problems),
        }
    )


def _columns(table: Table, chosen: Mapping[str, int]) -> Columns:
    """Return the columns that were guessed, with those that were chosen in their place."""
    if unknown := sorted(chosen.keys() - set(NAMED)):
        raise InvalidRequest(f"a roster has no {unknown[0]}; choose of {', '.join(NAMED)}")
    guessed, taken = guess(table), set(chosen.values())
    places: dict[str, Any] = {}
    for name in NAMED:
        column: Column | None = getattr(guessed, name)
        # what somebody says of a column counts, whatever was guessed of it
        places[name] = None if column and column.index in taken else column
    if "name" in chosen:
        places["first_name"] = places["last_name"] = None
    elif chosen.keys() & {"first_name", "last_name"}:
        places["name"] = None
    places |= {name: Column(index) for name, index in chosen.items()}
    return replace(guessed, **places)


def _subjects(
    table: Table, columns: Columns, *, must_be_told: bool
) -> tuple[list[Subject], list[_Problem]]:
    """Return the subjects, and problems: a column that could not be guessed is one.

    Raises RosterError.
    """
    try:
        found, problems = subjects(table, columns)
    except ColumnMissing as error:
        if must_be_told:
            raise
        return [], [_Problem(table.rows[0].number, None, error.code.lower(), str(error), False)]
    return found, [_told(problem) for problem in problems]


def _column(column: Column | None) -> dict[str, float] | None:
    return {"index": column.index, "confidence": column.confidence} if column else None


def _told(problem: RowProblem) -> _Problem:
    column = None if problem.column is None else letters(problem.column)
    return _Problem(problem.row, column, problem.code, problem.sentence, problem.warning)
