"""Who is this, and may they call now: the credential is verified here, the rest is one query."""

import hashlib
import hmac
from math import ceil, floor

import asyncpg

from kit.database import Pool
from proto.accounts.calling import Caller
from proto.errors import NotAuthenticated, PlanForbids, RateLimited
from proto.plans import RateLimit
from services.accounts import apikeys
from services.accounts.plans import Plans
from services.accounts.tokens import Person, Tokens

WINDOW_SECONDS = 60

ADMIT_KEY = """
SELECT * FROM accounts.admit_key($1, $2, $3, $4, $5)
"""

ADMIT_PERSON = """
SELECT * FROM accounts.admit_person($1, $2, $3, $4, $5, $6)
"""

FORGET_OLD = """
DELETE FROM accounts.rate_limits WHERE empty_at < now() - interval '1 hour'
"""

_NOBODYS_HASH = bytes(32)


class Admission:
    """Lets callers in."""

    def __init__(self, pool: Pool, tokens: Tokens, plans: Plans) -> None:
        self._pool = pool
        self._tokens = tokens
        self._plans = plans
        everyone = plans.all
        self._quotas = (
            [plan.name for plan in everyone],
            [plan.key_per_minute for plan in everyone],
            [plan.account_per_minute for plan in everyone],
        )

    async def admit(self, credential: str) -> Caller:
        """Return who calls. Raises NotAuthenticated, PlanForbids, RateLimited.

        What is not authenticated counts against nobody's limit.
        """
        if apikeys.looks_like_one(credential):
            return await self._by_key(credential)
        return await self._by_token(credential)

    async def forget_old(self) -> None:
        """Remove buckets that have long been empty."""
        await self._pool.execute(FORGET_OLD)

    async def _by_key(self, credential: str) -> Caller:
        digest = hashlib.sha256(credential.encode()).digest()
        looked_up = apikeys.lookup(credential)
        row = await self._pool.fetchrow(ADMIT_KEY, looked_up, digest, *self._quotas)
        stored = _NOBODYS_HASH if row is None or not row["found"] else row["hash"]
        if not hmac.compare_digest(stored, digest) or row is None:
            raise NotAuthenticated("the API key is not valid")
        limits = _checked(row)
        plan = self._plans[row["plan"]]
        if row["kind"] == "stu" and "api" not in plan.features:
            raise PlanForbids(f"the {plan.title} plan has no API; it comes with Pro and up")
        return Caller(
            account=row["account_id"],
            role=row["role"],
            plan=plan,
            api_key=row["api_key"],
            scopes=row["scopes"],
            credit_cap=row["credit_cap"],
            limits=limits,
        )

    async def _by_token(self, credential: str) -> Caller:
        found = await self._tokens.verify(credential)
        user, session = (found.user, found.session) if isinstance(found, Person) else (None, None)
        row = await self._pool.fetchrow(ADMIT_PERSON, found.account, user, session, *self._quotas)
        if row is None or not row["found"]:
            raise NotAuthenticated("this login has ended, log in again")
        return Caller(
            account=row["account_id"],
            user=user,
            role=row["role"],
            plan=self._plans[row["plan"]],
            session=session,
            limits=_checked(row),
        )


def _checked(row: asyncpg.Record) -> list[RateLimit]:
    """Return how the limits stand. Raises RateLimited if one of them refused the request."""
    buckets = [
        (name, quota, ahead)
        for name, quota, ahead in (
            ("key", row["key_quota"], row["key_ahead"]),
            ("account", row["account_quota"], row["account_ahead"]),
        )
        if quota
    ]
    limits = [_limit(name, quota, ahead) for name, quota, ahead in buckets]
    if row["allowed"]:
        return limits
    wait = max(_until_next(quota, ahead) for _, quota, ahead in buckets)
    raise RateLimited(f"too many requests, try again in {wait} s", retry_after=wait, limits=limits)


def _limit(name: str, quota: int, ahead: float) -> RateLimit:
    remaining = max(0, floor((WINDOW_SECONDS - ahead) * quota / WINDOW_SECONDS + 0.001))
    return RateLimit(
        name=name,  # type: ignore[arg-type] # one of the two above
        quota=quota,
        window=WINDOW_SECONDS,
        remaining=remaining,
        reset=ceil(ahead) if remaining else _until_next(quota, ahead),
    )


def _until_next(quota: int, ahead: float) -> int:
    """Return in how many whole seconds one more request would be let in; 1 at least."""
    return max(1, ceil(ahead + WINDOW_SECONDS / quota - WINDOW_SECONDS - 0.001))
