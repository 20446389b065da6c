"""Who calls: a person who logged in, an API key, or a token of another issuer."""

from uuid import UUID

from proto.accounts.words import Role, Scope, Secret
from proto.ids import AccountId, ApiKeyId, UserId
from proto.message import Message, Request
from proto.plans import Plan, RateLimit


class Caller(Message):
    """Who sent a request, and what they may do."""

    account: AccountId
    user: UserId | None = None
    """The person who logged in; None for a key, a service, or another issuer's token."""
    role: Role = "member"
    plan: Plan
    api_key: ApiKeyId | None = None
    scopes: list[Scope] | None = None
    """None: everything the role may do."""
    credit_cap: int | None = None
    """Tokens that the key may spend in all, those held included."""
    session: UUID | None = None
    """The login that the access token belongs to."""
    limits: list[RateLimit]
    """How the rate limits stand after this request; empty when there are none."""


class Authenticate(Request[Caller], subject="accounts.authenticate"):
    """Ask who sent this, and whether they may call now; counts against their rate limits.

    Takes access tokens of ours and of registered issuers, and API keys of both kinds.
    Raises NotAuthenticated, RateLimited.
    """

    credential: Secret
