"""What matching answers: who is in the photographs of a shoot, and how sure that is.

An agency has subjects; references show who they are; a match compares the faces of photographs with
them. People review what it was not sure of. Every request names the account, and what belongs to
another one is NotFound.
"""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType, field

from proto.agencies import (
    MOST_IN_MESSAGE,
    MOST_REFERENCES,
    AccessEntry,
    Actor,
    Agency,
    AgencyId,
    AgencyType,
    File,
    FileId,
    IcpType,
    MatchId,
    Mode,
    NewFile,
    NewSubject,
    Reference,
    ReferenceId,
    Shoot,
    ShootId,
    ShootState,
    Subject,
    SubjectId,
    Title,
)
from proto.facecrop import FaceBox
from proto.ids import AccountId, JobId, StorageKey
from proto.message import Message, Request
from proto.qr import Line, Name, StudentId

MATCH_KIND = "face_match"
"""Of the items of jobs that it works on; their work is a MatchFile."""
REFERENCE_KIND = "face_reference"
"""Likewise; their work is an EmbedReference."""

Days = Annotated[int, Meta(ge=1, le=3650)]
Limit = Annotated[int, Meta(ge=1, le=MOST_IN_MESSAGE)]
Position = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""An id behind which, or before which, a list goes on."""
After = Annotated[str, Meta(max_length=1000, pattern=r"^[^\x00]*$")]
Threshold = Annotated[float, Meta(ge=0.5, le=0.99)]


class Done(Message):
    """It is done."""


class AboutAgency(Message):
    """Names an agency, and who asks."""

    account: AccountId
    by: Actor
    agency: AgencyId


class CreateAgency(Request[Agency], subject="matching.create-agency"):
    """Add an agency. Raises InvalidRequest when the account has all it may."""

    account: AccountId
    by: Actor
    name: Title
    agency_type: AgencyType
    mode: Mode = "faces"
    retention_days: Days = 365


class GetAgency(Request[Agency], AboutAgency, subject="matching.agency"):
    """Show an agency."""


class AgencyList(Message):
    """A page of agencies, by id."""

    agencies: list[Agency]
    next_after: int | None = None


class GetAgencies(Request[AgencyList], subject="matching.agencies"):
    """List an account's agencies."""

    account: AccountId
    archived: bool = False
    """Whether those that were archived are listed, instead of the others."""
    after: Position = 0
    limit: Limit = MOST_IN_MESSAGE


class ChangeAgency(Request[Agency], AboutAgency, subject="matching.change-agency"):
    """Change what is given. To turn to cards erases the embeddings."""

    name: Title | UnsetType = UNSET
    agency_type: AgencyType | UnsetType = UNSET
    mode: Mode | UnsetType = UNSET
    retention_days: Days | UnsetType = UNSET
    archived: bool | UnsetType = UNSET


class GiveConsent(Request[Agency], AboutAgency, subject="matching.give-consent"):
    """Note that the people of an agency agreed to have their faces compared."""

    statement: Title


class WithdrawConsent(Request[Agency], AboutAgency, subject="matching.withdraw-consent"):
    """Note that they do not agree any more: their embeddings are erased at once."""


class EraseAgency(Request[Done], AboutAgency, subject="matching.erase-agency"):
    """Remove an agency with everything in it: people, photographs, embeddings, results."""


class AccessLog(Message):
    """A page of the log."""

    entries: list[AccessEntry]
    next_before: int | None


class GetAccessLog(Request[AccessLog], AboutAgency, subject="matching.access-log"):
    """Show who did what with an agency's people, the latest first."""

    before: Position | None = None
    limit: Limit = 100


# shoots and their photographs


class CreateShoot(Request[Shoot], AboutAgency, subject="matching.create-shoot"):
    """Add a shoot."""

    name: Title
    icp_type: IcpType
    state: ShootState = "draft"


class AboutShoot(AboutAgency):
    """Names a shoot, and who asks."""

    shoot: ShootId


class GetShoot(Request[Shoot], AboutShoot, subject="matching.shoot"):
    """Show a shoot."""


class ShootList(Message):
    """Shoots, by id."""

    shoots: list[Shoot]


class GetShoots(Request[ShootList], AboutAgency, subject="matching.shoots"):
    """List an agency's shoots."""

    archived: bool = False


class ChangeShoot(Request[Shoot], AboutShoot, subject="matching.change-shoot"):
    """Change what is given."""

    name: Title | UnsetType = UNSET
    icp_type: IcpType | UnsetType = UNSET
    state: ShootState | UnsetType = UNSET


class EraseShoot(Request[Done], AboutShoot, subject="matching.erase-shoot"):
    """Remove a shoot with its photographs and what was found in them."""


class FilePage(Message):
    """Files of a shoot, by id."""

    files: list[File]
    next_after: int | None


