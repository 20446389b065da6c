"""Rosters as files: read, and shown with what is wrong in them, before cards are made of them."""

from typing import Annotated
from uuid import uuid4

import msgspec
from aiohttp import web
from msgspec import Meta, field

from proto.ids import StorageKey
from proto.qr import ReadRoster
from services.gateway.identity import ACCOUNT
from services.gateway.operations import Operations
from services.gateway.problems import Problem
from services.gateway.resources import BUS, SETTINGS, STORAGE
from services.gateway.uploads import receive
from services.gateway.views.shapes import ERROR_ANSWERS

operations = Operations("QR cards")

_MOST_ROSTER_BYTES = 20_000_000
_READING_SECONDS = 60.0
_Column = Annotated[int, Meta(ge=0, lt=16_384)]
"""XLSX has no more columns."""


class RosterForm(msgspec.Struct, frozen=True, kw_only=True):
    """A roster as a CSV or XLSX file."""

    file: bytes
    encoding: str = ""
    """If the guess was wrong: utf-8, windows-1258 …"""
    columns: str = field(default="")
    """JSON, if the guess was wrong: {"student_id": 0, "name": 2, "class_name": 3}; there may be
    first_name, last_name and reference_photo_url too."""


class ColumnBody(msgspec.Struct, frozen=True, kw_only=True):
    """Which column it is, from 0, and how sure that is, 0 to 1."""

    index: int
    confidence: float


class RosterSubjectBody(msgspec.Struct, frozen=True, kw_only=True):
    """A subject as `subjects` of generate takes it, and its row in the file."""

    row: int
    student_id: str
    name: str
    class_name: str
    lines: list[str]
    reference_photo_url: str
    """For the subjects of an agency; "" for none."""


class RosterProblemBody(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a row; those with a warning are among the subjects all the same."""

    row: int
    column: str | None
    code: str
    message: str
    warning: bool


class RosterBody(msgspec.Struct, frozen=True, kw_only=True):
    """A roster that was read: what was understood, and what was not."""

    format: str
    encoding: str | None
    delimiter: str | None
    sheet: str | None
    headings: list[str]
    rows: int
    columns: dict[str, ColumnBody | None]
    subjects: list[RosterSubjectBody]
    """Send them as `subjects` to generate."""
    problems: list[RosterProblemBody]
    problems_total: int


@operations.add(
    "POST",
    "/v1/services/studio/qr/roster/preview",
    {200: RosterBody, **ERROR_ANSWERS},
    form=RosterForm,
    scope="qr",
)
async def preview_roster(request: web.Request) -> web.Response:
    """Read a CSV or XLSX file: its columns guessed, its subjects, and what is wrong row by row."""
    return web.Response(body=await read_uploaded(request), content_type="application/json")


async def read_uploaded(request: web.Request) -> bytes:
    """Read the roster that a form brings. Returns a RosterBody as JSON. Raises Problem."""
    storage = request.app[STORAGE]
    folder = StorageKey(f"uploads/{request[ACCOUNT]}/{uuid4()}")
    try:
        upload = await receive(request, storage, folder, request.app[SETTINGS])
        if len(upload.files) != 1:
            raise Problem(422, "INVALID_REQUEST", "send one file")
        if upload.size > _MOST_ROSTER_BYTES:
            raise Problem(413, "BODY_TOO_LARGE", "a roster may have 20 megabytes")
        read = await request.app[BUS].request(
            ReadRoster(
                account=request[ACCOUNT],
                key=upload.files[0].key,
                filename=upload.files[0].filename,
                encoding=upload.fields.get("encoding", "")[:40],
                columns=_columns(upload.fields.get("columns", "")),
            ),
            _READING_SECONDS,
        )
        return await storage.get(read.key, 10 * _MOST_ROSTER_BYTES)
    finally:
        await storage.delete_folder(folder)


def _columns(written: str) -> dict[str, int]:
    if not written:
        return {}
    try:
        return msgspec.json.decode(written, type=dict[str, _Column])
    except msgspec.MsgspecError as error:
        sentence = 'columns must be JSON like {"student_id": 0, "name": 2}'
        raise Problem(422, "INVALID_REQUEST", sentence) from error
