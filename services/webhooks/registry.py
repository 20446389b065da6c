"""Endpoints and their secrets."""

from datetime import timedelta
from uuid import uuid4

from asyncpg import Record
from msgspec import UNSET

from kit.database import Connection, Pool
from kit.sealing import Vault
from proto.errors import InvalidRequest, NotFound
from proto.ids import AccountId
from proto.webhooks import (
    MOST_ENDPOINTS,
    CreateEndpoint,
    DeleteEndpoint,
    Endpoint,
    EndpointId,
    EndpointList,
    GetEndpoint,
    NewEndpoint,
    RotateSecret,
    UpdateEndpoint,
)
from services.webhooks import deliveries, signing

ONE_AT_A_TIME = """
SELECT pg_advisory_xact_lock(hashtextextended('webhooks.endpoints ' || $1::text, 0))
"""
"""Until the transaction ends, only one for each account: counting does not see what others add."""

CREATE = """
INSERT INTO webhooks.endpoints (id, account_id, url, events)
SELECT $1, $2, $3, $4
WHERE (SELECT count(*) FROM webhooks.endpoints WHERE account_id = $2) < $5
RETURNING id, url, events, enabled, gone_at, created_at
"""

ALL = """
SELECT id, url, events, enabled, gone_at, created_at FROM webhooks.endpoints
WHERE account_id = $1 ORDER BY created_at DESC, id
"""

ONE = """
SELECT id, url, events, enabled, gone_at, created_at FROM webhooks.endpoints
WHERE account_id = $1 AND id = $2 FOR NO KEY UPDATE
"""

SHOWN = """
SELECT id, url, events, enabled, gone_at, created_at FROM webhooks.endpoints
WHERE account_id = $1 AND id = $2
"""

UPDATE = """
UPDATE webhooks.endpoints
SET url = $3, events = $4, enabled = $5, gone_at = CASE WHEN $5 THEN NULL ELSE gone_at END,
    -- from now on, if it was disabled or asks for events that it did not ask for
    tells_since = CASE
        WHEN $5 AND NOT enabled OR events IS NOT NULL AND ($4::text[] <@ events) IS NOT TRUE
        THEN now() ELSE tells_since END
WHERE account_id = $1 AND id = $2
RETURNING id, url, events, enabled, gone_at, created_at
"""

DELETE = """
DELETE FROM webhooks.endpoints WHERE account_id = $1 AND id = $2 RETURNING true
"""

DISABLE_GONE = """
UPDATE webhooks.endpoints SET enabled = false, gone_at = now()
-- what an old URL answered says nothing about a new one
WHERE account_id = $1 AND id = $2 AND url = $3 AND enabled
RETURNING true
"""

ADD = """
INSERT INTO webhooks.secrets (endpoint, sealed)
SELECT id, $3 FROM webhooks.endpoints WHERE account_id = $1 AND id = $2
"""

LET_SECRETS_EXPIRE = """
UPDATE webhooks.secrets SET expires_at = least(expires_at, now() + $3::interval)
WHERE endpoint = (SELECT id FROM webhooks.endpoints WHERE account_id = $1 AND id = $2)
"""

DROP_SURPLUS_SECRETS = """
DELETE FROM webhooks.secrets WHERE number IN (
    SELECT number FROM webhooks.secrets
    WHERE endpoint = (SELECT id FROM webhooks.endpoints WHERE account_id = $1 AND id = $2)
    ORDER BY number DESC OFFSET $3
)
"""

REMOVE_EXPIRED_SECRETS = """
DELETE FROM webhooks.secrets WHERE expires_at < now()
"""

_MOST_SECRETS = 5
"""That sign at once; a header has no room for more."""


class Registry:
    """The endpoints in one database."""

    def __init__(self, pool: Pool, vault: Vault) -> None:
        self._pool = pool
        self._vault = vault

    async def create(self, request: CreateEndpoint) -> NewEndpoint:
        """Add an endpoint. Raises InvalidRequest when the account has as many as it may."""
        endpoint, account = EndpointId(uuid4()), request.account
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(ONE_AT_A_TIME, str(account))
            row = await connection.fetchrow(
                CREATE, endpoint, account, request.url, request.events, MOST_ENDPOINTS
            )
            if row is None:
                raise InvalidRequest(
                    f"an account has at most {MOST_ENDPOINTS} endpoints; delete one first"
                )
            secret = await self._add_secret(connection, account, endpoint)
        return NewEndpoint(endpoint=_endpoint(row), secret=secret)

    async def all(self, account: AccountId) -> EndpointList:
        """List the endpoints of an account."""
        rows = await self._pool.fetch(ALL, account)
        return EndpointList(endpoints=[_endpoint(row) for row in rows])

    async def one(self, request: GetEndpoint) -> Endpoint:
        """Return one endpoint. Raises NotFound."""
        row = await self._pool.fetchrow(SHOWN, request.account, request.endpoint)
        if row is None:
            raise _not_found()
        return _endpoint(row)

    async def update(self, request: UpdateEndpoint) -> Endpoint:
        """Change what is given. Raises NotFound."""
        async with self._pool.acquire() as connection, connection.transaction():
            old = await _locked(connection, request.account, request.endpoint)
            row = await connection.fetchrow(
                UPDATE,
                request.account,
                request.endpoint,
                old.url if request.url is UNSET else request.url,
                old.events if request.events is UNSET else request.events,
                old.enabled if request.enabled is UNSET else request.enabled,
            )
            if request.enabled is False:
                await deliveries.give_up(connection, request.account, request.endpoint)
        return _endpoint(row)

    async def delete(self, request: DeleteEndpoint) -> None:
        """Remove an endpoint with all that hangs on it. Raises NotFound."""
        if not await self._pool.fetchval(DELETE, request.account, request.endpoint):
            raise _not_found()

    async def rotate(self, request: RotateSecret) -> NewEndpoint:
        """Give an endpoint a new secret and let the ones before it expire. Raises NotFound."""
        account, overlap = request.account, timedelta(seconds=request.overlap_seconds)
        async with self._pool.acquire() as connection, connection.transaction():
            endpoint = await _locked(connection, account, request.endpoint)
            await connection.execute(LET_SECRETS_EXPIRE, account, endpoint.id, overlap)
            secret = await self._add_secret(connection, account, endpoint.id)
            await connection.execute(DROP_SURPLUS_SECRETS, account, endpoint.id, _MOST_SECRETS)
        return NewEndpoint(endpoint=endpoint, secret=secret)

    async def remove_expired_secrets(self) -> None:
        """Forget the secrets that sign nothing any more."""
        await self._pool.execute(REMOVE_EXPIRED_SECRETS)

    async def _add_secret(
        self, connection: Connection, account: AccountId, endpoint: EndpointId
    ) -> str:
        secret = signing.new_secret()
        await connection.execute(ADD, account, endpoint, self._vault.seal(secret, endpoint))
        return signing.shown(secret)


async def disable_gone(
    connection: Connection, account: AccountId, endpoint: EndpointId, url: str
) -> bool:
    """Disable an endpoint whose receiver is gone, if it is still at this URL."""
    return bool(await connection.fetchval(DISABLE_GONE, account, endpoint, url))


async def _locked(connection: Connection, account: AccountId, endpoint: EndpointId) -> Endpoint:
    row = await connection.fetchrow(ONE, account, endpoint)
    if row is None:
        raise _not_found()
    return _endpoint(row)


def _endpoint(row: Record) -> Endpoint:
    return Endpoint(**row)


def _not_found() -> NotFound:
    return NotFound("there is no such endpoint in this account")
