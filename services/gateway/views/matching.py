"""AI Face Matching over HTTP, as the Printcart Studio dialect has it: match jobs."""

import hashlib
from datetime import datetime
from functools import partial
from typing import Annotated
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.agencies import AgencyId, FileId, MatchId, ShootId
from proto.ids import JobId
from proto.jobs import CancelJob
from proto.matching.agencies import GetAgency
from proto.matching.matches import GetMatch, GetMatches, Match, MatchOptions, MatchState, Threshold
from proto.qr import Line
from services.gateway import misspelt
from services.gateway.batches import BEGIN_SECONDS
from services.gateway.ended import ProgressBody, progress
from services.gateway.idempotency import once
from services.gateway.identity import ACCOUNT
from services.gateway.matching import Wish, begin_match
from services.gateway.operations import Operations, Parameter, read_json
from services.gateway.problems import Problem, json_response
from services.gateway.queries import HIGHEST_NUMBER, number_in_query, whole_number
from services.gateway.resources import BUS
from services.gateway.views.shapes import (
    ASKING,
    ERROR_ANSWERS,
    ErrorBody,
    InsufficientTokensBody,
    SpendCapBody,
)
from services.gateway.whose import asking, of_match

operations = Operations("AI Face Matching")

MATCH = (Parameter("match_job_id", "path", "The match_job_id of the answer that began it", int),)

MOST_FILES = 10_000
"""In one match job."""
_MOST_MATCHES = 200
_ANSWERS = {404: ErrorBody, **ASKING}


class MatchJobBody(msgspec.Struct, frozen=True, kw_only=True):
    """Which photographs to match, all of a job or some, and by what."""

    agency_id: AgencyId
    job_id: ShootId | None = None
    """All photographs of this job."""
    file_ids: Annotated[list[FileId], Meta(max_length=MOST_FILES)] | None = None
    """Or these photographs of the agency; one that is named twice is matched and paid for once."""
    threshold: Threshold = 0.85
    """The score, on the scale of 0 to 1, from which a face is taken for somebody's."""
    class_name: Line | None = None
    """Only subjects of this class are looked for."""
    sort_task_id: UUID | None = None
    """A qr/sort of these files (`files_of_job`): what their cards say is set against the faces.
    Required for an agency of mode `cards`, whose matches cost nothing."""
    bursts: bool = False
    """Whether photographs that one camera took within seconds speak for each other."""


class MatchBegunBody(msgspec.Struct, frozen=True, kw_only=True):
    """A match that goes on by itself; `GET /v1/services/studio/matching/jobs/{id}` says how far."""

    match_job_id: MatchId
    task_id: JobId
    total_files: int
    tokens_deducted: int
    wallet_transaction_id: str | None
    """null where it costs nothing."""


class PhasesBody(msgspec.Struct, frozen=True, kw_only=True):
    """How far each step is."""

    matching: ProgressBody
    """Of all photographs."""
    review: ProgressBody
    """Of the photographs that somebody decided on, or should."""


class MatchOptionsBody(msgspec.Struct, frozen=True, kw_only=True):
    """What a match goes by besides faces."""

    class_name: str | None
    sort_task_id: UUID | None
    bursts: bool


class MatchBody(msgspec.Struct, frozen=True, kw_only=True):
    """How a match stands; counts are of photographs."""

    id: MatchId
    status: MatchState
    total_files: int
    matched: int
    needs_review: int
    unmatched: int
    failed: int
    """That could not be read; their tokens came back."""
    progress: ProgressBody
    phases: PhasesBody
    reviewed: int
    """That somebody decided on."""
    faces: int
    """Seen in all photographs."""
    agency_id: AgencyId
    job_id: ShootId | None
    """null for a match of single files."""
    task_id: JobId | None
    """For what it costs, and its events: `GET /v1/services/studio/jobs/{task_id}`."""
    threshold: float
    options: MatchOptionsBody
    created_at: datetime
    ended_at: datetime | None


class MatchesBody(msgspec.Struct, frozen=True, kw_only=True):
    """A page of matches, newest first."""

    jobs: list[MatchBody]
    next_cursor: str | None
    """Send it as `cursor` for the next page; null on the last."""


