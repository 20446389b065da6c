"""A receiver that listens here: writes down what it is told, and answers as a test wants."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

PATIENT = 30.0
"""Seconds until a test gives up; what it waits for takes far less."""


@dataclass(frozen=True)
class Told:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    def verifies_with(self, secret: str) -> bool:
        """Whether any signature is right, worked out here from the text of the standard."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        content = b".".join(
            [self.id.encode(), self.headers["webhook-timestamp"].encode(), self.body]
        )
        expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
        return f"v1,{expected}" in self.headers["webhook-signature"].split(" ")


@dataclass
class Receiver:
    """A web server that writes down what it is told, and answers as a test wants."""

    told: list[Told] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    """Of the next answers; 200 when there are none left."""
    headers: dict[str, str] = field(default_factory=dict)
    """Of every answer."""
    open: asyncio.Event = field(default_factory=asyncio.Event)
    """Answers wait for this; it is set unless a test clears it."""
    under_way: int = 0
    most_under_way: int = 0
    port: int = 0

    @property
    def origin(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.origin}/hook?token=hush"

    def url_of(self, path: str) -> str:
        return f"http://{self.origin}/{path}"

    async def answer(self, request: web.Request) -> web.Response:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            headers = {name.lower(): value for name, value in request.headers.items()}
            self.told.append(Told(request.path, headers, await request.read()))
            if not request.path.startswith("/quick"):
                await self.open.wait()
            status = self.statuses.pop(0) if self.statuses else 200
            return web.Response(status=status, headers=self.headers)
        finally:
            self.under_way -= 1

    async def wait_for(self, count: int) -> list[Told]:
        await until(lambda: _true(len(self.told) >= count))
        return self.told


@asynccontextmanager
async def listening() -> AsyncIterator[Receiver]:
    """Run a receiver on a port of its own."""
    receiver = Receiver()
    receiver.open.set()
    app = web.Application()
    app.router.add_post("/{path:.*}", receiver.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.port = runner.addresses[0][1]
    yield receiver
    receiver.open.set()
    await runner.cleanup()


async def _true(value: bool) -> bool:
    return value


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds; fail when it takes too long."""
    async with asyncio.timeout(PATIENT):
        while not await holds():  # noqa: ASYNC110 - a database has no event
            await asyncio.sleep(0.01)
