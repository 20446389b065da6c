"""What crashes, lost messages and time leave behind: found again, and brought to its end."""

from datetime import UTC, datetime, timedelta

import structlog
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from kit import events
from kit.bus import Bus
from kit.database import Pool
from kit.storage import Storage
from proto.errors import Unavailable
from proto.ids import AccountId, JobId, StorageKey
from proto.jobs import STREAM, Failed
from services.jobs import cancelling, counting, drafts, kinds
from services.jobs.closing import Closing
from services.jobs.ending import end_open
from services.jobs.settings import Settings

log = structlog.get_logger(__name__)

OLD_DRAFTS = """
SELECT account_id, id FROM jobs.jobs
WHERE state = 'draft' AND created_at < now() - $1::interval ORDER BY number LIMIT 100
"""

BEING_CANCELLED = """
SELECT account_id, id FROM jobs.jobs
WHERE cancel_asked_at IS NOT NULL AND state IN ('queued', 'running')
  AND EXISTS (SELECT FROM jobs.items WHERE job_id = id AND items.state IN ('waiting', 'queued'))
ORDER BY random() LIMIT 100
"""

LEFT_TO_DO = """
SELECT account_id, id, state FROM jobs.jobs WHERE state IN ('discarded', 'closing')
ORDER BY random() LIMIT 100
"""
"""In any order, so that those that cannot be ended do not keep the rest."""

LEFT_TO_TELL = """
SELECT account_id, id FROM jobs.jobs WHERE closed_at IS NOT NULL AND told_at IS NULL
ORDER BY random() LIMIT 100
"""
"""Apart from what is left to do: of these there may be tens of thousands when a stream is lost."""

HANDED_OUT = """
SELECT count(*) FROM jobs.jobs AS j JOIN jobs.items AS i ON i.job_id = j.id
WHERE j.kind = $1 AND j.state IN ('queued', 'running') AND i.state IN ('queued', 'running')
"""

LOST_TICKETS = """
WITH lost AS MATERIALIZED (
    SELECT i.job_id, i.number FROM jobs.jobs AS j JOIN jobs.items AS i ON i.job_id = j.id
    WHERE j.kind = $1 AND j.state IN ('queued', 'running')
      AND i.state = 'queued' AND i.handed_out_at < now() - $2::interval
    FOR UPDATE OF i SKIP LOCKED
)
UPDATE jobs.items AS i SET state = 'waiting'
FROM lost WHERE i.job_id = lost.job_id AND i.number = lost.number
"""
"""One that was not lost is answered with NotDue when it comes up twice."""

OVERDUE = """
WITH overdue AS MATERIALIZED (
    SELECT i.job_id, i.number
    FROM jobs.jobs AS j
    JOIN jobs.kinds AS k ON k.name = j.kind JOIN jobs.items AS i ON i.job_id = j.id
    WHERE j.state IN ('queued', 'running') AND i.state = 'running'
      AND i.taken_at < now() - (k.most_seconds + $1) * interval '1 second'
    FOR UPDATE OF i SKIP LOCKED
)
UPDATE jobs.items AS i SET state = 'waiting', attempt = NULL
FROM overdue WHERE i.job_id = overdue.job_id AND i.number = overdue.number
"""

TOO_OLD = """
SELECT account_id, id FROM jobs.jobs
WHERE state IN ('queued', 'running') AND queued_at < now() - $1::interval
  AND EXISTS (SELECT FROM jobs.items WHERE job_id = id AND items.state IN ('waiting', 'queued'))
LIMIT 100
"""

EXPIRED = """
SELECT account_id, id, outputs FROM jobs.jobs
WHERE closed_at < now() - $1::interval AND told_at IS NOT NULL ORDER BY closed_at LIMIT 100
"""

FORGET = """
DELETE FROM jobs.jobs WHERE account_id = $1 AND id = $2
"""

INPUTS = """
SELECT inputs FROM jobs.jobs WHERE inputs IS NOT NULL AND closed_at IS NULL
"""

_LOST_AFTER = timedelta(seconds=10)
_GRACE_SECONDS = 30.0
"""After the longest that an item may take; its worker gives up by itself before that."""
_TIMED_OUT = Failed(code="TIMED_OUT", message="the job was not done within the time it may take")


