"""Making references comparable: an embedding of each."""

from proto.agencies import AgencyId, ReferenceId, SubjectId
from proto.ids import AccountId
from proto.matching.asking import AboutAgency, Position
from proto.message import Message, Request

REFERENCE_KIND = "face_reference"
"""Likewise; their work is an EmbedReference."""


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
    """By reference, at most MOST_IN_MESSAGE."""
    problems_total: int
    next_after: int | None = None
    """Behind which reference the problems go on."""


class BuildReferences(Request[ReferencesBuilt], AboutAgency, subject="matching.build-references"):
    """Embed what is due while the caller waits. Raises ConsentMissing, Unavailable."""


class GetReferencesBuilt(
    Request[ReferencesBuilt], AboutAgency, subject="matching.references-built"
):
    """Ask how the references of an agency stand."""

    after: Position = 0
    """Only problems of references behind this one."""


class EmbedReference(Message):
    """The work behind an item of a job of REFERENCE_KIND."""

    account: AccountId
    agency: AgencyId
    reference: ReferenceId


class ReferenceEmbedded(Message):
    """The result of such an item."""
