"""What the tests of jobs say to the job book, and how they move a replica of it by hand."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import msgspec
from aiohttp import web
from nats.js.errors import NotFoundError

from kit.bus import Bus
from kit.database import Pool
from kit.storage import Storage
from proto.events import STREAM as EVENTS
from proto.ids import AccountId, JobId, StorageKey
from proto.jobs import (
    STREAM,
    AddItems,
    CreateJob,
    Failed,
    FinishItem,
    GetItems,
    GetJob,
    Item,
    Job,
    NewItem,
    Outcome,
    RegisterKind,
    StartJob,
    Succeeded,
    TakeItem,
    Taken,
    Ticket,
)
from proto.wallet import Balance, GetBalance, Reservation, Reserve, TopUp
from services.jobs.app import build
from services.jobs.closing import Closing
from services.jobs.endpoints import Endpoints
from services.jobs.handing_out import HandingOut
from services.jobs.settings import Settings
from services.jobs.sweeping import Sweeping

PATIENT = 30.0
"""Seconds until a test gives up; what it waits for takes far less."""

KIND = "paint"
TOKENS = 2
"""The price of an item."""

DONE = Succeeded(result=b"done")
BROKEN = Failed(code="BAD_PICTURE", message="this is no picture")


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds; fail when it takes too long."""
    async with asyncio.timeout(PATIENT):
        while not await holds():  # noqa: ASYNC110 - a database has no event
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[web.Application]:
    """The service as it runs, its loops included."""
    app = build(settings)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        yield app
    finally:
        await runner.cleanup()


def item(number: int, *, same_as: int | None = None) -> NewItem:
    return NewItem(
        number=number, name=f"{number}.jpg", work=f"work {number}".encode(), same_as=same_as
    )


def kind(name: str = KIND, *, seconds: float = 60.0, attempts: int = 3) -> RegisterKind:
    return RegisterKind(kind=name, most_seconds=seconds, most_attempts=attempts)


def drafted(account: AccountId, total: int, hold: int = 0, **more: Any) -> CreateJob:
    job = JobId(uuid4())
    asked = CreateJob(
        account=account,
        job=job,
        kind=KIND,
        hold=hold,
        unit_tokens=TOKENS if hold else 0,
        total=total,
        outputs=StorageKey(f"outputs/{account}/{job}"),
    )
    return msgspec.structs.replace(asked, **more)


async def account_with(bus: Bus, tokens: int = 10_000) -> AccountId:
    account = AccountId(uuid4())
    await bus.request(TopUp(account=account, tokens=tokens, key=str(uuid4())))
    return account


async def held(bus: Bus, account: AccountId, items: int) -> Reservation:
    asked = Reserve(
        account=account, tokens=items * TOKENS, key=str(uuid4()), operation="face_crop", units=items
    )
    return await bus.request(asked)


async def balance(bus: Bus, account: AccountId) -> tuple[int, int]:
    """Tokens that can be spent, and tokens that are held."""
    found: Balance = await bus.request(GetBalance(account=account))
    return found.available, found.held


async def started(
    bus: Bus,
    account: AccountId,
    total: int,
    *,
    same_as: Mapping[int, int] | None = None,
    paid: bool = True,
    **more: Any,
) -> JobId:
    """Draft a job over the bus as a gateway does, under a hold if it is paid for, and start it."""
    copies = same_as or {}
    hold = (await held(bus, account, total)).number if paid else 0
    asked = drafted(account, total, hold, **more)
    await bus.request(asked)
    items = [item(number, same_as=copies.get(number)) for number in range(total)]
    for page in (items[first : first + 500] for first in range(0, total, 500)):
        await bus.request(AddItems(account=account, job=asked.job, items=page))
    await bus.request(StartJob(account=account, job=asked.job), 15.0)
    return asked.job


