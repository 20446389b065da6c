"""Whom studios photograph: agencies, their shoots, the people of each, and the photographs."""

from datetime import datetime
from typing import Annotated, Literal, NewType

from msgspec import UNSET, Meta, UnsetType, field

from proto.message import Message
from proto.qr import Line, Name, StudentId

_Number = Annotated[int, Meta(ge=1, le=2**63 - 1)]
"""As the database counts."""

AgencyId = NewType("AgencyId", _Number)
"""A customer of a studio: a school, a club, a company."""
ShootId = NewType("ShootId", _Number)
"""A picture day of an agency; what the dialect calls a job."""
SubjectId = NewType("SubjectId", _Number)
"""Somebody who is photographed."""
ReferenceId = NewType("ReferenceId", _Number)
"""A photograph of which it is known whom it shows."""
FileId = NewType("FileId", _Number)
"""A photograph of a shoot."""
MatchId = NewType("MatchId", _Number)
"""A run over photographs of an agency, to tell who is in them."""

AgencyType = Literal["school", "sports", "corporate", "yearbook", "childcare", "designer"]
IcpType = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$(?!\n)")]
"""school, corporate, sports, childcare, or a preset of the account's own."""
Mode = Literal["faces", "cards"]
"""Whether faces are compared, or people are told by their QR cards alone, without biometrics."""
ShootState = Literal["draft", "active", "completed", "archived"]

Title = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$(?!\n)")]
Filename = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\x00]+$")]
Actor = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$(?!\n)")]
"""Who did something: user:<id>, key:<id> or service."""

MOST_AGENCIES = 5_000
"""Of one account."""
MOST_SHOOTS = 500
"""In one agency."""
MOST_SUBJECTS = 20_000
"""In one agency."""
MOST_REFERENCES = 50
"""Of one subject."""
MOST_FILES = 20_000
"""In one shoot."""
MOST_IN_MESSAGE = 500


class Consent(Message):
    """Who said, for an agency, that the people in it agreed to have their faces compared."""

    statement: Title
    given_by: Actor
    given_at: datetime


class Agency(Message):
    """A customer of a studio."""

    id: AgencyId
    name: str
    agency_type: AgencyType
    mode: Mode
    consent: Consent | None
    """Without it no embedding is made."""
    retention_days: int
    """After which photographs and embeddings are removed by themselves."""
    archived: bool
    subjects: int
    references: int
    """Photographs of which it is known whom they show."""
    embeddings: int
    created_at: datetime


class Shoot(Message):
    """A picture day of an agency."""

    id: ShootId
    agency: AgencyId
    name: str
    icp_type: str
    state: ShootState
    files: int
    created_at: datetime


class Subject(Message):
    """Somebody who is photographed."""

    id: SubjectId
    student_id: str
    name: str
    class_name: str
    references: int
    embeddings: int
    """Of these, how many can be compared at the moment."""
    created_at: datetime


class NewSubject(Message):
    """Somebody to be added, or changed where the student_id is known."""

    student_id: StudentId
    name: Name
    class_name: Line | UnsetType = UNSET
    """Left out, the class of who is known stays as it is."""
    reference_urls: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=4096)]], Meta(max_length=MOST_REFERENCES)
    ] = field(default_factory=list)
    """Added to the references that are there; one that is there already stays as it is."""


ReferenceState = Literal["waiting", "embedded", "stale", "failed"]
"""Stale: made by an embedder that is not in use any more."""


class Reference(Message):
    """A photograph of which it is known whom it shows."""

    id: ReferenceId
    subject: SubjectId
    state: ReferenceState
    key: str
    """Where it lies in storage; "" for one that was not fetched yet."""
    url: str
    """Where it comes from; "" for one that was uploaded."""
    from_file: FileId | None
    """The photograph of a shoot that it is, where somebody confirmed it."""
    code: str
    """Why it failed: NO_FACE, SEVERAL_FACES, POOR_QUALITY, or why it could not be read."""
    message: str
    created_at: datetime


class File(Message):
    """A photograph of a shoot."""

    id: FileId
    shoot: ShootId
    filename: str
    key: str
    """Where it lies in storage; "" for one that was not fetched yet."""
    url: str
    """Where it comes from; "" for one that was uploaded."""
    size: int
    """In bytes; 0 for one that was not fetched yet."""
    created_at: datetime


class NewFile(Message):
    """A photograph to be added: it lies in storage, or is to be fetched when it is needed."""

    filename: Filename
    key: Annotated[str, Meta(max_length=400)] = ""
    url: Annotated[str, Meta(max_length=4096)] = ""
    size: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    sha256: bytes = b""


class AccessEntry(Message):
    """Somebody did something with what is known of people."""

    at: datetime
    by: str
    action: str
    """agency_erased, subject_erased, references_built, match_begun, results_exported …"""
    subject: SubjectId | None
    details: dict[str, str]
