"""A replica goes while requests keep coming: the others answer them, and none is lost between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

import pytest

from kit.bus import Bus
from kit.endpoints import Answering, answers
from proto.message import Message, Request

HANDOVERS = 40
CALLERS = 48
WORD = b"UNSUB "
"""How a replica says that it wants no more."""
LATE_SECONDS = 0.1


class Heard(Message):
    number: int


class Count(Request[Heard], subject="handover.count"):
    number: int


class Endpoints:
    @answers
    async def count(self, request: Count) -> Heard:
        await asyncio.sleep(0)  # so that replies are under way when it stops
        return Heard(number=request.number)


class Replica:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._answering = Answering(bus, at_once=16)

    @classmethod
    async def start(cls, nats_url: str) -> "Replica":
        replica = cls(await Bus.connect(nats_url, "replica"))
        await replica._answering.listen("handover", Endpoints())
        return replica

    async def stop(self) -> None:
        await self._answering.stop()
        await self._bus.close()


@pytest.fixture
async def caller(nats_url: str) -> AsyncIterator[Bus]:
    bus = await Bus.connect(nats_url, "caller")
    yield bus
    await bus.close()


@asynccontextmanager
async def slow_way(nats_url: str) -> AsyncIterator[str]:
    """A way to the server on which the word that nothing more is wanted takes its time."""
    place = urlsplit(nats_url)

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection(place.hostname, place.port)
        async with asyncio.TaskGroup() as both:
            both.create_task(_forward(theirs, writer))
            both.create_task(_forward(reader, ours, LATE_SECONDS))

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield urlunsplit(place._replace(netloc=f"{place.netloc.rpartition(':')[0]}:{port}"))


async def _forward(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, late_seconds: float = 0.0
) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            before, word, rest = data.partition(WORD)
            writer.write(before)
            if word and late_seconds:
                await writer.drain()
                await asyncio.sleep(late_seconds)
            writer.write(word + rest)
            await writer.drain()
    writer.close()


class Callers:
    """Many, each of whom asks again as soon as it is answered, and waits for the last answer."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._enough = False
        self.answered = 0

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as calling:
            for _ in range(CALLERS):
                calling.create_task(self._ask())
            yield
            self._enough = True

    async def _ask(self) -> None:
        while not self._enough:
            heard = await self._bus.request(Count(number=self.answered), timeout_seconds=10.0)
            assert heard.number >= 0
            self.answered += 1


async def test_what_is_sent_before_the_server_knows_of_the_stop_is_answered(
    nats_url: str, caller: Bus
) -> None:
    callers = Callers(caller)
    staying = await Replica.start(nats_url)
    async with slow_way(nats_url) as slow_url:
        going = await Replica.start(slow_url)
        async with callers.asking():
            await going.stop()
    await staying.stop()
    assert callers.answered >= CALLERS


async def test_replicas_that_take_turns_answer_every_request(nats_url: str, caller: Bus) -> None:
    callers = Callers(caller)
    replica = await Replica.start(nats_url)
    async with callers.asking():
        for _ in range(HANDOVERS):
            successor = await Replica.start(nats_url)
            await replica.stop()
            replica = successor
    await replica.stop()
    assert callers.answered > HANDOVERS
