"""Reference photographs over HTTP: whom they show, and embeddings made of them, free of tokens."""

from datetime import datetime
from typing import Literal
from uuid import uuid4

import msgspec
from aiohttp import web

from proto.accounts.calling import Caller
from proto.agencies import (
    MOST_REFERENCES,
    AgencyId,
    FileId,
    NewFile,
    Reference,
    ReferenceId,
    ReferenceState,
    SubjectId,
)
from proto.errors import Unavailable
from proto.ids import JobId, StorageKey
from proto.jobs import NewItem
from proto.matching.agencies import NoteAccess
from proto.matching.references import (
    REFERENCE_KIND,
    BuildReferences,
    DueReferences,
    EmbedReference,
    GetDueReferences,
    GetReferencesBuilt,
    ReferenceProblem,
)
from proto.matching.subjects import (
    AddReferences,
    EraseReference,
    GetReferences,
    GetSubject,
    ReferenceList,
)
from services.gateway.batches import BEGIN_SECONDS, Batch, PerhapsBegun, begin
from services.gateway.billing import Order
from services.gateway.ended import links
from services.gateway.identity import ACCOUNT, CALLER
from services.gateway.keeping import PhotosByUrl, PhotosForm, add, received
from services.gateway.operations import Operations, Parameter, read_json
from services.gateway.patience import seconds_for_references
from services.gateway.portraits import ErrorOfOne, Links
from services.gateway.problems import json_response
from services.gateway.queries import (
    HIGHEST_NUMBER,
    number_in_path,
    number_in_query,
    whole_number,
)
from services.gateway.resources import BUS, SETTINGS
from services.gateway.views.agencies import ERASING_SECONDS
from services.gateway.views.shapes import ASKING, ERROR_ANSWERS, ErrorBody
from services.gateway.views.subjects import SUBJECT
from services.gateway.whose import OfAgency, asking, of_subject

operations = Operations("AI Face Matching")

_WAITED_SUBJECTS = 20
"""From so many subjects on, references are built as a job, as the contract has it."""
_WAITED_REFERENCES = 100
"""Fewer subjects may have many photographs each; more than so many are a job too."""
_ADDING_SECONDS = 30.0
_REFERENCE = (*SUBJECT, Parameter("reference_id", "path", "The reference's id", int))


class ReferenceBody(msgspec.Struct, frozen=True, kw_only=True):
    """A photograph of which it is known whom it shows."""

    id: ReferenceId
    subject_id: SubjectId
    state: ReferenceState
    """`waiting` until references are built; `stale` after the embedder was replaced."""
    photo_url: str | None
    """A signed link; null for one that was not fetched yet."""
    source_url: str | None
    """Where it comes from; null for one that was uploaded."""
    from_file_id: FileId | None
    """The photograph of a job that it is, where somebody confirmed it."""
    error: ErrorOfOne | None
    """Why it cannot be compared with: NO_FACE, SEVERAL_FACES, POOR_QUALITY …"""
    created_at: datetime


class ReferencesOfBody(msgspec.Struct, frozen=True, kw_only=True):
    """All references of a subject, by id."""

    references: list[ReferenceBody]


class BuildReferencesBody(msgspec.Struct, frozen=True, kw_only=True):
    """Whose references to build."""

    agency_id: AgencyId


class ReferenceProblemBody(msgspec.Struct, frozen=True, kw_only=True):
    """A reference that cannot be compared with."""

    reference_id: ReferenceId
    subject_id: SubjectId
    student_id: str
    code: str
    """NO_FACE, SEVERAL_FACES, POOR_QUALITY, or why the photograph could not be read."""
    message: str


class ReferencesStandBody(msgspec.Struct, frozen=True, kw_only=True):
    """How the references of an agency stand."""

    agency_id: AgencyId
    embeddings: int
    """References that can be compared with."""
    waiting: int
    """References that have not been built yet."""
    problems: list[ReferenceProblemBody]
    """By reference, a page of them."""
    problems_total: int
    problems_next_cursor: str | None
    """Send it as `problems_cursor` for the next page; null on the last."""


class BuiltReferencesBody(msgspec.Struct, frozen=True, kw_only=True):
    """References that were built while the caller waited."""

    status: Literal["completed"] = "completed"
    agency_id: AgencyId
    embeddings_created: int
    """Of references that were new, or whose embedder was replaced."""
    waiting: int
    """References that there was no time for; ask again."""
    problems: list[ReferenceProblemBody]
    problems_total: int


class ReferencesBegunBody(msgspec.Struct, frozen=True, kw_only=True):
    """References that are built as a job; ask `GET /v1/services/studio/jobs/{task_id}`."""

    status: Literal["queued"] = "queued"
    task_id: JobId
    agency_id: AgencyId
    total: int
    """References that the job builds."""
    more: bool
    """Whether others are left for another request, because a job has no room for them."""


@operations.add(
    "POST",
    "/v1/services/studio/matching/references",
    {
        200: BuiltReferencesBody,
        202: ReferencesBegunBody,
        **ERROR_ANSWERS,
        404: ErrorBody,
        409: ErrorBody,
    },
    body=BuildReferencesBody,
    scope="matching",
)
async def build(request: web.Request) -> web.Response:
    """Make embeddings of an agency's reference photographs, as far as there are none; free.

    From 20 subjects on it is a job. 409 CONSENT_MISSING until consent was noted for the agency.
    """
    bus = request.app[BUS]
    body = await read_json(request, BuildReferencesBody)
    about: OfAgency = {**asking(request), "agency": body.agency_id}
    due = await bus.request(GetDueReferences(**about), _ADDING_SECONDS)
    if due.more or due.subjects >= _WAITED_SUBJECTS or len(due.references) > _WAITED_REFERENCES:
        return await _begun(request, about, due)
    seconds = seconds_for_references(request.app[SETTINGS], len(due.references))
    built = await bus.request(BuildReferences(**about), seconds)
    answer = BuiltReferencesBody(
        agency_id=body.agency_id,
        embeddings_created=built.created,
        waiting=built.waiting,
        problems=[_problem(each) for each in built.problems],
        problems_total=built.problems_total,
    )
    return json_response(answer)


