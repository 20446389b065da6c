"""What is, was and will be told: one row for each event and endpoint, kept for 30 days."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
from asyncpg import Record

from kit import context
from kit.database import Connection, Pool
from kit.events import Happened
from proto.errors import InvalidRequest, NotFound
from proto.ids import AccountId
from proto.webhooks import (
    EVENT_TYPES,
    Attempt,
    Deliveries,
    Delivery,
    EndpointId,
    GetDeliveries,
    Resend,
    SendTest,
    WebhookTest,
)

RECORD = """
INSERT INTO webhooks.deliveries (endpoint, account_id, event_id, type, body, correlation_id)
SELECT id, account_id, $2, $3, $4, $5 FROM webhooks.endpoints
WHERE account_id = $1 AND enabled AND (events IS NULL OR $3 = ANY (events))
  -- what is told again is no news to one that did not ask for it then; clocks differ a little
  AND $6::timestamptz >= tells_since - interval '1 minute'
-- an endpoint that is being disabled is waited for
ORDER BY id FOR SHARE
ON CONFLICT (endpoint, event_id) DO NOTHING
"""

RECORD_TEST = """
INSERT INTO webhooks.deliveries (endpoint, account_id, event_id, type, body, correlation_id)
SELECT id, account_id, $3, $4, $5, $6 FROM webhooks.endpoints
WHERE account_id = $1 AND id = $2 AND enabled FOR SHARE
RETURNING number, event_id AS event, type, state, attempts, last_status, last_error,
    greatest(next_attempt, leased_until) AS next_attempt, created_at, last_attempt_at, ended_at
"""

RESEND = """
WITH told AS (
    -- one that is being disabled is waited for
    SELECT id FROM webhooks.endpoints WHERE account_id = $1 AND id = $2 AND enabled FOR SHARE
)
UPDATE webhooks.deliveries AS d SET state = 'pending', next_attempt = now(), ended_at = NULL
FROM told WHERE d.account_id = $1 AND d.endpoint = told.id AND d.event_id = $3
RETURNING d.number, event_id AS event, type, state, attempts, last_status, last_error,
    greatest(next_attempt, leased_until) AS next_attempt, created_at, last_attempt_at, ended_at
"""
"""One that is under way is not attempted a second time beside that, but after it if it fails."""

WAS_TOLD = """
SELECT true FROM webhooks.deliveries WHERE account_id = $1 AND endpoint = $2 AND event_id = $3
"""

EXISTS = """
SELECT true FROM webhooks.endpoints WHERE account_id = $1 AND id = $2
"""

PAGE = """
SELECT number, event_id AS event, type, state, attempts, last_status, last_error,
    greatest(next_attempt, leased_until) AS next_attempt, created_at, last_attempt_at, ended_at
FROM webhooks.deliveries
WHERE account_id = $1 AND endpoint = $2 AND number < $3
ORDER BY number DESC LIMIT $4
"""

ATTEMPTS = """
SELECT delivery, number, began_at, milliseconds, status, error FROM webhooks.attempts
WHERE account_id = $1 AND delivery = ANY ($2) ORDER BY delivery, number
"""

GIVE_UP = """
UPDATE webhooks.deliveries
SET state = 'failed', last_error = 'ENDPOINT_DISABLED', next_attempt = NULL, leased_until = NULL,
    ended_at = now()
WHERE account_id = $1 AND endpoint = $2 AND state = 'pending'
"""

REMOVE_OLD = """
DELETE FROM webhooks.deliveries WHERE number IN (
    SELECT number FROM webhooks.deliveries WHERE created_at < now() - $1::interval
    ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
"""

_KEPT = timedelta(days=30)
_REMOVED_AT_ONCE = 5000
_NO_BOUND = 2**62


async def record(pool: Pool, happened: Happened) -> int:
    """Note an event for every endpoint that wants it. Returns how many had not heard of it."""
    if happened.type not in EVENT_TYPES:
        return 0
    status = await pool.execute(
        RECORD,
        happened.account,
        happened.id,
        happened.type,
        body_of(happened.type, happened.happened_at, happened.fields),
        context.correlation_id.get(),
        happened.happened_at,
    )
    return _count(status)


async def record_test(pool: Pool, request: SendTest) -> Delivery:
    """Note a test for one endpoint. Raises NotFound, InvalidRequest when it is disabled."""
    event = WebhookTest(
        id=uuid4(),
        account=request.account,
        happened_at=datetime.now(UTC),
        endpoint=request.endpoint,
    )
    row = await pool.fetchrow(
        RECORD_TEST,
        request.account,
        request.endpoint,
        event.id,
        event.type,
        body_of(event.type, event.happened_at, msgspec.to_builtins(event)),
        context.correlation_id.get(),
    )
    if row is None:
        await _must_exist(pool, request.account, request.endpoint)
        raise _disabled()
    return _delivery(row, [])


async def resend(pool: Pool, request: Resend) -> Delivery:
    """Make a delivery due now. Raises NotFound, InvalidRequest when its endpoint is disabled."""
    key = request.account, request.endpoint, request.event
    row = await pool.fetchrow(RESEND, *key)
    if row is None:
        await _must_exist(pool, request.account, request.endpoint)
        if not await pool.fetchval(WAS_TOLD, *key):
            raise NotFound("this event was not told to this endpoint in the last 30 days")
        raise _disabled()
    return (await _deliveries(pool, request.account, [row]))[0]


async def page(pool: Pool, request: GetDeliveries) -> Deliveries:
    """Return one page; asks for one row more than shown to know whether another page follows."""
    await _must_exist(pool, request.account, request.endpoint)
    before = _NO_BOUND if request.before is None else request.before
    rows = await pool.fetch(PAGE, request.account, request.endpoint, before, request.limit + 1)
    shown = rows[: request.limit]
    more = len(rows) > request.limit
    return Deliveries(
        deliveries=await _deliveries(pool, request.account, shown),
        next_before=shown[-1]["number"] if more else None,
    )


async def give_up(connection: Connection, account: AccountId, endpoint: EndpointId) -> None:
    """End all that waits to be told to an endpoint; its row must be locked already."""
    await connection.execute(GIVE_UP, account, endpoint)


async def remove_old(pool: Pool) -> int:
    """Remove what is older than 30 days, a part at a time. Returns how many were removed."""
    removed = 0
    while count := _count(await pool.execute(REMOVE_OLD, _KEPT, _REMOVED_AT_ONCE)):
        removed += count
    return removed


def body_of(kind: str, happened_at: datetime, fields: dict[str, Any]) -> bytes:
    """Return what is posted of an event: its id travels in a header."""
    data = {name: value for name, value in fields.items() if name not in ("id", "type")}
    return msgspec.json.encode({"type": kind, "timestamp": happened_at, "data": data})


async def _must_exist(pool: Pool, account: AccountId, endpoint: EndpointId) -> None:
    if not await pool.fetchval(EXISTS, account, endpoint):
        raise NotFound("there is no such endpoint in this account")


def _disabled() -> InvalidRequest:
    return InvalidRequest("this endpoint is disabled; enable it first")


async def _deliveries(pool: Pool, account: AccountId, rows: list[Record]) -> list[Delivery]:
    """Return deliveries with how their attempts went."""
    attempts: dict[int, list[Attempt]] = {row["number"]: [] for row in rows}
    for row in await pool.fetch(ATTEMPTS, account, list(attempts)):
        about = {name: value for name, value in row.items() if name != "delivery"}
        attempts[row["delivery"]].append(Attempt(**about))
    return [_delivery(row, attempts[row["number"]]) for row in rows]


def _delivery(row: Record, attempts: list[Attempt]) -> Delivery:
    about = {name: value for name, value in row.items() if name != "number"}
    return Delivery(**about, attempts_log=attempts)


def _count(status: str) -> int:
    """Return how many rows a statement touched: `INSERT 0 3`, `DELETE 3`."""
    return int(status.rpartition(" ")[2])
