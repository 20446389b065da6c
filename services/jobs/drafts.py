"""Before a job runs: drafting it, adding its items, starting it under its hold, or giving it up."""

import structlog

from kit.bus import Bus
from kit.context import correlation_id
from kit.database import Connection, Pool
from proto.errors import (
    IdempotencyConflict,
    InvalidRequest,
    NotFound,
    QueueFull,
    ReservationEnded,
    Unavailable,
)
from proto.ids import AccountId, JobId
from proto.jobs import AddItems, CreateJob, Job, StartJob
from proto.wallet import Attach, Release
from services.jobs import rows
from services.jobs.reading import JOB, missing
from services.jobs.settings import Settings

log = structlog.get_logger(__name__)

ONE_AT_A_TIME = """
SELECT pg_advisory_xact_lock(hashtextextended('jobs of ' || $1::uuid, 0))
"""
"""Until the transaction ends, only one for each account: counting does not see what others add."""

KIND = """
SELECT true FROM jobs.kinds WHERE name = $1
"""

STARTED_UNDER = """
SELECT * FROM jobs.jobs
WHERE account_id = $1 AND hold = $2 AND hold <> 0 AND state NOT IN ('draft', 'discarded')
"""

OPEN = """
SELECT count(*) AS jobs,
    coalesce(sum(total - succeeded - failed - cancelled), 0)::bigint AS items
FROM jobs.jobs WHERE account_id = $1 AND id <> $2 AND state IN ('draft', 'queued', 'running')
"""

CREATE = """
INSERT INTO jobs.jobs
    (id, account_id, kind, hold, unit_tokens, total, details, inputs, outputs, correlation_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (id) DO NOTHING
RETURNING *
"""

ADD = """
INSERT INTO jobs.items (job_id, account_id, number, name, work, same_as, units)
SELECT $1, $2, * FROM unnest(
    $3::integer[], $4::text[], $5::bytea[], $6::integer[], $7::integer[])
ON CONFLICT DO NOTHING
"""

DRAFT = """
SELECT total FROM jobs.jobs WHERE account_id = $1 AND id = $2 AND state = 'draft' FOR UPDATE
"""

UNITS = """
SELECT coalesce(sum(units), 0)::bigint FROM jobs.items WHERE account_id = $1 AND job_id = $2
"""

WRONG_COPIES = """
SELECT true FROM jobs.items AS i
LEFT JOIN jobs.items AS o ON o.job_id = i.job_id AND o.number = i.same_as AND o.same_as IS NULL
WHERE i.account_id = $1 AND i.job_id = $2 AND i.same_as IS NOT NULL AND o.number IS NULL LIMIT 1
"""

START = """
UPDATE jobs.jobs SET state = 'queued', queued_at = now()
WHERE account_id = $1 AND id = $2 AND state = 'draft'
RETURNING *
"""

DISCARD = """
UPDATE jobs.jobs SET state = 'discarded' WHERE account_id = $1 AND id = $2 AND state = 'draft'
RETURNING true
"""

DISCARDED = """
SELECT hold, inputs FROM jobs.jobs WHERE account_id = $1 AND id = $2 AND state = 'discarded'
"""

REMOVE = """
DELETE FROM jobs.jobs WHERE account_id = $1 AND id = $2 AND state = 'discarded'
"""


async def create(pool: Pool, request: CreateJob, most: Settings) -> Job:
    """Draft a job, or return the one that was started under the same hold.

    Raises Unavailable, QueueFull, IdempotencyConflict.
    """
    async with pool.acquire() as connection, connection.transaction():
        if not await connection.fetchval(KIND, request.kind):
            raise Unavailable(f"no engine has said that it does {request.kind}")
        await connection.execute(ONE_AT_A_TIME, request.account)
        started = await connection.fetchrow(STARTED_UNDER, request.account, request.hold)
        if started is not None:
            return rows.job(started)
        found = await connection.fetchrow(JOB, request.account, request.job)
        if found is not None:
            return rows.job(found)
        await _must_have_room(connection, request, most)
        row = await connection.fetchrow(
            CREATE,
            request.job,
            request.account,
            request.kind,
            request.hold,
            request.unit_tokens,
            request.total,
            rows.written(request.details),
            request.inputs,
            request.outputs,
            correlation_id.get(),
        )
        if row is None:
            raise IdempotencyConflict("there is another job under this id")
        return rows.job(row)


