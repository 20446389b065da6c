"""What the wallet answers: hold tokens, settle or refund the hold, top up, show the books.

It also remembers, for a day, what charging calls came to, so that they can be sent again.
"""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, field

from proto.ids import AccountId, ApiKeyId, IdempotencyKey, JobId, Moment, TokenCount
from proto.message import Message, Request

ReservationState = Literal["held", "settled", "refunded", "expired"]


class Balance(Message):
    """What an account owns."""

    available: int
    """Tokens that can be spent now."""
    held: int
    """Tokens set aside by reservations that have not ended."""
    promotional: int = 0
    """Of those available, tokens that were granted and will lapse; they are spent first."""


class Reservation(Message):
    """Tokens set aside for work, and how that ended."""

    number: int
    """Unique over all accounts; clients see it as TX-00021."""
    state: ReservationState
    reserved: int
    consumed: int = 0
    """Tokens captured by settling; the rest went back."""
    refunded: int = 0
    """Tokens given back: the rest of a settlement, a refund, or a lapsed lease."""
    available: int
    """Tokens the account could spend right after this step."""

    @property
    def transaction_id(self) -> str:
        """The number as clients see it: TX-00021."""
        return transaction_id(self.number)


class Reserve(Request[Reservation], subject="wallet.reserve"):
    """Hold tokens for work that is about to start.

    Raises InsufficientTokens, SpendCapReached, IdempotencyConflict.
    """

    account: AccountId
    tokens: TokenCount
    key: IdempotencyKey
    """A second Reserve with the same key answers with the first reservation."""
    operation: Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
    """What is paid for, as the price book names it: face_crop."""
    units: Annotated[int, Meta(ge=1, le=1_000_000_000)] = 1
    """How many of it: images, subjects, files."""
    expires_in: Annotated[float, Meta(gt=0, le=86_400)] = 900.0
    """Seconds until the hold lapses unless settled, refunded or attached to a job."""
    api_key: ApiKeyId | None = None
    """The key that the request came with."""
    credit_cap: Annotated[int, Meta(ge=0)] | None = None
    """What that key may spend in all: what it has spent and holds counts, with this."""


class Attach(Request[Reservation], subject="wallet.attach"):
    """Let a hold wait for a job, for as long as it takes. Raises ReservationEnded, NotFound.

    From then on it has no lease: whoever keeps the job settles or refunds it when the job closes.
    """

    account: AccountId
    number: int
    job: JobId


class Settle(Request[Reservation], subject="wallet.settle"):
    """Capture what the work used and give back the rest. Raises ReservationEnded, NotFound.

    Settling again with the same amount answers as the first time.
    """

    account: AccountId
    number: int
    consumed: Annotated[int, Meta(ge=0)]


class Refund(Request[Reservation], subject="wallet.refund"):
    """Give the whole hold back. Raises ReservationEnded when it was settled, NotFound.

    Refunding what was refunded, or has expired, answers as the first time.
    """

    account: AccountId
    number: int


class Release(Request[Reservation], subject="wallet.release"):
    """Give a hold back unless it waits for another job, which then ends it.

    Raises IdempotencyConflict when it does, ReservationEnded when it was settled, NotFound.
    Releasing what was refunded, or has expired, answers as the first time.
    """

    account: AccountId
    number: int
    job: JobId | None = None
    """The job for which it may wait."""


Reason = Annotated[str, Meta(max_length=200, pattern=r"^[^\x00]*$")]


class TopUp(Request[Balance], subject="wallet.top-up"):
    """Add bought or granted tokens; opens the wallet of an account that has none."""

    account: AccountId
    tokens: TokenCount
    key: IdempotencyKey
    """A second TopUp with the same key adds nothing."""
    reason: Reason = ""
    reference: Annotated[str, Meta(max_length=255, pattern=r"^[^\x00]*$")] = ""
    """The payment that it stands for, if any: one adds tokens once, under whatever key."""


class Grant(Request[Balance], subject="wallet.grant"):
    """Give tokens that lapse, and are spent before those that were paid for."""

    account: AccountId
    tokens: TokenCount
    key: IdempotencyKey
    """A second Grant with the same key gives nothing."""
    expires_at: Moment
    reason: Reason = ""


class GetBalance(Request[Balance], subject="wallet.balance"):
    """Ask what an account owns; an account that never had tokens owns nothing."""

    account: AccountId


class Threshold(Message):
    """Below how many tokens an account wants to be told."""

    tokens: int | None
    """None: never."""


class GetThreshold(Request[Threshold], subject="wallet.threshold"):
    """Ask below how many tokens an account wants to be told."""

    account: AccountId


class SetThreshold(Request[Threshold], subject="wallet.set-threshold"):
    """Publish a LowBalance event when the balance falls below this, once until it is filled up."""

    account: AccountId
    tokens: TokenCount | None


StatementKind = Literal["charge", "top_up", "grant"]


