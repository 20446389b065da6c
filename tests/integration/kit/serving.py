"""Servers that listen here and answer as a test wants, badly too, and names that lead to them."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

LIMIT = 100_000
PATIENT = 30.0
"""Seconds for what must not fail by being slow, on a machine that does other things too."""


class Server:
    """A web server whose answers a test chooses, and what it was asked."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.location = ""

    @property
    def origin(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.origin}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        self.bodies.append(await request.read())
        match request.path.split("/")[1:]:
            case ["photo.jpg"]:
                return web.Response(body=b"photo")
            case ["redirect"]:
                return web.Response(status=302, headers={"Location": self.location})
            case ["hops", count]:
                location = f"/hops/{int(count) - 1}" if count != "1" else "/photo.jpg"
                return web.Response(status=307, headers={"Location": location})
            case ["slow-hops"]:
                await asyncio.sleep(0.2)
                return web.Response(status=302, headers={"Location": "/slow-hops"})
            case ["cookie"]:
                headers = {"Location": "/photo.jpg", "Set-Cookie": "known=1; Path=/"}
                return web.Response(status=303, headers=headers)
            case ["gzip"]:
                bomb = gzip.compress(b"0" * 10**7)
                return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})
            case ["exactly"]:
                return web.Response(body=b"x" * LIMIT)
            case ["status", status]:
                return web.Response(status=int(status), body=b"photo")
            case _:
                raise web.HTTPNotFound


@asynccontextmanager
async def raw_server(reply: bytes, then: bytes = b"", pause: float = 0.0) -> AsyncIterator[str]:
    """Serve `reply`, and `then` again and again until the caller leaves. Yields the origin."""
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            serving.add(task)
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(reply)
            while then:
                writer.write(then)
                await writer.drain()
                await asyncio.sleep(pause)
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()
        await listening.wait_closed()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


def resolving(**hosts: list[str]) -> Callable[[str], Awaitable[list[str]]]:
    """A resolver that knows these names (dots written as __) and no others."""
    known = {name.replace("__", "."): addresses for name, addresses in hosts.items()}

    async def resolve(host: str) -> list[str]:
        if host not in known:
            raise OSError("no such host")
        return known[host]

    return resolve


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
