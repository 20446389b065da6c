"""Reading the path and the query string: plain values, or one sentence about what is wrong."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

import msgspec
from aiohttp import web

from proto.errors import NotFound
from services.gateway.problems import Problem

Asked = TypeVar("Asked", bound=msgspec.Struct)

HIGHEST_NUMBER = 2**62
"""Above any transaction or delivery there will be."""


def identifier(request: web.Request, name: str, what: str) -> UUID:
    """Return the id in the path. Raises NotFound for what cannot be one."""
    try:
        return UUID(request.match_info[name])
    except ValueError as error:
        raise NotFound(f"there is no such {what}") from error


def identifier_in_query(request: web.Request, name: str, what: str) -> UUID:
    """Return an id that must be given. Raises Problem; NotFound for what cannot be an id."""
    if name not in request.query:
        raise Problem(422, "INVALID_REQUEST", f"say which {name}")
    try:
        return UUID(request.query[name])
    except ValueError as error:
        raise NotFound(f"there is no such {what}") from error


def number_in_path(request: web.Request, name: str, what: str) -> int:
    """Return the number in the path. Raises NotFound for what cannot be an id."""
    return _id(request.match_info[name], what)


def number_in_query(request: web.Request, name: str) -> int:
    """Return an id that must be given. Raises Problem; NotFound for what cannot be an id."""
    if name not in request.query:
        raise Problem(422, "INVALID_REQUEST", f"say which {name}")
    return _id(request.query[name], name.removesuffix("_id"))


def whole_number(request: web.Request, name: str, at_most: int) -> int | None:
    """Return a number from 1 to `at_most`, None if left out. Raises Problem."""
    text = request.query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or not 1 <= int(text) <= at_most:
        raise Problem(422, "INVALID_REQUEST", f"{name} must be a whole number from 1 to {at_most}")
    return int(text)


def checked(told: Mapping[str, object], kind: type[Asked]) -> Asked:
    """Return a message of what a query says. Raises Problem for what it does not take."""
    try:
        return msgspec.convert(told, kind)
    except msgspec.ValidationError as error:
        raise Problem(422, "INVALID_REQUEST", str(error)) from error


def moment(request: web.Request, name: str) -> datetime | None:
    """Return a moment, None if left out; a day stands for its beginning. Raises Problem."""
    text = request.query.get(name)
    if text is None:
        return None
    try:
        # a + that was not encoded has become a space
        found = datetime.fromisoformat(text.replace(" ", "+"))
        # at the ends of the calendar some moments have no name in UTC
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        sentence = f"{name} must be a day or a moment in ISO 8601, like 2026-11-21T08:00:00Z"
        raise Problem(422, "INVALID_REQUEST", sentence) from error


def month(request: web.Request, name: str) -> tuple[datetime, datetime]:
    """Return where a month begins and ends in UTC, this one if left out. Raises Problem."""
    text = request.query.get(name)
    if text is None:
        text = datetime.now(UTC).strftime("%Y-%m")
    if not re.fullmatch(r"(20\d\d)-(0[1-9]|1[0-2])", text):
        raise Problem(422, "INVALID_REQUEST", f"{name} must be a month, like 2026-11")
    begin = datetime(int(text[:4]), int(text[5:]), 1, tzinfo=UTC)
    return begin, begin.replace(year=begin.year + begin.month // 12, month=begin.month % 12 + 1)


def _id(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or not 0 < int(text) < 2**63:
        raise NotFound(f"there is no such {what}")
    return int(text)
