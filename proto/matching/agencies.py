"""Agencies: the schools and clubs whose people are looked for."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType, field

from proto.agencies import (
    MOST_IN_MESSAGE,
    AccessEntry,
    Actor,
    Agency,
    AgencyId,
    AgencyType,
    Mode,
    SubjectId,
    Title,
)
from proto.ids import AccountId
from proto.matching.asking import AboutAgency, Days, Done, Limit, Position
from proto.message import Message, Request


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


GALLERY_GONE = "matching.gallery-gone"
"""Where replicas of matching tell each other that embeddings of an agency were erased."""


class GalleryGone(Message):
    """What is in memory of an agency is to be dropped. Nobody waits for an answer."""

    account: AccountId
    agency: AgencyId


class AccessLog(Message):
    """A page of the log."""

    entries: list[AccessEntry]
    next_before: int | None


class GetAccessLog(Request[AccessLog], AboutAgency, subject="matching.access-log"):
    """Show who did what with an agency's people, the latest first."""

    before: Position | None = None
    limit: Limit = 100


class NoteAccess(Request[Done], AboutAgency, subject="matching.note-access"):
    """Write into the access log what was done outside of matching, such as an export."""

    action: Annotated[str, Meta(min_length=1, max_length=60, pattern=r"^[a-z_]+$(?!\n)")]
    subject_id: SubjectId | None = None
    details: dict[str, str] = field(default_factory=dict)
    once_an_hour: bool = False
    """Not where the same was noted within the last hour, with these details."""