@operations.add(
    "POST",
    "/v1/services/studio/matching/match-job",
    {
        200: MatchBegunBody,
        402: (InsufficientTokensBody, SpendCapBody),
        404: ErrorBody,
        409: ErrorBody,
        **ERROR_ANSWERS,
    },
    body=MatchJobBody,
    scope="matching",
    charges=True,
)
async def match_job(request: web.Request) -> web.Response:
    """Match photographs to the subjects of an agency, 6 tokens each; failed ones are refunded.

    400 NO_REFERENCES until references were built, 409 REFERENCES_STALE after the embedder was
    replaced, 409 MATCH_RUNNING while the job is being matched already.
    """
    body = await read_json(request, MatchJobBody, partial(misspelt.check, kind=MatchJobBody))
    sent = hashlib.sha256(await request.read()).digest()
    if (body.job_id is None) == (body.file_ids is None):
        raise Problem(422, "INVALID_REQUEST", "send either job_id or file_ids")
    if body.file_ids is not None and not body.file_ids:
        raise Problem(422, "INVALID_REQUEST", "send at least one of file_ids")
    wish = Wish(
        agency=body.agency_id,
        shoot=body.job_id,
        files=None if body.file_ids is None else list(dict.fromkeys(body.file_ids)),
        threshold=body.threshold,
        options=MatchOptions(
            class_name=body.class_name,
            sort_job=None if body.sort_task_id is None else JobId(body.sort_task_id),
            bursts=body.bursts,
        ),
    )

    async def work(call: UUID | None) -> web.Response:
        begun = await begin_match(request, wish, call)
        answer = MatchBegunBody(
            match_job_id=begun.match,
            task_id=begun.job.id,
            total_files=begun.job.total,
            tokens_deducted=begun.job.deducted,
            wallet_transaction_id=begun.job.transaction_id if begun.job.hold else None,
        )
        return json_response(answer)

    return await once(request, sent, BEGIN_SECONDS, work)


@operations.add(
    "GET",
    "/v1/services/studio/matching/jobs",
    {200: MatchesBody, 404: ErrorBody, 422: ErrorBody, **ASKING},
    parameters=(
        Parameter("agency_id", "query", "Only matches of this agency", int),
        Parameter(
            "limit", "query", f"Matches on a page, 1 to {_MOST_MATCHES}; 50 if left out", int
        ),
        Parameter("cursor", "query", "The next_cursor of the page before"),
    ),
    scope="matching",
)
async def matches(request: web.Request) -> web.Response:
    """List matches, newest first."""
    agency: AgencyId | None = None
    if "agency_id" in request.query:
        agency = AgencyId(number_in_query(request, "agency_id"))
        await request.app[BUS].request(GetAgency(**asking(request), agency=agency))
    page = await request.app[BUS].request(
        GetMatches(
            account=request[ACCOUNT],
            agency=agency,
            before=whole_number(request, "cursor", HIGHEST_NUMBER),
            limit=whole_number(request, "limit", _MOST_MATCHES) or 50,
        )
    )
    cursor = None if page.next_before is None else str(page.next_before)
    return json_response(
        MatchesBody(jobs=[_shown(each) for each in page.matches], next_cursor=cursor)
    )


@operations.add(
    "GET",
    "/v1/services/studio/matching/jobs/{match_job_id}",
    {200: MatchBody, **_ANSWERS},
    parameters=MATCH,
    scope="matching",
)
async def match(request: web.Request) -> web.Response:
    """Say how a match stands."""
    return json_response(_shown(await request.app[BUS].request(GetMatch(**of_match(request)))))


@operations.add(
    "DELETE",
    "/v1/services/studio/matching/jobs/{match_job_id}",
    {200: MatchBody, 409: ErrorBody, **_ANSWERS},
    parameters=MATCH,
    scope="matching",
)
async def cancel(request: web.Request) -> web.Response:
    """Cancel a match: photographs that were not begun are released and their tokens come back.

    What was found so far stays. 409 JOB_ENDED for one that is over, and MATCH_NOT_BEGUN in the
    moment before it begins.
    """
    bus, about = request.app[BUS], of_match(request)
    found = await bus.request(GetMatch(**about))
    if found.state in ("completed", "failed"):
        raise Problem(409, "JOB_ENDED", f"this match has {found.state} already")
    if found.job is None and found.state != "cancelled":
        raise Problem(409, "MATCH_NOT_BEGUN", "this match is about to begin; cancel it then")
    if found.job is not None:
        await bus.request(CancelJob(account=request[ACCOUNT], job=found.job), 10.0)
    return json_response(_shown(await bus.request(GetMatch(**about))))


def _shown(match: Match) -> MatchBody:
    done = match.matched + match.needs_review + match.unmatched + match.failed
    return MatchBody(
        id=match.id,
        status=match.state,
        total_files=match.total,
        matched=match.matched,
        needs_review=match.needs_review,
        unmatched=match.unmatched,
        failed=match.failed,
        progress=progress(done, match.total),
        phases=PhasesBody(
            matching=progress(done, match.total),
            review=progress(match.reviewed, match.reviewed + match.needs_review),
        ),
        reviewed=match.reviewed,
        faces=match.faces,
        agency_id=match.agency,
        job_id=match.shoot,
        task_id=match.job,
        threshold=match.threshold,
        options=MatchOptionsBody(
            class_name=match.options.class_name,
            sort_task_id=match.options.sort_job,
            bursts=match.options.bursts,
        ),
        created_at=match.created_at,
        ended_at=match.ended_at,
    )
