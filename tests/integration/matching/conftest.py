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
from kit.sealing import Vault
from kit.storage import Storage
from proto.ids import AccountId
from proto.jobs import STREAM
from services.jobs.app import SCHEMA as JOBS_SCHEMA
from services.jobs.settings import Settings as JobsSettings
from services.matching.app import SCHEMA, build
from services.matching.discarding import Discarding
from services.matching.forgetting import Forget, Forgetting
from services.matching.gallery import Galleries
from services.matching.matchendpoints import MatchEndpoints
from services.matching.settings import Settings
from tests.integration.jobs.book import running
from tests.integration.matching.day import Day
from tests.integration.matching.reader import EMBEDDER, FaceReader, reading
from tests.integration.matching.studio import Studio

SECRET = "a secret of these tests with 32 characters and more"


@pytest.fixture(scope="module")
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    bus = await Bus.connect(nats_url, "matching test")
    yield bus
    await bus.close()


@pytest.fixture(scope="module")
async def pool(database_url: str) -> AsyncIterator[Pool]:
    await database.migrate(database_url, "matching", SCHEMA)
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
        nats_url=nats_server.url("matching"),
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


@pytest.fixture
def account() -> AccountId:
    return AccountId(uuid4())


@pytest.fixture
def studio(bus: Bus, storage: Storage, account: AccountId, service: web.Application) -> Studio:
    """Who has agencies and photographs."""
    return Studio(bus, storage, account)


@pytest.fixture
def discarding(pool: Pool, storage: Storage) -> Discarding:
    return Discarding(pool, storage)


@pytest.fixture
def forget(bus: Bus, pool: Pool, vault: Vault) -> Forget:
    """Empties memory as the service has it done."""
    return Forgetting(bus, Galleries(pool, vault, 1)).forget


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


@pytest.fixture(scope="module")
async def face_reader(nats_server: Nats, storage: Storage) -> AsyncIterator[FaceReader]:
    async with reading(nats_server, storage) as reader:
        yield reader


@pytest.fixture
def reader(face_reader: FaceReader, monkeypatch: pytest.MonkeyPatch) -> FaceReader:
    """A face reader that sees what it is told, as it is to begin with.

    A test changes the embedder faster than anybody else, so nobody keeps in mind what it was.
    """
    monkeypatch.setattr("services.matching.reading._FRESH_SECONDS", -1.0)
    face_reader.embedder = EMBEDDER
    face_reader.away = False
    face_reader.spoil = None
    face_reader.deadly = ""
    face_reader.died.clear()
    face_reader.inside.clear()
    face_reader.doomed.clear()
    face_reader.gate.set()
    face_reader.web.clear()
    face_reader.read.clear()
    face_reader.asked = 0
    return face_reader


@pytest.fixture
def day(studio: Studio, reader: FaceReader, jobs: web.Application) -> Day:
    """A picture day of the studio's."""
    return Day(studio, reader)


@pytest.fixture
async def replica(
    pool: Pool, bus: Bus, storage: Storage, vault: Vault
) -> AsyncIterator[MatchEndpoints]:
    """Another replica's matching side, whose work a test begins by hand."""
    replica = MatchEndpoints(pool, bus, storage, vault, gallery_bytes=1 << 20)
    yield replica
    await replica.close()


@pytest.fixture(scope="session")
def vault() -> Vault:
    """What the service seals embeddings with."""
    return Vault([SECRET], "embeddings")