class AddFiles(Request[FilePage], AboutShoot, subject="matching.add-files"):
    """Add photographs; they must lie in `photos/<account>/`. Raises InvalidRequest when full.

    Answers one for each, in their order; one with the content or the URL of a file that the shoot
    has already as that file. Raises InvalidRequest also where the agency or shoot is archived.
    """

    files: Annotated[list[NewFile], Meta(min_length=1, max_length=MOST_IN_MESSAGE)]


class GetFiles(Request[FilePage], AboutShoot, subject="matching.files"):
    """List the photographs of a shoot."""

    after: Position = 0
    limit: Limit = 200


class EraseFiles(Request[Done], AboutShoot, subject="matching.erase-files"):
    """Remove photographs, and what was found in them. Raises NotFound unless all are there."""

    files: Annotated[list[FileId], Meta(min_length=1, max_length=MOST_IN_MESSAGE)]


# people


class SubjectPage(Message):
    """Subjects, by student_id."""

    subjects: list[Subject]
    next_after: str | None


class PutSubjects(Request[SubjectPage], AboutAgency, subject="matching.put-subjects"):
    """Add subjects, or change those whose student_id is known. Raises InvalidRequest."""

    subjects: Annotated[list[NewSubject], Meta(min_length=1, max_length=MOST_IN_MESSAGE)]


class GetSubjects(Request[SubjectPage], AboutAgency, subject="matching.subjects"):
    """List the subjects of an agency."""

    class_name: Line | None = None
    student_ids: Annotated[list[StudentId], Meta(max_length=MOST_IN_MESSAGE)] | None = None
    """Only these."""
    after: After = ""
    limit: Limit = 200


class AboutSubject(AboutAgency):
    """Names a subject, and who asks."""

    subject_id: SubjectId


class GetSubject(Request[Subject], AboutSubject, subject="matching.subject"):
    """Show a subject."""


class ChangeSubject(Request[Subject], AboutSubject, subject="matching.change-subject"):
    """Change what is given."""

    name: Name | UnsetType = UNSET
    class_name: Line | UnsetType = UNSET


class EraseSubject(Request[Done], AboutSubject, subject="matching.erase-subject"):
    """Remove a subject: references, embeddings and every mention in results, at once."""


class ReferenceList(Message):
    """References of a subject, by id."""

    references: list[Reference]


class AddReferences(Request[ReferenceList], AboutSubject, subject="matching.add-references"):
    """Add photographs of a subject; they must lie in `photos/<account>/`. Answers all of them."""

    photos: Annotated[list[NewFile], Meta(min_length=1, max_length=MOST_REFERENCES)]


class GetReferences(Request[ReferenceList], AboutSubject, subject="matching.references-of"):
    """List the references of a subject."""


class EraseReference(Request[Done], AboutSubject, subject="matching.erase-reference"):
    """Remove a reference with its photograph and its embedding."""

    reference: ReferenceId


class SubjectExport(Message):
    """Where everything that is known of a subject lies, as JSON."""

    key: StorageKey


class ExportSubject(Request[SubjectExport], AboutSubject, subject="matching.export-subject"):
    """Write down everything that is known of a subject, for whoever may ask to see it."""

    key: StorageKey
    """Where to write it, in the account's own folder."""


# embeddings of references


class ReferenceProblem(Message):
    """A reference that cannot be compared with."""

    reference: ReferenceId
    subject: SubjectId
    student_id: str
    code: str
    message: str


class DueReferences(Message):
    """What building references would do."""

    references: list[ReferenceId]
    """To be embedded, by id, at most MOST_DUE."""
    subjects: int
    """To whom they belong."""
    more: bool


MOST_DUE = 10_000


class GetDueReferences(Request[DueReferences], AboutAgency, subject="matching.due-references"):
    """Ask which references have no embedding of the present embedder.

    Raises ConsentMissing, and InvalidRequest for an agency without biometrics.
    """


class ReferencesBuilt(Message):
    """How the references of an agency stand."""

    created: int
    """Embeddings that this call made; 0 where it was only asked."""
    embedded: int
    """With the present embedder, as far as it is known."""
    waiting: int
    """Still to be embedded, or to be embedded anew."""
    problems: list[ReferenceProblem]
    """At most MOST_IN_MESSAGE."""
    problems_total: int


class BuildReferences(Request[ReferencesBuilt], AboutAgency, subject="matching.build-references"):
    """Embed what is due while the caller waits. Raises ConsentMissing, Unavailable."""


class GetReferencesBuilt(
    Request[ReferencesBuilt], AboutAgency, subject="matching.references-built"
):
    """Ask how the references of an agency stand."""


class EmbedReference(Message):
    """The work behind an item of a job of REFERENCE_KIND."""

    account: AccountId
    agency: AgencyId
    reference: ReferenceId


