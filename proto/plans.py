"""What a plan is called and what it brings, and how a rate limit stands."""

from typing import Literal

from proto.message import Message

PlanName = Literal["basic", "premium", "pro", "team", "business"]

Feature = Literal["premium_layouts", "api"]
"""What a plan may bring: Premium card layouts and logos; calls with API keys."""


class Plan(Message):
    """What an account on this plan may do."""

    name: PlanName
    title: str
    features: list[Feature]
    key_per_minute: int
    """Requests a minute of one API key, or of the logged-in people of the account together."""
    account_per_minute: int
    """Requests a minute of the whole account."""
    members: int
    """People who may be members."""


class RateLimit(Message):
    """A limit, and how it stood right after a request was counted."""

    name: Literal["key", "account"]
    quota: int
    """Requests in the window."""
    window: int
    """Seconds."""
    remaining: int
    """Requests that would be let through at once now."""
    reset: int
    """Whole seconds until one more is let through, if `remaining` is 0; else until all are."""
