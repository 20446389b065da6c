"""Cards printed again: of single subjects, or of those added since a moment."""

import hashlib
from collections.abc import Sequence
from typing import Annotated, TypeVar
from uuid import UUID

from aiohttp import web
from msgspec import Meta

from proto.ids import Moment
from proto.qr import (
    MOST_SUBJECTS,
    GetPrinted,
    Line,
    Printed,
    Reference,
    StudentId,
    Subject,
    SymbolKind,
)
from services.gateway.identity import ACCOUNT
from services.gateway.operations import Operations, read_json
from services.gateway.problems import Problem
from services.gateway.resources import BUS
from services.gateway.views.qr import ANSWERS, CardLook, Sheet, SheetOptions, charged_once, made
from services.gateway.views.shapes import ErrorBody

operations = Operations("QR cards")

Value = TypeVar("Value")


class ReprintBody(SheetOptions, frozen=True, kw_only=True):
    """Whose cards to print again: those named, or those added since a moment."""

    job_id: Reference
    student_ids: Annotated[list[StudentId], Meta(min_length=1, max_length=MOST_SUBJECTS)] | None = (
        None
    )
    added_since: Moment | None = None
    school_name: Line | None = None
    """What is left out is as it was printed, so that a card printed again is the same card."""
    symbol: SymbolKind | None = None
    name_in_code: bool | None = None


@operations.add(
    "POST",
    "/v1/services/studio/qr/reprint",
    {404: ErrorBody, **ANSWERS},
    body=ReprintBody,
    scope="qr",
    charges=True,
)
async def reprint(request: web.Request) -> web.Response:
    """Print cards again: of single subjects, or of those added since a moment."""
    body = await read_json(request, ReprintBody)
    if (body.student_ids is None) == (body.added_since is None):
        raise Problem(422, "INVALID_REQUEST", "send either student_ids or added_since")
    sent = hashlib.sha256(await request.read()).digest()

    async def work(call: UUID | None) -> web.Response:
        cards = await _printed(request, body)
        subjects = [_subject(card) for card in cards]
        sheet = Sheet(body.job_id, subjects, _look(cards, body), body)
        return await made(request, call, sheet)

    return await charged_once(request, sent, body, work)


async def _printed(request: web.Request, body: ReprintBody) -> list[Printed]:
    """Return the cards to print again, as they were last printed. Raises Problem."""
    found = await _cards_of(request, body)
    missing = set(body.student_ids or ()) - {each.student_id for each in found}
    if missing or not found:
        whom = f"{sorted(missing)[0]} has" if missing else "nobody of these has"
        raise Problem(404, "NOT_FOUND", f"{whom} no card of this job")
    if len(found) > MOST_SUBJECTS:
        sentence = f"more than {MOST_SUBJECTS:,} subjects; ask for them in parts, by student_ids"
        raise Problem(422, "TOO_MANY_SUBJECTS", sentence)
    return found


def _subject(card: Printed) -> Subject:
    return Subject(
        student_id=card.student_id, name=card.name, class_name=card.class_name, lines=card.lines
    )


def _look(cards: Sequence[Printed], body: ReprintBody) -> CardLook:
    """Return how cards look that are printed again: as is asked for, or as they did.

    Raises Problem when those of one sheet looked different and nothing is asked for.
    """
    return CardLook(
        school_name=_agreed("school_name", body.school_name, [card.school_name for card in cards]),
        symbol=_agreed("symbol", body.symbol, [card.symbol for card in cards]),
        name_in_code=_agreed(
            "name_in_code", body.name_in_code, [card.name_in_code for card in cards]
        ),
    )


def _agreed(what: str, asked: Value | None, before: Sequence[Value]) -> Value:
    if asked is not None:
        return asked
    if len(set(before)) > 1:
        sentence = f"these cards were not printed with the same {what}; say which, or ask in parts"
        raise Problem(422, "INVALID_REQUEST", sentence)
    return before[0]


async def _cards_of(request: web.Request, body: ReprintBody) -> list[Printed]:
    found: list[Printed] = []
    ids = None if body.student_ids is None else list(dict.fromkeys(body.student_ids))
    # a message takes 500 ids
    groups = [ids[at : at + 500] for at in range(0, len(ids), 500)] if ids is not None else [None]
    for group in groups:
        after: str | None = None
        while True:
            page = await request.app[BUS].request(
                GetPrinted(
                    account=request[ACCOUNT],
                    job_id=body.job_id,
                    student_ids=group,
                    added_since=body.added_since,
                    after=after,
                    limit=200,
                )
            )
            found += page.subjects
            after = page.next_after
            if after is None or len(found) > MOST_SUBJECTS:
                break
    return found
