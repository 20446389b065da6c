"""The service as a process of its own, killed while it matches: others go on where it was."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import web

from cli.nats import Nats
from kit.bus import Bus
from kit.storage import Storage
from proto.errors import Unavailable
from proto.ids import AccountId, JobId
from proto.matching.matches import GetMatches
from tests.integration.jobs.book import until
from tests.integration.matching.conftest import SECRET
from tests.integration.matching.day import Day
from tests.integration.matching.reader import FaceReader
from tests.integration.matching.studio import Studio

PROJECT = Path(__file__).parents[3]
PHOTOS = 12

Start = Callable[[], Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def start(
    bus: Bus, account: AccountId, nats_server: Nats, database_url: str, folder: Path
) -> AsyncIterator[Start]:
    """Start a replica and wait until one answers; what still runs afterwards is stopped."""
    running: list[asyncio.subprocess.Process] = []
    environment = os.environ | {
        "NATS_URL": nats_server.url("matching"),
        "DATABASE_URL": database_url,
        "STORAGE_URL": f"file://{folder}",
        "SECRET_KEY": SECRET,
        "LOG_LEVEL": "WARNING",
    }

    async def answers() -> bool:
        try:
            await bus.request(GetMatches(account=account))
        except Unavailable:
            return False
        return True

    async def begin() -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.matching", cwd=PROJECT, env=environment
        )
        running.append(process)
        await until(answers)
        return process

    yield begin
    for process in running:
        if process.returncode is None:
            process.terminate()
            assert await process.wait() == 0


async def test_what_a_killed_replica_was_at_another_does(
    bus: Bus,
    storage: Storage,
    account: AccountId,
    reader: FaceReader,
    jobs: web.Application,
    start: Start,
) -> None:
    day = Day(Studio(bus, storage, account), reader)
    victim = await start()
    agency, subjects = await day.agency(3)
    shoot, files = await day.portraits(agency, *(number % 3 + 1 for number in range(PHOTOS)))
    job = JobId(uuid4())
    match = await day.prepare(agency.id, shoot=shoot.id, job=job)
    reader.gate.clear()
    await day.begin(match, job)

    async def are_read() -> bool:
        return bool(set(reader.read) & {file.key for file in files})

    await until(are_read)
    victim.send_signal(signal.SIGKILL)
    assert await victim.wait() == -signal.SIGKILL
    reader.gate.set()
    await start()
    closed = await day.closed(job)
    assert (closed.state, closed.succeeded) == ("completed", PHOTOS)
    ended = await day.match(match.id)
    assert (ended.state, ended.matched, ended.faces) == ("completed", PHOTOS, PHOTOS)
    results = await day.results(match)
    assert [result.faces[0].subject for result in results] == [
        subjects[number % 3].id for number in range(PHOTOS)
    ]