@operations.add(
    "GET",
    "/v1/services/studio/matching/references",
    {200: ReferencesStandBody, 404: ErrorBody, 422: ErrorBody, **ASKING},
    parameters=(
        Parameter("agency_id", "query", "The agency's id", int),
        Parameter("problems_cursor", "query", "The problems_next_cursor of the page before"),
    ),
    scope="matching",
)
async def standing(request: web.Request) -> web.Response:
    """Say how the references of an agency stand, and which cannot be compared with."""
    agency = AgencyId(number_in_query(request, "agency_id"))
    after = whole_number(request, "problems_cursor", HIGHEST_NUMBER) or 0
    ask = GetReferencesBuilt(**asking(request), agency=agency, after=after)
    stand = await request.app[BUS].request(ask)
    answer = ReferencesStandBody(
        agency_id=agency,
        embeddings=stand.embedded,
        waiting=stand.waiting,
        problems=[_problem(each) for each in stand.problems],
        problems_total=stand.problems_total,
        problems_next_cursor=None if stand.next_after is None else str(stand.next_after),
    )
    return json_response(answer)


@operations.add(
    "GET",
    "/v1/services/studio/agencies/{agency_id}/subjects/{subject_id}/references",
    {200: ReferencesOfBody, 404: ErrorBody, **ASKING},
    parameters=SUBJECT,
    scope="matching",
)
async def references(request: web.Request) -> web.Response:
    """List the references of a subject."""
    found = await request.app[BUS].request(GetReferences(**of_subject(request)))
    return json_response(await _shown(request, found))


@operations.add(
    "POST",
    "/v1/services/studio/agencies/{agency_id}/subjects/{subject_id}/references",
    {201: ReferencesOfBody, **ERROR_ANSWERS, 404: ErrorBody},
    body=PhotosByUrl,
    form=PhotosForm,
    parameters=SUBJECT,
    scope="matching",
)
async def add_references(request: web.Request) -> web.Response:
    """Add photographs of a subject: a form with `file[]` parts, or JSON with `image_urls`.

    They are compared with once references are built.
    """
    bus, about = request.app[BUS], of_subject(request)
    await bus.request(GetSubject(**about))  # before photographs are sent for nothing

    async def ask(photos: list[NewFile]) -> ReferenceList:
        return await bus.request(AddReferences(**about, photos=photos), _ADDING_SECONDS)

    photos = await received(request, about["agency"], MOST_REFERENCES)
    answers = await add(request, photos, ask)
    return json_response(await _shown(request, answers[-1]), 201)


@operations.add(
    "DELETE",
    "/v1/services/studio/agencies/{agency_id}/subjects/{subject_id}/references/{reference_id}",
    {204: None, 404: ErrorBody, **ASKING},
    parameters=_REFERENCE,
    scope="matching",
)
async def erase(request: web.Request) -> web.Response:
    """Remove a reference with its photograph and its embedding."""
    reference = ReferenceId(number_in_path(request, "reference_id", "reference"))
    ask = EraseReference(**of_subject(request), reference=reference)
    await request.app[BUS].request(ask, ERASING_SECONDS)
    return web.Response(status=204)


async def _begun(request: web.Request, about: OfAgency, due: DueReferences) -> web.Response:
    """Build references as a job that costs nothing."""
    caller: Caller = request[CALLER]
    items = [
        NewItem(
            number=number,
            name=str(reference),
            work=msgspec.msgpack.encode(
                EmbedReference(
                    account=about["account"], agency=about["agency"], reference=reference
                )
            ),
        )
        for number, reference in enumerate(due.references)
    ]
    batch = Batch(
        kind=REFERENCE_KIND,
        items=items,
        details={"operation": REFERENCE_KIND, "agency": str(about["agency"])},
        outputs=StorageKey(f"outputs/{request[ACCOUNT]}/{uuid4()}"),
    )
    free = Order(
        operation=REFERENCE_KIND, units=len(items), unit_price=0, work_seconds=BEGIN_SECONDS
    )
    # what may have begun must stand in the log
    await request.app[BUS].request(
        NoteAccess(**about, action="references_built", details={"references": str(len(items))})
    )
    try:
        job = (await begin(request.app, caller, free, batch)).job
    except PerhapsBegun as error:
        raise Unavailable(str(error)) from error
    answer = ReferencesBegunBody(
        task_id=job.id, agency_id=about["agency"], total=job.total, more=due.more
    )
    return json_response(answer, 202)


async def _shown(request: web.Request, found: ReferenceList) -> ReferencesOfBody:
    shown = [await _reference(links(request), each) for each in found.references]
    return ReferencesOfBody(references=shown)


async def _reference(to: Links, reference: Reference) -> ReferenceBody:
    code, message = reference.code, reference.message
    return ReferenceBody(
        id=reference.id,
        subject_id=reference.subject,
        state=reference.state,
        photo_url=await to.to(StorageKey(reference.key)) if reference.key else None,
        source_url=reference.url or None,
        from_file_id=reference.from_file,
        error=ErrorOfOne(code=code, message=message) if code else None,
        created_at=reference.created_at,
    )


def _problem(problem: ReferenceProblem) -> ReferenceProblemBody:
    return ReferenceProblemBody(
        reference_id=problem.reference,
        subject_id=problem.subject,
        student_id=problem.student_id,
        code=problem.code,
        message=problem.message,
    )
