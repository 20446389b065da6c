"""What jobs answers: batches of work that outlive the request that began them.

A job is a number of items of one kind. Whoever sells the work drafts a job under a hold of tokens,
adds the items and starts it. Engines register the kinds they work on; their workers take items
through the work queue and finish each. A job closes once: its hold is settled for what succeeded,
and an event tells of it.
"""

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from msgspec import Meta, field

from proto.events import Event
from proto.ids import AccountId, JobId, StorageKey
from proto.message import Message, Request
from proto.wallet import transaction_id

KindName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$(?!\n)")]

MOST_ITEMS = 10_000
"""In one job."""
MOST_ADDED = 500
"""Items in one message."""
MOST_WORK_BYTES = 8_192
MOST_RESULT_BYTES = 16_384

Code = Annotated[str, Meta(max_length=100, pattern=r"^[^\x00]*$")]
Sentence = Annotated[str, Meta(max_length=1000, pattern=r"^[^\x00]*$")]

JobState = Literal["draft", "queued", "running", "completed", "failed", "cancelled"]
"""A draft waits to be started. Completed: at least one item succeeded and none was cancelled."""

ItemState = Literal["waiting", "queued", "running", "succeeded", "failed", "cancelled"]
"""Waiting in the book, handed to the work queue, taken by a worker, or ended, in three ways."""


# the work queue

STREAM = "WORK"
SUBJECTS = "work.>"


class Ticket(Message):
    """What the work queue carries: that an item is due. What it is stands in the job book."""

    account: AccountId
    job: JobId
    number: int


def work_subject(kind: str) -> str:
    """Return where tickets of a kind are published."""
    return f"work.{kind}"


def progress_subject(job: JobId) -> str:
    """Return where it is said, to whoever listens, that something of a job has ended."""
    return f"progress.{job}"


# what engines say


class Registered(Message):
    """The kind is known, and its queue is there."""


class RegisterKind(Request[Registered], subject="jobs.register-kind"):
    """Say that workers of a kind exist, and how they work; again at every start of an engine."""

    kind: KindName
    most_seconds: Annotated[float, Meta(gt=0, le=86_400)]
    """After which an item that was taken is handed out again."""
    most_attempts: Annotated[int, Meta(ge=1, le=100)] = 3
    """After which an item whose workers die or break has failed."""


class Taken(Message, tag="taken"):
    """An item that is the worker's now."""

    work: bytes
    """The engine's own request, as MessagePack."""
    correlation_id: str
    """Of the call that began the job."""
    last: bool
    """Whether it is the last attempt: what breaks now has failed."""


class NotDue(Message, tag="not-due"):
    """Nothing to be done: the item has ended, was cancelled, or another worker is at it."""


class TakeItem(Request[Taken | NotDue], subject="jobs.take-item"):
    """Ask for the work behind a ticket; asking again as the same attempt counts once."""

    account: AccountId
    job: JobId
    number: int
    attempt: UUID
    """Chosen by the worker; only the latest that was let in may finish the item."""
    again: bool = False
    """Whether the queue says that the worker before this one is gone."""


class Succeeded(Message, tag="succeeded"):
    """The work is done; it is charged."""

    result: Annotated[bytes, Meta(max_length=MOST_RESULT_BYTES)]
    """The engine's own reply, as MessagePack."""
    measures: dict[str, float] = field(default_factory=dict)
    """What is to be told of all items together, as mean and spread."""


class Failed(Message, tag="failed"):
    """The work cannot be done, whoever tries; it is not charged."""

    code: Code
    message: Sentence


class PutBack(Message, tag="put-back"):
    """The work could not be done now; try again later."""

    seconds: Annotated[float, Meta(ge=0, le=3600)]
    counts: bool
    """Whether it counts as an attempt: a fault does, as do models that answer what cannot be;
    models that are away do not."""
    code: Code = "ENGINE_UNAVAILABLE"
    """What to say if there is no further attempt."""
    message: Sentence = "the engine was not available for too long"


Outcome = Succeeded | Failed | PutBack


class Finished(Message):
    """Whether the attempt was still the one that counts."""

    counted: bool


class FinishItem(Request[Finished], subject="jobs.finish-item"):
    """Say how an attempt at an item went; saying it again changes nothing."""

    account: AccountId
    job: JobId
    number: int
    attempt: UUID
    outcome: Outcome


# what the gateway says


class Measure(Message):
    """One measure over the items that succeeded."""

    count: int
    mean: float
    deviation: float
    """Standard deviation of these items."""


