"""Events through a real stream: published once, read at least once."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID, uuid4

import msgspec
import pytest
from nats.js.errors import NotFoundError

from cli import nats, ports
from cli.home import Home
from kit import context, events
from kit.bus import Bus
from kit.ending import end
from kit.events import Happened, Reader
from kit.streams import StreamMismatch
from proto.errors import Unavailable
from proto.events import STREAM, Event, LowBalance
from proto.ids import AccountId
from tests.running import temporary_home

PATIENT = 30.0
"""Seconds until a test gives up; what it waits for takes far less."""


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    bus = await Bus.connect(nats_url, "events test")
    yield bus
    await bus.close()


def low_balance(**more: object) -> LowBalance:
    event = LowBalance(
        id=uuid4(),
        account=AccountId(uuid4()),
        happened_at=datetime(2026, 3, 1, 12, 30, 0, 250_000, tzinfo=UTC),
        balance=7,
        threshold=10,
    )
    return msgspec.structs.replace(event, **more)


class Acts:
    """Remembers what it was given of the events that it looks for, in the order they came."""

    def __init__(self, *looked_for: UUID, fails: int = 0) -> None:
        self._looked_for = set(looked_for)
        self._fails = fails
        self.seen: list[Happened] = []
        self.correlated: list[str] = []
        self.changed = asyncio.Event()

    async def __call__(self, happened: Happened) -> None:
        if happened.id in self._looked_for:
            self.seen.append(happened)
            self.correlated.append(context.correlation_id.get())
            self.changed.set()
            if len(self.seen) <= self._fails:
                raise RuntimeError("not this time")

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(PATIENT):
            while len(self.seen) < count:
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def reading(
    bus: Bus, act: Callable[[Happened], Awaitable[None]], name: str = ""
) -> AsyncIterator[None]:
    reader = Reader(bus, name or f"test-{uuid4().hex}")
    task = asyncio.create_task(reader.run(act))
    yield
    await end(task)


async def acknowledged(bus: Bus, name: str) -> None:
    """Wait until a reader has acknowledged all that there is."""
    async with asyncio.timeout(PATIENT):
        while True:
            info = await bus.client.jetstream().consumer_info(STREAM, name)
            if not info.num_pending and not info.num_ack_pending:
                return
            await asyncio.sleep(0.01)


async def test_the_stream_is_made_by_the_first_event_and_is_as_promised(bus: Bus) -> None:
    jetstream = bus.client.jetstream()
    with suppress(NotFoundError):
        await jetstream.delete_stream(STREAM)
    await events.publish(bus, low_balance())
    info = await jetstream.stream_info(STREAM)
    assert info.state.messages == 1
    assert info.config.subjects == ["events.>"]
    assert (info.config.retention, info.config.storage) == ("limits", "file")
    assert (info.config.max_age, info.config.duplicate_window) == (3 * 86_400, 120)
    assert info.config.max_bytes == 256 * 1024 * 1024


async def test_an_event_is_read_as_it_was_published(bus: Bus) -> None:
    event = low_balance()
    acts = Acts(event.id)
    context.correlation_id.set("asked-for-this")
    await events.publish(bus, event)
    context.correlation_id.set("")
    async with reading(bus, acts):
        await acts.wait_for(1)
    (happened,) = acts.seen
    assert happened.type == "wallet.low_balance"
    assert (happened.id, happened.account) == (event.id, event.account)
    assert happened.happened_at == happened.fields["happened_at"] == event.happened_at
    assert (happened.fields["balance"], happened.fields["threshold"]) == (7, 10)
    assert acts.correlated == ["asked-for-this"]


async def test_an_event_published_twice_is_kept_once(bus: Bus) -> None:
    event, last = low_balance(), low_balance()
    acts = Acts(event.id, last.id)
    for each in (event, event, last):
        await events.publish(bus, each)
    async with reading(bus, acts):
        await acts.wait_for(2)
    assert [happened.id for happened in acts.seen] == [event.id, last.id]


async def test_an_event_that_was_not_acted_on_comes_again(bus: Bus) -> None:
    event = low_balance()
    acts = Acts(event.id, fails=1)
    await events.publish(bus, event)
    async with reading(bus, acts):
        await acts.wait_for(2)


async def test_an_event_that_was_acted_on_does_not_come_again(bus: Bus) -> None:
    name = f"test-{uuid4().hex}"
    first, second = low_balance(), low_balance()
    acts = Acts(first.id, second.id)
    await events.publish(bus, first)
    async with reading(bus, acts, name):
        await acts.wait_for(1)
        await acknowledged(bus, name)
    await events.publish(bus, second)
    async with reading(bus, acts, name):
        await acts.wait_for(2)
    assert [happened.id for happened in acts.seen] == [first.id, second.id]


async def test_readers_of_one_name_share_the_events(bus: Bus) -> None:
    name = f"test-{uuid4().hex}"
    published = [low_balance() for _ in range(20)]
    acts = Acts(*(event.id for event in published))
    async with reading(bus, acts, name), reading(bus, acts, name):
        for event in published:
            await events.publish(bus, event)
        await acts.wait_for(len(published))
        await acknowledged(bus, name)
    assert sorted(happened.id for happened in acts.seen) == sorted(e.id for e in published)


async def test_what_is_no_event_does_not_stop_those_after_it(bus: Bus) -> None:
    event = low_balance()
    name = f"test-{uuid4().hex}"
    acts = Acts(event.id)
    for nonsense in (b"", b"\xc1", msgspec.msgpack.encode({"id": "x"})):
        await bus.client.jetstream().publish("events.wallet.low_balance", nonsense)
    await events.publish(bus, event)
    async with reading(bus, acts, name):
        await acts.wait_for(1)
        await acknowledged(bus, name)


async def test_a_reader_goes_on_when_the_server_has_lost_stream_and_consumer(bus: Bus) -> None:
    name = f"test-{uuid4().hex}"
    before, after = low_balance(), low_balance()
    acts = Acts(before.id, after.id)
    async with reading(bus, acts, name):
        await events.publish(bus, before)
        await acts.wait_for(1)
        await bus.client.jetstream().delete_stream(STREAM)
        await events.publish(bus, after)
        await acts.wait_for(2)


async def test_whoever_may_not_publish_is_told_that_nothing_was_kept(
    nats_server: nats.Nats,
) -> None:
    bus = await Bus.connect(nats_server.url("facecrop"), "events test")
    with pytest.raises(Unavailable, match="low_balance"):
        await events.publish(bus, low_balance(), timeout_seconds=0.3)
    await bus.close()


async def test_without_a_connection_nothing_is_published(nats_url: str) -> None:
    bus = await Bus.connect(nats_url, "events test")
    await bus.close()
    with pytest.raises(Unavailable, match="not connected"):
        await events.publish(bus, low_balance())


@asynccontextmanager
async def server_of_its_own() -> AsyncIterator[str]:
    """A server that no other test uses. Yields its address."""
    with temporary_home() as home:
        (port,) = ports.free(1)
        process = _started(home, port)
        try:
            yield f"nats://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def _started(home: Home, port: int) -> "subprocess.Popen[bytes]":
    where = ["--addr", "127.0.0.1", "--port", str(port), "--log", str(home.folder / "nats.log")]
    store = ["--jetstream", "--store_dir", str(home.folder)]
    return subprocess.Popen([nats._binary(), *where, *store])


async def test_a_stream_stands_where_it_was_until_it_is_lost(bus: Bus) -> None:
    jetstream = bus.client.jetstream()
    with suppress(NotFoundError):
        await jetstream.delete_stream(STREAM)
    made = await events.standing(bus)
    assert made.last == 0
    event = low_balance()
    # once more is no other place
    assert [await events.publish(bus, event) for _ in range(2)] == [1, 1]
    later = await events.standing(bus)
    assert (later.made_at, later.last) == (made.made_at, 1)
    assert not later.lost_since(made.made_at, made.last)
    assert made.lost_since(later.made_at, later.last)
    await jetstream.delete_stream(STREAM)
    anew = await events.standing(bus)
    assert anew.last == 0
    assert anew.lost_since(made.made_at, made.last)


async def test_without_a_connection_nobody_knows_how_the_stream_stands(nats_url: str) -> None:
    bus = await Bus.connect(nats_url, "events test")
    await bus.close()
    with pytest.raises(Unavailable, match="not connected"):
        await events.standing(bus)


class Unheard(Event):
    type: ClassVar[str] = "test.unheard"


async def test_a_stream_with_other_settings_is_not_changed() -> None:
    async with server_of_its_own() as url:
        bus = await Bus.connect(url, "events test")
        other = events.EVENTS.evolve(max_age=60, duplicate_window=60)
        await bus.client.jetstream().add_stream(other)
        with pytest.raises(StreamMismatch, match="max_age"):
            await Reader(bus, "test").declare()
        assert (await bus.client.jetstream().stream_info(STREAM)).config.max_age == 60
        await bus.close()


async def test_an_event_that_a_stream_of_another_name_took_is_not_kept() -> None:
    async with server_of_its_own() as url:
        bus = await Bus.connect(url, "events test")
        await bus.client.jetstream().add_stream(name="OTHER", subjects=["events.test.>"])
        event = Unheard(id=uuid4(), account=AccountId(uuid4()), happened_at=datetime.now(UTC))
        with pytest.raises(Unavailable):
            await events.publish(bus, event)
        await bus.close()
