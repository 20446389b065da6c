"""Charging calls that may be sent again, remembered beside the books that they charge."""

from datetime import timedelta
from uuid import uuid4

import asyncpg

from kit.database import Pool
from proto.errors import IdempotencyConflict
from proto.wallet import REMEMBERED_SECONDS, AbandonCall, AnswerCall, BeginCall, Call, CallAnswer

# One statement: with two that arrive together, the second waits for the row of the first.
BEGIN = """
INSERT INTO wallet.calls AS known (account_id, key, fingerprint, attempt, lease_ends, forget_at)
VALUES ($1, $2, $3, $4, clock_timestamp() + $5, clock_timestamp() + $6)
ON CONFLICT (account_id, key) DO UPDATE SET
    -- what takes over from a dead attempt is the same call, and pays with the same hold
    id = CASE WHEN known.forget_at <= clock_timestamp() THEN excluded.id ELSE known.id END,
    forget_at = CASE WHEN known.forget_at <= clock_timestamp() THEN excluded.forget_at
                     ELSE known.forget_at END,
    fingerprint = excluded.fingerprint, attempt = excluded.attempt,
    lease_ends = excluded.lease_ends,
    status = NULL, content_type = NULL, body = NULL
WHERE known.forget_at <= clock_timestamp()
   OR known.status IS NULL AND known.lease_ends <= clock_timestamp()
      AND known.fingerprint = excluded.fingerprint
RETURNING id, attempt
"""

EARLIER = """
SELECT fingerprint, status, content_type, body FROM wallet.calls WHERE account_id = $1 AND key = $2
"""

ANSWER = """
UPDATE wallet.calls SET status = $4, content_type = $5, body = $6
WHERE account_id = $1 AND key = $2 AND attempt = $3 AND status IS NULL
RETURNING true
"""

ABANDON = """
UPDATE wallet.calls SET lease_ends = clock_timestamp()
WHERE account_id = $1 AND key = $2 AND attempt = $3 AND status IS NULL
RETURNING true
"""

FORGET = """
WITH old AS (
    SELECT account_id, key FROM wallet.calls WHERE forget_at <= now()
    LIMIT $1 FOR UPDATE SKIP LOCKED
)
DELETE FROM wallet.calls USING old
WHERE calls.account_id = old.account_id AND calls.key = old.key
"""


async def begin(pool: Pool, request: BeginCall) -> Call:
    """Begin a call, or tell how it was answered. Raises IdempotencyConflict."""
    attempt = uuid4()
    lease = timedelta(seconds=request.lease_seconds)
    remembered = max(timedelta(seconds=REMEMBERED_SECONDS), lease)
    while True:
        begun = await pool.fetchrow(
            BEGIN, request.account, request.key, request.fingerprint, attempt, lease, remembered
        )
        if begun is not None:
            return Call(state="begun", id=begun["id"], attempt=begun["attempt"])
        earlier = await pool.fetchrow(EARLIER, request.account, request.key)
        if earlier is not None:  # else it was forgotten between the two statements
            return _earlier(request, earlier)


async def answer(pool: Pool, request: AnswerCall) -> bool:
    """Remember the answer; False when another attempt has taken over."""
    said = request.answer
    return bool(
        await pool.fetchval(
            ANSWER,
            request.account,
            request.key,
            request.attempt,
            said.status,
            said.content_type,
            said.body,
        )
    )


async def abandon(pool: Pool, request: AbandonCall) -> bool:
    """Let another attempt take over at once; False when one has."""
    return bool(await pool.fetchval(ABANDON, request.account, request.key, request.attempt))


async def forget(pool: Pool, at_most: int = 1000) -> None:
    """Remove calls that have had their day; any replica may do it."""
    await pool.execute(FORGET, at_most)


def _earlier(request: BeginCall, row: asyncpg.Record) -> Call:
    if row["fingerprint"] != request.fingerprint:
        raise IdempotencyConflict("this idempotency key was sent with another request before")
    if row["status"] is None:
        return Call(state="under_way")
    said = CallAnswer(status=row["status"], content_type=row["content_type"], body=row["body"])
    return Call(state="answered", answer=said)
