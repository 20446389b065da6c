"""Jobs over HTTP: where a batch stands, its results, its events, its files in one archive."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Literal, get_args

import msgspec
from aiohttp import web

from proto.accounts.calling import Caller
from proto.accounts.words import Scope
from proto.agencies import MatchId
from proto.cardreader import KIND as CARD_READ
from proto.errors import NotAllowed, NotFound, Unavailable
from proto.facecrop import KIND as FACE_CROP
from proto.ids import JobId
from proto.jobs import CancelJob, GetEnded, GetJob, GetJobs, Item, Job
from proto.matching.agencies import NoteAccess
from proto.matching.matches import MATCH_KIND, GetMatch
from proto.matching.references import REFERENCE_KIND
from proto.qr import KIND as QR_SHEET
from services.gateway import archives, downloads
from services.gateway.ended import (
    CropJobBody,
    JobBody,
    MatchTaskBody,
    ReferencesTaskBody,
    SheetJobBody,
    SortJobBody,
    all_items,
    body,
    of_job,
    progress,
    result_of,
)
from services.gateway.identity import ACCOUNT, CALLER
from services.gateway.operations import Media, Operations, Parameter
from services.gateway.problems import Problem, broken_off, json_response
from services.gateway.queries import identifier, whole_number
from services.gateway.resources import BUS, STORAGE, STREAMS
from services.gateway.streaming import Stream
from services.gateway.views.shapes import ASKING, ErrorBody
from services.gateway.whose import asking
from services.gateway.yearbookjobs import still_there

operations = Operations("Jobs")

_SCOPES: tuple[Scope, ...] = ("jobs", "facecrop", "qr", "matching")
_SCOPE_OF: dict[str, Scope] = {
    FACE_CROP: "facecrop",
    QR_SHEET: "qr",
    CARD_READ: "qr",
    MATCH_KIND: "matching",
    REFERENCE_KIND: "matching",
}
"""Which scope begins jobs of a kind."""
_TASK = Parameter("task_id", "path", "The task_id of the answer that began the job")
_ANSWERS = {404: ErrorBody, **ASKING}
_MOST_JOBS = 200
_MOST_RESULTS = 1000
_RESULTS = 500
"""On a page, unless asked for another number."""
_IN_MESSAGE = 200
_RETRY_MS = 2000
_BODIES = (JobBody, CropJobBody, SheetJobBody, SortJobBody, MatchTaskBody, ReferencesTaskBody)

Status = Literal["queued", "running", "completed", "failed", "cancelled"]


class JobsBody(msgspec.Struct, frozen=True, kw_only=True):
    """A page of jobs, newest first."""

    jobs: list[JobBody]
    next_cursor: str | None
    """Send it as `cursor` for the next page; null on the last."""


@operations.add(
    "GET",
    "/v1/services/studio/jobs",
    {200: JobsBody, 422: ErrorBody, **ASKING},
    parameters=(
        Parameter("limit", "query", f"Jobs on a page, 1 to {_MOST_JOBS}; 50 if left out", int),
        Parameter("cursor", "query", "The next_cursor of the page before"),
        Parameter("status", "query", "Only jobs that stand so", Status),  # type: ignore[arg-type] # msgspec describes it
    ),
    scope=_SCOPES,
)
async def jobs(request: web.Request) -> web.Response:
    """List the account's jobs, newest first."""
    page = await request.app[BUS].request(
        GetJobs(
            account=request[ACCOUNT],
            limit=whole_number(request, "limit", _MOST_JOBS) or 50,
            before=whole_number(request, "cursor", 2**62),
            state=_status(request),
        )
    )
    cursor = None if page.next_before is None else str(page.next_before)
    return json_response(
        JobsBody(
            jobs=[body(job) for job in page.jobs if _may_see(request, job)], next_cursor=cursor
        )
    )


