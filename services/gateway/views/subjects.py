"""The subjects of an agency over HTTP: who is photographed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import uuid4

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from proto.agencies import (
    MOST_IN_MESSAGE,
    MOST_REFERENCES,
    MOST_SUBJECTS,
    NewSubject,
    Subject,
    SubjectId,
)
from proto.errors import InvalidRequest
from proto.ids import StorageKey
from proto.matching.agencies import GetAgency
from proto.matching.subjects import (
    ChangeSubject,
    EraseSubject,
    ExportSubject,
    GetSubject,
    GetSubjects,
    PutSubjects,
)
from proto.qr import Line, Name, StudentId
from services.gateway.ended import links
from services.gateway.identity import ACCOUNT
from services.gateway.keeping import must_be_urls
from services.gateway.operations import Operations, Parameter, read_json, read_long_json
from services.gateway.paging import parts
from services.gateway.photos import Url
from services.gateway.problems import Problem, json_response
from services.gateway.queries import checked, whole_number
from services.gateway.resources import BUS, SETTINGS, STORAGE
from services.gateway.subjectexports import with_links
from services.gateway.views.agencies import AGENCY, ERASING_SECONDS
from services.gateway.views.rosters import RosterBody, RosterForm, RosterProblemBody, read_uploaded
from services.gateway.views.shapes import ASKING, ERROR_ANSWERS, ErrorBody
from services.gateway.whose import OfAgency, of_agency, of_subject

operations = Operations("Agencies")

SUBJECT = (AGENCY, Parameter("subject_id", "path", "The subject's id, not the student_id", int))

MOST_AT_ONCE = 2_000
_PUTTING_SECONDS = 30.0
_MOST_BYTES = 400_000
"""Of subjects in one message."""
_MOST_EXPORT_BYTES = 100_000_000


class SubjectBody(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is photographed."""

    id: SubjectId
    student_id: str
    name: str
    class_name: str
    references: int
    """Photographs of which it is known that they show this person."""
    embeddings: int
    """Of these, how many can be compared with."""
    created_at: datetime


class SubjectsBody(msgspec.Struct, frozen=True, kw_only=True):
    """Subjects by student_id."""

    subjects: list[SubjectBody]
    next_cursor: str | None
    """Send it as `cursor` for the next page; null on the last."""


