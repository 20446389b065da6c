"""Engines that work on a queue as a test wants, and what a test asks the job book meanwhile."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from kit.bus import Bus
from kit.work import Work, Worker
from proto.errors import Unavailable
from proto.ids import AccountId, JobId
from proto.jobs import Failed, GetItems, GetJob, Item, Job, Succeeded
from tests.integration.jobs.book import kind, started, tickets, until

KIND = "face_crop"
ACK_SECONDS = 1.0


class Engine:
    """Does work behind a gate, and counts what it did."""

    def __init__(self, *, open_gate: bool = True) -> None:
        self.gate = asyncio.Event()
        if open_gate:
            self.gate.set()
        self.begun: Counter[bytes] = Counter()
        self.done: Counter[bytes] = Counter()
        self.at_once = 0
        self.most_at_once = 0

    async def __call__(self, wanted: bytes) -> Succeeded | Failed:
        self.begun[wanted] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.gate.wait()
        finally:
            self.at_once -= 1
        self.done[wanted] += 1
        return Succeeded(result=wanted)

    async def has_begun(self, items: int) -> None:
        await until(lambda: true(self.begun.total() >= items))


async def true(value: bool) -> bool:
    return value


@asynccontextmanager
async def working(
    engine: Bus,
    does: Work,
    at_once: int = 1,
    *,
    seconds: float = 60.0,
    attempts: int = 3,
    hurry: asyncio.Event | None = None,
) -> AsyncIterator[Worker]:
    """A worker, and its kind in the book."""
    worker = Worker(engine, kind(KIND, seconds=seconds, attempts=attempts), does, at_once, hurry)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await task


async def begin(bus: Bus, account: AccountId, total: int) -> JobId:
    """Start a job as soon as the kind is there."""
    job: JobId | None = None

    async def has_started() -> bool:
        nonlocal job
        try:
            job = await started(bus, account, total, paid=False, kind=KIND)
        except Unavailable:
            return False
        return True

    await until(has_started)
    assert job is not None
    return job


async def closed(bus: Bus, account: AccountId, job: JobId) -> Job:
    """Wait until a job has closed; the job book may be away meanwhile."""
    found: Job | None = None

    async def has_closed() -> bool:
        nonlocal found
        with suppress(Unavailable):
            found = await bus.request(GetJob(account=account, job=job))
        return found is not None and found.closed

    await until(has_closed)
    assert found is not None
    return found


async def items(bus: Bus, account: AccountId, job: JobId) -> list[Item]:
    return (await bus.request(GetItems(account=account, job=job, limit=500))).items


async def is_empty(bus: Bus) -> bool:
    return await tickets(bus, KIND) == 0
