"""Workers and their items: taking one, finishing it, putting it back."""

from datetime import timedelta

from kit.database import Pool
from proto.jobs import (
    Failed,
    FinishItem,
    NotDue,
    PutBack,
    Succeeded,
    TakeItem,
    Taken,
)
from services.jobs.cancelling import CANCELLED
from services.jobs.ending import NOTHING, Ended, end_taken

TAKE = """
UPDATE jobs.items AS i SET
    state = 'running', attempts = attempts + (attempt IS DISTINCT FROM $4)::integer, attempt = $4,
    taken_at = now(), first_taken_at = coalesce(first_taken_at, now())
FROM jobs.jobs AS j JOIN jobs.kinds AS k ON k.name = j.kind
WHERE i.account_id = $1 AND i.job_id = $2 AND i.number = $3 AND j.id = $2
  AND j.state IN ('queued', 'running')
  AND (i.state = 'queued' OR i.state = 'running' AND ($5 OR i.attempt = $4))
RETURNING i.work, i.attempts, k.most_attempts, j.correlation_id, j.state AS job_state
"""

BEGUN = """
UPDATE jobs.jobs SET state = 'running', started_at = now()
WHERE account_id = $1 AND id = $2 AND state = 'queued'
"""

CANCEL_ASKED = """
SELECT cancel_asked_at IS NOT NULL FROM jobs.jobs WHERE account_id = $1 AND id = $2
"""

PUT_BACK = """
UPDATE jobs.items AS i SET
    state = 'waiting', attempt = NULL, attempts = attempts - (NOT $5)::integer,
    -- ever less often: a fifth of the time since it was first tried, up to a minute
    not_before = now() + CASE WHEN $6::interval > interval '0' THEN greatest($6::interval,
        least(interval '1 minute', (now() - i.first_taken_at) / 5)) ELSE interval '0' END
FROM jobs.jobs AS j JOIN jobs.kinds AS k ON k.name = j.kind
WHERE i.account_id = $1 AND i.job_id = $2 AND i.number = $3 AND j.id = $2
  AND i.state = 'running' AND i.attempt = $4
  AND j.cancel_asked_at IS NULL
  AND (CASE WHEN $5 THEN i.attempts < k.most_attempts
            ELSE i.first_taken_at > now() - $7::interval END)
RETURNING true
"""
"""Nothing, when there is no further attempt, or nobody wants one since the job was cancelled."""


async def take(pool: Pool, request: TakeItem) -> tuple[Taken | NotDue, Ended]:
    """Give an item to a worker; one whose workers die time and again ends instead."""
    key = (request.account, request.job)
    row = await pool.fetchrow(TAKE, *key, request.number, request.attempt, request.again)
    if row is None:
        return NotDue(), NOTHING
    if row["job_state"] == "queued":
        await pool.execute(BEGUN, *key)
    if row["attempts"] > row["most_attempts"]:
        sentence = "this item could not be processed because of a fault on our side"
        lost = Failed(code="PROCESSING_FAILED", message=sentence)
        return NotDue(), await _end(pool, request, lost)
    last = row["attempts"] == row["most_attempts"]
    return Taken(work=row["work"], correlation_id=row["correlation_id"], last=last), NOTHING


async def finish(pool: Pool, request: FinishItem, patience_seconds: float) -> tuple[bool, Ended]:
    """Write down how an attempt went. Returns whether it still counted, and what ended."""
    outcome = request.outcome
    if isinstance(outcome, PutBack):
        if await _put_back(pool, request, outcome, patience_seconds):
            return True, NOTHING
        if await pool.fetchval(CANCEL_ASKED, request.account, request.job):
            ended = await _end(pool, request, CANCELLED, cancelled=True)
            return ended.units > 0, ended
        outcome = Failed(code=outcome.code, message=outcome.message)
    ended = await _end(pool, request, outcome)
    return ended.units > 0, ended


async def _put_back(
    pool: Pool, request: FinishItem, outcome: PutBack, patience_seconds: float
) -> bool:
    return bool(
        await pool.fetchval(
            PUT_BACK,
            request.account,
            request.job,
            request.number,
            request.attempt,
            outcome.counts,
            timedelta(seconds=outcome.seconds),
            timedelta(seconds=patience_seconds),
        )
    )


async def _end(
    pool: Pool,
    of: TakeItem | FinishItem,
    outcome: Failed | Succeeded,
    *,
    cancelled: bool = False,
) -> Ended:
    async with pool.acquire() as connection, connection.transaction():
        key = (of.account, of.job, of.number, of.attempt)
        return await end_taken(connection, *key, outcome, cancelled=cancelled)
