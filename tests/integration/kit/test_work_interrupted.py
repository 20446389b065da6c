"""Workers that stop or are killed, and queues and job books that go away: no item is lost."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from kit import work
from kit.bus import Bus
from kit.work import Worker
from proto.errors import Unavailable
from proto.ids import AccountId
from proto.jobs import STREAM, Failed, GetJob, Succeeded
from services.jobs.settings import Settings
from tests.integration.jobs.book import kind, running, started, until
from tests.integration.kit.engines import (
    KIND,
    Engine,
    begin,
    closed,
    is_empty,
    items,
    true,
    working,
)


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
async def test_what_a_stopping_worker_has_under_way_is_finished(
    bus: Bus, engine: Bus, account: AccountId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.work._HURRY_SECONDS", 0.0)
    slow = Engine(open_gate=False)
    async with working(engine, slow, attempts=1) as worker:
        job = await begin(bus, account, 1)
        await slow.has_begun(1)
        worker.stop()
        slow.gate.set()
    assert (await closed(bus, account, job)).succeeded == 1
    assert slow.done.total() == 1


@pytest.mark.usefixtures("service")
async def test_what_a_worker_cannot_finish_in_a_hurry_is_put_back(
    bus: Bus, engine: Bus, account: AccountId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.work._HURRY_SECONDS", 0.05)
    hangs, does, hurry = Engine(open_gate=False), Engine(), asyncio.Event()
    async with working(engine, hangs, attempts=1, hurry=hurry):
        job = await begin(bus, account, 1)
        await hangs.has_begun(1)
        hurry.set()
    async with working(engine, does, attempts=1):
        assert (await closed(bus, account, job)).succeeded == 1
    assert (hangs.done.total(), does.done.total()) == (0, 1)


async def test_a_job_book_that_starts_again_loses_nothing_and_does_nothing_twice(
    settings: Settings, bus: Bus, engine: Bus, account: AccountId
) -> None:
    does = Engine(open_gate=False)
    async with working(engine, does, at_once=4):
        async with running(settings):
            job = await begin(bus, account, 40)
            await does.has_begun(4)
        does.gate.set()
        await until(lambda: true(does.done.total() == 4))
        for items_done in (12, 25):
            async with running(settings):
                await until(lambda least=items_done: true(does.done.total() >= least))
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
