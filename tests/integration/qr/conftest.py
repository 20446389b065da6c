"""The service as it runs, over a real PostgreSQL, NATS and a folder for storage."""

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import web
from nats.js.errors import NotFoundError

from cli.nats import Nats
from kit import database
from kit.bus import Bus
from kit.database import Pool
from kit.storage import Storage
from proto.ids import AccountId
from proto.jobs import STREAM
from services.jobs.app import SCHEMA as JOBS_SCHEMA
from services.jobs.settings import Settings as JobsSettings
from services.qr.app import SCHEMA, build
from services.qr.payload import Cards
from services.qr.settings import Settings
from tests.integration.jobs.book import running
from tests.integration.qr.studio import SECRET, Studio


@pytest.fixture(scope="module")
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    bus = await Bus.connect(nats_url, "qr test")
    yield bus
    await bus.close()


@pytest.fixture(scope="module")
async def pool(database_url: str) -> AsyncIterator[Pool]:
    await database.migrate(database_url, "qr", SCHEMA)
    async with database.connect(database_url, at_most=16) as pool:
        yield pool


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("storage")


@pytest.fixture(scope="module")
async def storage(folder: Path) -> AsyncIterator[Storage]:
    async with Storage.open(f"file://{folder}") as storage:
        yield storage


@pytest.fixture(scope="module")
def settings(nats_server: Nats, database_url: str, folder: Path) -> Settings:
    """As the service has them, with the rights of its own."""
    return Settings(
        nats_url=nats_server.url("qr"),
        database_url=database_url,
        storage_url=f"file://{folder}",
        secret_key=[SECRET],
    )


@pytest.fixture(scope="module")
async def service(settings: Settings) -> AsyncIterator[web.Application]:
    app = build(settings)
    runner = web.AppRunner(app)
    await runner.setup()
    yield app
    await runner.cleanup()


@pytest.fixture(scope="module")
async def jobs(
    bus: Bus, nats_server: Nats, database_url: str, folder: Path
) -> AsyncIterator[web.Application]:
    """A job book beside it, in which nothing stands."""
    with suppress(NotFoundError):
        await bus.client.jetstream().delete_stream(STREAM)
    await database.migrate(database_url, "jobs", JOBS_SCHEMA)
    settings = JobsSettings(
        nats_url=nats_server.url("jobs"),
        database_url=database_url,
        storage_url=f"file://{folder}",
        sweep_seconds=0.2,
    )
    async with running(settings) as app:
        yield app


@pytest.fixture
def account() -> AccountId:
    return AccountId(uuid4())


@pytest.fixture
def studio(bus: Bus, storage: Storage, account: AccountId, service: web.Application) -> Studio:
    """Who asks for cards."""
    return Studio(bus, storage, account, Cards([SECRET]))
