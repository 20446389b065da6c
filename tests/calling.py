"""Operations of the gateway over HTTP, called by whom a test names."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID

from aiohttp import ClientSession, web

from kit.bus import Bus
from proto.ids import AccountId
from services.gateway import middlewares, resources
from services.gateway.identity import ACCOUNT
from services.gateway.operations import Operations
from services.gateway.settings import Settings


@web.middleware
async def called(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    request[ACCOUNT] = AccountId(UUID(request.headers["Test-Account"]))
    return await handler(request)


@asynccontextmanager
async def calling(
    operations: Operations, bus: Bus, account: AccountId
) -> AsyncIterator[ClientSession]:
    """Serve operations over a bus. Yields a client that calls as `account`.

    A request with a `Test-Account` of its own comes from that account instead.
    """
    app = web.Application(middlewares=[middlewares.named, middlewares.translated, called])
    app[resources.BUS] = bus
    app[resources.SETTINGS] = Settings(nats_url="", storage_url="", files_secrets=["s" * 32])
    for operation in operations.all:
        app.router.add_route(operation.method, operation.path, operation.handler)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with ClientSession(origin, headers={"Test-Account": str(account)}) as client:
            yield client
    finally:
        await runner.cleanup()