@dataclass(frozen=True)
class Book:
    """The parts of one replica, without the loops that move them: a test moves them."""

    pool: Pool
    bus: Bus
    storage: Storage
    settings: Settings
    closing: Closing
    handing_out: HandingOut
    sweeping: Sweeping
    endpoints: Endpoints

    @classmethod
    def of(cls, pool: Pool, bus: Bus, storage: Storage, settings: Settings) -> "Book":
        closing = Closing(pool, bus, storage)
        handing_out = HandingOut(pool, bus, settings.queue_depth)
        return cls(
            pool=pool,
            bus=bus,
            storage=storage,
            settings=settings,
            closing=closing,
            handing_out=handing_out,
            sweeping=Sweeping(pool, bus, storage, closing, settings),
            endpoints=Endpoints(pool, bus, closing, settings, handing_out.wake),
        )

    def set(self, **changed: Any) -> "Book":
        """The same book with other settings."""
        settings = msgspec.structs.replace(self.settings, **changed)
        return Book.of(self.pool, self.bus, self.storage, settings)

    async def draft(
        self,
        account: AccountId,
        total: int,
        *,
        same_as: Mapping[int, int] | None = None,
        paid: bool = True,
        hold: Reservation | None = None,
        **more: Any,
    ) -> JobId:
        """A draft with all its items, under a hold if it is paid for."""
        copies = same_as or {}
        if paid and hold is None:
            hold = await held(self.bus, account, total)
        asked = drafted(account, total, hold.number if hold else 0, **more)
        await self.endpoints.create(asked)
        items = [item(number, same_as=copies.get(number)) for number in range(total)]
        for page in (items[first : first + 500] for first in range(0, total, 500)):
            await self.endpoints.add_items(AddItems(account=account, job=asked.job, items=page))
        return asked.job

    async def start(self, account: AccountId, total: int, **more: Any) -> JobId:
        """A job whose items are waiting."""
        job = await self.draft(account, total, **more)
        await self.endpoints.start(StartJob(account=account, job=job))
        return job

    async def hand_out(self, name: str = KIND) -> int:
        return await self.handing_out.hand_out(name)

    async def take(
        self,
        account: AccountId,
        job: JobId,
        number: int,
        *,
        attempt: UUID | None = None,
        again: bool = False,
    ) -> UUID | None:
        """Take an item that was handed out. Returns the attempt, None where it is not due."""
        asked = TakeItem(
            account=account, job=job, number=number, attempt=attempt or uuid4(), again=again
        )
        answer = await self.endpoints.take_item(asked)
        return asked.attempt if isinstance(answer, Taken) else None

    async def finish(
        self,
        account: AccountId,
        job: JobId,
        number: int,
        attempt: UUID | None,
        outcome: Outcome = DONE,
    ) -> bool:
        """Say how an attempt went, and wait for the job to close if it was the last item."""
        assert attempt is not None
        asked = FinishItem(
            account=account, job=job, number=number, attempt=attempt, outcome=outcome
        )
        finished = await self.endpoints.finish_item(asked)
        await self.endpoints.settled()
        return finished.counted

    async def work(
        self, account: AccountId, job: JobId, outcomes: Mapping[int, Outcome] | Sequence[int]
    ) -> None:
        """Hand out, take and finish these items; those without an outcome succeed."""
        await self.hand_out()
        for number in outcomes:
            outcome = outcomes[number] if isinstance(outcomes, Mapping) else DONE
            attempt = await self.take(account, job, number)
            assert await self.finish(account, job, number, attempt, outcome)

    async def job(self, account: AccountId, job: JobId) -> Job:
        return await self.endpoints.job(GetJob(account=account, job=job))

    async def closed(self, account: AccountId, job: JobId) -> Job:
        """The job once it has closed, which is a moment after its last item."""

        async def has_closed() -> bool:
            return (await self.job(account, job)).closed

        await until(has_closed)
        return await self.job(account, job)

    async def items(self, account: AccountId, job: JobId) -> list[Item]:
        page = await self.endpoints.items(GetItems(account=account, job=job, limit=500))
        return page.items

    async def states(self, account: AccountId, job: JobId) -> list[str]:
        return [item.state for item in await self.items(account, job)]


async def tickets(bus: Bus, name: str = KIND) -> int:
    """How many tickets of a kind lie in the queue, those that workers hold included."""
    try:
        info = await bus.client.jetstream().consumer_info(STREAM, name)
    except NotFoundError:
        return 0
    return (info.num_pending or 0) + (info.num_ack_pending or 0)


async def next_ticket(bus: Bus, name: str = KIND) -> Ticket:
    """Take the first ticket out of the queue, for good."""
    queue = await bus.client.jetstream().pull_subscribe_bind(name, STREAM)
    try:
        (message,) = await queue.fetch(1, PATIENT)
        await message.ack_sync()
        return msgspec.msgpack.decode(message.data, type=Ticket)
    finally:
        await queue.unsubscribe()


async def told(bus: Bus, job: JobId) -> list[dict[str, Any]]:
    """The events of a job in the stream, with the type that each was told under."""
    jetstream = bus.client.jetstream()
    state = (await jetstream.stream_info(EVENTS)).state
    found: list[dict[str, Any]] = []
    if not state.messages:
        return found
    for sequence in range(state.first_seq, state.last_seq + 1):
        message = await jetstream.get_msg(EVENTS, sequence)
        event = msgspec.msgpack.decode(message.data or b"")
        if event.get("task_id") == str(job):
            found.append({"type": (message.subject or "").removeprefix("events."), **event})
    return found
