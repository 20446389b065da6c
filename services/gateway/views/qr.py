"""QR cards over HTTP, as the Printcart Studio dialect has it, and cards printed again."""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID, uuid4

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.accounts import Caller
from proto.cardreader import Logo, ReadLogo
from proto.errors import NotAuthenticated, Unavailable
from proto.ids import JobId, Moment, StorageKey
from proto.jobs import JobState
from proto.qr import (
    MOST_EXTRAS,
    MOST_GROUPS,
    MOST_SUBJECTS,
    GetPrinted,
    Layout,
    Line,
    Paper,
    Printed,
    Reference,
    StudentId,
    Subject,
    SymbolKind,
    Wishes,
)
from proto.wallet import GetBalance
from services.gateway.batches import BEGIN_SECONDS
from services.gateway.idempotency import once
from services.gateway.identity import ACCOUNT, CALLER
from services.gateway.operations import Operations, read_json, read_long_json
from services.gateway.orders import order
from services.gateway.photos import Url
from services.gateway.portraits import Links
from services.gateway.problems import Problem, json_response
from services.gateway.resources import (
    BUS,
    OUTBOUND,
    SETTINGS,
    STORAGE,
)
from services.gateway.sheets import (
    DRAWING_SECONDS,
    OPERATION,
    Drawing,
    PremiumRequired,
    Roster,
    SheetBody,
    begin_job,
    body_of,
    draw,
    must_have_premium,
)
from services.gateway.views.shapes import (
    ERROR_ANSWERS,
    ErrorBody,
    InsufficientTokensBody,
    SpendCapBody,
)

operations = Operations("QR cards")

_LOGO_SECONDS = 30.0
_READER = "cardreader"


class SheetOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a sheet shall look."""

    school_name: Line = ""
    layout: Layout = "4up"
    """`single` and `9up` take the plan Premium or a higher one."""
    logo_url: Url | None = None
    """A picture, http or https on a public address; takes the plan Premium or a higher one."""
    paper: Paper = "a4"
    symbol: SymbolKind = "qr"
    sort_by: Annotated[str, Meta(pattern="^(given|class|name)$(?!\n)")] = "class"
    dividers: bool = False
    """A page with the name of the class before its first card."""
    page_break_per_class: bool = False
    group_cards: bool = False
    """A card for each class, before its subjects; free."""
    groups: Annotated[list[Line], Meta(max_length=MOST_GROUPS)] = []
    """Further group cards, for teams and staff; free."""
    extra_cards: Annotated[int, Meta(ge=0, le=MOST_EXTRAS)] = 0
    """Blank cards for people who are not on the list; free."""
    name_in_code: bool = False
    """Whether the code holds the name too; otherwise it holds the student_id alone."""
    language: Annotated[
        str, Meta(max_length=20, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$(?!\n)")
    ] = "en"


class GenerateBody(SheetOptions, frozen=True, kw_only=True):
    """A roster to make cards of."""

    job_id: Reference
    """Your own reference."""
    subjects: Annotated[list[Subject], Meta(min_length=1, max_length=MOST_SUBJECTS)]


class ReprintBody(SheetOptions, frozen=True, kw_only=True):
    """Whose cards to print again: those named, or those added since a moment."""

    job_id: Reference
    student_ids: Annotated[list[StudentId], Meta(min_length=1, max_length=MOST_SUBJECTS)] | None = (
        None
    )
    added_since: Moment | None = None


class GeneratedBody(SheetBody, frozen=True, kw_only=True):
    """A finished sheet, and what it cost."""

    tokens_deducted: int
    wallet_transaction_id: str


class SheetBegunBody(msgspec.Struct, frozen=True, kw_only=True):
    """A large sheet that is drawn as a job; ask `GET /v1/services/studio/jobs/{task_id}`."""

    task_id: JobId
    status: JobState
    job_id: str
    total_subjects: int
    tokens_deducted: int
    wallet_transaction_id: str


class PremiumBody(msgspec.Struct, frozen=True, kw_only=True):
    """The plan does not bring this layout, or logos."""

    error: str
    balance: int
    shortfall: int
    top_up_url: str
    reason: str
    """One sentence for a person."""


ANSWERS = {
    200: GeneratedBody,
    202: SheetBegunBody,
    402: (InsufficientTokensBody, SpendCapBody, PremiumBody),
    409: ErrorBody,
    **ERROR_ANSWERS,
}


@operations.add(
    "POST",
    "/v1/services/studio/qr/generate",
    ANSWERS,
    body=GenerateBody,
    scope="qr",
    charges=True,
)
async def generate(request: web.Request) -> web.Response:
    """Make a printable PDF of cards, one for each subject."""
    body, sent = await read_long_json(
        request, GenerateBody, request.app[SETTINGS].max_url_list_bytes
    )
    return await _charged(request, sent, body.job_id, body.subjects, body)


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
    found = await _printed(request, body)
    missing = set(body.student_ids or ()) - {each.student_id for each in found}
    if missing or not found:
        whom = f"{sorted(missing)[0]} has" if missing else "nobody of these has"
        raise Problem(404, "NOT_FOUND", f"{whom} no card of this job")
    subjects = [
        Subject(
            student_id=each.student_id,
            name=each.name,
            class_name=each.class_name,
            lines=each.lines,
        )
        for each in found[:MOST_SUBJECTS]
    ]
    return await _charged(request, sent, body.job_id, subjects, body)


async def _charged(
    request: web.Request,
    sent: bytes,
    job_id: str,
    subjects: Sequence[Subject],
    options: SheetOptions,
) -> web.Response:
    caller: Caller = request[CALLER]
    app = request.app
    try:
        must_have_premium(caller, options.layout, options.logo_url)
    except PremiumRequired as error:
        return await _premium(request, str(error))
    small = len(subjects) <= app[SETTINGS].sync_subjects
    seconds = DRAWING_SECONDS if small else BEGIN_SECONDS

    async def work(call: UUID | None) -> web.Response:
        asked = order(request, OPERATION, len(subjects), seconds, call)
        wishes = await _wishes(request, options)
        roster = Roster(job_id=job_id, subjects=subjects, wishes=wishes)
        if small:
            return await _drawn(request, await draw(app, caller, roster, asked))
        job = (await begin_job(app, caller, roster, asked)).job
        body = SheetBegunBody(
            task_id=job.id,
            status="queued",
            job_id=job_id,
            total_subjects=job.total,
            tokens_deducted=job.deducted,
            wallet_transaction_id=job.transaction_id,
        )
        return json_response(body, 202)

    _must_differ(subjects)
    return await once(request, sent, seconds, work)


async def _wishes(request: web.Request, options: SheetOptions) -> Wishes:
    logo = await _logo(request, options.logo_url) if options.logo_url else None
    told: dict[str, Any] = msgspec.structs.asdict(options)
    names = {each.name for each in msgspec.structs.fields(Wishes)}
    shared = {name: value for name, value in told.items() if name in names}
    return msgspec.convert({**shared, "extras": options.extra_cards, "logo": logo}, Wishes)


async def _logo(request: web.Request, url: str) -> StorageKey:
    """Return a logo that is safe to print. Raises Problem when it is none."""
    account, outbound = request[ACCOUNT], request.app[OUTBOUND]
    ask = ReadLogo(
        account=account, url=url, output=StorageKey(f"outputs/{account}/{uuid4()}/logo.png")
    )
    try:
        read = await request.app[BUS].request(ask, _LOGO_SECONDS, await outbound.key(_READER))
    except NotAuthenticated as error:
        # it is our key that the engine does not take, not the caller's
        outbound.forget(_READER)
        raise Unavailable("the card reader does not take our key") from error
    if not isinstance(read, Logo):
        raise Problem(400, "LOGO_UNUSABLE", f"the logo cannot be used: {read.message}")
    return read.key


async def _drawn(request: web.Request, drawing: Drawing) -> web.Response:
    links = Links(request.app[STORAGE], request.app[SETTINGS].link_seconds)
    sheet = await body_of(links, drawing.sheet)
    body = GeneratedBody(
        **msgspec.structs.asdict(sheet),
        tokens_deducted=drawing.deducted,
        wallet_transaction_id=drawing.transaction_id,
    )
    return json_response(body)


async def _premium(request: web.Request, reason: str) -> web.Response:
    balance = await request.app[BUS].request(GetBalance(account=request[ACCOUNT]))
    body = PremiumBody(
        error="PREMIUM_REQUIRED",
        balance=balance.available,
        shortfall=0,
        top_up_url=request.app[SETTINGS].top_up_url,
        reason=reason,
    )
    return json_response(body, 402)


async def _printed(request: web.Request, body: ReprintBody) -> list[Printed]:
    found: list[Printed] = []
    ids = body.student_ids
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


def _must_differ(subjects: Sequence[Subject]) -> None:
    seen: set[str] = set()
    for subject in subjects:
        if subject.student_id in seen:
            sentence = f"the student_id {subject.student_id} stands in the roster twice"
            raise Problem(422, "DUPLICATE_STUDENT_ID", sentence)
        seen.add(subject.student_id)
