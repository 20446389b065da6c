"""A job book and a wallet over one database, with the queue and the events of a real server."""

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import web
from nats.js.errors import NotFoundError

from cli.nats import Nats
from kit import database, events
from kit.bus import Bus
from kit.database import Pool
from kit.storage import Storage
from kit.streams import declare_stream
from proto.ids import AccountId
from proto.jobs import STREAM
from services.jobs.app import SCHEMA
from services.jobs.settings import Settings
from services.wallet.app import build as build_wallet
from services.wallet.settings import Settings as WalletSettings
from tests.integration.jobs.book import Book, account_with, kind, running
from tests.integration.wallet.books import sound


@pytest.fixture(scope="module")
async def wallet(nats_server: Nats, database_url: str) -> AsyncIterator[None]:
    settings = WalletSettings(nats_url=nats_server.url("wallet"), database_url=database_url)
    runner = web.AppRunner(build_wallet(settings))
    await runner.setup()
    yield
    await runner.cleanup()


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    """One who may say everything; the queue of the test before is gone."""
    bus = await Bus.connect(nats_url, "jobs test")
    jetstream = bus.client.jetstream()
    with suppress(NotFoundError):
        await jetstream.delete_stream(STREAM)
    await declare_stream(jetstream, events.EVENTS)
    yield bus
    await bus.close()


@pytest.fixture
async def pool(database_url: str, wallet: None) -> AsyncIterator[Pool]:
    """A job book in which nothing stands but what the test writes there."""
    await database.migrate(database_url, "jobs", SCHEMA)
    async with database.connect(database_url, at_most=16) as pool:
        await pool.execute("TRUNCATE jobs.kinds CASCADE")
        yield pool
        await sound(pool)


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    async with Storage.open(f"file://{tmp_path}") as storage:
        yield storage


@pytest.fixture
def settings(nats_server: Nats, database_url: str, tmp_path: Path) -> Settings:
    """As the service has them, with the rights of its own, only quicker."""
    return Settings(
        nats_url=nats_server.url("jobs"),
        database_url=database_url,
        storage_url=f"file://{tmp_path}",
        sweep_seconds=0.1,
    )


@pytest.fixture
async def book(pool: Pool, bus: Bus, storage: Storage, settings: Settings) -> Book:
    """A replica that stands still, and hands everything out at once."""
    made = Book.of(pool, bus, storage, settings).set(queue_depth=1_000)
    await made.endpoints.register_kind(kind())
    return made


@pytest.fixture
async def service(pool: Pool, bus: Bus, settings: Settings) -> AsyncIterator[web.Application]:
    """The service as it runs."""
    async with running(settings) as app:
        await bus.request(kind())
        yield app


@pytest.fixture
async def account(wallet: None, bus: Bus) -> AccountId:
    """One with 10,000 tokens."""
    return await account_with(bus)
