"""API keys, `mk_live_<id>.<secret>` and `stu_<secret>`: shown once, kept as a hash."""

import hashlib
import secrets
import string
from uuid import uuid4

import asyncpg

from kit.database import Connection, Pool
from proto.accounts.apikeys import (
    ApiKey,
    ApiKeys,
    CreateApiKey,
    NewApiKey,
    RotateApiKey,
    UpdateApiKey,
)
from proto.errors import InvalidRequest, NotFound, PlanForbids
from proto.ids import AccountId, ApiKeyId
from services.accounts.plans import Plans

MOST_KEYS = 100

_MERCHANT = "mk_live_"
_STUDII = "stu_"
_LETTERS = string.ascii_letters + string.digits
_ID_LENGTH = 16
_SECRET_LENGTH = 43  # of 62 letters: 256 bits
_STUDII_START = 8

# whoever makes a key holds the account's row, so that two cannot both be the hundredth
LOCK = """
SELECT plan FROM accounts.accounts WHERE id = $1 FOR UPDATE
"""

COUNT = """
SELECT count(*) FROM accounts.api_keys WHERE account_id = $1 AND revoked_at IS NULL
"""

ADD = """
INSERT INTO accounts.api_keys (id, account_id, kind, name, start, scopes, credit_cap)
VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING *
"""

ADD_LOOKUP = """
INSERT INTO accounts.api_key_secrets (lookup, api_key_id, hash) VALUES ($1, $2, $3)
ON CONFLICT (lookup) DO NOTHING RETURNING true
"""

ALL = """
SELECT * FROM accounts.api_keys WHERE account_id = $1 AND revoked_at IS NULL
ORDER BY created_at DESC, id
"""

UPDATE = """
UPDATE accounts.api_keys SET name = $3, credit_cap = $4
WHERE account_id = $1 AND id = $2 AND revoked_at IS NULL RETURNING *
"""

RESTART = """
UPDATE accounts.api_keys SET start = $3
WHERE account_id = $1 AND id = $2 AND revoked_at IS NULL RETURNING *
"""

KIND = """
SELECT kind FROM accounts.api_keys
WHERE account_id = $1 AND id = $2 AND revoked_at IS NULL FOR UPDATE
"""

# secrets of rotations before keep the end that they have
EXPIRE_SECRETS = """
UPDATE accounts.api_key_secrets
SET expires_at = least(expires_at, clock_timestamp() + make_interval(secs => $2))
WHERE api_key_id = $1
"""

REVOKE = """
UPDATE accounts.api_keys SET revoked_at = now()
WHERE account_id = $1 AND id = $2 AND revoked_at IS NULL RETURNING true
"""

LIMIT_KEY = """
UPDATE accounts.api_keys SET per_minute = $3
WHERE account_id = $1 AND id = $2 AND revoked_at IS NULL RETURNING true
"""

LIMIT_ACCOUNT = """
UPDATE accounts.accounts SET per_minute = $2 WHERE id = $1 RETURNING true
"""

FORGET_OLD = """
DELETE FROM accounts.api_key_secrets WHERE expires_at < now() - interval '1 day'
"""


def looks_like_one(credential: str) -> bool:
    """Whether it begins like an API key."""
    return credential.startswith((_MERCHANT, _STUDII))


def lookup(credential: str) -> str:
    """Return the public part, by which a key is found."""
    if credential.startswith(_STUDII):
        return credential[: len(_STUDII) + _STUDII_START]
    return credential.partition(".")[0][:100]


