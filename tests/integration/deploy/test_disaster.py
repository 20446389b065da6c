"""A site is lost in the middle of a job, and restored from last night: what becomes of the job."""

import asyncio
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest

from cli import nats, ports, postgres, services
from cli.backups import drill, taking
from cli.home import PROJECT, Home
from cli.services import Surroundings
from cli.supervisor import Supervisor
from kit.bus import Bus
from kit.work import Worker
from proto.errors import Refusal
from proto.ids import AccountId, JobId, StorageKey
from proto.jobs import AddItems, CreateJob, GetJob, Job, NewItem, RegisterKind, StartJob, Succeeded
from proto.wallet import GetBalance, Reconcile, Reserve, TopUp
from tests.integration.deploy.conftest import Reporter
from tests.running import temporary_home

KIND = RegisterKind(kind="face_crop", most_seconds=60)
ITEMS = 30
DONE_BEFORE = 10


class Site:
    """A job book and a wallet over one database and one bus."""

    def __init__(self, home: Home, database_url: str) -> None:
        self.home = home
        self.database_url = database_url
        (port,) = ports.free(1)
        self.nats = nats.Nats(home, port)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Bus]:
        """Run it, and connect as one who may say everything."""
        keeper = Supervisor(Reporter(), on_change=lambda: None)
        around = Surroundings(
            fixed={"DATABASE_URL": self.database_url, "SWEEP_SECONDS": "0.2"},
            default={"STORAGE_URL": self.home.storage.as_uri()},
            caller={"PATH": os.defpath},
        )
        try:
            await keeper.start([self.nats.program()])
            started = [
                services.program(name, self.home, self.nats.url(name), port, around)
                for name, port in zip(("wallet", "jobs"), ports.free(2), strict=True)
            ]
            await keeper.start(started)
            bus = await Bus.connect(self.nats.url(), "test")
            try:
                yield bus
            finally:
                await bus.close()
        finally:
            await keeper.stop()


@pytest.fixture
async def databases(postgres_server: postgres.Postgres) -> AsyncIterator[list[str]]:
    names = [f"disaster_{secrets.token_hex(6)}" for _ in range(3)]
    for name in names:
        await postgres_server.create(name)
    yield [postgres_server.url(name) for name in names]
    for name in names:
        await postgres_server.drop(name)


@pytest.fixture
def homes() -> Iterator[tuple[Home, Home]]:
    with temporary_home() as first, temporary_home() as second:
        yield first, second


async def work_through(bus: Bus, done: list[int], stop_after: int) -> None:
    """Do items of jobs until so many are done, then take no more."""

    async def work(item: bytes) -> Succeeded:
        done.append(int(item))
        if len(done) == stop_after:
            worker.stop()
        return Succeeded(result=b"\xc0")

    worker = Worker(bus, KIND, work, 1)
    async with asyncio.timeout(90):
        await worker.run()


async def begun(bus: Bus) -> tuple[AccountId, JobId]:
    """Begin a job of as many items as there are tokens for."""
    account, job = AccountId(uuid4()), JobId(uuid4())
    await bus.request(TopUp(account=account, tokens=100, key=str(uuid4()), reason=""))
    reserve = Reserve(account=account, tokens=2 * ITEMS, key=str(uuid4()), operation="face_crop")
    hold = (await bus.request(reserve)).number
    await until_known(bus)
    await bus.request(
        CreateJob(
            account=account,
            job=job,
            kind=KIND.kind,
            hold=hold,
            unit_tokens=2,
            total=ITEMS,
            outputs=StorageKey(f"outputs/{account}/{job}"),
        )
    )
    items = [NewItem(number=n, name=f"{n}.jpg", work=str(n).encode()) for n in range(ITEMS)]
    await bus.request(AddItems(account=account, job=job, items=items))
    await bus.request(StartJob(account=account, job=job))
    return account, job


async def until_known(bus: Bus) -> None:
    """Register the kind; a service that has just started may not listen yet."""
    async with asyncio.timeout(30):
        while True:
            with suppress(Refusal):
                await bus.request(KIND)
                return
            await asyncio.sleep(0.05)


async def closed(bus: Bus, account: AccountId, job: JobId) -> Job:
    async with asyncio.timeout(60):
        while True:
            found = await bus.request(GetJob(account=account, job=job))
            if found.closed:
                return found
            await asyncio.sleep(0.05)


async def test_a_job_goes_on_after_its_site_was_lost(
    databases: list[str], homes: tuple[Home, Home], tmp_path: Path
) -> None:
    lost_url, restored_url, drill_url = databases
    before: list[int] = []
    async with Site(homes[0], lost_url).running() as bus:
        account, job = await begun(bus)
        await work_through(bus, before, DONE_BEFORE)
        await taking.take(tmp_path / "backup", lost_url, None)
    # the site is gone, with its queue; what is left is the database of last night
    said = await drill.drill(tmp_path / "backup", drill_url, None)
    assert f"jobs: {ITEMS - DONE_BEFORE} items are not done" in said
    restored = _darkroom("backup", "drill", str(tmp_path / "backup"), DATABASE_URL=restored_url)
    assert "the books add up" in restored

    after: list[int] = []
    async with Site(homes[1], restored_url).running() as bus:
        await work_through(bus, after, ITEMS - DONE_BEFORE)
        ended = await closed(bus, account, job)
        assert (ended.state, ended.succeeded, ended.failed) == ("completed", ITEMS, 0)
        assert ended.consumed == 2 * ITEMS
        balance = await bus.request(GetBalance(account=account))
        assert (balance.available, balance.held) == (100 - 2 * ITEMS, 0)
        books = await bus.request(Reconcile())
        assert (books.discrepancies, books.sum_of_all_places) == ([], 0)
    # nothing was forgotten, and nothing that was done before was done again
    assert sorted(before + after) == list(range(ITEMS))


def _darkroom(*words: str, **told: str) -> str:
    result = subprocess.run(
        [sys.executable, "-m", "cli", *words],
        cwd=PROJECT,
        env={"PATH": os.defpath, **told},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout
