"""Who is in which photograph after review, for exports, and who is in none."""

from proto.agencies import FileId, ShootId, Subject, SubjectId
from proto.matching.asking import AboutAgency, AboutMatch, After, Limit
from proto.message import Message, Request
from proto.qr import Line


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


class GetMissingOfAgency(Request[MissingPage], AboutAgency, subject="matching.missing-of-agency"):
    """List the subjects of an agency that no photograph of any match that has ended is given to.

    Of a photograph the latest match counts that has read it: one over a class for those in it.
    """

    shoot: ShootId | None = None
    """Only photographs of this shoot."""
    class_name: Line | None = None
    """Only subjects of this class."""
    after: After = ""
    limit: Limit = 500