class StatementLine(Message):
    """One transaction: a charge and how it ended, a top-up, or a grant."""

    number: int
    kind: StatementKind
    state: Literal["held", "settled", "refunded", "expired", "added"]
    operation: str
    """What was paid for, or the reason of a top-up or grant."""
    units: int = 0
    reserved: int = 0
    consumed: int = 0
    refunded: int = 0
    added: int = 0
    """Tokens that a top-up or grant brought."""
    expired: int = 0
    """Tokens of a grant that lapsed unspent."""
    expires_at: datetime | None = None
    """When a grant lapses, or a hold that has not ended."""
    created_at: datetime
    correlation_id: str = ""
    """The X-Request-Id of the call that caused it."""
    api_key: ApiKeyId | None = None
    """The key that a charge was made with."""

    @property
    def transaction_id(self) -> str:
        """The number as clients see it: TX-00021."""
        return transaction_id(self.number)


class Statement(Message):
    """A page of transactions, newest first."""

    lines: list[StatementLine]
    next_before: int | None = None
    """Ask again with this as `before` for the next page; None on the last."""


class GetStatement(Request[Statement], subject="wallet.statement"):
    """Ask for the transactions of an account, newest first."""

    account: AccountId
    limit: Annotated[int, Meta(ge=1, le=1000)] = 50
    before: int | None = None
    """Only transactions with a smaller number."""
    since: Moment | None = None
    """Only transactions of this moment and later."""
    until: Moment | None = None
    """Only transactions before this moment."""
    kind: StatementKind | None = None
    api_key: ApiKeyId | None = None
    """Only charges made with this key."""


class UsageLine(Message):
    """What one API key, or the people who log in, used of one operation."""

    api_key: ApiKeyId | None
    operation: str
    charges: int
    units: int
    """Units that were asked for; those that failed are in it."""
    consumed: int


class Usage(Message):
    """What an account used in a span of time, the most expensive first."""

    lines: list[UsageLine]


class GetUsage(Request[Usage], subject="wallet.usage"):
    """Ask what an account used, by key and operation; counts what was begun in the span."""

    account: AccountId
    since: Moment
    until: Moment


class Discrepancy(Message):
    """A balance that the entries, the holds, the grants or a key's count do not bear out."""

    account: AccountId
    cached: Balance
    recomputed: Balance


class Reconciliation(Message):
    """Every balance computed again from the entries."""

    accounts: int
    entries: int
    sum_of_all_places: int
    """Over every account and the house: zero, or the books are broken."""
    house: dict[str, int] = field(default_factory=dict)
    """What the house accounts stand at: revenue above zero, what was given out below."""
    discrepancies: list[Discrepancy]


class Reconcile(Request[Reconciliation], subject="wallet.reconcile"):
    """Recompute every balance from the entries and report any difference."""


# Charging calls that may be sent again. A client gives a call an idempotency key: the first with
# it begins, those after it are answered with what the first came to, or told to wait.


Fingerprint = Annotated[bytes, Meta(min_length=32, max_length=32)]
"""SHA-256 over everything that was sent."""

REMEMBERED_SECONDS = 86_400
MOST_ANSWER_BYTES = 900_000
"""What goes through NATS in one message."""


class CallAnswer(Message):
    """How a call was answered."""

    status: Annotated[int, Meta(ge=100, le=599)]
    content_type: Annotated[str, Meta(max_length=100)]
    body: Annotated[bytes, Meta(max_length=MOST_ANSWER_BYTES)]


class Call(Message):
    """Where a call stands."""

    state: Literal["begun", "under_way", "answered"]
    id: UUID | None = None
    """Of a call that has begun: the same for all its attempts, so that it is paid for once."""
    attempt: UUID | None = None
    """Of a call that has begun: names this attempt when it ends."""
    answer: CallAnswer | None = None
    """Of a call that was answered."""


class BeginCall(Request[Call], subject="wallet.begin-call"):
    """Ask to carry out a call, before any work.

    An attempt that has not ended within its lease is taken for dead, and another may begin.
    Raises IdempotencyConflict when the key was sent with something else.
    """

    account: AccountId
    key: IdempotencyKey
    fingerprint: Fingerprint
    lease_seconds: Annotated[float, Meta(gt=0, le=86_400)]


class Ended(Message):
    """Whether the attempt was still the one that counts."""

    counted: bool


class AnswerCall(Request[Ended], subject="wallet.answer-call"):
    """Remember the answer of a call."""

    account: AccountId
    key: IdempotencyKey
    attempt: UUID
    answer: CallAnswer


class AbandonCall(Request[Ended], subject="wallet.abandon-call"):
    """Give up an attempt that came to nothing: the same call may be sent again at once."""

    account: AccountId
    key: IdempotencyKey
    attempt: UUID


def transaction_id(number: int) -> str:
    """Return a transaction's number as clients see it, at least five digits: TX-00021."""
    return f"TX-{number:05d}"
