"""What one call carries with it from service to service: who asked, by when, traced how."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

CORRELATION_HEADER = "Darkroom-Correlation-Id"
TIMEOUT_HEADER = "Darkroom-Timeout-Ms"
TRACE_HEADER = "traceparent"

correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")
"""The X-Request-Id of the call that started it all; in every log line."""

traceparent: ContextVar[str] = ContextVar("traceparent", default="")
"""W3C trace context, passed on as it came."""

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


def new_correlation_id() -> str:
    """Return an id for a call that brought none."""
    return secrets.token_hex(12)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give what runs inside at most this long, or less if its caller has less."""
    ours = asyncio.get_running_loop().time() + seconds
    theirs = _deadline.get()
    token = _deadline.set(ours if theirs is None else min(ours, theirs))
    try:
        yield
    finally:
        _deadline.reset(token)


def seconds_left(default: float) -> float:
    """Return how long the current call may still take, `default` when nobody said."""
    deadline = _deadline.get()
    if deadline is None:
        return default
    return max(0.0, deadline - asyncio.get_running_loop().time())


def headers(timeout_seconds: float) -> dict[str, str]:
    """Return the headers that carry this call's context to the next service.

    The deadline travels as time left, not as a time of day: clocks differ between machines.
    """
    carried = {TIMEOUT_HEADER: str(int(timeout_seconds * 1000))}
    if correlation := correlation_id.get():
        carried[CORRELATION_HEADER] = correlation
    if trace := traceparent.get():
        carried[TRACE_HEADER] = trace
    return carried
