"""The messages that jobs answers."""

import asyncio
from collections.abc import Callable

import structlog

from kit.bus import Bus
from kit.database import Pool
from kit.endpoints import answers
from proto.errors import Refusal
from proto.ids import AccountId, JobId
from proto.jobs import (
    Added,
    AddItems,
    CancelJob,
    CreateJob,
    Finished,
    FinishItem,
    GetEnded,
    GetItems,
    GetJob,
    GetJobs,
    ItemPage,
    Job,
    JobList,
    NotDue,
    PutBack,
    Registered,
    RegisterKind,
    StartJob,
    TakeItem,
    Taken,
    progress_subject,
)
from services.jobs import cancelling, counting, drafts, items, kinds, reading
from services.jobs.closing import Closing
from services.jobs.ending import Ended
from services.jobs.settings import Settings

log = structlog.get_logger(__name__)

_CLOSING_SECONDS = 3.0
"""How long an answer waits for a job to close; it closes all the same."""


class Endpoints:
    """Answers over the job book in one database."""

    def __init__(
        self, pool: Pool, bus: Bus, closing: Closing, settings: Settings, wake: Callable[[], None]
    ) -> None:
        """Prepare to answer; `wake` tells that something may be handed out."""
        self._pool = pool
        self._bus = bus
        self._closing = closing
        self._settings = settings
        self._wake = wake
        self._tasks: set[asyncio.Task[None]] = set()

    @answers
    async def register_kind(self, request: RegisterKind) -> Registered:
        """Note what an engine does."""
        await kinds.register(self._pool, self._bus, request)
        self._wake()
        return Registered()

    @answers
    async def create(self, request: CreateJob) -> Job:
        """Draft a job."""
        return await drafts.create(self._pool, request, self._settings)

    @answers
    async def add_items(self, request: AddItems) -> Added:
        """Add items to a draft."""
        await drafts.add(self._pool, request)
        return Added()

    @answers
    async def start(self, request: StartJob) -> Job:
        """Let work begin."""
        started = await drafts.start(self._pool, self._bus, request)
        self._wake()
        return started

    @answers
    async def take_item(self, request: TakeItem) -> Taken | NotDue:
        """Give an item to a worker."""
        answer, ended = await items.take(self._pool, request)
        await self._after(request.account, request.job, ended)
        self._wake()
        return answer

    @answers
    async def finish_item(self, request: FinishItem) -> Finished:
        """Write down how an attempt went."""
        counted, ended = await items.finish(self._pool, request, self._settings.patience_seconds)
        await self._after(request.account, request.job, ended)
        if isinstance(request.outcome, PutBack):
            self._wake()
        return Finished(counted=counted)

    @answers
    async def cancel(self, request: CancelJob) -> Job:
        """Release what has not been started."""
        account, job = request.account, request.job
        before = await reading.job(self._pool, account, job)
        if await drafts.discard(self._pool, account, job):
            await drafts.give_back(self._pool, self._bus, account, job)
            return before
        ended = await cancelling.cancel(self._pool, account, job)
        closing = await self._after(account, job, ended)
        if closing is not None:
            await asyncio.wait({closing}, timeout=_CLOSING_SECONDS)
        return await reading.job(self._pool, account, job)

    @answers
    async def job(self, request: GetJob) -> Job:
        """Say where a job stands."""
        return await reading.job(self._pool, request.account, request.job)

    @answers
    async def jobs(self, request: GetJobs) -> JobList:
        """Show a page of an account's jobs."""
        return await reading.jobs(self._pool, request)

    @answers
    async def items(self, request: GetItems) -> ItemPage:
        """Show a page of a job's items."""
        return await reading.items(self._pool, request)

    @answers
    async def ended_items(self, request: GetEnded) -> ItemPage:
        """Show a page of a job's items that have ended."""
        return await reading.ended(self._pool, request)

    async def settled(self) -> None:
        """Wait until the jobs that are closing have closed."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def _after(
        self, account: AccountId, job: JobId, ended: Ended
    ) -> asyncio.Task[None] | None:
        """Tell that items have ended, and close the job if they were the last."""
        counting.ended(ended.kind, ended.outcome, ended.items)
        if ended.units and self._bus.connected:
            await self._bus.client.publish(progress_subject(job))
        if not ended.last:
            return None
        task = asyncio.create_task(self._close(account, job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _close(self, account: AccountId, job: JobId) -> None:
        try:
            await self._closing.close(account, job)
        except Refusal as error:
            # the next sweep closes it
            log.warning("job not closed yet", job=str(job), error=str(error))
        except Exception:
            log.exception("job not closed yet", job=str(job))
        if self._bus.connected:
            await self._bus.client.publish(progress_subject(job))
