"""What became of a match, to take along: a list, an archive of photographs, a yearbook package."""

import hashlib
from typing import Literal, TypeVar
from uuid import UUID

import msgspec
from aiohttp import web

from proto.errors import NotFound
from proto.facecrop import KIND as FACE_CROP
from proto.ids import JobId
from proto.jobs import GetJob, Job
from proto.matching.agencies import GetAgency, NoteAccess
from proto.matching.matches import GetMatch, Match
from services.gateway import downloads, exports
from services.gateway.batches import BEGIN_SECONDS
from services.gateway.ended import JobBegunBody, begun_body
from services.gateway.idempotency import once
from services.gateway.operations import Media, Operations, Parameter, read_json
from services.gateway.problems import Problem, json_response
from services.gateway.queries import identifier_in_query
from services.gateway.renaming import DEFAULT, BadPattern, Renaming
from services.gateway.resources import BUS, STORAGE
from services.gateway.views.facecrop import IcpType, preset_of
from services.gateway.views.matching import MATCH
from services.gateway.views.shapes import (
    ASKING,
    ERROR_ANSWERS,
    ErrorBody,
    InsufficientTokensBody,
    SpendCapBody,
)
from services.gateway.whose import asking, of_match
from services.gateway.yearbookjobs import begin_portraits, package
from services.gateway.yearbooks import LONGEST, NameOrder, plain

operations = Operations("AI Face Matching")

_ANSWERS = {404: ErrorBody, **ASKING}

Delimiter = Literal["tab", "comma"]
Choice = TypeVar("Choice", bound=str)


class YearbookBody(msgspec.Struct, frozen=True, kw_only=True):
    """How the portraits of a yearbook are framed."""

    icp_type: IcpType = "school"
    """A preset, whose aspect ratio all portraits have: of ours or of your own."""


@operations.add(
    "GET",
    "/v1/services/studio/matching/jobs/{match_job_id}/export.csv",
    {200: Media("text/csv"), 409: ErrorBody, **_ANSWERS},
    parameters=MATCH,
    scope="matching",
)
async def export_csv(request: web.Request) -> web.StreamResponse:
    """Download who is in which photograph, as it stands after review, as CSV.

    409 JOB_NOT_ENDED as long as photographs are being matched: a part is not the whole.
    """
    match = await _ended(request, "a list is made of a match that has ended")
    await _note(request, match, "results_exported", format="csv")
    lines = exports.listed(exports.assignments(request.app[BUS], of_match(request)))
    name = f"match-{match.id}.csv"
    return await downloads.send(request, lines, "text/csv; charset=utf-8", name)


@operations.add(
    "GET",
    "/v1/services/studio/matching/jobs/{match_job_id}/archive",
    {200: Media("application/zip"), 409: ErrorBody, 422: ErrorBody, **_ANSWERS},
    parameters=(
        *MATCH,
        Parameter(
            "pattern",
            "query",
            "What photographs are called, of {class}, {student_id}, {name}, {n}, {filename} and "
            f"text; {DEFAULT} if left out. They keep their own endings",
        ),
    ),
    scope="matching",
)
async def archive(request: web.Request) -> web.StreamResponse:
    """Download the photographs as a ZIP, under the names of the people in them.

    A photograph of several people is there for each of them. assignments.csv lists everything.
    409 JOB_NOT_ENDED as long as photographs are being matched.
    """
    try:
        naming = Renaming(request.query.get("pattern", DEFAULT))
    except BadPattern as error:
        raise Problem(422, "INVALID_REQUEST", str(error)) from error
    match = await _ended(request, "an archive is made of a match that has ended")
    await _note(request, match, "results_exported", format="zip")
    found = exports.assignments(request.app[BUS], of_match(request))
    pieces = exports.archived(request.app[STORAGE], found, naming)
    return await downloads.send(request, pieces, "application/zip", f"match-{match.id}.zip")


