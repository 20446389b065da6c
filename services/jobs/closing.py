"""Closing a job exactly once: settle its hold, write down how it ended, tell everybody.

Each step may be repeated and none is skipped: a job stays `closing` until its hold has been settled
for what succeeded, and untold until its event is in the stream. Whoever is killed in between leaves
the rest to the next round, of any replica.
"""

import asyncio
from uuid import UUID, uuid5

import structlog
from asyncpg import Record

from kit import context, events
from kit.bus import Bus
from kit.database import Pool
from kit.storage import Storage
from proto.errors import NotFound, ReservationEnded
from proto.ids import AccountId, JobId, StorageKey
from proto.jobs import Job, JobClosed, JobCompleted, JobFailed
from proto.wallet import Refund, Settle
from services.jobs import counting, rows

log = structlog.get_logger(__name__)

CLOSING = """
SELECT hold, unit_tokens, succeeded, cancelled, inputs, correlation_id FROM jobs.jobs
WHERE account_id = $1 AND id = $2 AND state = 'closing'
"""

WHY = """
SELECT code, mode() WITHIN GROUP (ORDER BY message) AS message FROM jobs.items
WHERE account_id = $1 AND job_id = $2 AND state = 'failed'
GROUP BY code ORDER BY count(*) DESC, code LIMIT 1
"""

CLOSE = """
UPDATE jobs.jobs SET state = $3, code = $4, message = $5, consumed = $6, closed_at = now()
WHERE account_id = $1 AND id = $2 AND state = 'closing'
RETURNING kind, extract(epoch FROM closed_at - queued_at)::float8 AS seconds
"""

UNTOLD = """
SELECT * FROM jobs.jobs
WHERE account_id = $1 AND id = $2 AND closed_at IS NOT NULL AND told_at IS NULL
FOR NO KEY UPDATE SKIP LOCKED
"""
"""Locked while it is told, so that a stream that is lost meanwhile is told again after that. One
that another replica is telling is left to it."""

TOLD = """
UPDATE jobs.jobs SET told_at = now() WHERE account_id = $1 AND id = $2
"""

SEEN = """
SELECT made_at, last FROM jobs.stream
"""

SEE = """
UPDATE jobs.stream SET made_at = $1, last = CASE WHEN $5 THEN $2 ELSE greatest(last, $2) END
-- unless another replica has looked since; who tells meanwhile only raises it
WHERE made_at IS NOT DISTINCT FROM $3 AND last >= $4
"""

HAS_COME_TO = """
UPDATE jobs.stream SET last = $1 WHERE last < $1
"""
"""So that what is lost before anybody looks is missed. Always locked after what was told."""

CLOSED_SINCE = """
SELECT number FROM jobs.jobs WHERE closed_at > now() - $1::interval ORDER BY number
"""
"""Also those that are not told yet: somebody may have told one a moment ago, and not noted it."""

TELL_AGAIN = """
WITH told AS MATERIALIZED (
    -- in one order, whoever does it beside us
    SELECT number FROM jobs.jobs WHERE number = ANY ($1::bigint[])
    ORDER BY number FOR NO KEY UPDATE
)
UPDATE jobs.jobs AS j SET told_at = NULL FROM told WHERE j.number = told.number
"""

_TOLD_AT_ONCE = 2
"""By one process: each keeps a connection and a lock until the stream has the event."""
_MARKED_AT_ONCE = 5_000

_CANCELLED = "CANCELLED", "the job was cancelled"
_EVENTS = UUID("5c1f3a52-6f0e-4d0a-9b1b-0d6f7c1f9a10")
"""Names our events by their jobs: the same job closes with the same event, however often told."""


