"""QR cards over HTTP, as the Printcart Studio dialect has it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Annotated, Any
from uuid import UUID, uuid4

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.accounts.calling import Caller
from proto.cardreader import Logo, ReadLogo
from proto.errors import NotAuthenticated, Unavailable
from proto.ids import JobId, StorageKey
from proto.jobs import JobState
from proto.qr import (
    MOST_EXTRAS,
    MOST_GROUPS,
    MOST_SUBJECTS,
    Layout,
    Line,
    Paper,
    Reference,
    Subject,
    SymbolKind,
    Wishes,
)
from proto.wallet import GetBalance
from services.gateway.batches import BEGIN_SECONDS, PerhapsBegun
from services.gateway.idempotency import Work, once
from services.gateway.identity import ACCOUNT, CALLER
from services.gateway.operations import Operations, read_long_json
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
_LONGEST_SECONDS = max(DRAWING_SECONDS, BEGIN_SECONDS) + _LOGO_SECONDS
_READER = "cardreader"


class SheetOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a sheet shall look, whatever its cards are."""

    layout: Layout = "4up"
    """`single` and `9up` take the plan Premium or a higher one."""
    logo_url: Url | None = None
    """A picture, http or https on a public address; takes the plan Premium or a higher one."""
    paper: Paper = "a4"
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
    language: Annotated[
        str, Meta(max_length=20, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$(?!\n)")
    ] = "en"


class GenerateBody(SheetOptions, frozen=True, kw_only=True):
    """A roster to make cards of."""

    job_id: Reference
    """Your own reference."""
    school_name: Line = ""
    symbol: SymbolKind = "qr"
    name_in_code: bool = False
    """Whether the code holds the name too; otherwise it holds the student_id alone."""
    subjects: Annotated[list[Subject], Meta(min_length=1, max_length=MOST_SUBJECTS)]


@dataclass(frozen=True, slots=True)
class CardLook:
    """What a card shows besides its subject."""

    school_name: str
    symbol: SymbolKind
    name_in_code: bool


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet to be made."""

    job_id: str
    subjects: Sequence[Subject]
    look: CardLook
    options: SheetOptions


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
    _must_differ(body.subjects)

    async def work(call: UUID | None) -> web.Response:
        look = CardLook(body.school_name, body.symbol, body.name_in_code)
        return await made(request, call, Sheet(body.job_id, body.subjects, look, body))

    return await charged_once(request, sent, body, work)


async def charged_once(
    request: web.Request, sent: bytes, options: SheetOptions, work: Work
) -> web.Response:
    """Do the work under the request's key, unless its plan does not bring what is asked for."""
    try:
        must_have_premium(request[CALLER], options.layout, options.logo_url)
    except PremiumRequired as error:
        return await _premium(request, str(error))
    return await once(request, sent, _LONGEST_SECONDS, work)


async def made(request: web.Request, call: UUID | None, sheet: Sheet) -> web.Response:
    """Draw a sheet while the caller waits, or begin a job that does."""
    caller: Caller = request[CALLER]
    app = request.app
    small = len(sheet.subjects) <= app[SETTINGS].sync_subjects
    seconds = DRAWING_SECONDS if small else BEGIN_SECONDS
    asked = order(request, OPERATION, len(sheet.subjects), seconds, call)
    async with _logo_of(request, sheet.options) as logo:
        roster = Roster(job_id=sheet.job_id, subjects=sheet.subjects, wishes=_wishes(sheet, logo))
        if small:
            return await _drawn(request, await draw(app, caller, roster, asked))
        job = (await begin_job(app, caller, roster, asked)).job
    body = SheetBegunBody(
        task_id=job.id,
        status="queued",
        job_id=sheet.job_id,
        total_subjects=job.total,
        tokens_deducted=job.deducted,
        wallet_transaction_id=job.transaction_id,
    )
    return json_response(body, 202)


def _wishes(sheet: Sheet, logo: StorageKey | None) -> Wishes:
    told: dict[str, Any] = msgspec.structs.asdict(sheet.options) | asdict(sheet.look)
    names = {each.name for each in msgspec.structs.fields(Wishes)}
    shared = {name: value for name, value in told.items() if name in names}
    return msgspec.convert({**shared, "extras": sheet.options.extra_cards, "logo": logo}, Wishes)


@asynccontextmanager
async def _logo_of(request: web.Request, options: SheetOptions) -> AsyncIterator[StorageKey | None]:
    """Read the logo for a sheet, and remove it again if no sheet comes of it."""
    logo = await _logo(request, options.logo_url) if options.logo_url else None
    try:
        yield logo
    except PerhapsBegun as error:
        raise Unavailable(str(error)) from error
    except BaseException:
        if logo is not None:
            await request.app[STORAGE].delete_folder(StorageKey(logo.rpartition("/")[0]))
        raise


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


def _must_differ(subjects: Sequence[Subject]) -> None:
    seen: set[str] = set()
    for subject in subjects:
        if subject.student_id in seen:
            sentence = f"the student_id {subject.student_id} stands in the roster twice"
            raise Problem(422, "DUPLICATE_STUDENT_ID", sentence)
        seen.add(subject.student_id)