class Job(Message):
    """Where a job stands."""

    id: JobId
    kind: str
    state: JobState
    total: int
    succeeded: int
    failed: int
    cancelled: int
    hold: int
    """The number of its hold in the wallet."""
    unit_tokens: int
    """Of each unit; `total`, `succeeded`, `failed` and `cancelled` count units as well."""
    consumed: int
    """Tokens that were charged; known once it has closed."""
    details: dict[str, str]
    """What whoever drafted it wants to hear again."""
    measures: dict[str, Measure]
    code: str
    """Why it failed, for programs."""
    message: str
    created_at: datetime
    started_at: datetime | None
    closed_at: datetime | None
    outputs: StorageKey
    number: int
    """Goes up with every job: its place in lists."""

    @property
    def ended(self) -> int:
        """Items that will not change any more."""
        return self.succeeded + self.failed + self.cancelled

    @property
    def deducted(self) -> int:
        """Tokens that were held for it."""
        return self.total * self.unit_tokens

    @property
    def closed(self) -> bool:
        """Whether it is settled and will not change any more."""
        return self.closed_at is not None

    @property
    def transaction_id(self) -> str:
        """The hold's number as clients see it: TX-00021."""
        return transaction_id(self.hold)


class CreateJob(Request[Job], subject="jobs.create"):
    """Draft a job under a hold. Raises Unavailable for a kind without engine, QueueFull.

    A draft under the same id is begun afresh; a job that was started is answered as it is.
    """

    account: AccountId
    job: JobId
    kind: KindName
    hold: int
    unit_tokens: Annotated[int, Meta(ge=0, le=1_000_000)]
    total: Annotated[int, Meta(ge=1, le=MOST_ITEMS)]
    """Units of all items together."""
    inputs: StorageKey | None = None
    """A folder that is removed when the job closes."""
    outputs: StorageKey
    """The folder that results lie in, removed when their time is over."""
    details: dict[str, str] = field(default_factory=dict)


class NewItem(Message):
    """One piece of work."""

    number: Annotated[int, Meta(ge=0, lt=MOST_ITEMS)]
    name: Annotated[str, Meta(max_length=255, pattern=r"^[^\x00]*$")]
    """What its sender calls it."""
    work: Annotated[bytes, Meta(max_length=MOST_WORK_BYTES)]
    units: Annotated[int, Meta(ge=1, le=MOST_ITEMS)] = 1
    """How much of the job it is: what is paid for, and counted as progress."""
    same_as: int | None = None
    """An earlier item whose outcome is this one's too, so that nothing is done for it."""


class Added(Message):
    """The items are in the draft."""


class AddItems(Request[Added], subject="jobs.add-items"):
    """Add items to a draft; those that are there already stay. Raises NotFound."""

    account: AccountId
    job: JobId
    items: Annotated[list[NewItem], Meta(max_length=MOST_ADDED)]


class StartJob(Request[Job], subject="jobs.start"):
    """Let work on a draft begin; from now on its hold waits for it.

    Raises NotFound, ReservationEnded when the hold has lapsed, InvalidRequest when items are
    missing.
    """

    account: AccountId
    job: JobId


class GetJob(Request[Job], subject="jobs.job"):
    """Ask where a job stands. Raises NotFound."""

    account: AccountId
    job: JobId


class JobList(Message):
    """A page of jobs, newest first."""

    jobs: list[Job]
    next_before: int | None = None
    """Ask again with this as `before` for the next page; None on the last."""


class GetJobs(Request[JobList], subject="jobs.jobs"):
    """Ask for the jobs of an account, newest first; drafts are not among them."""

    account: AccountId
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    before: Annotated[int, Meta(ge=1, le=2**62)] | None = None
    state: JobState | None = None


class CancelJob(Request[Job], subject="jobs.cancel"):
    """Release what has not been started; what is being worked on ends. Raises NotFound.

    A draft is discarded with its hold. A job that has closed stays as it is.
    """

    account: AccountId
    job: JobId


class Item(Message):
    """One item of a job."""

    number: int
    name: str
    state: ItemState
    order: int | None
    """How many units of the job had ended with it; None while it has not. No two have the same."""
    result: bytes | None = None
    code: str = ""
    """Why it failed."""
    message: str = ""


class ItemPage(Message):
    """Items in the order that was asked for."""

    items: list[Item]
    more: bool
    """Whether others follow."""


class GetItems(Request[ItemPage], subject="jobs.items"):
    """Ask for the items of a job by number. Raises NotFound.

    A page ends early where it would not fit into a message.
    """

    account: AccountId
    job: JobId
    after: int = -1
    """Only items with a higher number."""
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class GetEnded(Request[ItemPage], subject="jobs.ended-items"):
    """Ask for the items of a job that have ended, in that order. Raises NotFound."""

    account: AccountId
    job: JobId
    after: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    """Only items that ended after that many units."""
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


# what is told to everybody


class JobClosed(Event):
    """A job has ended and is paid for."""

    task_id: JobId
    kind: str
    status: JobState
    total: int
    succeeded: int
    failed: int
    cancelled: int
    tokens_deducted: int
    tokens_refunded: int
    wallet_transaction_id: str
    code: str
    """Why it failed, for programs; empty when it did not."""
    message: str


class JobCompleted(JobClosed):
    """At least one item succeeded and none was cancelled."""

    type: ClassVar[str] = "job.completed"


class JobFailed(JobClosed):
    """No item succeeded, or somebody cancelled the job (then `code` is CANCELLED)."""

    type: ClassVar[str] = "job.failed"
