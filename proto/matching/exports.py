"""Who is in which photograph after review, for exports, and who is in none."""

from proto.agencies import FileId, Subject, SubjectId
from proto.matching.asking import AboutMatch, After, Limit
from proto.message import Message, Request


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