class Closing:
    """Closes jobs whose items have all ended."""

    def __init__(self, pool: Pool, bus: Bus, storage: Storage) -> None:
        self._pool = pool
        self._bus = bus
        self._storage = storage
        self._telling = asyncio.Semaphore(_TOLD_AT_ONCE)

    async def close(self, account: AccountId, job: JobId) -> None:
        """Do what is left to be done. Raises Unavailable when the wallet or the stream is away."""
        row = await self._pool.fetchrow(CLOSING, account, job)
        if row is not None:
            context.correlation_id.set(row["correlation_id"])
            consumed = await self._settle(account, row)
            await self._write_down(account, job, row, consumed)
            if row["inputs"]:
                await self._storage.delete_folder(StorageKey(row["inputs"]))
        await self.tell(account, job)

    async def tell(self, account: AccountId, job: JobId) -> None:
        """Tell that a job has closed, unless it was told or is being told. Raises Unavailable."""
        async with (
            self._telling,
            self._pool.acquire() as connection,
            connection.transaction(),
        ):
            row = await connection.fetchrow(UNTOLD, account, job)
            if row is not None:
                context.correlation_id.set(row["correlation_id"])
                place = await events.publish(self._bus, _event(account, rows.job(row)))
                await connection.execute(TOLD, account, job)
                await connection.execute(HAS_COME_TO, place)

    async def tell_again(self) -> None:
        """Let all that was told be told again if the stream has lost it. Raises Unavailable.

        Whoever had read it goes by the ids of events, which stay the same. Whoever is killed midway
        leaves it all to the next look.
        """
        # before looking, so that what others note meanwhile does not look like a loss
        seen = await self._pool.fetchrow(SEEN)
        now = await events.standing(self._bus)
        made_at, last = seen["made_at"], seen["last"]
        if (now.made_at, now.last) == (made_at, last):
            return
        lost = made_at is not None and now.lost_since(made_at, last)
        if lost:
            numbers = [row["number"] for row in await self._pool.fetch(CLOSED_SINCE, events.KEPT)]
            for first in range(0, len(numbers), _MARKED_AT_ONCE):
                await self._pool.execute(TELL_AGAIN, numbers[first : first + _MARKED_AT_ONCE])
            log.warning("the stream of events was lost; telling again", jobs=len(numbers))
        await self._pool.execute(SEE, now.made_at, now.last, made_at, last, lost)

    async def _settle(self, account: AccountId, row: Record) -> int:
        """End the hold; the wallet answers a repetition as it answered the first time."""
        number: int = row["hold"]
        consumed: int = row["succeeded"] * row["unit_tokens"]
        if not number:
            return 0
        end = (
            Settle(account=account, number=number, consumed=consumed)
            if consumed
            else Refund(account=account, number=number)
        )
        try:
            return (await self._bus.request(end)).consumed
        except (ReservationEnded, NotFound) as error:
            if isinstance(error, ReservationEnded) and error.state == "held":
                raise
            # cannot be while the hold waits for this job; a job that stays open would not mend it
            log.exception("hold of a job had ended", number=number, reason=str(error))
            return 0

    async def _write_down(self, account: AccountId, job: JobId, row: Record, consumed: int) -> None:
        state, code, message = "completed", "", ""
        if row["cancelled"]:
            state, (code, message) = "cancelled", _CANCELLED
        elif not row["succeeded"]:
            why = await self._pool.fetchrow(WHY, account, job)
            state, code, message = "failed", why["code"], why["message"]
        closed = await self._pool.fetchrow(CLOSE, account, job, state, code, message, consumed)
        if closed is not None:
            counting.closed(closed["kind"], state, closed["seconds"] or 0.0)


def _event(account: AccountId, job: Job) -> JobClosed:
    if job.closed_at is None:
        raise AssertionError("only of a job that has closed")
    told: type[JobClosed] = JobCompleted if job.state == "completed" else JobFailed
    return told(
        id=uuid5(_EVENTS, str(job.id)),
        account=account,
        happened_at=job.closed_at,
        task_id=job.id,
        kind=job.kind,
        status=job.state,
        total=job.total,
        succeeded=job.succeeded,
        failed=job.failed,
        cancelled=job.cancelled,
        tokens_deducted=job.deducted,
        tokens_refunded=job.deducted - job.consumed,
        wallet_transaction_id=job.transaction_id,
        code=job.code,
        message=job.message,
    )
