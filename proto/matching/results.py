"""What a match found in each photograph, and what people decided on it."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, field

from proto.agencies import FileId, SubjectId
from proto.facecrop import FaceBox
from proto.matching.asking import AboutMatch, Limit, Position
from proto.message import Message, Request
from proto.qr import Line

FileState = Literal["pending", "matched", "needs_review", "unmatched", "failed"]
FaceState = Literal["matched", "needs_review", "unmatched"]
Reason = Literal[
    "low_score",
    "low_margin",
    "no_face",
    "several_faces",
    "small_face",
    "poor_quality",
    "same_subject_twice",
    "sequence_conflict",
    "card_only",
    "burst",
    "subject_erased",
]


class Candidate(Message):
    """A subject that a face may be of."""

    subject: SubjectId
    student_id: str
    name: str
    class_name: str
    score: float
    """0 to 1, through the embedder's calibration: the best of the subject's references."""
    margin: float
    """By how much its cosine exceeds that of the next subject; negative for who is not the best."""


class Who(Message):
    """A subject by name."""

    student_id: str
    name: str
    class_name: str


class MatchedFace(Message):
    """A face of a photograph, or a card's answer where there is no face."""

    number: int
    """In the photograph, the largest first from 0; -1, -2 … for a card's answers."""
    box: FaceBox | None
    state: FaceState
    subject: SubjectId | None
    """Whose it is taken to be, where it is matched or somebody said so."""
    who: "Who | None"
    """The same, by name."""
    candidates: list[Candidate]
    """At most three, the best first."""
    reasons: list[Reason]
    reviewed: bool


class FileResult(Message):
    """What was found in a photograph."""

    file: FileId
    filename: str
    key: str
    """Where it lies in storage."""
    state: FileState
    faces: list[MatchedFace]
    reasons: list[Reason]
    from_card: list[SubjectId]
    """Whom the cards of the shoot give it to."""
    code: str
    """Why it failed."""
    message: str
    reviewed: bool


class ResultPage(Message):
    """Results by file id."""

    results: list[FileResult]
    next_after: int | None


class GetResults(Request[ResultPage], AboutMatch, subject="matching.results"):
    """List what was found; a page ends early where it would not fit into a message."""

    state: FileState | None = None
    class_name: Line | None = None
    subject_id: SubjectId | None = None
    after: Position = 0
    limit: Limit = 100


class GetResult(Request[FileResult], AboutMatch, subject="matching.result"):
    """Show what was found in one photograph."""

    file: FileId


Action = Literal["confirm", "reassign", "unmatch", "undo"]


class Decide(Request[FileResult], AboutMatch, subject="matching.decide"):
    """Say who is in a photograph. Raises InvalidRequest for what makes no sense.

    confirm takes the best candidate of each face that needs review (or of one face); reassign gives
    a face to another subject; unmatch to nobody; undo takes the latest decision back.
    """

    file: FileId
    action: Action
    face: Annotated[int, Meta(ge=-1_000, le=1_000)] | None = None
    """Its number; may be left out where the photograph has one face, or for all of them."""
    subject_id: SubjectId | None = None
    """For reassign."""
    as_reference: bool = False
    """Whether the photograph becomes a further reference of whom it was given to."""


class DecidedFace(Message):
    """A face that was decided on."""

    face: int
    subject: SubjectId | None
    """Whom it was given to; None for nobody, and for who was erased since."""


class Decision(Message):
    """What somebody decided."""

    file: FileId
    action: Action
    face: int | None
    """Where it was about one face."""
    subject: SubjectId | None
    by: str
    at: datetime
    undone: bool
    faces: list[DecidedFace] = field(default_factory=list)
    """Every face that it was about."""


class DecisionList(Message):
    """Decisions on a photograph, the latest first."""

    decisions: list[Decision]


class GetDecisions(Request[DecisionList], AboutMatch, subject="matching.decisions"):
    """Show what was decided on a photograph."""

    file: FileId
