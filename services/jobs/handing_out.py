"""Which items go to the work queue next: a few at a time, in turn by account and by job.

The queue itself is first come, first served. So it is kept short, and what enters it is chosen: of
the accounts with something waiting, the one with the least under way comes first, and within an
account the job with the least. A batch of thousands then delays a newcomer by the length of the
queue and no more.
"""

import asyncio

import msgspec
import structlog
from asyncpg import Record
from nats.errors import Error as NatsError
from nats.js.api import Header
from nats.js.errors import APIError

from kit.bus import Bus
from kit.database import Pool
from proto.ids import AccountId, JobId
from proto.jobs import STREAM, Ticket, work_subject
from services.jobs import kinds

log = structlog.get_logger(__name__)

ONE_AT_A_TIME = """
SELECT pg_try_advisory_xact_lock(hashtextextended('handing out ' || $1::text, 0))
"""

FREE = """
SELECT $2 - count(*) FROM jobs.items AS i JOIN jobs.jobs AS j ON j.id = i.job_id
WHERE i.state = 'queued' AND j.kind = $1
"""

CHOOSE = """
WITH under_way AS (
    SELECT job_id, count(*) AS items FROM jobs.items WHERE state IN ('queued', 'running')
    GROUP BY job_id
), open AS (
    SELECT j.id, j.account_id, coalesce(u.items, 0) AS items, random() AS lot,
        sum(coalesce(u.items, 0)) OVER (PARTITION BY j.account_id) AS of_account
    FROM jobs.jobs AS j LEFT JOIN under_way AS u ON u.job_id = j.id
    WHERE j.kind = $1 AND j.state IN ('queued', 'running')
), first AS (
    -- at most as many jobs as there are places: of the others none can be next
    SELECT id, account_id, items, of_account, lot FROM (
        SELECT open.*, of_account + row_number() OVER (
            PARTITION BY account_id ORDER BY items, lot) AS place
        FROM open
        WHERE EXISTS (SELECT FROM jobs.items AS i WHERE i.job_id = open.id
            AND i.state = 'waiting' AND i.same_as IS NULL AND i.not_before <= now())
    ) AS placed
    ORDER BY place, lot LIMIT $2
), next AS (
    SELECT f.id, f.account_id, f.of_account, f.lot, i.number,
        f.items + row_number() OVER (PARTITION BY f.id ORDER BY i.number) AS turn
    FROM first AS f
    CROSS JOIN LATERAL (
        SELECT number FROM jobs.items
        WHERE job_id = f.id AND state = 'waiting' AND same_as IS NULL AND not_before <= now()
        ORDER BY number LIMIT $2 FOR UPDATE SKIP LOCKED
    ) AS i
), by_account AS (
    SELECT id, number, turn, lot,
        of_account + row_number() OVER (PARTITION BY account_id ORDER BY turn, lot) AS place
    FROM next
), chosen AS (
    SELECT id, number, row_number() OVER (ORDER BY place, turn, lot) AS position
    FROM by_account ORDER BY position LIMIT $2
), handed_out AS (
    UPDATE jobs.items AS i
    SET state = 'queued', handed_out = handed_out + 1, handed_out_at = now()
    FROM chosen WHERE i.job_id = chosen.id AND i.number = chosen.number
    RETURNING i.account_id, i.job_id, i.number, i.handed_out, position
)
SELECT account_id, job_id, number, handed_out FROM handed_out ORDER BY position
"""
"""Between equals the lot decides. If the older went first, the youngest would never have its turn
while there are more of them than places in the queue."""

TAKE_BACK = """
UPDATE jobs.items SET state = 'waiting'
WHERE account_id = $1 AND job_id = $2 AND number = $3 AND handed_out = $4 AND state = 'queued'
"""

WAITING_KINDS = """
SELECT DISTINCT kind FROM jobs.jobs WHERE state IN ('queued', 'running')
"""

_SHORTEST_SECONDS = 0.05
"""Between two rounds: a round for every item would cost as much as small items do."""
_LONGEST_SECONDS = 1.0
"""Then there is a round anyway, for items that were put back and are due again."""
_PUBLISH_SECONDS = 5.0


class HandingOut:
    """Keeps the work queues filled."""

    def __init__(self, pool: Pool, bus: Bus, depth: int) -> None:
        self._pool = pool
        self._bus = bus
        self._depth = depth
        self._wanted = asyncio.Event()

    def wake(self) -> None:
        """Say that something may be handed out: a job began, an item was taken or put back."""
        self._wanted.set()

    async def run(self) -> None:
        """Hand out until this is cancelled."""
        while True:
            await self._round()
            await asyncio.sleep(_SHORTEST_SECONDS)
            try:
                async with asyncio.timeout(_LONGEST_SECONDS):
                    await self._wanted.wait()
            except TimeoutError:
                pass
            self._wanted.clear()

    async def _round(self) -> None:
        """Fill the queue of every kind with something waiting; one that fails keeps no other."""
        try:
            waiting = [row["kind"] for row in await self._pool.fetch(WAITING_KINDS)]
        except Exception as error:  # noqa: BLE001 - the next round tries again, whatever it was
            log.warning("nothing handed out", error=str(error) or type(error).__name__)
            return
        for kind in waiting:
            try:
                await self.hand_out(kind)
            except Exception as error:  # noqa: BLE001 - as above
                reason = str(error) or type(error).__name__
                log.warning("nothing handed out", kind=kind, error=reason)

    async def hand_out(self, kind: str) -> int:
        """Fill the queue of a kind. Returns how many items went into it."""
        async with self._pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval(ONE_AT_A_TIME, kind):
                return 0
            free = await connection.fetchval(FREE, kind, self._depth)
            if free <= 0:
                return 0
            chosen = await connection.fetch(CHOOSE, kind, free)
        await asyncio.gather(*(self._publish(kind, row) for row in chosen))
        return len(chosen)

    async def _publish(self, kind: str, row: Record) -> None:
        """Put a ticket into the queue, or its item back into the book."""
        job, number = JobId(row["job_id"]), row["number"]
        ticket = Ticket(account=AccountId(row["account_id"]), job=job, number=number)
        try:
            await self._bus.client.jetstream().publish(
                work_subject(kind),
                msgspec.msgpack.encode(ticket),
                timeout=_PUBLISH_SECONDS,
                stream=STREAM,
                headers={Header.MSG_ID.value: f"{job}:{number}:{row['handed_out']}"},
            )
        except (NatsError, APIError, TimeoutError) as error:
            log.warning("ticket not taken", kind=kind, error=str(error) or type(error).__name__)
            await self._pool.execute(
                TAKE_BACK, ticket.account, ticket.job, ticket.number, row["handed_out"]
            )
            await kinds.declare_queues(self._bus, [kind])
