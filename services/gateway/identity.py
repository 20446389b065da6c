"""Who is calling: asked of the accounts service with every request, which also counts it."""

import asyncio
from uuid import UUID

from aiohttp import web

from kit.bus import Bus
from proto.accounts.calling import Authenticate, Caller
from proto.accounts.login import GetSigningKeys, SigningKeys
from proto.accounts.opening import GetAccount, GetPlans
from proto.accounts.services import CheckServiceKey
from proto.accounts.words import Scope
from proto.errors import NotAuthenticated
from proto.ids import AccountId

ACCOUNT = "account_id"
"""Where the caller's AccountId stands in an authenticated request."""

CALLER = "caller"
"""Where the Caller stands in an authenticated request."""

_LONGEST_CREDENTIAL = 16_384
_PUBLIC_KEYS = ("mk_live_", "stu_")
_ENGINES: list[Scope] = ["facecrop", "qr", "matching", "images", "shoots"]
_KEYS_FRESH_SECONDS = 10.0
_INTERNAL_FRESH_SECONDS = 60.0


class Identity:
    """Names the caller of a request; remembers none, so that a revoked key ends at once."""

    def __init__(self, bus: Bus, *, default_user_id: str, require_api_key: bool) -> None:
        """Take the account of internal callers ("" for none), and whether they need a key."""
        self._bus = bus
        self._internal_account = AccountId(UUID(default_user_id)) if default_user_id else None
        self._require_api_key = require_api_key
        self._internal: tuple[float, Caller] | None = None
        self._keys: tuple[float, SigningKeys] | None = None

    async def caller(self, request: web.Request) -> Caller:
        """Return who sent the request. Raises NotAuthenticated, RateLimited, Unavailable."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        key = request.headers.get("X-Api-Key", "").strip()
        if scheme.lower() == "bearer" and token.strip():
            return await self._bus.request(Authenticate(credential=_sane(token.strip())))
        if key and self._internal_account and not key.startswith(_PUBLIC_KEYS):
            return await self._internal_caller(self._internal_account, key)
        if key:
            return await self._bus.request(Authenticate(credential=_sane(key)))
        raise NotAuthenticated(
            "send an access token or an API key: Authorization: Bearer <access_token>"
        )

    async def public_keys(self) -> SigningKeys:
        """Return the keys that verify our tokens, asked for at most every few seconds."""
        now = asyncio.get_running_loop().time()
        if self._keys is None or now - self._keys[0] > _KEYS_FRESH_SECONDS:
            self._keys = now, await self._bus.request(GetSigningKeys())
        return self._keys[1]

    async def _internal_caller(self, account: AccountId, key: str) -> Caller:
        """Return a caller of the same house, who works for the account that the operator named."""
        if self._require_api_key:
            await self._bus.request(CheckServiceKey(key=_sane(key)))
        now = asyncio.get_running_loop().time()
        if self._internal is None or now - self._internal[0] > _INTERNAL_FRESH_SECONDS:
            found = await self._bus.request(GetAccount(account=account))
            plans = (await self._bus.request(GetPlans())).plans
            (plan,) = (plan for plan in plans if plan.name == found.plan)
            self._internal = now, Caller(account=account, plan=plan, scopes=_ENGINES, limits=[])
        return self._internal[1]


def _sane(credential: str) -> str:
    """Return a credential that could be one. Raises NotAuthenticated."""
    if len(credential) > _LONGEST_CREDENTIAL or not (
        credential.isascii() and credential.isprintable()
    ):
        raise NotAuthenticated("the access token is not valid")
    return credential