@operations.add(
    "GET",
    "/v1/services/studio/jobs/{task_id}",
    {200: _BODIES, 422: ErrorBody, **_ANSWERS},
    parameters=(
        _TASK,
        Parameter(
            "limit",
            "query",
            f"Results on a page, 1 to {_MOST_RESULTS}; {_RESULTS} if left out",
            int,
        ),
        Parameter("cursor", "query", "The next_cursor of the page before"),
    ),
    scope=_SCOPES,
)
async def job(request: web.Request) -> web.Response:
    """Say where a job stands; once it has ended, with its results, a page at a time."""
    limit = whole_number(request, "limit", _MOST_RESULTS) or _RESULTS
    cursor = whole_number(request, "cursor", 2**31 - 1)
    found = await _job(request)
    if not found.closed:
        return json_response(body(found))
    if _has_portraits(found):
        await _note_portraits(request, found, "portraits_viewed", once_an_hour=True)
    return json_response(await of_job(request, found, cursor or 0, limit))


@operations.add(
    "DELETE",
    "/v1/services/studio/jobs/{task_id}",
    {200: JobBody, 409: ErrorBody, **_ANSWERS},
    parameters=(_TASK,),
    scope=_SCOPES,
)
async def cancel(request: web.Request) -> web.Response:
    """Cancel a job: what has not been begun is released and its tokens come back.

    Photos that are being worked on are finished and charged.
    """
    before = await _job(request)
    if before.closed and before.state != "cancelled":
        raise Problem(409, "JOB_ENDED", f"this job has {before.state} already")
    ask = CancelJob(account=request[ACCOUNT], job=before.id)
    return json_response(body(await request.app[BUS].request(ask, 10.0)))


@operations.add(
    "GET",
    "/v1/services/studio/jobs/{task_id}/events",
    {200: Media("text/event-stream"), 204: None, 422: ErrorBody, **_ANSWERS},
    parameters=(
        _TASK,
        Parameter("Last-Event-ID", "header", "The last event that was heard; those after it come"),
        Parameter("last_event_id", "query", "The same, for clients that cannot send the header"),
    ),
    scope=_SCOPES,
)
async def events(request: web.Request) -> web.StreamResponse:
    """Follow a job by server-sent events until it has ended.

    `progress` tells where it stands when the stream begins. `item` tells of each photo that has
    ended, once, in the order in which they ended, with its result; its id is its place in that
    order. `completed`, `failed` or `cancelled` comes last. A client that comes back with the id it
    heard last hears everything after that; one that has heard the end is answered 204.
    """
    heard = _last_event(request)
    found = await _job(request)
    if heard > found.total:
        return web.Response(status=204)
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
            "X-Request-Id": request["request_id"],
        }
    )
    if request.method == "HEAD":
        return response
    if _has_portraits(found):
        await _note_portraits(request, found, "portraits_viewed", once_an_hour=True)
    async with request.app[STREAMS].of(request[ACCOUNT], found.id) as stream:
        await response.prepare(request)
        async with broken_off(request):
            await response.write(
                f"retry: {_RETRY_MS}\n\n".encode() + _event("progress", None, body(found))
            )
            await _follow(request, response, stream, heard)
            await response.write_eof()
        return response


@operations.add(
    "GET",
    "/v1/services/studio/jobs/{task_id}/archive",
    {200: Media("application/zip"), 409: ErrorBody, **_ANSWERS},
    parameters=(_TASK,),
    scope=_SCOPES,
)
async def archive(request: web.Request) -> web.StreamResponse:
    """Download everything that a job made as one ZIP, with a receipt of it as CSV and as JSON."""
    found = await _job(request)
    if found.kind != FACE_CROP:
        raise Problem(409, "NO_ARCHIVE", "only the files of face crop jobs come as an archive")
    if not found.closed:
        raise Problem(409, "JOB_NOT_ENDED", "the archive is there once the job has ended")
    storage, items = request.app[STORAGE], all_items(request, found)
    if _has_portraits(found):
        await _note_portraits(request, found, "portraits_downloaded")
        # of a yearbook: some may have been erased since, with whom they show
        items = still_there(storage, items)
    pieces = archives.of_portraits(storage, body(found), items)
    return await downloads.send(request, pieces, "application/zip", f"{found.id}.zip")


