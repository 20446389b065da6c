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


ERROR_ANSWERS: dict[int, Any] = dict.fromkeys((400, 401, 413, 415, 422, 503), ErrorBody)
"""What an endpoint that takes a body may answer besides success."""
