"""The cards of a job over HTTP: who has one, a page that shows one, and to forget them all."""

from datetime import datetime

import msgspec
from aiohttp import web

from proto.errors import NotFound
from proto.qr import ForgetJob, GetCard, GetPrinted, Reference
from services.gateway import cardpages
from services.gateway.identity import ACCOUNT
from services.gateway.operations import Operations, Parameter
from services.gateway.problems import json_response
from services.gateway.queries import whole_number
from services.gateway.resources import BUS, CARD_PAGES
from services.gateway.views.shapes import ASKING, ErrorBody

operations = Operations("QR cards")

_JOB = Parameter("job_id", "path", "The job_id that the cards were made for")


class CardedBody(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who has a card."""

    student_id: str
    name: str
    class_name: str
    lines: list[str]
    added_at: datetime
    """When it was first printed."""
    card_url: str
    """A page with the card, for showing on a tablet."""


class CardedPageBody(msgspec.Struct, frozen=True, kw_only=True):
    """Everybody who has a card of a job, by student_id."""

    subjects: list[CardedBody]
    next_cursor: str | None
    """Send it as `cursor` for the next page; null on the last."""


class ForgottenBody(msgspec.Struct, frozen=True, kw_only=True):
    """How many are not known any more."""

    subjects: int


@operations.add(
    "GET",
    "/v1/services/studio/qr/jobs/{job_id}/subjects",
    {200: CardedPageBody, 404: ErrorBody, 422: ErrorBody, **ASKING},
    parameters=(
        _JOB,
        Parameter("limit", "query", "Subjects on a page, 1 to 500; 200 if left out", int),
        Parameter("cursor", "query", "The next_cursor of the page before"),
    ),
    scope="qr",
)
async def carded(request: web.Request) -> web.Response:
    """List everybody who has a card of a job, each with a page that shows it."""
    job_id = _reference(request)
    page = await request.app[BUS].request(
        GetPrinted(
            account=request[ACCOUNT],
            job_id=job_id,
            after=request.query.get("cursor"),
            limit=whole_number(request, "limit", 500) or 200,
        )
    )
    pages = request.app[CARD_PAGES]
    subjects = [
        CardedBody(
            student_id=each.student_id,
            name=each.name,
            class_name=each.class_name,
            lines=each.lines,
            added_at=each.added_at,
            card_url=pages.link(request[ACCOUNT], job_id, each.student_id),
        )
        for each in page.subjects
    ]
    return json_response(CardedPageBody(subjects=subjects, next_cursor=page.next_after))


@operations.add(
    "DELETE",
    "/v1/services/studio/qr/jobs/{job_id}",
    {200: ForgottenBody, 404: ErrorBody, **ASKING},
    parameters=(_JOB,),
    scope="qr",
)
async def forget(request: web.Request) -> web.Response:
    """Forget everybody who had cards for a job; printed cards stay what they are."""
    forgotten = await request.app[BUS].request(
        ForgetJob(account=request[ACCOUNT], job_id=_reference(request))
    )
    return json_response(ForgottenBody(subjects=forgotten.subjects))


@operations.add(
    "GET",
    "/cards/{token}",
    {200: None, 404: ErrorBody},
    parameters=(Parameter("token", "path", "From card_url"),),
    secured=False,
)
async def card(request: web.Request) -> web.Response:
    """Show a card on a screen: whoever holds the link sees it, until it expires."""
    named = request.app[CARD_PAGES].read(request.match_info["token"])
    found = await request.app[BUS].request(
        GetCard(account=named.account, job_id=named.job_id, student_id=named.student_id)
    )
    return web.Response(
        text=cardpages.page(found), content_type="text/html", headers=cardpages.HEADERS
    )


def _reference(request: web.Request) -> str:
    try:
        return msgspec.convert(request.match_info["job_id"], Reference)
    except msgspec.ValidationError as error:
        raise NotFound("there is no such job in this account") from error
