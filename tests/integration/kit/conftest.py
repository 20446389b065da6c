"""What the tests of the guarded fetcher and of workers stand on."""

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import web
from nats.js.errors import NotFoundError

from cli.nats import Nats
from kit import database, work
from kit.bus import Bus
from proto.ids import AccountId
from proto.jobs import STREAM
from services.jobs import kinds, sweeping
from services.jobs.app import SCHEMA
from services.jobs.settings import Settings
from tests.integration.jobs.book import running
from tests.integration.kit.engines import ACK_SECONDS
from tests.integration.kit.serving import Server


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.port = runner.addresses[0][1]
    yield server
    await runner.cleanup()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten what is waited for when something goes wrong."""
    monkeypatch.setattr(kinds, "ACK_SECONDS", ACK_SECONDS)
    monkeypatch.setattr(sweeping, "_LOST_AFTER", timedelta(seconds=1))
    monkeypatch.setattr(work, "_HEARTBEAT_SECONDS", 0.2)
    monkeypatch.setattr(work, "_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(work, "_LONGEST_PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(work, "_PUT_BACK_SECONDS", 0.01)


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    """Whoever sells the work; the queue of the test before is gone."""
    bus = await Bus.connect(nats_url, "work test")
    with suppress(NotFoundError):
        await bus.client.jetstream().delete_stream(STREAM)
    yield bus
    await bus.close()


@pytest.fixture
async def engine(nats_server: Nats) -> AsyncIterator[Bus]:
    """An engine, with the rights of one."""
    bus = await Bus.connect(nats_server.url("facecrop"), "work test")
    yield bus
    await bus.close()


@pytest.fixture
async def settings(
    quick: None, nats_server: Nats, database_url: str, bus: Bus, tmp_path: Path
) -> Settings:
    """Of a job book in which nothing stands, and which soon gives up waiting."""
    await database.migrate(database_url, "jobs", SCHEMA)
    async with database.connect(database_url) as pool:
        await pool.execute("TRUNCATE jobs.kinds CASCADE")
    return Settings(
        nats_url=nats_server.url("jobs"),
        database_url=database_url,
        storage_url=f"file://{tmp_path}",
        sweep_seconds=0.2,
    )


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[web.Application]:
    async with running(settings) as app:
        yield app


@pytest.fixture
def account() -> AccountId:
    return AccountId(uuid4())