class Sweeping:
    """One round at a time; any replica may do it."""

    def __init__(
        self, pool: Pool, bus: Bus, storage: Storage, closing: Closing, settings: Settings
    ) -> None:
        self._pool = pool
        self._bus = bus
        self._storage = storage
        self._closing = closing
        self._settings = settings

    async def bring_to_an_end(self) -> None:
        """Discard old drafts, fail what took too long, close and tell what was left."""
        drafts_older_than = timedelta(seconds=self._settings.draft_seconds)
        for row in await self._pool.fetch(OLD_DRAFTS, drafts_older_than):
            await drafts.discard(self._pool, AccountId(row["account_id"]), JobId(row["id"]))
        for row in await self._pool.fetch(TOO_OLD, timedelta(hours=self._settings.job_hours)):
            async with self._pool.acquire() as connection, connection.transaction():
                key = AccountId(row["account_id"]), JobId(row["id"])
                ended = await end_open(connection, *key, cancelled=False, why=_TIMED_OUT)
            counting.ended(ended.kind, ended.outcome, ended.items)
        for row in await self._pool.fetch(BEING_CANCELLED):
            key = AccountId(row["account_id"]), JobId(row["id"])
            ended = await cancelling.cancel(self._pool, *key)
            counting.ended(ended.kind, ended.outcome, ended.items)
        for row in await self._pool.fetch(LEFT_TO_DO):
            await self._finish(AccountId(row["account_id"]), JobId(row["id"]), row["state"])
        try:
            await self._closing.tell_again()
            await self._tell()
        except Unavailable as error:
            log.warning("stream of events away", error=str(error))

    async def _finish(self, account: AccountId, job: JobId, state: str) -> None:
        try:
            if state != "discarded":
                await self._closing.close(account, job)
            elif folder := await drafts.give_back(self._pool, self._bus, account, job):
                await self._storage.delete_folder(StorageKey(folder))
        except Exception as error:  # noqa: BLE001 - one that cannot end must not keep the others
            log.warning("job not ended", job=str(job), error=str(error) or type(error).__name__)

    async def _tell(self) -> None:
        """Tell what was left. Raises Unavailable, as the others would have to wait as long."""
        for row in await self._pool.fetch(LEFT_TO_TELL):
            try:
                await self._closing.tell(AccountId(row["account_id"]), JobId(row["id"]))
            except Unavailable:
                raise
            except Exception as error:  # noqa: BLE001 - one must not keep the others
                log.warning("job not told", job=str(row["id"]), error=str(error))

    async def look_for_lost(self) -> int:
        """Put items back into the book whose tickets or workers are gone. Returns how many."""
        found = _count(await self._pool.execute(OVERDUE, _GRACE_SECONDS))
        names = await kinds.names(self._pool)
        jetstream = self._bus.client.jetstream()
        for kind in names:
            handed_out = await self._pool.fetchval(HANDED_OUT, kind)
            try:
                there = await _tickets(jetstream, kind)
            except NotFoundError:
                await kinds.declare_queues(self._bus, names)
                there = 0
            except NatsError as error:
                log.warning("queue not seen", kind=kind, error=str(error))
                continue
            if there < handed_out:
                found += _count(await self._pool.execute(LOST_TICKETS, kind, _LOST_AFTER))
        counting.LOST.inc(found)
        if found:
            log.warning("items put back whose tickets or workers were lost", count=found)
        return found

    async def clear_storage(self) -> None:
        """Remove results whose time is over, with their jobs, and uploads that nobody needs."""
        kept = timedelta(days=self._settings.keep_days)
        # one that is gone could not be told again
        while expired := await self._pool.fetch(EXPIRED, max(kept, events.KEPT)):
            for row in expired:
                await self._storage.delete_folder(StorageKey(row["outputs"]))
                await self._pool.execute(FORGET, row["account_id"], row["id"])
        now = datetime.now(UTC)
        await self._storage.delete_older(StorageKey("outputs"), now - kept)
        await self._clear_uploads(now - timedelta(hours=self._settings.upload_hours))

    async def _clear_uploads(self, before: datetime) -> None:
        """Remove uploads of which no part was written lately, unless a job still needs them."""
        last_written: dict[StorageKey, datetime] = {}
        async for key, written in self._storage.list(StorageKey("uploads")):
            folder = StorageKey(key.rpartition("/")[0])
            last_written[folder] = max(written, last_written.get(folder, written))
        old = {folder for folder, written in last_written.items() if written < before}
        if old:
            old -= {row["inputs"] for row in await self._pool.fetch(INPUTS)}
        for folder in old:
            await self._storage.delete_folder(folder)
        if old:
            log.info("removed uploads left behind", count=len(old))
        # what a writer that was killed midway left has no key yet
        for place in ("uploads", "outputs", "photos"):
            await self._storage.delete_unfinished(StorageKey(place), before)


async def _tickets(jetstream: JetStreamContext, kind: str) -> int:
    """Return how many tickets of a kind are in its queue or with workers.

    Raises NotFoundError when there is no queue, also when there was one of an earlier stream: where
    a stream is removed and made again at once, nats-server may give the new one's consumer the
    place where the old one's was, and it then waits for messages that may be hours away. It is
    removed.
    """
    queue = await jetstream.consumer_info(STREAM, kind)
    # asked for after the queue, so that it cannot be behind what the queue has seen
    last = await _last_of(jetstream)
    if queue.delivered is not None and queue.delivered.stream_seq > last:
        log.warning("queue of an earlier stream removed", kind=kind)
        await jetstream.delete_consumer(STREAM, kind)
        raise NotFoundError
    waiting, given = queue.num_pending or 0, queue.num_ack_pending or 0
    counting.queue(kind, waiting, given, queue.num_redelivered or 0)
    return waiting + given


async def _last_of(jetstream: JetStreamContext) -> int:
    """Return the number of the latest message of the stream."""
    return (await jetstream.stream_info(STREAM)).state.last_seq


def _count(status: str) -> int:
    """Return how many rows a statement touched: `UPDATE 3`."""
    return int(status.rpartition(" ")[2])