def _has_portraits(job: Job) -> bool:
    """Whether it cuts the portraits of a yearbook."""
    return job.kind == FACE_CROP and "match" in job.details


async def _note_portraits(
    request: web.Request, job: Job, action: str, *, once_an_hour: bool = False
) -> None:
    """Write down who is shown the portraits of a match, or takes them along.

    Comes before that: they are called by the match's people.
    """
    if request.method == "HEAD":
        return
    # of a match that was erased since there is no agency to note it for
    with suppress(NotFound):
        bus, match = request.app[BUS], MatchId(int(job.details["match"]))
        agency = (await bus.request(GetMatch(**asking(request), match=match))).agency
        details = {"match": str(match), "task": str(job.id)}
        note = NoteAccess(
            **asking(request),
            agency=agency,
            action=action,
            details=details,
            once_an_hour=once_an_hour,
        )
        await bus.request(note)


async def _follow(
    request: web.Request, response: web.StreamResponse, stream: Stream, heard: int
) -> None:
    """Tell what happens, until the job has ended or the gateway stops."""
    go_on = True
    while go_on:
        # while the job book starts again, the client need not
        with suppress(Unavailable):
            # the job is asked for first: if it had closed by then, all its items had ended
            found = await _job(request)
            async for item in _ended(request, found, heard):
                heard = item.order or heard
                await response.write(await _item_event(request, found, item))
            if found.closed:
                await response.write(_event(found.state, found.total + 1, body(found)))
                return
        go_on = await stream.wait()
        # a comment: it keeps the connection, and tells whether the client is still there
        await response.write(b": \n\n")


async def _job(request: web.Request) -> Job:
    """Return the job in the path. Raises NotFound, also for another account's."""
    task = JobId(identifier(request, "task_id", "job"))
    found = await request.app[BUS].request(GetJob(account=request[ACCOUNT], job=task))
    if not _may_see(request, found):
        raise NotAllowed("this API key lacks the scope for such a job")
    return found


def _may_see(request: web.Request, job: Job) -> bool:
    """Whether the caller may see such a job: a key that may begin them, or see all."""
    caller: Caller = request[CALLER]
    enough = {"jobs", _SCOPE_OF.get(job.kind)}
    if "match" in job.details:  # the portraits of a yearbook, too
        enough.add("matching")
    return caller.scopes is None or bool(enough & set(caller.scopes))


async def _ended(request: web.Request, job: Job, heard: int) -> AsyncIterator[Item]:
    """Yield the items that ended after so many others."""
    more = True
    while more:
        page = await request.app[BUS].request(
            GetEnded(account=request[ACCOUNT], job=job.id, after=heard, limit=_IN_MESSAGE)
        )
        more = page.more
        for item in page.items:
            yield item
            heard = item.order or heard


async def _item_event(request: web.Request, job: Job, item: Item) -> bytes:
    data = {
        "number": item.number,
        "status": item.state,
        "progress": progress(item.order or 0, job.total),
        "result": await result_of(request, job, item),
    }
    return _event("item", item.order, data)


def _event(name: str, number: int | None, data: Any) -> bytes:  # noqa: ANN401 - any encodable value
    identified = f"id: {number}\n" if number is not None else ""
    return f"event: {name}\n{identified}data: ".encode() + msgspec.json.encode(data) + b"\n\n"


def _last_event(request: web.Request) -> int:
    text = request.headers.get("Last-Event-ID") or request.query.get("last_event_id") or "0"
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        sentence = "Last-Event-ID must be the id of an event of this job"
        raise Problem(422, "INVALID_REQUEST", sentence)
    return int(text)


def _status(request: web.Request) -> Status | None:
    text = request.query.get("status")
    for status in get_args(Status):
        if text == status:
            return status  # type: ignore[no-any-return] # one of the literals
    if text is None:
        return None
    sentence = f"status must be one of {', '.join(get_args(Status))}"
    raise Problem(422, "INVALID_REQUEST", sentence)