class SubjectToPut(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody to add, or to change where the agency has the student_id."""

    student_id: StudentId
    name: Name
    class_name: Line | UnsetType = UNSET
    """Left out, the class of who is known stays as it is; "" for none."""
    reference_photo_url: Annotated[str, Meta(max_length=4096)] | None = None
    """http or https on a public address; fetched when references are built."""
    reference_photo_urls: Annotated[list[Url], Meta(max_length=MOST_REFERENCES)] = []
    """Several of them. Those that the subject has already stay, others are added."""


class PutSubjectsBody(msgspec.Struct, frozen=True, kw_only=True):
    """Subjects to add or change."""

    subjects: Annotated[list[SubjectToPut], Meta(min_length=1, max_length=MOST_AT_ONCE)]


class PutSubjectsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The subjects that were sent, as they stand now, and what was left out of a roster."""

    subjects: list[SubjectBody]
    problems: list[RosterProblemBody] = []
    """Of a roster: rows with one that is no warning are not among the subjects."""
    problems_total: int = 0


class ChangeSubjectBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change; what is left out stays."""

    name: Name | UnsetType = UNSET
    class_name: Line | UnsetType = UNSET
    reference_photo_url: Url | UnsetType = UNSET
    """A further reference; one that the subject has already stays as it is."""


@operations.add(
    "GET",
    "/v1/services/studio/agencies/{agency_id}/subjects",
    {200: SubjectsBody, 404: ErrorBody, 422: ErrorBody, **ASKING},
    parameters=(
        AGENCY,
        Parameter("class_name", "query", "Only subjects of this class"),
        Parameter("student_id", "query", "Only this one"),
        Parameter(
            "limit", "query", f"Subjects on a page, 1 to {MOST_IN_MESSAGE}; 200 if left out", int
        ),
        Parameter("cursor", "query", "The next_cursor of the page before"),
    ),
    scope="matching",
)
async def subjects(request: web.Request) -> web.Response:
    """List the subjects of an agency."""
    named = request.query.get("student_id")
    told: dict[str, Any] = {
        **of_agency(request),
        "class_name": request.query.get("class_name"),
        "student_ids": None if named is None else [named],
        "after": request.query.get("cursor", ""),
        "limit": whole_number(request, "limit", MOST_IN_MESSAGE) or 200,
    }
    page = await request.app[BUS].request(checked(told, GetSubjects))
    shown = [subject_body(each) for each in page.subjects]
    return json_response(SubjectsBody(subjects=shown, next_cursor=page.next_after))


@operations.add(
    "POST",
    "/v1/services/studio/agencies/{agency_id}/subjects",
    {200: PutSubjectsAnswer, **ERROR_ANSWERS, 404: ErrorBody},
    body=PutSubjectsBody,
    form=RosterForm,
    parameters=(AGENCY,),
    scope="matching",
)
async def put(request: web.Request) -> web.Response:
    """Add subjects, or change those whose student_id is known: JSON, or a CSV or XLSX file.

    All of them or none, as long as nobody else changes the agency at the same moment.
    """
    about = of_agency(request)
    if request.content_type == "application/json":
        at_most = request.app[SETTINGS].max_url_list_bytes
        body, _ = await read_long_json(request, PutSubjectsBody, at_most)
        wished, roster = [_wished(each) for each in body.subjects], None
    else:
        # before a file is received for nothing
        await request.app[BUS].request(GetSubjects(**about, limit=1))
        roster = msgspec.json.decode(await read_uploaded(request), type=RosterBody)
        wished = _of_roster(roster)
    _must_differ(wished)
    answer = PutSubjectsAnswer(
        subjects=await _put(request, about, wished),
        problems=roster.problems if roster else [],
        problems_total=roster.problems_total if roster else 0,
    )
    return json_response(answer)


@operations.add(
    "GET",
    "/v1/services/studio/agencies/{agency_id}/subjects/{subject_id}",
    {200: SubjectBody, 404: ErrorBody, **ASKING},
    parameters=SUBJECT,
    scope="matching",
)
async def subject(request: web.Request) -> web.Response:
    """Show a subject."""
    found = await request.app[BUS].request(GetSubject(**of_subject(request)))
    return json_response(subject_body(found))


@operations.add(
    "PATCH",
    "/v1/services/studio/agencies/{agency_id}/subjects/{subject_id}",
    {200: SubjectBody, **ERROR_ANSWERS, 404: ErrorBody},
    body=ChangeSubjectBody,
    parameters=SUBJECT,
    scope="matching",
)
async def change(request: web.Request) -> web.Response:
    """Change a subject's name or class, or add a reference by its URL."""
    about = of_subject(request)
    body = await read_json(request, ChangeSubjectBody)
    told: dict[str, Any] = {"name": body.name, "class_name": body.class_name}
    if not isinstance(body.reference_photo_url, UnsetType):
        must_be_urls([body.reference_photo_url])
        told["reference_urls"] = [body.reference_photo_url]
    return json_response(
        subject_body(await request.app[BUS].request(ChangeSubject(**about, **told)))
    )


@operations.add(
    "DELETE",
    "/v1/services/studio/agencies/{agency_id}/subjects/{subject_id}",
    {204: None, 404: ErrorBody, **ASKING},
    parameters=SUBJECT,
    scope="matching",
)
async def erase(request: web.Request) -> web.Response:
    """Remove a subject: references, embeddings and every mention in results, at once."""
    await request.app[BUS].request(EraseSubject(**of_subject(request)), ERASING_SECONDS)
    return web.Response(status=204)


@operations.add(
    "GET",
    "/v1/services/studio/agencies/{agency_id}/subjects/{subject_id}/export",
    {200: None, 404: ErrorBody, **ASKING},
    parameters=SUBJECT,
    scope="matching",
)
async def export(request: web.Request) -> web.Response:
    """Download everything that is known of a subject as JSON, for whoever may ask to see it.

    `photo_url` are signed links to the photographs, good until `links_until`; `not_included` says
    what is left out.
    """
    about, storage = of_subject(request), request.app[STORAGE]
    folder = StorageKey(f"outputs/{request[ACCOUNT]}/{uuid4()}")
    try:
        ask = ExportSubject(**about, key=StorageKey(f"{folder}/subject.json"))
        written = await request.app[BUS].request(ask, ERASING_SECONDS)
        data = await storage.get(written.key, _MOST_EXPORT_BYTES)
        data = await with_links(data, links(request), request.app[SETTINGS].link_seconds)
    finally:
        await storage.delete_folder(folder)
    return web.Response(
        body=data,
        content_type="application/json",
        headers={
            "Content-Disposition": f'attachment; filename="subject-{about["subject_id"]}.json"',
            "Cache-Control": "private, no-store",
        },
    )


def subject_body(subject: Subject) -> SubjectBody:
    """Return a subject as clients see it."""
    return SubjectBody(
        id=subject.id,
        student_id=subject.student_id,
        name=subject.name,
        class_name=subject.class_name,
        references=subject.references,
        embeddings=subject.embeddings,
        created_at=subject.created_at,
    )


async def _put(
    request: web.Request, about: OfAgency, wished: Sequence[NewSubject]
) -> list[SubjectBody]:
    found: list[SubjectBody] = []
    cut = parts(
        wished,
        lambda each: len(msgspec.msgpack.encode(each)),
        most=MOST_IN_MESSAGE,
        most_bytes=_MOST_BYTES,
    )
    if len(cut) > 1:
        await _try(request, about, cut)
    for part in cut:
        ask = PutSubjects(**about, subjects=part)
        page = await request.app[BUS].request(ask, _PUTTING_SECONDS)
        found += [subject_body(each) for each in page.subjects]
    return found


async def _try(
    request: web.Request, about: OfAgency, parts_of_all: Sequence[list[NewSubject]]
) -> None:
    """Have refused what one of several messages would be refused for, before any is sent.

    Raises as PutSubjects.
    """
    bus = request.app[BUS]
    new = 0
    for part in parts_of_all:
        known = await bus.request(
            PutSubjects(**about, subjects=part, only_try=True), _PUTTING_SECONDS
        )
        new += len(part) - len(known.subjects)
    if (await bus.request(GetAgency(**about))).subjects + new > MOST_SUBJECTS:
        raise InvalidRequest(f"an agency has at most {MOST_SUBJECTS} subjects")


def _wished(sent: SubjectToPut) -> NewSubject:
    """Return a subject as matching takes it. Raises Problem for what is no URL."""
    urls = [sent.reference_photo_url] if sent.reference_photo_url else []
    urls = list(dict.fromkeys([*urls, *sent.reference_photo_urls]))
    must_be_urls(urls)
    if len(urls) > MOST_REFERENCES:
        sentence = f"a subject may have {MOST_REFERENCES} reference photos"
        raise Problem(422, "INVALID_REQUEST", sentence)
    return NewSubject(
        student_id=sent.student_id,
        name=sent.name,
        class_name=sent.class_name,
        reference_urls=urls,
    )


def _of_roster(roster: RosterBody) -> list[NewSubject]:
    """Return the subjects of a roster. Raises Problem when there is none."""
    if not roster.subjects:
        why = roster.problems[0].message if roster.problems else "nobody is in it"
        raise Problem(422, "NO_SUBJECTS", f"no subject could be read out of this roster: {why}")
    return [
        NewSubject(
            student_id=each.student_id,
            name=each.name,
            # without a column of classes the roster says nothing about them
            class_name=each.class_name if roster.columns.get("class_name") else UNSET,
            reference_urls=[each.reference_photo_url] if each.reference_photo_url else [],
        )
        for each in roster.subjects
    ]


def _must_differ(subjects: Sequence[NewSubject]) -> None:
    seen: set[str] = set()
    for each in subjects:
        if each.student_id in seen:
            sentence = f"the student_id {each.student_id} was sent twice"
            raise Problem(422, "DUPLICATE_STUDENT_ID", sentence)
        seen.add(each.student_id)