class Keyring:
    """The API keys of all accounts."""

    def __init__(self, pool: Pool, plans: Plans) -> None:
        self._pool = pool
        self._plans = plans

    async def create(self, request: CreateApiKey) -> NewApiKey:
        """Make a key. Raises PlanForbids, InvalidRequest, NotFound."""
        async with self._pool.acquire() as connection, connection.transaction():
            name = await connection.fetchval(LOCK, request.account)
            if name is None:
                raise NotFound("there is no such account")
            plan = self._plans[name]
            if request.kind == "stu" and "api" not in plan.features:
                raise PlanForbids(f"the {plan.title} plan has no API; it comes with Pro and up")
            if await connection.fetchval(COUNT, request.account) >= MOST_KEYS:
                raise InvalidRequest(f"an account has at most {MOST_KEYS} API keys; revoke one")
            credential = _new(request.kind)
            row = await connection.fetchrow(
                ADD,
                uuid4(),
                request.account,
                request.kind,
                request.name,
                lookup(credential),
                None if request.scopes is None else list(dict.fromkeys(request.scopes)),
                request.credit_cap,
            )
            key = _api_key(row)
            await _add_secret(connection, key.id, credential)
        return NewApiKey(api_key=key, key=credential)

    async def all(self, account: AccountId) -> ApiKeys:
        """List the keys of an account that work."""
        return ApiKeys(api_keys=[_api_key(row) for row in await self._pool.fetch(ALL, account)])

    async def update(self, request: UpdateApiKey) -> ApiKey:
        """Give a key another name and cap. Raises NotFound."""
        return _api_key(
            await self._pool.fetchrow(
                UPDATE, request.account, request.api_key, request.name, request.credit_cap
            )
        )

    async def rotate(self, request: RotateApiKey) -> NewApiKey:
        """Give a key another secret; the old one works on for a while. Raises NotFound."""
        async with self._pool.acquire() as connection, connection.transaction():
            kind = await connection.fetchval(KIND, request.account, request.api_key)
            if kind is None:
                raise _missing()
            await connection.execute(
                EXPIRE_SECRETS, request.api_key, float(request.overlap_seconds)
            )
            credential = _new(kind)
            await _add_secret(connection, request.api_key, credential)
            row = await connection.fetchrow(
                RESTART, request.account, request.api_key, lookup(credential)
            )
        return NewApiKey(api_key=_api_key(row), key=credential)

    async def revoke(self, account: AccountId, key: ApiKeyId) -> None:
        """End a key. Raises NotFound."""
        if not await self._pool.fetchval(REVOKE, account, key):
            raise _missing()

    async def limit(self, account: AccountId, key: ApiKeyId | None, per_minute: int | None) -> None:
        """Give a key, or an account, another rate limit than its plan's. Raises NotFound."""
        if key is None:
            done = await self._pool.fetchval(LIMIT_ACCOUNT, account, per_minute)
        else:
            done = await self._pool.fetchval(LIMIT_KEY, account, key, per_minute)
        if not done:
            raise NotFound("there is no such account") if key is None else _missing()

    async def forget_old(self) -> None:
        """Remove secrets whose overlap is over."""
        await self._pool.execute(FORGET_OLD)


async def _add_secret(connection: Connection, key: ApiKeyId, credential: str) -> None:
    digest = hashlib.sha256(credential.encode()).digest()
    if not await connection.fetchval(ADD_LOOKUP, lookup(credential), key, digest):
        # 62^8 beginnings: so rare that to say so is enough
        raise InvalidRequest("the key that was made up is taken, try again")


def _new(kind: str) -> str:
    secret = _letters(_SECRET_LENGTH)
    return f"{_STUDII}{secret}" if kind == "stu" else f"{_MERCHANT}{_letters(_ID_LENGTH)}.{secret}"


def _letters(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


def _api_key(row: asyncpg.Record | None) -> ApiKey:
    if row is None:
        raise _missing()
    return ApiKey(
        id=row["id"],
        kind=row["kind"],
        name=row["name"],
        start=row["start"],
        scopes=row["scopes"],
        credit_cap=row["credit_cap"],
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
        per_minute=row["per_minute"],
    )


def _missing() -> NotFound:
    return NotFound("there is no such API key in this account")
