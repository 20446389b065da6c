"""What the wallet answers: hold tokens, settle or refund the hold, top up, show the books."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from proto.ids import AccountId, IdempotencyKey, TokenCount
from proto.message import Message, Request

ReservationState = Literal["held", "settled", "refunded", "expired"]


class Balance(Message):
    """What an account owns."""

    available: int
    """Tokens that can be spent now."""
    held: int
    """Tokens set aside by reservations that have not ended."""


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
    """Hold tokens for work that is about to start. Raises InsufficientTokens."""

    account: AccountId
    tokens: TokenCount
    key: IdempotencyKey
    """A second Reserve with the same key answers with the first reservation."""
    operation: Annotated[str, Meta(min_length=1, max_length=100)]
    """What is paid for, as the price book names it: face_crop."""
    units: Annotated[int, Meta(ge=1)] = 1
    """How many of it: images, subjects, files."""
    expires_in: Annotated[float, Meta(gt=0, le=86_400)] = 900.0
    """Seconds until the hold lapses unless settled or refunded."""


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


class TopUp(Request[Balance], subject="wallet.top-up"):
    """Add bought or granted tokens; opens the wallet of an account that has none."""

    account: AccountId
    tokens: TokenCount
    key: IdempotencyKey
    """A second TopUp with the same key adds nothing."""
    reason: Annotated[str, Meta(max_length=200)] = ""


class GetBalance(Request[Balance], subject="wallet.balance"):
    """Ask what an account owns; an account that never had tokens owns nothing."""

    account: AccountId


class StatementLine(Message):
    """One transaction: a charge and how it ended, or a top-up."""

    number: int
    kind: Literal["charge", "top_up"]
    state: Literal["held", "settled", "refunded", "expired", "added"]
    operation: str
    """What was paid for, or the reason of a top-up."""
    units: int = 0
    reserved: int = 0
    consumed: int = 0
    refunded: int = 0
    added: int = 0
    """Tokens a top-up brought."""
    created_at: datetime
    correlation_id: str = ""
    """The X-Request-Id of the call that caused it."""

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
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    before: int | None = None
    """Only transactions with a smaller number."""


class Discrepancy(Message):
    """A balance that the entries do not bear out."""

    account: AccountId
    cached: Balance
    recomputed: Balance


class Reconciliation(Message):
    """Every balance computed again from the entries."""

    accounts: int
    entries: int
    sum_of_all_places: int
    """Over every account and the house: zero, or the books are broken."""
    discrepancies: list[Discrepancy]


class Reconcile(Request[Reconciliation], subject="wallet.reconcile"):
    """Recompute every balance from the entries and report any difference."""


def transaction_id(number: int) -> str:
    """Return a transaction's number as clients see it, at least five digits: TX-00021."""
    return f"TX-{number:05d}"
