"""A service that is killed after it erased rows, and before their objects, leaves none for good."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cli.nats import Nats
from kit.bus import Bus
from kit.database import Pool
from kit.storage import Storage
from proto.errors import Unavailable
from proto.ids import AccountId
from proto.matching.agencies import GetAgencies
from proto.matching.subjects import EraseSubject
from services.matching.discarding import Discarding
from services.matching.retention import Retention
from tests.integration.jobs.book import until
from tests.integration.matching.conftest import SECRET
from tests.integration.matching.studio import Studio

PROJECT = Path(__file__).parents[3]


@pytest.fixture
async def silent_port() -> AsyncIterator[int]:
    """An object store that takes every request and never answers one."""
    connected: set[asyncio.StreamWriter] = set()

    async def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.add(writer)

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    for writer in connected:
        writer.close()
    server.close()
    await server.wait_closed()


async def test_the_sweep_removes_what_a_killed_service_left(
    bus: Bus,
    pool: Pool,
    storage: Storage,
    account: AccountId,
    nats_server: Nats,
    database_url: str,
    discarding: Discarding,
    silent_port: int,
) -> None:
    environment = os.environ | {
        "NATS_URL": nats_server.url("matching"),
        "DATABASE_URL": database_url,
        "STORAGE_URL": "s3://bucket",
        "AWS_ENDPOINT": f"http://127.0.0.1:{silent_port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "nowhere",
        "AWS_ACCESS_KEY_ID": "anybody",
        "AWS_SECRET_ACCESS_KEY": "anything",
        "SECRET_KEY": SECRET,
        "LOG_LEVEL": "WARNING",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.matching", cwd=PROJECT, env=environment
    )
    studio = Studio(bus, storage, account)

    async def answers() -> bool:
        try:
            await studio.ask(GetAgencies)
        except Unavailable:
            return False
        return True

    await until(answers)
    agency = await studio.agency()
    subject = await studio.subject(agency)
    photo = await studio.photo()
    await studio.references(agency, subject, photo)
    erasing = asyncio.create_task(studio.ask(EraseSubject, agency.id, subject_id=subject.id))

    async def erased() -> bool:
        query = "SELECT NOT EXISTS (SELECT FROM matching.subjects WHERE id = $1)"
        return bool(await pool.fetchval(query, subject.id))

    await until(erased)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    erasing.cancel()
    await asyncio.gather(erasing, return_exceptions=True)
    assert await studio.is_stored(photo.key)
    await Retention(pool, storage, discarding).sweep()
    assert not await studio.is_stored(photo.key)
    assert await pool.fetchval("SELECT count(*) FROM matching.discarded_objects") == 0


async def test_it_does_not_start_without_a_key_for_embeddings(
    nats_server: Nats, database_url: str, folder: Path
) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "SECRET_KEY"} | {
        "NATS_URL": nats_server.url("matching"),
        "DATABASE_URL": database_url,
        "STORAGE_URL": f"file://{folder}",
    }
    for key in ({}, {"SECRET_KEY": ""}, {"SECRET_KEY": "too short"}):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.matching",
            cwd=PROJECT,
            env=environment | key,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
        assert process.returncode == 2
        assert b"SECRET_KEY" in said or b"secret_key" in said
