"""Subjects: the people of an agency, and the photographs that show who they are."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType, field

from proto.agencies import (
    MOST_IN_MESSAGE,
    MOST_REFERENCES,
    NewFile,
    NewSubject,
    Reference,
    ReferenceId,
    Subject,
    SubjectId,
)
from proto.ids import StorageKey
from proto.matching.asking import AboutAgency, After, Done, Limit
from proto.message import Message, Request
from proto.qr import Line, Name, StudentId


class SubjectPage(Message):
    """Subjects, by student_id."""

    subjects: list[Subject]
    next_after: str | None


class PutSubjects(Request[SubjectPage], AboutAgency, subject="matching.put-subjects"):
    """Add subjects, or change those whose student_id is known. Raises InvalidRequest."""

    subjects: Annotated[list[NewSubject], Meta(min_length=1, max_length=MOST_IN_MESSAGE)]
    only_try: bool = False
    """Refuse what would be refused, and change nothing: answers those that are known already."""


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
    reference_urls: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=4096)]], Meta(max_length=MOST_REFERENCES)
    ] = field(default_factory=list)
    """Added to the references that are there; one that is there already stays as it is."""


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
