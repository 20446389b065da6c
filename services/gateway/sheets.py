"""Sheets of cards: hand the subjects to the service that draws, at once or as a job, and charge."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

import msgspec
from aiohttp import web

from kit.bus import Bus
from proto.accounts.calling import Caller
from proto.errors import DeadlineExceeded
from proto.ids import StorageKey
from proto.jobs import NewItem
from proto.qr import (
    KIND,
    MOST_ADDED,
    AddSubjects,
    BeginSheet,
    DrawnSheet,
    DrawSheet,
    Layout,
    Subject,
    Wishes,
)
from services.gateway.batches import Batch, Begun, begin
from services.gateway.billing import Order
from services.gateway.paging import parts
from services.gateway.portraits import Links
from services.gateway.resources import BILLING, BUS

OPERATION = "qr_card"
"""As the price book names it."""

DRAWING_SECONDS = 60.0
_ASK_SECONDS = 15.0
"""After which whoever was asked may be gone: 200 cards take less than a second."""
_MOST_BYTES = 400_000
"""Of subjects in one message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """What is to be drawn."""

    job_id: str
    subjects: Sequence[Subject]
    wishes: Wishes


@dataclass(frozen=True, slots=True)
class Drawing:
    """A sheet that was drawn and paid for."""

    sheet: DrawnSheet
    deducted: int
    transaction_id: str


class PremiumRequired(Exception):
    """The account's plan does not bring these layouts or logos."""


def must_have_premium(caller: Caller, layout: Layout, logo_url: str | None) -> None:
    """Raise PremiumRequired for what only some plans bring."""
    if "premium_layouts" in caller.plan.features:
        return
    if layout != "4up":
        raise PremiumRequired(f"the layout {layout} takes the plan Premium or a higher one")
    if logo_url:
        raise PremiumRequired("a logo takes the plan Premium or a higher one")


async def draw(app: web.Application, caller: Caller, roster: Roster, order: Order) -> Drawing:
    """Draw a sheet while the caller waits; what cannot be drawn is not charged."""
    request = _to_draw(caller)
    async with app[BILLING].charge(caller, order) as charge:
        await _hand_over(app[BUS], request, roster)
        sheet = await _drawn(app[BUS], request, order.work_seconds)
        charge.consumed = charge.hold.reserved
    return Drawing(sheet, charge.hold.reserved, charge.hold.transaction_id)


async def begin_job(app: web.Application, caller: Caller, roster: Roster, order: Order) -> Begun:
    """Draw a sheet as a job."""
    request = _to_draw(caller)
    item = NewItem(
        number=0,
        name=roster.job_id,
        work=msgspec.msgpack.encode(request),
        units=len(roster.subjects),
    )
    batch = Batch(
        kind=KIND,
        items=[item],
        details={"job_id": roster.job_id, "operation": order.operation},
        outputs=request.outputs,
        hand_over=partial(_hand_over, app[BUS], request, roster),
    )
    return await begin(app, caller, order, batch)


def _to_draw(caller: Caller) -> DrawSheet:
    sheet = uuid4()
    outputs = StorageKey(f"outputs/{caller.account}/{sheet}")
    return DrawSheet(account=caller.account, sheet=sheet, outputs=outputs)


async def _hand_over(bus: Bus, request: DrawSheet, roster: Roster) -> None:
    """Give the service that draws what a sheet is made of."""
    account, sheet = request.account, request.sheet
    await bus.request(
        BeginSheet(account=account, sheet=sheet, job_id=roster.job_id, wishes=roster.wishes)
    )
    for number, part in enumerate(_parts(roster.subjects)):
        await bus.request(AddSubjects(account=account, sheet=sheet, part=number, subjects=part))


async def _drawn(bus: Bus, request: DrawSheet, seconds: float) -> DrawnSheet:
    """Let a sheet be drawn, asking again where no answer comes: it is drawn once all the same."""
    give_up = asyncio.get_running_loop().time() + seconds
    while True:
        left = give_up - asyncio.get_running_loop().time()
        try:
            return await bus.request(request, min(_ASK_SECONDS, left))
        except DeadlineExceeded:
            if left <= _ASK_SECONDS:
                raise


def _parts(subjects: Sequence[Subject]) -> list[list[Subject]]:
    """Cut subjects into lists that fit into messages."""
    return parts(
        subjects,
        lambda subject: len(msgspec.msgpack.encode(subject)),
        most=MOST_ADDED,
        most_bytes=_MOST_BYTES,
    )


class SheetBody(msgspec.Struct, frozen=True, kw_only=True):
    """A finished sheet."""

    job_id: str
    total_subjects: int
    pdf_url: str
    preview_url: str
    """The first page as PNG."""
    pages: int
    missing_glyphs: list[dict[str, str]]
    """Characters that no font here has, by student_id, at most 100; they are not printed."""


async def body_of(links: Links, sheet: DrawnSheet) -> SheetBody:
    """Return a sheet as clients see it."""
    return SheetBody(
        job_id=sheet.job_id,
        total_subjects=sheet.subjects,
        pdf_url=await links.to(sheet.pdf),
        preview_url=await links.to(sheet.preview),
        pages=sheet.pages,
        missing_glyphs=[
            {"student_id": missing.student_id, "characters": missing.characters}
            for missing in sheet.missing
        ],
    )
