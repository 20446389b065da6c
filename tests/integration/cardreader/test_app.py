"""The card reader as a process of its own: on the bus and at the queue, with its own rights."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from nats.js.errors import NotFoundError

from cli import ports
from cli.home import PROJECT
from cli.nats import Nats
from kit import database
from kit.bus import Bus
from kit.storage import Storage
from proto.cardreader import KIND, CardsRead, Logo, ReadCards, ReadLogo
from proto.errors import Unavailable
from proto.ids import JobId, StorageKey
from proto.jobs import STREAM, AddItems, GetItems, GetJob, Item, NewItem, StartJob
from proto.photos import Rejected, RemotePhoto, StoredPhoto
from services.jobs.app import SCHEMA
from services.jobs.settings import Settings as JobsSettings
from tests.integration.cardreader.conftest import ACCOUNT, Website
from tests.integration.jobs.book import drafted, running, until
from tests.unit.cardreader.scenes import TEXT, Shot, photograph
from vision.encode import encode_jpeg

START_SECONDS = 30.0
SHOOT = 40

Start = Callable[[], Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def start(
    nats_server: Nats, repository: Path, website: Website, tmp_path: Path
) -> AsyncIterator[Start]:
    """Starts a card reader over the storage in `tmp_path`, and returns when it takes work."""
    processes: list[asyncio.subprocess.Process] = []

    async def started() -> asyncio.subprocess.Process:
        (port,) = ports.free(1)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.cardreader",
            cwd=PROJECT,
            env={
                "PATH": os.environ["PATH"],
                "NATS_URL": nats_server.url("cardreader"),
                "STORAGE_URL": f"file://{tmp_path}",
                "MODEL_REPOSITORY": str(repository),
                "FETCH_ALLOW": f"127.0.0.1:{website.port}",
                "OPERATOR_PORT": str(port),
                "THREADS": "1",
            },
        )
        processes.append(process)
        async with asyncio.timeout(START_SECONDS), aiohttp.ClientSession() as client:
            while not all((await _checks(client, port)).values()):  # noqa: ASYNC110 - in another process
                await asyncio.sleep(0.1)
        return process

    yield started
    for process in processes:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    """Whoever sells the work; the queue of the test before is gone."""
    bus = await Bus.connect(nats_url, "test of the card reader")
    with suppress(NotFoundError):
        await bus.client.jetstream().delete_stream(STREAM)
    yield bus
    await bus.close()


@pytest.fixture
async def job_book(
    nats_server: Nats, database_url: str, bus: Bus, tmp_path: Path
) -> AsyncIterator[web.Application]:
    await database.migrate(database_url, "jobs", SCHEMA)
    settings = JobsSettings(
        nats_url=nats_server.url("jobs"),
        database_url=database_url,
        storage_url=f"file://{tmp_path}",
        sweep_seconds=0.2,
    )
    async with running(settings) as app:
        yield app


async def test_it_answers_while_it_waits_for_work_and_stops_in_peace(
    start: Start, bus: Bus, website: Website, astronaut: bytes
) -> None:
    process = await start()
    website.body = astronaut
    read = await bus.request(ReadCards(account=ACCOUNT, photo=RemotePhoto(url=website.url)), 20.0)
    assert isinstance(read, CardsRead)
    assert read.has_face is True
    output = StorageKey(f"outputs/{ACCOUNT}/call/logo.png")
    logo = await bus.request(ReadLogo(account=ACCOUNT, url=website.url, output=output))
    assert logo == Logo(key=output)
    inside = RemotePhoto(url="http://127.0.0.1:9/photo.jpg")
    refused = await bus.request(ReadCards(account=ACCOUNT, photo=inside))
    assert isinstance(refused, Rejected)
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(START_SECONDS):
        assert await process.wait() == 0


async def test_a_shoot_is_read_to_its_end_though_the_reader_is_stopped_in_the_middle(
    start: Start, bus: Bus, job_book: web.Application, tmp_path: Path, astronaut: bytes
) -> None:
    card = encode_jpeg(photograph(Shot(), width=1500, height=1000))
    async with Storage.open(f"file://{tmp_path}") as storage:
        for name, data in (("card", card), ("person", astronaut), ("text", b"no picture")):
            await storage.put(StorageKey(f"uploads/{ACCOUNT}/{name}"), data, "image/jpeg")
    first = await start()
    names = ["card", "person", "person", "text"] * (SHOOT // 4)
    job = await _begun(bus, names)

    async def some_are_read() -> bool:
        return (await bus.request(GetJob(account=ACCOUNT, job=job))).ended > 0

    await until(some_are_read)
    first.send_signal(signal.SIGTERM)
    async with asyncio.timeout(START_SECONDS):
        assert await first.wait() == 0
    await start()

    async def has_closed() -> bool:
        return (await bus.request(GetJob(account=ACCOUNT, job=job))).closed

    await until(has_closed)
    page = await bus.request(GetItems(account=ACCOUNT, job=job))
    for name, item in zip(names, page.items, strict=True):
        assert _outcome(item) == {
            "card": ([TEXT], None),
            "person": ([], True),
            "text": "NOT_A_PICTURE",
        }.get(name)


async def _begun(bus: Bus, names: Sequence[str]) -> JobId:
    """Start a job as soon as the kind is there."""
    asked = drafted(ACCOUNT, len(names), kind=KIND)

    async def is_drafted() -> bool:
        try:
            await bus.request(asked)
        except Unavailable:
            return False
        return True

    await until(is_drafted)
    items = [
        NewItem(
            number=number,
            name=f"{number}.jpg",
            work=msgspec.msgpack.encode(
                ReadCards(
                    account=ACCOUNT,
                    photo=StoredPhoto(key=StorageKey(f"uploads/{ACCOUNT}/{name}")),
                )
            ),
        )
        for number, name in enumerate(names)
    ]
    await bus.request(AddItems(account=ACCOUNT, job=asked.job, items=items))
    await bus.request(StartJob(account=ACCOUNT, job=asked.job), 15.0)
    return asked.job


def _outcome(item: Item) -> tuple[list[str], bool | None] | str:
    """What an item says of its photograph, or why it failed."""
    if item.result is None:
        return item.code
    read = msgspec.msgpack.decode(item.result, type=CardsRead)
    return [symbol.text for symbol in read.symbols], read.has_face


async def _checks(client: aiohttp.ClientSession, port: int) -> dict[str, Any]:
    try:
        async with client.get(f"http://127.0.0.1:{port}/readyz") as answer:
            checks: dict[str, Any] = (await answer.json())["checks"]
            return checks
    except aiohttp.ClientConnectionError:
        return {"there": False}
