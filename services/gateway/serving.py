"""Where clients are listened to, and how they are handed on to the next gateway.

HTTP/1.1 keeps connections open, and who closes one cannot know whether a request is on its way. So
a gateway that is replaced takes no new connections, and says with each answer that it is the last
on its connection; the client opens the next one to somebody else. What is still open after
`DRAIN_SECONDS` without a request is closed.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aiohttp import web

from services.gateway.patience import longest_seconds
from services.gateway.settings import Settings

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 0.05
_WAITING_CONNECTIONS = 1024


@asynccontextmanager
async def serving(
    public: web.Application, settings: Settings, hurry: asyncio.Event
) -> AsyncIterator[None]:
    """Listen while the body runs, then let every request that was begun end.

    Args:
        public: The clients' side.
        settings: Where to listen, and how long to wait for clients to leave.
        hurry: Set when there is nobody to hand clients on to; then nobody is waited for.
    """
    doors = Doors()
    public.on_response_prepare.append(doors.say)
    runner = web.AppRunner(public, access_log=None, shutdown_timeout=longest_seconds(settings))
    await runner.setup()
    site = _site(runner, settings)
    await site.start()
    log.info("listening", address=site.name)
    try:
        yield
    finally:
        doors.closing = True
        await site.stop()
        await _left(runner, settings.drain_seconds, hurry)
        await runner.cleanup()


class Doors:
    """Tells clients whether they may stay on their connections."""

    def __init__(self) -> None:
        self.closing = False

    async def say(self, _: web.Request, response: web.StreamResponse) -> None:
        """Tell the client, before the head of an answer is sent."""
        if self.closing:
            response.headers["Connection"] = "close"
            response.force_close()


def _site(runner: web.AppRunner, settings: Settings) -> web.BaseSite:
    if settings.listen_fd < 0:
        return web.TCPSite(runner, settings.host, settings.port, backlog=_WAITING_CONNECTIONS)
    ours = socket.socket(fileno=settings.listen_fd)
    return web.SockSite(runner, ours, backlog=_WAITING_CONNECTIONS)


async def _left(runner: web.AppRunner, seconds: float, hurry: asyncio.Event) -> None:
    """Wait until every connection has ended, for so long at most."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + seconds
    # aiohttp tells nobody when a connection ends
    while _connections(runner) and not hurry.is_set() and loop.time() < give_up:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_SECONDS)


def _connections(runner: web.AppRunner) -> int:
    return len(runner.server.connections) if runner.server is not None else 0
