"""Closing a job exactly once: settle its hold, write down how it ended, tell everybody.

Each step may be repeated and none is skipped: a job stays `closing` until its hold has been settled
for what succeeded, and untold until its event is in the stream. Whoever is killed in between leaves
the rest to the next round, of any replica.
"""

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
FOR NO KEY UPDATE
"""
"""Locked while it is told, so that a stream that is lost meanwhile is told again after that."""

TOLD = """
UPDATE jobs.jobs SET told_at = now() WHERE account_id = $1 AND id = $2
"""

SEEN = """
SELECT made_at, last FROM jobs.stream
"""

SEE = """
UPDATE jobs.stream SET made_at = $1, last = $2
-- unless another replica has looked since
WHERE made_at IS NOT DISTINCT FROM $3 AND last = $4 RETURNING true
"""

TELL_AGAIN = """
UPDATE jobs.jobs SET told_at = NULL WHERE closed_at > now() - $1::interval
"""
"""Also those that are not told yet: somebody may have told one a moment ago, and not noted it."""

_CANCELLED = "CANCELLED", "the job was cancelled"
_EVENTS = UUID("5c1f3a52-6f0e-4d0a-9b1b-0d6f7c1f9a10")
"""Names our events by their jobs: the same job closes with the same event, however often told."""


class Closing:
    """Closes jobs whose items have all ended."""

    def __init__(self, pool: Pool, bus: Bus, storage: Storage) -> None:
        self._pool = pool
        self._bus = bus
        self._storage = storage

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
        """Tell that a job has closed, unless it is known to have been told. Raises Unavailable."""
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(UNTOLD, account, job)
            if row is not None:
                context.correlation_id.set(row["correlation_id"])
                await events.publish(self._bus, _event(account, rows.job(row)))
                await connection.execute(TOLD, account, job)

    async def tell_again(self) -> None:
        """Let all that was told be told again if the stream has lost it. Raises Unavailable.

        Whoever had read it goes by the ids of events, which stay the same.
        """
        # before looking, so that what others note meanwhile does not look like a loss
        seen = await self._pool.fetchrow(SEEN)
        now = await events.standing(self._bus)
        made_at, last = seen["made_at"], seen["last"]
        if (now.made_at, now.last) == (made_at, last):
            return
        async with self._pool.acquire() as connection, connection.transaction():
            mine = await connection.fetchval(SEE, now.made_at, now.last, made_at, last)
            if mine and made_at and now.lost_since(made_at, last):
                status = await connection.execute(TELL_AGAIN, events.KEPT)
                log.warning("the stream of events was lost; telling again", done=status)

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
