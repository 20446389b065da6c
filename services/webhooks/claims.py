"""Who attempts what: deliveries that are due are leased to one sender, until it says how it went.

A sender that dies says nothing; when its lease has lapsed, another attempts the same again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from kit.database import Connection, Pool
from proto.ids import AccountId
from proto.webhooks import EndpointId
from services.webhooks import deliveries, registry

READY = """
SELECT e.id FROM webhooks.endpoints AS e
CROSS JOIN LATERAL (
    SELECT count(*) AS count FROM webhooks.deliveries
    WHERE endpoint = e.id AND leased_until > now()
) AS under_way
WHERE e.enabled AND under_way.count < $1
  AND EXISTS (
    SELECT FROM webhooks.deliveries
    WHERE endpoint = e.id AND state = 'pending' AND next_attempt <= now()
      AND (leased_until IS NULL OR leased_until <= now()))
ORDER BY under_way.count, random() LIMIT $2
FOR NO KEY UPDATE OF e SKIP LOCKED
"""
"""Endpoints with something due and room for it, those that are busy last.

Locked, so that another sender cannot use the same room: it counts after us, in a later statement.
"""

CLAIM = """
WITH due AS (
    SELECT picked.number FROM unnest($1::uuid[]) AS e (id)
    CROSS JOIN LATERAL (
        SELECT number FROM webhooks.deliveries
        WHERE endpoint = e.id AND state = 'pending' AND next_attempt <= now()
          AND (leased_until IS NULL OR leased_until <= now())
        ORDER BY next_attempt
        LIMIT greatest(0, $2 - (
            SELECT count(*) FROM webhooks.deliveries
            WHERE endpoint = e.id AND leased_until > now()))
        FOR UPDATE SKIP LOCKED
    ) AS picked
    LIMIT $3
)
UPDATE webhooks.deliveries AS d
SET attempts = d.attempts + 1, leased_until = now() + $4::interval, last_attempt_at = now()
FROM due, webhooks.endpoints AS e
WHERE d.number = due.number AND e.id = d.endpoint
RETURNING d.number, d.attempts, d.last_attempt_at AS began_at, d.endpoint,
    d.account_id AS account, d.event_id AS event, d.type,
    e.url, d.body, d.correlation_id, now() - d.created_at AS age,
    ARRAY(SELECT sealed FROM webhooks.secrets AS s
          WHERE s.endpoint = e.id AND (s.expires_at IS NULL OR s.expires_at > now())
          ORDER BY s.number DESC) AS secrets
"""

DELIVERED = """
UPDATE webhooks.deliveries
SET state = 'delivered', last_status = $3, last_error = NULL, next_attempt = NULL,
    leased_until = NULL, ended_at = now()
-- heard is heard, whoever has attempted or given up on it since
WHERE account_id = $1 AND number = $2 AND state <> 'delivered'
"""

FAILED = """
UPDATE webhooks.deliveries
-- what somebody has asked for since this attempt began is still to be done
SET state = CASE WHEN next_attempt > last_attempt_at OR $6::interval IS NOT NULL
        THEN 'pending' ELSE 'failed' END,
    last_status = $4, last_error = $5, leased_until = NULL,
    next_attempt = CASE WHEN next_attempt > last_attempt_at
        THEN next_attempt ELSE now() + $6::interval END,
    ended_at = CASE WHEN next_attempt > last_attempt_at OR $6::interval IS NOT NULL
        THEN NULL ELSE now() END
-- not if the lease had lapsed and somebody else attempts it now
WHERE account_id = $1 AND number = $2 AND attempts = $3 AND state = 'pending'
"""

LOG = """
WITH dropped AS (
    DELETE FROM webhooks.attempts
    WHERE account_id = $1 AND delivery = $2 AND number <= $3::integer - $8::integer
)
INSERT INTO webhooks.attempts
    (delivery, number, account_id, began_at, milliseconds, status, error)
SELECT number, $3, account_id, $4, $5, $6, $7 FROM webhooks.deliveries
WHERE account_id = $1 AND number = $2
-- its endpoint may be deleted at this moment
FOR KEY SHARE
ON CONFLICT DO NOTHING
"""

_LOGGED = 50
"""Attempts of one delivery that are kept."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt went."""

    status: int | None
    """HTTP status; None when no answer came."""
    error: str | None
    """As `proto.webhooks.Delivery.last_error`; None when the receiver took it."""
    milliseconds: int
    """That it took, from looking the name up to the end of the answer."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One attempt, and all that it takes."""

    number: int
    attempts: int
    """This one included; also tells it from a later attempt of somebody else."""
    began_at: datetime
    endpoint: EndpointId
    account: AccountId
    event: UUID
    type: str
    url: str
    body: bytes
    correlation_id: str
    age: timedelta
    """Since the event came."""
    secrets: list[bytes]
    """Sealed, the newest first."""

    def __repr__(self) -> str:
        return f"Claim({self.number}, attempt {self.attempts})"


class Claims:
    """Leases the deliveries of one database."""

    def __init__(self, pool: Pool, per_endpoint: int, lease: timedelta) -> None:
        """Prepare to lease.

        Args:
            pool: The database.
            per_endpoint: How many deliveries of one endpoint may be under way, over all senders.
            lease: For how long; longer than any attempt takes.
        """
        self._pool = pool
        self._per_endpoint = per_endpoint
        self._lease = lease

    async def take(self, at_most: int) -> list[Claim]:
        """Lease what is due."""
        async with self._pool.acquire() as connection, connection.transaction():
            ready = await connection.fetch(READY, self._per_endpoint, at_most)
            if not ready:
                return []
            endpoints = [row["id"] for row in ready]
            rows = await connection.fetch(
                CLAIM, endpoints, self._per_endpoint, at_most, self._lease
            )
        return [Claim(**row) for row in rows]

    async def delivered(self, claim: Claim, outcome: Outcome) -> None:
        """The receiver took it."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(DELIVERED, claim.account, claim.number, outcome.status)
            await _log(connection, claim, outcome)

    async def failed(self, claim: Claim, outcome: Outcome, again_in: timedelta | None) -> None:
        """The receiver did not take it; None gives up."""
        async with self._pool.acquire() as connection, connection.transaction():
            await _end_failed(connection, claim, outcome, again_in)

    async def gone(self, claim: Claim, outcome: Outcome) -> bool:
        """The receiver wants nothing ever again: disable the endpoint.

        Returns whether that was done; an endpoint that has another URL by now is left alone.
        """
        # the endpoint before its deliveries, the order in which all lock them
        async with self._pool.acquire() as connection, connection.transaction():
            if not await registry.disable_gone(
                connection, claim.account, claim.endpoint, claim.url
            ):
                return False
            await _end_failed(connection, claim, outcome, None)
            await deliveries.give_up(connection, claim.account, claim.endpoint)
            return True


async def _end_failed(
    connection: Connection, claim: Claim, outcome: Outcome, again_in: timedelta | None
) -> None:
    await connection.execute(
        FAILED,
        claim.account,
        claim.number,
        claim.attempts,
        outcome.status,
        outcome.error,
        again_in,
    )
    await _log(connection, claim, outcome)


async def _log(connection: Connection, claim: Claim, outcome: Outcome) -> None:
    await connection.execute(
        LOG,
        claim.account,
        claim.number,
        claim.attempts,
        claim.began_at,
        outcome.milliseconds,
        outcome.status,
        outcome.error,
        _LOGGED,
    )
