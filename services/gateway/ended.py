"""What a job came to, by what was done in it."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import msgspec
from aiohttp import web

from kit.bus import decoder
from proto.agencies import AgencyId, MatchId
from proto.cardreader import KIND as CARD_READ
from proto.facecrop import KIND as FACE_CROP
from proto.ids import JobId
from proto.jobs import GetItems, Item, Job, JobState
from proto.matching.matches import MATCH_KIND, FileMatched
from proto.matching.references import REFERENCE_KIND
from proto.qr import KIND as QR_SHEET
from proto.qr import DrawnSheet, GetSorted, ReasonCount, SortedFile, SortOptions
from services.gateway.identity import ACCOUNT
from services.gateway.portraits import (
    Cropped,
    ErrorOfOne,
    Links,
    ReceiptOfAll,
    of_item,
    receipt_from,
)
from services.gateway.resources import BUS, SETTINGS, STORAGE
from services.gateway.sheets import SheetBody, body_of

_IN_MESSAGE = 200


class ProgressBody(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a job has ended, well or not."""

    current: int
    total: int
    percentage: float
    """0 to 100, one decimal."""


class JobBegunBody(msgspec.Struct, frozen=True, kw_only=True):
    """A batch that goes on by itself; ask `GET /v1/services/studio/jobs/{task_id}`."""

    task_id: JobId
    status: JobState
    total_files: int
    tokens_deducted: int
    wallet_transaction_id: str


def begun_body(job: Job) -> JobBegunBody:
    """Return what is said of a job that has just begun."""
    return JobBegunBody(
        task_id=job.id,
        status="queued",
        total_files=job.total,
        tokens_deducted=job.deducted,
        wallet_transaction_id=job.transaction_id,
    )


class JobBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a job stands."""

    task_id: JobId
    status: JobState
    progress: ProgressBody
    kind: str
    """What is done: face_crop, qr_sheet, card_read, face_match, face_reference."""
    total_files: int
    """Or subjects, of a sheet of cards."""
    succeeded: int
    failed: int
    cancelled: int
    tokens_deducted: int
    tokens_refunded: int | None = None
    """What came back; known once it has ended."""
    wallet_transaction_id: str | None = None
    """Left out where it costs nothing."""
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    receipt: ReceiptOfAll | None = None
    """How alike the portraits came out, over the whole job; of a face crop that has ended."""
    error: ErrorOfOne | None = None
    """Why it failed or was cancelled."""


class CropJobBody(JobBody, frozen=True, kw_only=True, omit_defaults=True):
    """A face crop job that has ended."""

    results: list[Cropped]
    """In the order sent."""
    next_cursor: str | None = None
    """Send it as `cursor` for more results."""


class SheetJobBody(JobBody, frozen=True, kw_only=True, omit_defaults=True):
    """A sheet of cards that has been drawn."""

    results: list[SheetBody]


class SortJobBody(JobBody, frozen=True, kw_only=True, omit_defaults=True):
    """A shoot that has been read and sorted."""

    results: list[SortedFile]
    """In the order sent."""
    next_cursor: str | None = None
    """Send it as `cursor` for more results."""
    people: int
    """Who has photographs."""
    photos: int
    """That belong to somebody."""
    unassigned: int
    reasons: list[ReasonCount]
    """What somebody should look at, how often."""


class MatchTaskBody(JobBody, frozen=True, kw_only=True, omit_defaults=True):
    """A match; its results are at `GET /v1/services/studio/matching/jobs/{match_job_id}/results`.

    A photograph whose faces are of nobody, or need review, has succeeded as well.
    """

    match_job_id: MatchId
    agency_id: AgencyId


class ReferencesTaskBody(JobBody, frozen=True, kw_only=True, omit_defaults=True):
    """References that are built; `GET /v1/services/studio/matching/references` lists problems."""

    agency_id: AgencyId


def body(job: Job) -> JobBody:
    """Return where a job stands."""
    if job.kind == MATCH_KIND:
        match, agency = MatchId(int(job.details["match"])), AgencyId(int(job.details["agency"]))
        return MatchTaskBody(**_facts(job), match_job_id=match, agency_id=agency)
    if job.kind == REFERENCE_KIND:
        return ReferencesTaskBody(**_facts(job), agency_id=AgencyId(int(job.details["agency"])))
    return JobBody(**_facts(job))


async def of_job(request: web.Request, job: Job, start: int, limit: int) -> JobBody:
    """Return what came of a job that has ended: a page of results from the number `start`."""
    if job.kind == FACE_CROP:
        return await _of_crops(request, job, start, limit)
    if job.kind == QR_SHEET:
        return await _of_sheet(request, job)
    if job.kind == CARD_READ:
        return await of_shoot(request, job, start, limit)
    return body(job)


async def of_shoot(request: web.Request, job: Job, start: int, limit: int) -> JobBody:
    """Return what came of a shoot: a page of its photographs from the number `start`."""
    options = msgspec.json.decode(job.details["options"], type=SortOptions)
    files: list[SortedFile] = []
    while True:
        page = await request.app[BUS].request(
            GetSorted(
                account=request[ACCOUNT],
                job=job.id,
                options=options,
                after=files[-1].number if files else start - 1,
                limit=min(_IN_MESSAGE, limit - len(files)),
            ),
            30.0,
        )
        files += page.files
        if not page.more or len(files) >= limit:
            break
    return SortJobBody(
        **_facts(job),
        results=files,
        next_cursor=str(files[-1].number + 1) if page.more else None,
        people=page.people,
        photos=page.photos,
        unassigned=page.unassigned,
        reasons=page.reasons,
    )


async def items(request: web.Request, job: Job, after: int, limit: int) -> tuple[list[Item], bool]:
    """Return items by number, and whether others follow."""
    found: list[Item] = []
    more = True
    while more and len(found) < limit:
        page = await request.app[BUS].request(
            GetItems(
                account=request[ACCOUNT],
                job=job.id,
                after=found[-1].number if found else after,
                limit=min(_IN_MESSAGE, limit - len(found)),
            )
        )
        found += page.items
        more = page.more
    return found, more


async def all_items(request: web.Request, job: Job) -> AsyncIterator[Item]:
    """Yield every item of a job by number."""
    after, more = -1, True
    while more:
        found, more = await items(request, job, after, _IN_MESSAGE)
        for item in found:
            yield item
            after = item.number


async def result_of(
    request: web.Request, job: Job, item: Item
) -> Cropped | SheetBody | FileMatched | None:
    """Return what came of one item, where that can be said of one."""
    if job.kind == FACE_CROP:
        return await of_item(links(request), job, item)
    if item.result is None:
        return None
    if job.kind == QR_SHEET:
        return await body_of(links(request), decoder(DrawnSheet).decode(item.result))
    if job.kind == MATCH_KIND:
        matched: FileMatched = decoder(FileMatched).decode(item.result)
        return matched
    return None


def links(request: web.Request) -> Links:
    """Return what makes the links of an answer."""
    return Links(request.app[STORAGE], request.app[SETTINGS].link_seconds)


def progress(ended: int, total: int) -> ProgressBody:
    """Return how far a job is."""
    percentage = round(100 * ended / total, 1) if total else 100.0
    return ProgressBody(current=ended, total=total, percentage=percentage)


async def _of_crops(request: web.Request, job: Job, start: int, limit: int) -> CropJobBody:
    found, more = await items(request, job, start - 1, limit)
    to = links(request)
    return CropJobBody(
        **_facts(job),
        results=[result for item in found if (result := await of_item(to, job, item))],
        # the number of the item that comes next
        next_cursor=str(found[-1].number + 1) if more else None,
    )


async def _of_sheet(request: web.Request, job: Job) -> JobBody:
    (item,), _ = await items(request, job, -1, 1)
    if item.result is None:
        return body(job)
    sheet = await body_of(links(request), decoder(DrawnSheet).decode(item.result))
    return SheetJobBody(**_facts(job), results=[sheet])


def _facts(job: Job) -> dict[str, Any]:
    return {
        "task_id": job.id,
        "status": job.state,
        "progress": progress(job.ended, job.total),
        "kind": job.kind,
        "total_files": job.total,
        "succeeded": job.succeeded,
        "failed": job.failed,
        "cancelled": job.cancelled,
        "tokens_deducted": job.deducted,
        "tokens_refunded": job.deducted - job.consumed if job.closed else None,
        "wallet_transaction_id": job.transaction_id if job.hold else None,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "ended_at": job.closed_at,
        "receipt": receipt_from(job.measures) if job.closed else None,
        "error": ErrorOfOne(code=job.code, message=job.message) if job.code else None,
    }
