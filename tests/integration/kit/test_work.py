"""Workers on a real queue and a real job book: every item is done, and ends once."""

import asyncio
from collections import Counter

import pytest

from kit import context
from kit.bus import Bus
from proto.errors import Broken, InvalidRequest, Unavailable
from proto.ids import AccountId
from proto.jobs import Failed, Succeeded
from tests.integration.jobs.book import DONE, until
from tests.integration.kit.engines import (
    ACK_SECONDS,
    KIND,
    Engine,
    begin,
    closed,
    is_empty,
    items,
    working,
)


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
async def test_what_is_broken_is_not_waited_for(bus: Bus, engine: Bus, account: AccountId) -> None:
    tried = 0

    async def does(_: bytes) -> Succeeded:
        nonlocal tried
        tried += 1
        raise Broken("the models answer what cannot be")

    async with working(engine, does, attempts=2):
        job = await begin(bus, account, 1)
        shown = await closed(bus, account, job)
    assert (shown.state, shown.code, shown.consumed) == ("failed", "PROCESSING_FAILED", 0)
    assert tried == 2


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
