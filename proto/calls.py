"""Charging calls that may be sent again: what the wallet remembers of them, for a day.

A client gives a call an idempotency key. The first one with it begins; those after it are answered
with what the first came to, or told that it is still under way.
"""

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from proto.ids import AccountId, IdempotencyKey
from proto.message import Message, Request

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
    """Forget a call that came to nothing: it may be sent again, as if for the first time."""

    account: AccountId
    key: IdempotencyKey
    attempt: UUID