@operations.add(
    "POST",
    "/v1/services/studio/matching/jobs/{match_job_id}/yearbook",
    {
        202: JobBegunBody,
        402: (InsufficientTokensBody, SpendCapBody),
        404: ErrorBody,
        409: ErrorBody,
        **ERROR_ANSWERS,
    },
    body=YearbookBody,
    parameters=MATCH,
    scope="matching",
    charges=True,
)
async def begin_yearbook(request: web.Request) -> web.Response:
    """Cut a portrait of each person, all of one aspect ratio, as a job at the price of face crops.

    Each is cut out of a photograph in which nobody else is large: one that somebody confirmed
    comes first, then the surest. People who have none are left out.
    """
    body = await read_json(request, YearbookBody)
    sent = hashlib.sha256(await request.read()).digest()
    about = of_match(request)
    await _ended(request, "a yearbook is made of a match that has ended")
    preset = await preset_of(request, body.icp_type)
    if preset.background == "transparent":
        raise Problem(422, "INVALID_REQUEST", "portraits of a yearbook cannot be transparent")
    preset = msgspec.structs.replace(preset, format="jpeg")

    async def work(call: UUID | None) -> web.Response:
        job = await begin_portraits(request, about, body.icp_type, preset, call)
        return json_response(begun_body(job), 202)

    return await once(request, sent, BEGIN_SECONDS, work)


@operations.add(
    "GET",
    "/v1/services/studio/matching/jobs/{match_job_id}/yearbook",
    {200: Media("application/zip"), 409: ErrorBody, 422: ErrorBody, **_ANSWERS},
    parameters=(
        *MATCH,
        Parameter("task_id", "query", "Of the job that cut the portraits"),
        Parameter("delimiter", "query", "tab (default) or comma, of the index", Delimiter),  # type: ignore[arg-type] # msgspec describes it
        Parameter(
            "volume",
            "query",
            f"Name of the volume, 1 to {LONGEST} letters and digits; the agency's",
        ),
        Parameter("names", "query", "given_first (default) or family_first", NameOrder),  # type: ignore[arg-type] # msgspec describes it
    ),
    scope="matching",
)
async def yearbook(request: web.Request) -> web.StreamResponse:
    """Download portraits with an index of them, as yearbook printers take it (PSPA), as a ZIP.

    INDEX.TXT has a line for each portrait: volume, folder, image, grade, last name, first name,
    teacher (empty), home room. Grade and home room come from the class. A name is cut at its comma,
    else before its last word, or behind its first where the family comes first.
    """
    delimiter: Delimiter = _one_of(request, "delimiter", ("tab", "comma"))
    order: NameOrder = _one_of(request, "names", ("given_first", "family_first"))
    match = await request.app[BUS].request(GetMatch(**of_match(request)))
    job = await _portraits(request, match)
    volume = await _volume(request, match)
    await _note(request, match, "yearbook_exported", task=str(job.id))
    pieces = package(request, job, match.agency, volume, delimiter, order)
    return await downloads.send(request, pieces, "application/zip", f"yearbook-{match.id}.zip")


async def _ended(request: web.Request, otherwise: str) -> Match:
    """Return the match in the path. Raises NotFound, Problem while it has not ended."""
    match = await request.app[BUS].request(GetMatch(**of_match(request)))
    if match.state in ("queued", "running"):
        raise Problem(409, "JOB_NOT_ENDED", otherwise)
    return match


async def _note(request: web.Request, match: Match, action: str, **details: str) -> None:
    """Write down who takes a match along, before anything of it is sent."""
    if request.method == "HEAD":
        return
    note = NoteAccess(
        **asking(request),
        agency=match.agency,
        action=action,
        details={"match": str(match.id), **details},
    )
    await request.app[BUS].request(note)


async def _portraits(request: web.Request, match: Match) -> Job:
    """Return the job that cut the portraits. Raises NotFound, Problem while it has not ended."""
    task = JobId(identifier_in_query(request, "task_id", "job"))
    job = await request.app[BUS].request(GetJob(account=asking(request)["account"], job=task))
    if job.kind != FACE_CROP or job.details.get("match") != str(match.id):
        raise NotFound("this is no job of portraits of this match")
    if not job.closed:
        raise Problem(409, "JOB_NOT_ENDED", "the package is there once the job has ended")
    return job


async def _volume(request: web.Request, match: Match) -> str:
    wished = request.query.get("volume")
    if wished is None:
        ask = GetAgency(**asking(request), agency=match.agency)
        return plain((await request.app[BUS].request(ask)).name)[:LONGEST].upper() or "VOLUME"
    if not wished or plain(wished) != wished or len(wished) > LONGEST:
        sentence = f"volume must be 1 to {LONGEST} letters and digits"
        raise Problem(422, "INVALID_REQUEST", sentence)
    return wished


def _one_of(request: web.Request, name: str, choices: tuple[Choice, ...]) -> Choice:
    """Return what is chosen, the first if nothing is. Raises Problem."""
    text = request.query.get(name, choices[0])
    for choice in choices:
        if text == choice:
            return choice
    raise Problem(422, "INVALID_REQUEST", f"{name} must be one of {', '.join(choices)}")