class ReferenceEmbedded(Message):
    """The result of such an item."""


# matches


class MatchOptions(Message):
    """What else a match goes by."""

    class_name: Line | None = None
    """Only subjects of this class are looked for."""
    sort_job: JobId | None = None
    """A job that read the cards of these files: what they say is set against the faces."""
    bursts: bool = False
    """Whether photographs taken within seconds by one camera speak for each other."""


MatchState = Literal["queued", "running", "completed", "failed", "cancelled"]


class Match(Message):
    """How a match stands. Counts are of files."""

    id: MatchId
    agency: AgencyId
    shoot: ShootId | None
    job: JobId | None
    """The job that carries it out; None until it has begun."""
    state: MatchState
    threshold: float
    options: MatchOptions
    total: int
    matched: int
    needs_review: int
    unmatched: int
    failed: int
    reviewed: int
    """Files that somebody decided on."""
    faces: int
    """Seen in all files."""
    created_at: datetime
    ended_at: datetime | None


class PrepareMatch(Request[Match], AboutAgency, subject="matching.prepare-match"):
    """Draft a match under a job that is about to begin; it is void if the job never does.

    Raises NoReferences, ReferencesStale, ConsentMissing, MatchRunning for a shoot that is being
    matched, InvalidRequest for no files, and NotFound.
    """

    shoot: ShootId | None = None
    files: Annotated[list[FileId], Meta(max_length=10_000)] | None = None
    """Either these or all of the shoot."""
    threshold: Threshold = 0.85
    options: MatchOptions = MatchOptions()
    job: JobId
    call: UUID | None = None
    """The call with an idempotency key that it is for: asking again answers the same match."""


class AboutMatch(Message):
    """Names a match, and who asks."""

    account: AccountId
    by: Actor
    match: MatchId


class DropMatch(Request[Done], AboutMatch, subject="matching.drop-match"):
    """Forget that a job was to carry out a match, because it did not begin."""

    job: JobId


class MatchFiles(Message):
    """Files of a match, by id."""

    files: list[tuple[FileId, str]]
    """With their names."""
    next_after: int | None


class GetMatchFiles(Request[MatchFiles], AboutMatch, subject="matching.match-files"):
    """List the files of a match."""

    after: Position = 0
    limit: Limit = 500


class MatchFile(Message):
    """The work behind an item of a job of MATCH_KIND."""

    account: AccountId
    match: MatchId
    file: FileId


class FileMatched(Message):
    """The result of such an item, as it stood when the photograph was worked on."""

    state: "FileState"
    faces: int


class GetMatch(Request[Match], AboutMatch, subject="matching.match"):
    """Ask how a match stands."""


class MatchList(Message):
    """Matches, the latest first."""

    matches: list[Match]
    next_before: int | None


class GetMatches(Request[MatchList], subject="matching.matches"):
    """List the matches of an account, or of an agency."""

    account: AccountId
    agency: AgencyId | None = None
    before: Position | None = None
    limit: Limit = 50


# results and review

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


class Decision(Message):
    """What somebody decided."""

    file: FileId
    action: Action
    face: int | None
    subject: SubjectId | None
    by: str
    at: datetime
    undone: bool


class DecisionList(Message):
    """Decisions on a photograph, the latest first."""

    decisions: list[Decision]


class GetDecisions(Request[DecisionList], AboutMatch, subject="matching.decisions"):
    """Show what was decided on a photograph."""

    file: FileId


class Assignment(Message):
    """A photograph and one of the people in it."""

    file: FileId
    filename: str
    key: str
    subject: SubjectId
    student_id: str
    name: str
    class_name: str
    score: float | None
    reviewed: bool


class AssignmentPage(Message):
    """Assignments by class, student_id and file."""

    assignments: list[Assignment]
    next_after: str | None


class GetAssignments(Request[AssignmentPage], AboutMatch, subject="matching.assignments"):
    """List who is in which photograph, as it stands after review, for an export."""

    after: After = ""
    limit: Limit = 500


class MissingPage(Message):
    """Subjects without any photograph, by student_id."""

    subjects: list[Subject]
    next_after: str | None


class GetMissing(Request[MissingPage], AboutMatch, subject="matching.missing"):
    """List the subjects of the agency (or of the match's class) that no photograph is given to."""

    after: After = ""
    limit: Limit = 500


class NoteAccess(Request[Done], AboutAgency, subject="matching.note-access"):
    """Write into the access log what was done outside of matching, such as an export."""

    action: Annotated[str, Meta(min_length=1, max_length=60, pattern=r"^[a-z_]+$(?!\n)")]
    subject_id: SubjectId | None = None
    details: dict[str, str] = field(default_factory=dict)