async def add(pool: Pool, request: AddItems) -> None:
    """Add items to a draft. Raises NotFound, InvalidRequest."""
    if any(item.same_as is not None and item.same_as >= item.number for item in request.items):
        raise InvalidRequest("an item can only be the same as an earlier one")
    async with pool.acquire() as connection, connection.transaction():
        total = await connection.fetchval(DRAFT, request.account, request.job)
        if total is None:
            raise missing()
        if any(item.number >= total for item in request.items):
            raise InvalidRequest(f"the job has {total:,} items, numbered from 0")
        await connection.execute(
            ADD,
            request.job,
            request.account,
            [item.number for item in request.items],
            [item.name for item in request.items],
            [item.work for item in request.items],
            [item.same_as for item in request.items],
            [item.units for item in request.items],
        )


async def start(pool: Pool, bus: Bus, request: StartJob) -> Job:
    """Let work begin. Raises NotFound, ReservationEnded, InvalidRequest, Unavailable.

    Between the two steps a crash leaves a draft whose hold waits for it; it is discarded, which
    gives the hold back.
    """
    key = (request.account, request.job)
    row = await pool.fetchrow(JOB, *key)
    if row is None:
        raise missing()
    if row["state"] != "draft":
        return rows.job(row)
    if await pool.fetchval(UNITS, *key) != row["total"]:
        raise InvalidRequest("the job has not got all its items")
    if await pool.fetchval(WRONG_COPIES, *key):
        raise InvalidRequest("an item is the same as one that is not there, or not worked on")
    if row["hold"]:
        attach = Attach(account=request.account, number=row["hold"], job=request.job)
        attached = await bus.request(attach)
        if attached.reserved < row["total"] * row["unit_tokens"]:
            raise InvalidRequest("the hold does not cover the job")
    started = await pool.fetchrow(START, *key) or await pool.fetchrow(JOB, *key)
    if started is None or started["state"] == "draft":
        raise missing()
    return rows.job(started)


async def discard(pool: Pool, account: AccountId, job: JobId) -> bool:
    """Give up a draft; `give_back` returns its tokens. Returns whether it was a draft."""
    return bool(await pool.fetchval(DISCARD, account, job))


async def give_back(pool: Pool, bus: Bus, account: AccountId, job: JobId) -> str | None:
    """Give the hold of a discarded draft back and forget the draft.

    Returns the folder of its inputs, which nobody needs any more. Raises Unavailable.
    """
    row = await pool.fetchrow(DISCARDED, account, job)
    if row is None:
        return None
    if row["hold"]:
        try:
            await bus.request(Release(account=account, number=row["hold"], job=job))
        except (ReservationEnded, NotFound, IdempotencyConflict) as error:
            log.info("hold of a draft not given back", job=str(job), reason=str(error))
    await pool.execute(REMOVE, account, job)
    folder: str | None = row["inputs"]
    return folder


async def _must_have_room(connection: Connection, request: CreateJob, most: Settings) -> None:
    """Raise QueueFull when the account has too much under way."""
    under_way = await connection.fetchrow(OPEN, request.account, request.job)
    if under_way is None:
        raise AssertionError("an aggregate has a row")
    if under_way["items"] + request.total > most.most_open_items:
        raise QueueFull(
            f"{under_way['items']:,} items of this account are still being worked on, and at most "
            f"{most.most_open_items:,} may be; wait for a job to end"
        )
    if under_way["jobs"] >= most.most_open_jobs:
        raise QueueFull(
            f"{under_way['jobs']:,} jobs of this account have not ended, and no more may be open; "
            "wait for one to end"
        )
