"""The face reader as a process of its own: on the bus, with its own rights."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

import aiohttp
import msgspec
import pytest

from cli import ports
from cli.home import PROJECT
from cli.nats import Nats
from kit.bus import Bus
from kit.storage import Storage
from proto.errors import InvalidRequest, NotAuthenticated, Unavailable
from proto.facereader import FacesRead, GetEmbedder, ReadFaces
from proto.ids import StorageKey
from proto.photos import Rejected, RemotePhoto, StoredPhoto
from tests.integration.facereader.conftest import ACCOUNT, KEPT, OTHER_ACCOUNT, PHOTO, Website

START_SECONDS = 30.0

Start = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def start(
    nats_server: Nats, repository: Path, website: Website, tmp_path: Path
) -> AsyncIterator[Start]:
    """Starts a face reader over the storage in `tmp_path`, and returns when it is ready."""
    processes: list[asyncio.subprocess.Process] = []

    async def started(**more: str) -> asyncio.subprocess.Process:
        (port,) = ports.free(1)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.facereader",
            cwd=PROJECT,
            env={
                "PATH": os.environ["PATH"],
                "NATS_URL": nats_server.url("facereader"),
                "STORAGE_URL": f"file://{tmp_path / 'storage'}",
                "MODEL_REPOSITORY": str(repository),
                "FETCH_ALLOW": f"127.0.0.1:{website.port}",
                "OPERATOR_PORT": str(port),
                "THREADS": "1",
                **more,
            },
            stderr=asyncio.subprocess.PIPE,
        )
        processes.append(process)
        async with asyncio.timeout(START_SECONDS), aiohttp.ClientSession() as client:
            while process.returncode is None and not all(  # noqa: ASYNC110 - in another process
                (await _checks(client, port)).values()
            ):
                await asyncio.sleep(0.1)
        return process

    yield started
    for process in processes:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    """Whoever compares faces."""
    bus = await Bus.connect(nats_url, "test of the face reader")
    yield bus
    await bus.close()


async def test_it_reads_photographs_and_stops_in_peace(
    start: Start, bus: Bus, website: Website, astronaut: bytes, tmp_path: Path
) -> None:
    process = await start()
    async with Storage.open(f"file://{tmp_path / 'storage'}") as storage:
        await storage.put(PHOTO, astronaut, "image/png")
        stored = ReadFaces(account=ACCOUNT, photo=StoredPhoto(key=PHOTO))
        first, second = await asyncio.gather(bus.request(stored, 20.0), bus.request(stored, 20.0))
        assert isinstance(first, FacesRead)
        assert first == second
        assert len(first.faces) == 1
        assert first.embedder == await bus.request(GetEmbedder())

        website.body = astronaut
        remote = ReadFaces(account=ACCOUNT, photo=RemotePhoto(url=website.url), keep=KEPT)
        assert await bus.request(remote, 20.0) == first
        assert await storage.get(KEPT, len(astronaut)) == astronaut

    with pytest.raises(InvalidRequest):
        await bus.request(msgspec.structs.replace(stored, account=OTHER_ACCOUNT))
    inside = RemotePhoto(url="http://127.0.0.1:9/photo.jpg")
    refused = await bus.request(ReadFaces(account=ACCOUNT, photo=inside))
    assert isinstance(refused, Rejected)

    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(START_SECONDS):
        await process.communicate()
    assert process.returncode == 0


async def test_what_is_under_way_is_answered_before_it_stops(
    start: Start, bus: Bus, astronaut: bytes, tmp_path: Path
) -> None:
    process = await start()
    async with Storage.open(f"file://{tmp_path / 'storage'}") as storage:
        await storage.put(PHOTO, astronaut, "image/png")
    stored = ReadFaces(account=ACCOUNT, photo=StoredPhoto(key=PHOTO))
    under_way = [asyncio.create_task(bus.request(stored, 20.0)) for _ in range(4)]
    await under_way[0]
    process.send_signal(signal.SIGTERM)
    answers = await asyncio.gather(*under_way, return_exceptions=True)
    async with asyncio.timeout(START_SECONDS):
        await process.communicate()
    assert process.returncode == 0
    assert all(isinstance(answer, FacesRead | Unavailable) for answer in answers)
    assert isinstance(answers[0], FacesRead)


async def test_where_keys_are_asked_for_nobody_comes_in_without_one(start: Start, bus: Bus) -> None:
    await start(REQUIRE_API_KEY="true")
    with pytest.raises(NotAuthenticated):
        await bus.request(GetEmbedder())
    stored = ReadFaces(account=ACCOUNT, photo=StoredPhoto(key=StorageKey("photos/x")))
    with pytest.raises(NotAuthenticated):
        await bus.request(stored)


async def test_it_does_not_start_with_a_card_that_makes_no_sense(
    start: Start, repository: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "repository"
    copytree(repository, broken, ignore=ignore_patterns("*.onnx"))
    card = broken / "face_embedder" / "card.toml"
    card.write_text(card.read_text().replace("dimensions = 128", "dimensions = 512"))
    process = await start(MODEL_REPOSITORY=str(broken))
    _, said = await process.communicate()
    assert process.returncode not in (0, None)
    assert b"face_embedder/card.toml has 512 dimensions; there must be 128." in said


async def _checks(client: aiohttp.ClientSession, port: int) -> dict[str, Any]:
    try:
        async with client.get(f"http://127.0.0.1:{port}/readyz") as answer:
            checks: dict[str, Any] = (await answer.json())["checks"]
            return checks
    except aiohttp.ClientConnectionError:
        return {"there": False}
