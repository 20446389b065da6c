"""What the tests of webhooks stand on."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from aiohttp import web

from kit import database
from kit.bus import Bus
from kit.database import Pool
from kit.fetching import Fetcher
from proto.ids import AccountId
from proto.webhooks import CreateEndpoint, Endpoint, NewEndpoint
from services.webhooks.app import SCHEMA, build
from services.webhooks.registry import Registry
from services.webhooks.settings import Settings
from tests.integration.webhooks.moving import VAULT
from tests.integration.webhooks.receiving import PATIENT, Receiver, listening


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with listening() as receiver:
        yield receiver


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
def registry(pool: Pool) -> Registry:
    return Registry(pool, VAULT)


@pytest.fixture
async def fetcher(receiver: Receiver) -> AsyncIterator[Fetcher]:
    async with Fetcher([receiver.origin], seconds=PATIENT) as fetcher:
        yield fetcher


@pytest.fixture
async def created(registry: Registry, account: AccountId, receiver: Receiver) -> NewEndpoint:
    return await registry.create(CreateEndpoint(account=account, url=receiver.url))


@pytest.fixture
def endpoint(created: NewEndpoint) -> Endpoint:
    return created.endpoint


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
