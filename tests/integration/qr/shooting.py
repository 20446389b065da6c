"""Jobs in a real book: begun as a gateway does, and a card reader that saw what it is told."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec

from kit.bus import Bus
from kit.work import Worker
from proto.cardreader import KIND, CardsRead, Symbol
from proto.errors import Unavailable
from proto.ids import AccountId, JobId, StorageKey
from proto.jobs import (
    AddItems,
    CreateJob,
    Failed,
    GetJob,
    Job,
    NewItem,
    RegisterKind,
    StartJob,
    Succeeded,
)
from tests.integration.jobs.book import until

AT_ONCE = 4
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
BROKEN = b"broken"
LATE = b"late"
"""Before what is found, but not until the gate is open."""


def frame(minute: float, *texts: str, face: bool | None = True, **more: Any) -> bytes:
    """What the reader finds in a photograph, as the work of its item."""
    corners = [(0.1, 0.1), (0.2, 0.1), (0.2, 0.2), (0.1, 0.2)]
    read = CardsRead(
        symbols=[Symbol(text=text, format="qr", corners=corners) for text in texts],
        has_face=None if texts else face,
        captured_at=NOON + timedelta(minutes=minute),
        camera=None,
    )
    return msgspec.msgpack.encode(msgspec.structs.replace(read, **more))


@asynccontextmanager
async def card_reader(bus: Bus) -> AsyncIterator[asyncio.Event]:
    """A worker that answers each item with what it is made of, and fails at the broken ones.

    Yields the gate that late ones wait at.
    """
    gate = asyncio.Event()

    async def work(data: bytes) -> Succeeded | Failed:
        if data == BROKEN:
            return Failed(code="NOT_A_PICTURE", message="This is no picture.")
        if data.startswith(LATE):
            await gate.wait()
        return Succeeded(result=data.removeprefix(LATE))

    worker = Worker(bus, RegisterKind(kind=KIND, most_seconds=60.0), work, AT_ONCE)
    working = asyncio.create_task(worker.run())
    try:
        yield gate
    finally:
        worker.stop()
        await working


async def begun(
    bus: Bus,
    account: AccountId,
    kind: str,
    items: Sequence[NewItem],
    *,
    start: bool = True,
    job: JobId | None = None,
) -> JobId:
    """Draft a job that nobody pays for, as soon as its kind is known, and start it."""
    job = job or JobId(uuid4())
    asked = CreateJob(
        account=account,
        job=job,
        kind=kind,
        hold=0,
        unit_tokens=0,
        total=sum(item.units for item in items),
        outputs=StorageKey(f"outputs/{account}/{job}"),
    )

    async def is_drafted() -> bool:
        with suppress(Unavailable):
            await bus.request(asked)
            return True
        return False

    await until(is_drafted)
    for first in range(0, len(items), 500):
        await bus.request(
            AddItems(account=account, job=job, items=list(items[first : first + 500]))
        )
    if start:
        await bus.request(StartJob(account=account, job=job), 15.0)
    return job


async def closed(bus: Bus, account: AccountId, job: JobId) -> Job:
    """The job once it has closed."""

    async def has_closed() -> bool:
        return (await bus.request(GetJob(account=account, job=job))).closed

    await until(has_closed)
    return await bus.request(GetJob(account=account, job=job))


async def shot(
    bus: Bus, account: AccountId, frames: Sequence[bytes], names: Sequence[str] = ()
) -> JobId:
    """The photographs of a shoot, read to the last."""
    named = names or [f"IMG_{number:04d}.JPG" for number in range(1, len(frames) + 1)]
    items = [
        NewItem(number=number, name=name, work=work)
        for number, (name, work) in enumerate(zip(named, frames, strict=True))
    ]
    job = await begun(bus, account, KIND, items)
    await closed(bus, account, job)
    return job
