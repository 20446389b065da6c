"""Workers on a real queue and a real job book: every item is done, and ends once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import web
from nats.js.errors import NotFoundError

from cli.nats import Nats
from kit import context, database, work
from kit.bus import Bus
from kit.work import Work, Worker
from proto.errors import InvalidRequest, Unavailable
from proto.ids import AccountId, JobId
from proto.jobs import STREAM, Failed, GetItems, GetJob, Item, Job, Succeeded
from services.jobs import kinds, sweeping
from services.jobs.app import SCHEMA
from services.jobs.settings import Settings
from tests.integration.jobs.book import DONE, kind, running, started, tickets, until

KIND = "face_crop"
ACK_SECONDS = 1.0


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
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
async def settings(nats_server: Nats, database_url: str, bus: Bus, tmp_path: Path) -> Settings:
    """Of a job book in which nothing stands."""
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


class Engine:
    """Does work behind a gate, and counts what it did."""

    def __init__(self, *, open_gate: bool = True) -> None:
        self.gate = asyncio.Event()
        if open_gate:
            self.gate.set()
        self.begun: Counter[bytes] = Counter()
        self.done: Counter[bytes] = Counter()
        self.at_once = 0
        self.most_at_once = 0

    async def __call__(self, wanted: bytes) -> Succeeded | Failed:
        self.begun[wanted] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.gate.wait()
        finally:
            self.at_once -= 1
        self.done[wanted] += 1
        return Succeeded(result=wanted)

    async def has_begun(self, items: int) -> None:
        await until(lambda: _true(self.begun.total() >= items))


async def _true(value: bool) -> bool:
    return value


@asynccontextmanager
async def working(
    engine: Bus, does: Work, at_once: int = 1, *, seconds: float = 60.0, attempts: int = 3
) -> AsyncIterator[Worker]:
    """A worker, and its kind in the book."""
    worker = Worker(engine, kind(KIND, seconds=seconds, attempts=attempts), does, at_once)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await task


async def begin(bus: Bus, account: AccountId, total: int) -> JobId:
    """Start a job as soon as the kind is there."""
    job: JobId | None = None

    async def has_started() -> bool:
        nonlocal job
        try:
            job = await started(bus, account, total, paid=False, kind=KIND)
        except Unavailable:
            return False
        return True

    await until(has_started)
    assert job is not None
    return job


async def closed(bus: Bus, account: AccountId, job: JobId) -> Job:
    """Wait until a job has closed; the job book may be away meanwhile."""
    found: Job | None = None

    async def has_closed() -> bool:
        nonlocal found
        with suppress(Unavailable):
            found = await bus.request(GetJob(account=account, job=job))
        return found is not None and found.closed

    await until(has_closed)
    assert found is not None
    return found


async def items(bus: Bus, account: AccountId, job: JobId) -> list[Item]:
    return (await bus.request(GetItems(account=account, job=job, limit=500))).items


async def is_empty(bus: Bus) -> bool:
    return await tickets(bus, KIND) == 0


@pytest.mark.usefixtures("service")
async def test_so_many_items_are_worked_on_at_once(
    bus: Bus, engine: Bus, account: AccountId
) -> None:
    does = Engine(open_gate=False)
    async with working(engine, does, at_once=3):
        job = await begin(bus, account, 10)
        await does.has_begun(3)
        assert does.done.total() == 0
        does.gate.set()
        shown = await closed(bus, account, job)
    assert (shown.state, shown.succeeded) == ("completed", 10)
    assert does.most_at_once == 3
    assert set(does.begun.values()) == {1}
    found = await items(bus, account, job)
    assert [item.result for item in found] == [f"work {n}".encode() for n in range(10)]
    await until(lambda: is_empty(bus))


@pytest.mark.usefixtures("service")
async def test_what_breaks_is_tried_until_its_last_attempt(
    bus: Bus, engine: Bus, account: AccountId
) -> None:
    tried: list[bytes] = []

    async def does(wanted: bytes) -> Succeeded:
        tried.append(wanted)
        if wanted == b"work 1":
            raise RuntimeError("the secret of the house")
        return DONE

    async with working(engine, does, attempts=3):
        job = await begin(bus, account, 3)
        shown = await closed(bus, account, job)
    assert (shown.succeeded, shown.failed) == (2, 1)
    assert Counter(tried) == {b"work 0": 1, b"work 1": 3, b"work 2": 1}
    (_, broken, _) = await items(bus, account, job)
    assert broken.code == "PROCESSING_FAILED"
    assert "secret" not in broken.message


@pytest.mark.usefixtures("service")
async def test_what_takes_too_long_has_broken(bus: Bus, engine: Bus, account: AccountId) -> None:
    does = Engine(open_gate=False)
    async with working(engine, does, seconds=0.05, attempts=2):
        job = await begin(bus, account, 1)
        assert (await closed(bus, account, job)).code == "PROCESSING_FAILED"
    assert does.begun.total() == 2


@pytest.mark.usefixtures("service")
async def test_what_cannot_be_done_now_is_tried_again(
    bus: Bus, engine: Bus, account: AccountId
) -> None:
    tried = 0

    async def does(_: bytes) -> Succeeded:
        nonlocal tried
        tried += 1
        if tried < 4:
            raise Unavailable("the models are away")
        return DONE

    async with working(engine, does, attempts=1):
        job = await begin(bus, account, 1)
        assert (await closed(bus, account, job)).succeeded == 1
    assert tried == 4


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    ("said", "written"),
    [
        pytest.param("no preset of that name", "no preset of that name", id="short"),
        pytest.param("a\0b" + "…" * 2_000, "ab" + "…" * 998, id="more than the book takes"),
    ],
)
async def test_what_makes_no_sense_fails_at_once(
    bus: Bus, engine: Bus, account: AccountId, said: str, written: str
) -> None:
    tried = 0

    async def does(_: bytes) -> Succeeded:
        nonlocal tried
        tried += 1
        raise InvalidRequest(said)

    async with working(engine, does):
        job = await begin(bus, account, 1)
        shown = await closed(bus, account, job)
    assert (shown.state, shown.code, shown.message) == ("failed", "INVALID_REQUEST", written)
    assert tried == 1


@pytest.mark.usefixtures("service")
async def test_a_failure_is_written_down_as_it_was_said(
    bus: Bus, engine: Bus, account: AccountId
) -> None:
    async def does(_: bytes) -> Failed:
        return Failed(code="NO_FACE", message="there is no face")

    async with working(engine, does):
        job = await begin(bus, account, 1)
        shown = await closed(bus, account, job)
    assert (shown.code, shown.message) == ("NO_FACE", "there is no face")


@pytest.mark.usefixtures("service")
async def test_a_worker_that_stops_finishes_what_is_under_way_and_takes_nothing_more(
    bus: Bus, engine: Bus, account: AccountId
) -> None:
    does = Engine(open_gate=False)
    worker = Worker(engine, kind(KIND), does, at_once=2)
    run = asyncio.create_task(worker.run())
    job = await begin(bus, account, 5)
    await does.has_begun(2)
    worker.stop()
    await asyncio.wait({run}, timeout=0.2)
    assert not run.done()
    does.gate.set()
    await run
    assert (does.begun.total(), does.done.total()) == (2, 2)
    assert (await bus.request(GetJob(account=account, job=job))).succeeded == 2

    another = Engine()
    async with working(engine, another):
        assert (await closed(bus, account, job)).succeeded == 5
    assert another.begun.total() == 3


@pytest.mark.usefixtures("service")
async def test_an_idle_worker_stops_at_once_and_takes_nothing_along(
    bus: Bus, engine: Bus, account: AccountId
) -> None:
    idle, does = Engine(), Engine()
    async with working(engine, idle, at_once=4) as worker:
        await begin(bus, account, 1)
        await idle.has_begun(1)
        worker.stop()
    job = await begin(bus, account, 8)
    async with working(engine, does, at_once=4):
        assert (await closed(bus, account, job)).succeeded == 8
    assert (idle.begun.total(), does.begun.total()) == (1, 8)


@pytest.mark.usefixtures("service")
async def test_what_a_killed_worker_held_goes_to_another(
    bus: Bus, engine: Bus, account: AccountId
) -> None:
    hangs, does = Engine(open_gate=False), Engine()
    killed = asyncio.create_task(Worker(engine, kind(KIND), hangs, at_once=2).run())
    job = await begin(bus, account, 4)
    await hangs.has_begun(2)
    killed.cancel()
    await asyncio.wait({killed})
    assert hangs.at_once == 0

    async with working(engine, does, at_once=2):
        shown = await closed(bus, account, job)
    assert (shown.succeeded, hangs.done.total()) == (4, 0)
    assert does.begun == Counter({f"work {n}".encode(): 1 for n in range(4)})
    await until(lambda: is_empty(bus))


@pytest.mark.usefixtures("service")
async def test_an_item_that_kills_its_workers_takes_no_other_along(
    bus: Bus, engine: Bus, account: AccountId
) -> None:
    begun: Counter[bytes] = Counter()
    struck = asyncio.Event()

    async def does(wanted: bytes) -> Succeeded | Failed:
        begun[wanted] += 1
        if wanted == b"work 1":
            # the others in this worker are under way by then, if there are others
            await asyncio.sleep(0.05)
            struck.set()
            await asyncio.Event().wait()
        await asyncio.sleep(0.2)
        return Succeeded(result=wanted)

    await bus.request(kind(KIND))
    job = await begin(bus, account, 4)
    for _ in range(3):
        struck.clear()
        killed = asyncio.create_task(Worker(engine, kind(KIND), does, at_once=4).run())
        await struck.wait()
        killed.cancel()
        await asyncio.wait({killed})
    async with working(engine, does, at_once=4):
        shown = await closed(bus, account, job)
    assert (shown.succeeded, shown.failed) == (3, 1)
    assert begun[b"work 1"] == 3
    (failed,) = [item for item in await items(bus, account, job) if item.state == "failed"]
    assert (failed.number, failed.code) == (1, "PROCESSING_FAILED")


@pytest.mark.usefixtures("service")
async def test_what_a_stopping_worker_cannot_finish_in_time_is_put_back(
    bus: Bus, engine: Bus, account: AccountId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.work._STOP_SECONDS", 0.05)
    hangs, does = Engine(open_gate=False), Engine()
    async with working(engine, hangs, attempts=1):
        job = await begin(bus, account, 1)
        await hangs.has_begun(1)
    async with working(engine, does, attempts=1):
        assert (await closed(bus, account, job)).succeeded == 1
    assert (hangs.done.total(), does.done.total()) == (0, 1)


@pytest.mark.usefixtures("service")
async def test_an_item_that_takes_long_stays_its_workers(
    bus: Bus, engine: Bus, account: AccountId
) -> None:
    does, idle = Engine(open_gate=False), Engine()
    async with working(engine, does):
        job = await begin(bus, account, 1)
        await does.has_begun(1)
        async with working(engine, idle):
            await asyncio.wait({asyncio.create_task(does.gate.wait())}, timeout=3 * ACK_SECONDS)
        does.gate.set()
        assert (await closed(bus, account, job)).succeeded == 1
    assert (does.begun.total(), idle.begun.total()) == (1, 0)


async def test_a_job_book_that_starts_again_loses_nothing_and_does_nothing_twice(
    settings: Settings, bus: Bus, engine: Bus, account: AccountId
) -> None:
    does = Engine(open_gate=False)
    async with working(engine, does, at_once=4):
        async with running(settings):
            job = await begin(bus, account, 40)
            await does.has_begun(4)
        does.gate.set()
        await until(lambda: _true(does.done.total() == 4))
        for items_done in (12, 25):
            async with running(settings):
                await until(lambda least=items_done: _true(does.done.total() >= least))
        async with running(settings):
            shown = await closed(bus, account, job)
            assert (shown.succeeded, shown.failed) == (40, 0)
            assert does.begun == Counter({f"work {n}".encode(): 1 for n in range(40)})


async def test_a_worker_waits_for_the_job_book(
    settings: Settings, bus: Bus, engine: Bus, account: AccountId
) -> None:
    does = Engine()
    async with working(engine, does):
        assert await _unavailable(lambda: started(bus, account, 1, paid=False, kind=KIND))
        async with running(settings):
            job = await begin(bus, account, 2)
            assert (await closed(bus, account, job)).succeeded == 2


async def _unavailable(asked: Callable[[], Awaitable[object]]) -> bool:
    try:
        await asked()
    except Unavailable:
        return True
    return False


@pytest.mark.usefixtures("service")
async def test_a_worker_outlives_its_queue(
    bus: Bus, engine: Bus, account: AccountId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "_FETCH_SECONDS", 0.3)
    does = Engine()
    async with working(engine, does):
        job = await begin(bus, account, 3)
        assert (await closed(bus, account, job)).succeeded == 3
        await bus.client.jetstream().delete_stream(STREAM)
        job = await begin(bus, account, 3)
        assert (await closed(bus, account, job)).succeeded == 3
    assert does.done.total() == 6


@pytest.mark.usefixtures("service")
async def test_what_is_no_ticket_is_thrown_away(bus: Bus, engine: Bus, account: AccountId) -> None:
    async with working(engine, Engine()):
        job = await begin(bus, account, 1)
        await bus.client.jetstream().publish(f"work.{KIND}", b"no ticket")
        assert (await closed(bus, account, job)).succeeded == 1
        await until(lambda: is_empty(bus))


@pytest.mark.usefixtures("service")
async def test_work_carries_the_correlation_id_of_the_call_that_began_it(
    bus: Bus, engine: Bus, account: AccountId
) -> None:
    seen: list[str] = []

    async def does(_: bytes) -> Succeeded:
        seen.append(context.correlation_id.get())
        return DONE

    async with working(engine, does):
        token = context.correlation_id.set("of this call")
        try:
            job = await begin(bus, account, 1)
        finally:
            context.correlation_id.reset(token)
        await closed(bus, account, job)
    assert seen == ["of this call"]
