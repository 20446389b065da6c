"""Items end here, and nowhere else: each once, in an order of their own, while the job is locked.

Counts, and the places in that order, are in units; most items are one.

When the last one has ended the job is `closing`, and `closing.py` does the rest.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from asyncpg import Record

from kit.database import Connection
from proto.ids import AccountId, JobId
from proto.jobs import Failed, Succeeded
from services.jobs import counting, rows

LOCK = """
SELECT kind, state, total, succeeded, failed, cancelled, measures FROM jobs.jobs
WHERE account_id = $1 AND id = $2 AND state IN ('queued', 'running') FOR NO KEY UPDATE
"""

END_TAKEN = """
WITH taken AS MATERIALIZED (
    SELECT number, units FROM jobs.items
    WHERE account_id = $1 AND job_id = $2 AND number = $3 AND state = 'running' AND attempt = $4
), ending AS MATERIALIZED (
    SELECT number, sum(units) OVER (ORDER BY number) AS place FROM (
        SELECT number, units FROM taken
        UNION ALL
        SELECT number, units FROM jobs.items
        WHERE account_id = $1 AND job_id = $2 AND same_as = $3 AND state = 'waiting'
            AND EXISTS (SELECT FROM taken)
    ) AS each
)
UPDATE jobs.items AS i
SET state = $5, result = $6, code = $7, message = $8, ended = $9 + place, ended_at = now(),
    work = ''
FROM ending WHERE i.job_id = $2 AND i.number = ending.number
RETURNING i.units
"""
"""An item that its attempt has finished, with those that are the same. Another attempt that is let
in at the same moment finds it ended: one result is as good as the other."""

END_OPEN = """
WITH open AS MATERIALIZED (
    SELECT number, same_as, units FROM jobs.items
    WHERE account_id = $1 AND job_id = $2 AND state IN ('waiting', 'queued')
    ORDER BY number FOR UPDATE
), ending AS (
    SELECT number, sum(units) OVER (ORDER BY number) AS place FROM open
    WHERE same_as IS NULL OR same_as IN (SELECT number FROM open)
)
UPDATE jobs.items AS i
SET state = $3, code = $4, message = $5, ended = $6 + place, ended_at = now(), work = ''
FROM ending WHERE i.job_id = $2 AND i.number = ending.number
RETURNING i.units
"""
"""Everything that no worker has taken; locked first, because a worker may be taking one."""

COUNT = """
UPDATE jobs.jobs SET
    succeeded = succeeded + $3, failed = failed + $4, cancelled = cancelled + $5, measures = $6,
    state = CASE WHEN succeeded + failed + cancelled + $3 + $4 + $5 = total THEN 'closing'
                 ELSE 'running' END,
    started_at = coalesce(started_at, now())
WHERE account_id = $1 AND id = $2
RETURNING state = 'closing'
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """What ended."""

    units: int
    last: bool
    """Whether nothing of the job is open any more."""
    items: int = 0
    kind: str = ""
    outcome: str = ""
    """As it is counted."""


NOTHING = Ended(0, last=False)


async def end_taken(
    connection: Connection,
    account: AccountId,
    job: JobId,
    number: int,
    attempt: object,
    outcome: Succeeded | Failed,
    *,
    cancelled: bool = False,
) -> Ended:
    """End an item as its attempt says, if that attempt still counts. Inside a transaction.

    One that failed because nobody wants it any more counts as cancelled.
    """
    locked = await connection.fetchrow(LOCK, account, job)
    if locked is None:
        return NOTHING
    succeeded = isinstance(outcome, Succeeded)
    ended = await connection.fetch(
        END_TAKEN,
        account,
        job,
        number,
        attempt,
        "succeeded" if succeeded else "cancelled" if cancelled else "failed",
        outcome.result if isinstance(outcome, Succeeded) else None,
        "" if isinstance(outcome, Succeeded) else outcome.code,
        "" if isinstance(outcome, Succeeded) else outcome.message,
        _ended(locked),
    )
    if not ended:
        return NOTHING
    measures = rows.tallies(locked["measures"])
    if isinstance(outcome, Succeeded):
        for name, value in outcome.measures.items():
            # JSON knows no infinity, and one such value would be the mean of all
            if math.isfinite(value):
                measures.setdefault(name, rows.Tally()).add(value)
    units = _sum(ended)
    counts = _counts(units, succeeded=succeeded, cancelled=cancelled)
    last = await connection.fetchval(COUNT, account, job, *counts, rows.written(measures))
    code = "" if isinstance(outcome, Succeeded) else outcome.code
    counted = counting.outcome(code, succeeded=succeeded, cancelled=cancelled)
    return Ended(units, bool(last), len(ended), locked["kind"], counted)


async def end_open(
    connection: Connection, account: AccountId, job: JobId, *, cancelled: bool, why: Failed
) -> Ended:
    """End everything that has not been started. Inside a transaction."""
    locked = await connection.fetchrow(LOCK, account, job)
    if locked is None:
        return NOTHING
    ended = await connection.fetch(
        END_OPEN,
        account,
        job,
        "cancelled" if cancelled else "failed",
        why.code,
        why.message,
        _ended(locked),
    )
    if not ended:
        return NOTHING
    units = _sum(ended)
    counts = _counts(units, succeeded=False, cancelled=cancelled)
    last = await connection.fetchval(COUNT, account, job, *counts, locked["measures"])
    counted = counting.outcome(why.code, succeeded=False, cancelled=cancelled)
    return Ended(units, bool(last), len(ended), locked["kind"], counted)


def _sum(ended: Sequence[Record]) -> int:
    return sum(row["units"] for row in ended)


def _counts(units: int, *, succeeded: bool, cancelled: bool) -> tuple[int, int, int]:
    """Return by how much the job's counts of succeeded, failed and cancelled go up."""
    if succeeded:
        return units, 0, 0
    return (0, 0, units) if cancelled else (0, units, 0)


def _ended(locked: Record) -> int:
    return int(locked["succeeded"] + locked["failed"] + locked["cancelled"])
