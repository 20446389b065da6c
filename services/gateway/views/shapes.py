"""Bodies that many answers share."""

from typing import Any

import msgspec


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """Every error but 402."""

    error: str
    """Stable, in upper snake case, for programs."""
    message: str
    """One sentence for a person."""
    request_id: str
    """The X-Request-Id of this answer; tell it to support."""


class InsufficientTokensBody(msgspec.Struct, frozen=True, kw_only=True):
    """The wallet holds too little for this request; nothing was done."""

    error: str
    balance: int
    shortfall: int
    top_up_url: str


class SpendCapBody(msgspec.Struct, frozen=True, kw_only=True):
    """The API key may not spend that much; nothing was done."""

    error: str
    message: str
    request_id: str
    cap: int
    """Tokens that the key may spend in all."""
    spent: int
    held: int
    """Tokens set aside for requests of the key that have not ended."""


ASKING: dict[int, Any] = dict.fromkeys((401, 403, 429, 503), ErrorBody)
"""What an endpoint that must know its caller may answer besides success."""

ERROR_ANSWERS: dict[int, Any] = dict.fromkeys((400, 401, 403, 413, 415, 422, 429, 503), ErrorBody)
"""What an endpoint that takes a body may answer besides success."""
