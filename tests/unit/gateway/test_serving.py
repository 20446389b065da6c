"""A gateway that stops: clients on open connections are answered, and told to go elsewhere."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec
from aiohttp import web

from services.gateway.serving import serving
from services.gateway.settings import Settings

LONG = 30.0
SETTINGS = Settings(
    nats_url="nats://nowhere", storage_url="file:///nowhere", files_secrets=["x" * 32]
)


@dataclass
class Client:
    """One connection, kept open."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    @asynccontextmanager
    async def connected(cls, port: int) -> AsyncIterator["Client"]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield cls(reader, writer)
        finally:
            writer.close()

    async def ask(self, path: str = "/") -> str:
        """Send a request; returns the head of its answer, and nothing where there is none."""
        self.writer.write(f"GET {path} HTTP/1.1\r\nHost: gateway\r\n\r\n".encode())
        try:
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            await self.reader.readexactly(2)
        except (asyncio.IncompleteReadError, ConnectionError):
            return ""
        return head

    async def has_ended(self) -> bool:
        return await self.reader.read() == b""


class Gateway:
    """The public side with one slow and one quick page, on a socket that it inherits."""

    def __init__(self, drain_seconds: float, engine_seconds: float) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        self.hurry = asyncio.Event()
        self.slow_begun = asyncio.Event()
        self.slow_may_end = asyncio.Event()
        self.stop = asyncio.Event()
        self._settings = msgspec.structs.replace(
            SETTINGS,
            listen_fd=self.socket.fileno(),
            drain_seconds=drain_seconds,
            engine_seconds=engine_seconds,
        )

    async def run(self) -> None:
        app = web.Application()
        app.router.add_get("/", self._quick)
        app.router.add_get("/slow", self._slow)
        async with serving(app, self._settings, self.hurry):
            await self.stop.wait()
        self.socket.detach()  # it was closed with the site

    async def _quick(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _slow(self, _: web.Request) -> web.Response:
        self.slow_begun.set()
        await self.slow_may_end.wait()
        return web.Response(text="ok")


@asynccontextmanager
async def running(
    drain_seconds: float = LONG, engine_seconds: float = 120.0
) -> AsyncIterator[tuple[Gateway, asyncio.Task[None]]]:
    gateway = Gateway(drain_seconds, engine_seconds)
    task = asyncio.create_task(gateway.run())
    async with asyncio.timeout(LONG / 2):  # nobody waits as long as it would drain
        yield gateway, task
    assert task.done()
    await task


async def test_a_connection_is_kept_until_the_gateway_stops() -> None:
    async with running() as (gateway, task), Client.connected(gateway.port) as client:
        for _ in range(3):
            head = await client.ask()
            assert head.startswith("HTTP/1.1 200")
            assert "Connection:" not in head
        gateway.stop.set()
        head = await client.ask()
        assert head.startswith("HTTP/1.1 200")
        assert "Connection: close" in head
        assert await client.has_ended()
        await task


async def test_a_request_under_way_is_answered_and_told_to_go() -> None:
    async with running() as (gateway, task), Client.connected(gateway.port) as client:
        asking = asyncio.create_task(client.ask("/slow"))
        await gateway.slow_begun.wait()
        gateway.stop.set()
        gateway.slow_may_end.set()
        head = await asking
        assert head.startswith("HTTP/1.1 200")
        assert "Connection: close" in head
        await task


async def test_a_gateway_waits_for_eight_photographs_as_long_as_it_promised_their_client() -> None:
    """Which is longer than an engine may take for one."""
    async with (
        running(0.0, engine_seconds=0.1) as (gateway, task),
        Client.connected(gateway.port) as client,
    ):
        asking = asyncio.create_task(client.ask("/slow"))
        await gateway.slow_begun.wait()
        gateway.stop.set()
        await asyncio.wait({task, asking}, timeout=0.5)
        gateway.slow_may_end.set()
        assert (await asking).startswith("HTTP/1.1 200")
        await task


async def test_where_nobody_takes_over_nobody_is_waited_for() -> None:
    async with running() as (gateway, task), Client.connected(gateway.port) as client:
        assert await client.ask()
        gateway.hurry.set()
        gateway.stop.set()
        await task
        assert await client.ask() == ""


async def test_who_does_not_leave_is_sent_away_at_last() -> None:
    async with running(0.2) as (gateway, task), Client.connected(gateway.port) as client:
        assert await client.ask()
        gateway.stop.set()
        await task
        assert await client.ask() == ""


async def test_who_comes_while_it_stops_waits_for_its_successor() -> None:
    """The socket is not the gateway's own: another process goes on listening on it."""
    async with running() as (gateway, task), Client.connected(gateway.port) as client:
        assert await client.ask()
        theirs = gateway.socket.dup()
        gateway.stop.set()
        late = await asyncio.to_thread(socket.create_connection, ("127.0.0.1", gateway.port), 5)
        assert "Connection: close" in await client.ask()
        await task
        theirs.settimeout(5)
        accepted, _ = await asyncio.to_thread(theirs.accept)
        for each in (accepted, late, theirs):
            each.close()
