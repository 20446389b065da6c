"""What the tests of presets stand on."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from aiohttp import web

from kit import database
from kit.bus import Bus
from kit.database import Pool
from proto.ids import AccountId
from services.presets.app import SCHEMA, build
from services.presets.settings import Settings


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    await database.migrate(database_url, "presets", SCHEMA)
    async with database.connect(database_url, at_most=16) as pool:
        yield pool


@pytest.fixture
def account() -> AccountId:
    return AccountId(uuid4())


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    bus = await Bus.connect(nats_url, "presets test")
    yield bus
    await bus.close()


@pytest.fixture
async def service(nats_url: str, database_url: str) -> AsyncIterator[web.Application]:
    app = build(Settings(nats_url=nats_url, database_url=database_url))
    runner = web.AppRunner(app)
    await runner.setup()
    yield app
    await runner.cleanup()
