"""Stripe's webhook: whether it was Stripe that told, and which payment brings which tokens.

As documented by Stripe: the header `Stripe-Signature: t=<seconds>,v1=<hex>,...` carries an
HMAC-SHA256 of `<t>.<body>` under the endpoint's secret; a checkout's money is there when
`payment_status` is `paid`, at completion or, for slow methods, with `async_payment_succeeded`.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from proto.ids import AccountId

TOLERANCE_SECONDS = 300
_PAYING = ("checkout.session.completed", "checkout.session.async_payment_succeeded")
_MOST_TOKENS = 1_000_000_000


class NotSigned(Exception):
    """It was not signed with a secret of ours, or too long ago."""


class NotUnderstood(Exception):
    """A payment that cannot be booked; the message says what is missing."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A checkout session, as far as it matters here."""

    id: Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\x00]*$")]
    payment_status: str = ""
    client_reference_id: str | None = None
    metadata: dict[str, str] | None = None


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """What an event is about."""

    object: msgspec.Raw


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened at Stripe."""

    id: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
    type: str
    data: Data


@dataclass(frozen=True, slots=True)
class Payment:
    """Tokens that were paid for."""

    event: str
    session: str
    account: AccountId
    tokens: int


def verify(header: str, body: bytes, secrets: Sequence[str], now: float) -> None:
    """Raise NotSigned unless the body was signed with one of the secrets, not long ago."""
    parts = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    signatures = [value for name, _, value in parts if name == "v1"]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit()) or len(times[0]) > 12:
        raise NotSigned("Stripe-Signature has no time")
    if abs(now - int(times[0])) > TOLERANCE_SECONDS:
        raise NotSigned("the signature is too old, or of another time")
    signed = times[0].encode() + b"." + body
    for secret in secrets:
        expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        if any(hmac.compare_digest(expected.encode(), found.encode()) for found in signatures):
            return
    raise NotSigned("no signature fits")


def payment(body: bytes) -> Payment | None:
    """Return the payment that an event tells of, None for an event about something else.

    The checkout names the account in `client_reference_id` or `metadata.account_id`, and the
    tokens in `metadata.tokens`. Raises NotUnderstood.
    """
    try:
        event = msgspec.json.decode(body, type=Event)
        if event.type not in _PAYING:
            return None
        session = msgspec.json.decode(event.data.object, type=Session)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotUnderstood(f"this is no event of Stripe: {error}") from error
    if session.payment_status != "paid":
        return None
    said: dict[str, Any] = session.metadata or {}
    return Payment(
        event=event.id,
        session=session.id,
        account=_account(session.client_reference_id or said.get("account_id", "")),
        tokens=_tokens(said.get("tokens", "")),
    )


def _account(text: str) -> AccountId:
    try:
        return AccountId(UUID(text))
    except ValueError as error:
        sentence = "client_reference_id (or metadata.account_id) must be the account's id"
        raise NotUnderstood(sentence) from error


def _tokens(text: str) -> int:
    if (
        not (text.isascii() and text.isdigit())
        or len(text) > 10
        or not 1 <= int(text) <= _MOST_TOKENS
    ):
        raise NotUnderstood(f"metadata.tokens must be a whole number from 1 to {_MOST_TOKENS}")
    return int(text)
