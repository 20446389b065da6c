"""The engine as a process of its own: on the bus, with its own rights there."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from cli import ports
from cli.home import PROJECT
from cli.nats import Nats
from kit.bus import Bus
from proto.photos import Rejected, RemotePhoto
from tests.integration.facecrop.conftest import REPOSITORY, SCHOOL, Engine

START_SECONDS = 30.0


@pytest.fixture
async def process(nats_server: Nats, tmp_path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    (port,) = ports.free(1)
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.facecrop",
        cwd=PROJECT,
        env={
            "PATH": os.environ["PATH"],
            "NATS_URL": nats_server.url("facecrop"),
            "STORAGE_URL": f"file://{tmp_path}",
            "MODEL_REPOSITORY": str(REPOSITORY),
            "OPERATOR_PORT": str(port),
            "THREADS": "1",
        },
    )
    async with asyncio.timeout(START_SECONDS), aiohttp.ClientSession() as client:
        while not (await _readiness(client, port)).get("worker"):  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.1)
    yield started
    if started.returncode is None:
        started.kill()
        await started.wait()


async def test_it_answers_while_it_waits_for_work_and_stops_in_peace(
    engine: Engine, process: asyncio.subprocess.Process, nats_url: str
) -> None:
    bus = await Bus.connect(nats_url, "test of the engine")
    request = await engine.request(b"", SCHOOL)
    elsewhere = RemotePhoto(url="http://127.0.0.1:9/photo.jpg")
    answer = await bus.request(msgspec.structs.replace(request, photo=elsewhere))
    await bus.close()
    assert isinstance(answer, Rejected)
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(START_SECONDS):
        assert await process.wait() == 0


async def _readiness(client: aiohttp.ClientSession, port: int) -> dict[str, Any]:
    try:
        async with client.get(f"http://127.0.0.1:{port}/readyz") as answer:
            checks: dict[str, Any] = (await answer.json())["checks"]
            return checks
    except aiohttp.ClientConnectionError:
        return {}
