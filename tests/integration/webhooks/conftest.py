"""What the tests of webhooks stand on."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from aiohttp import web

from kit import database
from kit.bus import Bus
from kit.database import Pool
from proto.ids import AccountId
from services.webhooks.app import SCHEMA, build
from services.webhooks.settings import Settings
from tests.integration.webhooks.receiving import Receiver


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
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


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """A database in which nothing is due but what the test puts there."""
    await database.migrate(database_url, "webhooks", SCHEMA)
    async with database.connect(database_url, at_most=16) as pool:
        await pool.execute("DELETE FROM webhooks.endpoints")
        yield pool


@pytest.fixture
def account() -> AccountId:
    return AccountId(uuid4())


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    bus = await Bus.connect(nats_url, "webhooks test")
    yield bus
    await bus.close()


@pytest.fixture
async def service(
    nats_url: str, database_url: str, pool: Pool, receiver: Receiver
) -> AsyncIterator[web.Application]:
    settings = Settings(
        nats_url=nats_url,
        database_url=database_url,
        fetch_allow=[receiver.origin],
        secret_key=["k" * 32],
    )
    app = build(settings)
    runner = web.AppRunner(app)
    await runner.setup()
    yield app
    await runner.cleanup()
