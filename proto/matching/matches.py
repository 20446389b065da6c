"""Matches: the faces of photographs against the people of an agency."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from proto.agencies import AgencyId, FileId, MatchId, ShootId
from proto.ids import AccountId, JobId
from proto.matching.asking import AboutAgency, AboutMatch, Done, Limit, Position
from proto.matching.results import FileState
from proto.message import Message, Request
from proto.qr import Line

MATCH_KIND = "face_match"
"""Of the items of jobs that it works on; their work is a MatchFile."""
Threshold = Annotated[float, Meta(ge=0.5, le=0.99)]


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
