"""What a match found over HTTP, and what people decide on it."""

from datetime import datetime
from typing import Annotated, Any, get_args

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.agencies import FileId, SubjectId
from proto.errors import NotFound
from proto.facecrop import FaceBox
from proto.ids import StorageKey
from proto.matching.exports import GetMissing
from proto.matching.matches import GetMatch
from proto.matching.results import (
    Action,
    Decide,
    FaceState,
    FileResult,
    FileState,
    GetDecisions,
    GetResult,
    GetResults,
    MatchedFace,
    Reason,
    Who,
)
from proto.matching.subjects import GetSubject, GetSubjects
from proto.qr import StudentId
from services.gateway.ended import links
from services.gateway.operations import Operations, Parameter, read_json
from services.gateway.portraits import ErrorOfOne, Links
from services.gateway.problems import Problem, json_response
from services.gateway.queries import HIGHEST_NUMBER, checked, number_in_query, whole_number
from services.gateway.resources import BUS
from services.gateway.views.matching import MATCH
from services.gateway.views.shapes import ASKING, ERROR_ANSWERS, ErrorBody
from services.gateway.views.subjects import SubjectsBody, subject_body
from services.gateway.whose import OfMatch, asking, file_in_path, of_match

operations = Operations("AI Face Matching")

_FILE = (*MATCH, Parameter("file_id", "path", "The photograph's id", int))
_ANSWERS = {404: ErrorBody, **ASKING}
_MOST_RESULTS = 500
_DECIDING_SECONDS = 15.0


class CandidateBody(msgspec.Struct, frozen=True, kw_only=True):
    """A subject that a face may be of."""

    subject_id: SubjectId
    student_id: str
    name: str
    class_name: str
    score: float
    """0 to 1: the best of the subject's references."""
    margin: float
    """By how much it is nearer than the next subject; negative for who is not the best."""


class WhoBody(msgspec.Struct, frozen=True, kw_only=True):
    """A subject by name."""

    student_id: str
    name: str
    class_name: str


class MatchedFaceBody(msgspec.Struct, frozen=True, kw_only=True):
    """A face of a photograph."""

    face: int
    """Its number, the largest first; below 0 for what a card says."""
    face_box: FaceBox | None
    """In pixels of the upright original; null for what a card says."""
    state: FaceState
    subject_id: SubjectId | None
    """Whose it is taken to be."""
    subject: WhoBody | None
    """The same, by name."""
    candidates: list[CandidateBody]
    """At most three, the best first."""
    reasons: list[Reason]
    """What somebody should look at: low_score, low_margin, small_face, sequence_conflict …"""
    reviewed: bool


