"""API keys of an account."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from proto.accounts.words import Done, Name, Scope
from proto.ids import AccountId, ApiKeyId
from proto.message import Message, Request

ApiKeyKind = Literal["mk_live", "stu"]
CreditCap = Annotated[int, Meta(ge=0, le=1_000_000_000)]


class ApiKey(Message):
    """A key of an account, without its secret."""

    id: ApiKeyId
    kind: ApiKeyKind
    name: str
    start: str
    """How the key begins, to know it by: mk_live_<id> or stu_ and eight characters."""
    scopes: list[Scope] | None
    """None: every scope."""
    credit_cap: int | None
    """Tokens that it may spend in all; None for no cap."""
    created_at: datetime
    last_used_at: datetime | None
    """To the minute."""
    per_minute: int | None = None
    """The rate limit that the operator gave it; None for the plan's, 0 for none."""


class NewApiKey(Message):
    """A key that was just made; its secret is not kept and cannot be shown again."""

    api_key: ApiKey
    key: str


class CreateApiKey(Request[NewApiKey], subject="accounts.create-api-key"):
    """Make a key. Raises PlanForbids when the plan has no API."""

    account: AccountId
    kind: ApiKeyKind
    name: Name
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=20)] | None = None
    credit_cap: CreditCap | None = None


class ApiKeys(Message):
    """Every key that works, newest first."""

    api_keys: list[ApiKey]


class GetApiKeys(Request[ApiKeys], subject="accounts.api-keys"):
    """Ask for the keys of an account."""

    account: AccountId


class UpdateApiKey(Request[ApiKey], subject="accounts.update-api-key"):
    """Give a key another name and cap; both are set. Raises NotFound."""

    account: AccountId
    api_key: ApiKeyId
    name: Name
    credit_cap: CreditCap | None


class RotateApiKey(Request[NewApiKey], subject="accounts.rotate-api-key"):
    """Give a key another secret; the old one works on for a while. Raises NotFound."""

    account: AccountId
    api_key: ApiKeyId
    overlap_seconds: Annotated[int, Meta(ge=0, le=2_592_000)] = 86_400


class RevokeApiKey(Request[Done], subject="accounts.revoke-api-key"):
    """End a key: no request with it is let in from now on. Raises NotFound."""

    account: AccountId
    api_key: ApiKeyId
