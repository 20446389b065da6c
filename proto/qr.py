"""What the service for QR cards answers: rosters to printable sheets, and sorting what was shot.

A sheet is begun, given its subjects in parts, and drawn. What was drawn stays the roster of its
job, so that single cards can be printed again; a job here is the caller's own, by their reference.
"""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, field

from proto.ids import AccountId, JobId, Moment, StorageKey
from proto.message import Message, Request

KIND = "qr_sheet"
"""Of the items of jobs that it works on; their work is a DrawSheet."""

Layout = Literal["4up", "single", "9up"]
Paper = Literal["a4", "letter"]
SymbolKind = Literal["qr", "datamatrix"]
CardKind = Literal["subject", "group", "extra"]

MOST_SUBJECTS = 2000
MOST_ADDED = 500
MOST_GROUPS = 50
MOST_EXTRAS = 100

SHOWN = (
    r"(?=.*[^\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e"
    r"\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0])"
)
"""In a pattern: at least one character that somebody sees."""

Reference = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=rf"^{SHOWN}(?!\.+$)[^\x00-\x1f\x7f/\\]+$(?!\n)",
    ),
]
"""The caller's own name for a job; no path."""
StudentId = Annotated[
    str, Meta(min_length=1, max_length=64, pattern=rf"^{SHOWN}[^\x00-\x1f\x7f]+$(?!\n)")
]
Name = Annotated[
    str, Meta(min_length=1, max_length=200, pattern=rf"^{SHOWN}[^\x00-\x1f\x7f]+$(?!\n)")
]
Line = Annotated[str, Meta(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)")]


class Subject(Message):
    """Somebody who is photographed."""

    student_id: StudentId
    name: Name
    class_name: Line = ""
    lines: Annotated[list[Line], Meta(max_length=4)] = field(default_factory=list)
    """Printed below the rest."""


class Wishes(Message):
    """How a sheet shall look."""

    layout: Layout = "4up"
    paper: Paper = "a4"
    symbol: SymbolKind = "qr"
    school_name: Line = ""
    logo: StorageKey | None = None
    """A PNG of the card reader's writing."""
    sort_by: Literal["given", "class", "name"] = "class"
    """`class` keeps the given order within a class; classes by name. Where group cards, dividers or
    page breaks are wished, classes stay together in every order."""
    dividers: bool = False
    """A page with the name of the class before its first card."""
    page_break_per_class: bool = False
    group_cards: bool = False
    """A card for each class, before its subjects."""
    groups: Annotated[list[Line], Meta(max_length=MOST_GROUPS)] = field(default_factory=list)
    """Further group cards: teams, staff."""
    extras: Annotated[int, Meta(ge=0, le=MOST_EXTRAS)] = 0
    """Blank cards Extra 1, Extra 2 … for people who are not on the list."""
    name_in_code: bool = False
    language: Annotated[str, Meta(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$(?!\n)")] = "en"


class SheetBegun(Message):
    """The sheet waits for its subjects."""


class BeginSheet(Request[SheetBegun], subject="qr.begin-sheet"):
    """Begin a sheet, under an id of the caller's choice; again changes nothing."""

    account: AccountId
    sheet: UUID
    job_id: Reference
    wishes: Wishes


class AddSubjects(Request[SheetBegun], subject="qr.add-subjects"):
    """Give a sheet a part of its subjects; the same part again changes nothing. Raises NotFound.

    A sheet that was drawn takes no more: whatever comes changes nothing.
    """

    account: AccountId
    sheet: UUID
    part: Annotated[int, Meta(ge=0, lt=MOST_SUBJECTS)]
    subjects: Annotated[list[Subject], Meta(min_length=1, max_length=MOST_ADDED)]


class Missing(Message):
    """Characters of a card that no font here has; they are left out of what is printed."""

    student_id: str
    """Empty for the school's name."""
    characters: str


class DrawnSheet(Message):
    """A finished sheet."""

    job_id: str
    pdf: StorageKey
    preview: StorageKey
    """The first page as PNG."""
    subjects: int
    pages: int
    missing: list[Missing]
    """At most 100 of them."""
    missing_count: int


class DrawSheet(Request[DrawnSheet], subject="qr.draw-sheet"):
    """Draw a sheet; what was drawn is answered again.

    Raises NotFound, InvalidRequest: a student_id twice, ids that no card can hold.
    """

    account: AccountId
    sheet: UUID
    outputs: StorageKey
    """Folder to write into, which must be the account's own."""


# what was printed before


class Printed(Message):
    """A subject of a job, as last printed."""

    student_id: str
    name: str
    class_name: str
    lines: list[str]
    school_name: str = ""
    symbol: SymbolKind = "qr"
    name_in_code: bool = False
    added_at: datetime
    """When it was first printed."""


class PrintedPage(Message):
    """Subjects by student_id."""

    subjects: list[Printed]
    next_after: str | None = None
    """Ask again with this as `after`; None on the last page."""


class GetPrinted(Request[PrintedPage], subject="qr.printed"):
    """Ask who has cards for a job. Raises NotFound for a job without cards."""

    account: AccountId
    job_id: Reference
    student_ids: Annotated[list[StudentId], Meta(max_length=500)] | None = None
    """Only these."""
    added_since: Moment | None = None
    after: Annotated[str, Meta(pattern=r"^[^\x00]*$")] | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 200


class Card(Message):
    """A card for showing on a screen."""

    student_id: str
    name: str
    class_name: str
    school_name: str
    svg: str
    """The symbol with its quiet zone."""


class GetCard(Request[Card], subject="qr.card"):
    """Ask for the card of one subject. Raises NotFound."""

    account: AccountId
    job_id: Reference
    student_id: StudentId


class Forgotten(Message):
    """How many subjects are not known any more."""

    subjects: int


class ForgetJob(Request[Forgotten], subject="qr.forget-job"):
    """Forget everybody who had cards for a job, with its sheets. Raises NotFound.

    A sheet that is being drawn meanwhile comes to nothing.
    """

    account: AccountId
    job_id: Reference


# rosters as files


class RosterRead(Message):
    """Where the answer lies."""

    key: StorageKey
    """JSON: see the gateway's RosterBody."""


class ReadRoster(Request[RosterRead], subject="qr.read-roster"):
    """Read an uploaded CSV or XLSX file. Raises InvalidRequest with a sentence on what is wrong."""

    account: AccountId
    key: StorageKey
    """Of the file; the answer is written beside it, as it may be long."""
    filename: Annotated[str, Meta(max_length=255)]
    encoding: Annotated[str, Meta(max_length=40)] = ""
    columns: dict[str, int] = field(default_factory=dict)
    """Which column (from 0) is student_id, name, first_name, last_name, class_name,
    reference_photo_url; guessed where left out."""


# sorting a shoot


class SortOptions(Message):
    """How a shoot was photographed."""

    job_id: Reference
    order: Literal["captured", "sent", "name"] = "captured"
    card: Literal["first", "last"] = "first"
    cameras_apart: bool = True


class Person(Message):
    """Whom photographs belong to."""

    kind: CardKind
    student_id: str
    name: str = ""
    """As printed, where it is known."""
    class_name: str = ""


class SortedFile(Message):
    """One photograph of a shoot."""

    number: int
    """As it was sent, from 0."""
    filename: str
    role: Literal["card", "photo", "unassigned", "failed"]
    people: list[Person]
    reasons: list[str]
    """What somebody should look at: before_first_card, unreadable_card, several_cards …"""
    file_id: int | None = None
    """Which file of an agency's job it is; None for one that was sent along, or failed."""
    code: str = ""
    """Why it failed."""
    message: str = ""


class ReasonCount(Message):
    """How often a reason was given."""

    reason: str
    count: int


class SortedShoot(Message):
    """A page of a sorted shoot."""

    files: list[SortedFile]
    more: bool
    people: int
    """Who has photographs."""
    photos: int
    """That belong to somebody."""
    unassigned: int
    reasons: list[ReasonCount]


class GetSorted(Request[SortedShoot], subject="qr.sorted"):
    """Sort the photographs of a job of kind card_read that has closed. Raises NotFound."""

    account: AccountId
    job: JobId
    options: SortOptions
    after: int = -1
    limit: Annotated[int, Meta(ge=1, le=500)] = 200