class MatchResultBody(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in a photograph."""

    file_id: FileId
    filename: str
    photo_url: str | None
    """A signed link; null for one that could not be fetched."""
    state: FileState
    """`needs_review` as long as one of its faces does."""
    faces: list[MatchedFaceBody]
    reasons: list[Reason]
    from_card: list[SubjectId]
    """Whom the cards of the shoot give it to."""
    error: ErrorOfOne | None
    """Why it could not be read."""
    reviewed: bool


class MatchResultsBody(msgspec.Struct, frozen=True, kw_only=True):
    """Results by file_id. A page may have fewer than were asked for, and others follow."""

    results: list[MatchResultBody]
    next_cursor: str | None
    """Send it as `cursor` for the next page; null on the last."""


class DecideBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is in a photograph."""

    action: Action
    """`confirm` takes the best candidate of each face that needs review, `reassign` gives a face to
    another subject, `unmatch` to nobody, `undo` takes the latest decision back."""
    face: Annotated[int, Meta(ge=-1_000, le=1_000)] | None = None
    """Its number; may be left out where the photograph has one face, or for all of them."""
    subject_id: SubjectId | None = None
    """For reassign; or student_id."""
    student_id: StudentId | None = None
    as_reference: bool = False
    """Whether the photograph becomes a further reference of whom it was given to."""


class DecidedFaceBody(msgspec.Struct, frozen=True, kw_only=True):
    """A face that was decided on."""

    face: int
    subject_id: SubjectId | None
    """Whom it was given to; null for nobody, and for who was erased since."""


class DecisionBody(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody decided."""

    action: Action
    face: int | None
    """Which face it was about; null where it was several, and of what was taken back."""
    subject_id: SubjectId | None
    faces: list[DecidedFaceBody]
    """Every face that was decided on, and whom each was given to."""
    by: str
    """user:<id>, key:<id> or service."""
    at: datetime
    undone: bool


class DecisionsBody(msgspec.Struct, frozen=True, kw_only=True):
    """Decisions on a photograph, newest first."""

    decisions: list[DecisionBody]


@operations.add(
    "GET",
    "/v1/services/studio/matching/jobs/{match_job_id}/results",
    {200: MatchResultsBody, 422: ErrorBody, **_ANSWERS},
    parameters=(
        *MATCH,
        Parameter("state", "query", "Only photographs that stand so", FileState),  # type: ignore[arg-type] # msgspec describes it
        Parameter("class_name", "query", "Only photographs of subjects of this class"),
        Parameter("student_id", "query", "Only photographs of this subject"),
        Parameter("subject_id", "query", "The same by the subject's id", int),
        Parameter(
            "limit", "query", f"Results on a page, 1 to {_MOST_RESULTS}; 100 if left out", int
        ),
        Parameter("cursor", "query", "The next_cursor of the page before"),
    ),
    scope="matching",
)
async def results(request: web.Request) -> web.Response:
    """List what was found: each photograph with its faces, and who they may be."""
    about = of_match(request)
    told: dict[str, Any] = {
        **about,
        "state": _state(request),
        "class_name": request.query.get("class_name"),
        "after": whole_number(request, "cursor", HIGHEST_NUMBER) or 0,
        "limit": whole_number(request, "limit", _MOST_RESULTS) or 100,
    }
    if "student_id" in request.query and "subject_id" in request.query:
        raise Problem(422, "INVALID_REQUEST", "send subject_id or student_id, not both")
    if "student_id" in request.query:
        told["subject_id"] = await _subject(request, about, request.query["student_id"])
    elif "subject_id" in request.query:
        told["subject_id"] = await _known(request, about)
    page = await request.app[BUS].request(checked(told, GetResults))
    cursor = None if page.next_after is None else str(page.next_after)
    shown = [await _shown(links(request), each) for each in page.results]
    return json_response(MatchResultsBody(results=shown, next_cursor=cursor))


@operations.add(
    "GET",
    "/v1/services/studio/matching/jobs/{match_job_id}/results/{file_id}",
    {200: MatchResultBody, **_ANSWERS},
    parameters=_FILE,
    scope="matching",
)
async def result(request: web.Request) -> web.Response:
    """Show what was found in one photograph."""
    ask = GetResult(**of_match(request), file=file_in_path(request))
    return json_response(await _shown(links(request), await request.app[BUS].request(ask)))


@operations.add(
    "POST",
    "/v1/services/studio/matching/jobs/{match_job_id}/results/{file_id}",
    {200: MatchResultBody, **ERROR_ANSWERS, 404: ErrorBody},
    body=DecideBody,
    parameters=_FILE,
    scope="matching",
)
async def decide(request: web.Request) -> web.Response:
    """Say who is in a photograph: confirm, reassign, mark as of nobody, or take that back."""
    about, file = of_match(request), file_in_path(request)
    body = await read_json(request, DecideBody)
    if body.subject_id is not None and body.student_id is not None:
        raise Problem(422, "INVALID_REQUEST", "send subject_id or student_id, not both")
    subject = body.subject_id
    if body.student_id is not None:
        subject = await _subject(request, about, body.student_id)
    ask = Decide(
        **about,
        file=file,
        action=body.action,
        face=body.face,
        subject_id=subject,
        as_reference=body.as_reference,
    )
    decided = await request.app[BUS].request(ask, _DECIDING_SECONDS)
    return json_response(await _shown(links(request), decided))


@operations.add(
    "GET",
    "/v1/services/studio/matching/jobs/{match_job_id}/results/{file_id}/decisions",
    {200: DecisionsBody, **_ANSWERS},
    parameters=_FILE,
    scope="matching",
)
async def decisions(request: web.Request) -> web.Response:
    """Show who decided what on a photograph, newest first."""
    ask = GetDecisions(**of_match(request), file=file_in_path(request))
    found = await request.app[BUS].request(ask)
    shown = [
        DecisionBody(
            action=each.action,
            face=each.face,
            subject_id=each.subject,
            faces=[DecidedFaceBody(face=face.face, subject_id=face.subject) for face in each.faces],
            by=each.by,
            at=each.at,
            undone=each.undone,
        )
        for each in found.decisions
    ]
    return json_response(DecisionsBody(decisions=shown))


@operations.add(
    "GET",
    "/v1/services/studio/matching/jobs/{match_job_id}/missing",
    {200: SubjectsBody, 422: ErrorBody, **_ANSWERS},
    parameters=(
        *MATCH,
        Parameter(
            "limit", "query", f"Subjects on a page, 1 to {_MOST_RESULTS}; 200 if left out", int
        ),
        Parameter("cursor", "query", "The next_cursor of the page before"),
    ),
    scope="matching",
)
async def missing(request: web.Request) -> web.Response:
    """List the subjects, of the match's class if it has one, who are in no photograph."""
    told: dict[str, Any] = {
        **of_match(request),
        "after": request.query.get("cursor", ""),
        "limit": whole_number(request, "limit", _MOST_RESULTS) or 200,
    }
    page = await request.app[BUS].request(checked(told, GetMissing))
    shown = [subject_body(each) for each in page.subjects]
    return json_response(SubjectsBody(subjects=shown, next_cursor=page.next_after))


def _state(request: web.Request) -> str | None:
    text = request.query.get("state")
    if text is not None and text not in get_args(FileState):
        sentence = f"state must be one of {', '.join(get_args(FileState))}"
        raise Problem(422, "INVALID_REQUEST", sentence)
    return text


async def _subject(request: web.Request, about: OfMatch, student_id: str) -> SubjectId:
    """Return the subject of the match's agency with a student_id. Raises NotFound."""
    bus = request.app[BUS]
    match = await bus.request(GetMatch(**about))
    told = {**asking(request), "agency": match.agency, "student_ids": [student_id]}
    found = await bus.request(checked(told, GetSubjects))
    if not found.subjects:
        raise NotFound("there is no subject with this student_id in the agency")
    return found.subjects[0].id


async def _known(request: web.Request, about: OfMatch) -> SubjectId:
    """Return the subject of the match's agency that the query names. Raises NotFound."""
    subject = SubjectId(number_in_query(request, "subject_id"))
    bus = request.app[BUS]
    match = await bus.request(GetMatch(**about))
    await bus.request(GetSubject(**asking(request), agency=match.agency, subject_id=subject))
    return subject


async def _shown(to: Links, found: FileResult) -> MatchResultBody:
    return MatchResultBody(
        file_id=found.file,
        filename=found.filename,
        photo_url=await to.to(StorageKey(found.key)) if found.key else None,
        state=found.state,
        faces=[_face(face) for face in found.faces],
        reasons=found.reasons,
        from_card=found.from_card,
        error=ErrorOfOne(code=found.code, message=found.message) if found.code else None,
        reviewed=found.reviewed,
    )


def _face(face: MatchedFace) -> MatchedFaceBody:
    return MatchedFaceBody(
        face=face.number,
        face_box=face.box,
        state=face.state,
        subject_id=face.subject,
        subject=None if face.who is None else _who(face.who),
        candidates=[
            CandidateBody(
                subject_id=each.subject,
                student_id=each.student_id,
                name=each.name,
                class_name=each.class_name,
                score=each.score,
                margin=each.margin,
            )
            for each in face.candidates
        ],
        reasons=face.reasons,
        reviewed=face.reviewed,
    )


def _who(who: Who) -> WhoBody:
    return WhoBody(student_id=who.student_id, name=who.name, class_name=who.class_name)
