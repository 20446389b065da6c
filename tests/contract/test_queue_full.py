"""An account that has too much under way is told when to come again, and pays nothing for it."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import aiohttp
import pytest

from kit.bus import Bus
from tests.contract.batches import CROP, tasks
from tests.contract.conftest import account_opened, photographs, uploads_of
from tests.contract.test_errors import is_error
from tests.running import RunningStack, temporary_home


@pytest.fixture(scope="module")
def crowded() -> Iterator[RunningStack]:
    """A stack where an account may have three photos under way, and two are a job."""
    with temporary_home() as home:
        stack = RunningStack.start(home, SYNC_IMAGES="1", MOST_OPEN_ITEMS="3")
        yield stack
        stack.stop()


@pytest.fixture
async def bus(crowded: RunningStack) -> AsyncIterator[Bus]:
    bus = await Bus.connect(crowded.nats_url, "contract tests")
    yield bus
    await bus.close()


@contextmanager
def held_up(stack: RunningStack) -> Iterator[None]:
    """Let the engine stand still meanwhile, so that no photo ends."""
    engine = stack.card.pids["facecrop"]
    os.kill(engine, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(engine, signal.SIGCONT)


async def test_more_than_may_be_under_way_is_429_until_some_of_it_is_done(
    crowded: RunningStack, bus: Bus, session: aiohttp.ClientSession, astronaut_jpeg: bytes
) -> None:
    client = await account_opened(bus, session, crowded.url)
    other = await account_opened(bus, session, crowded.url)
    photos = photographs(astronaut_jpeg, 2)
    with held_up(crowded):
        first = await client.begin(*photos)
        before, stored = await client.balance(), uploads_of(crowded, client)
        urls = [f"http://127.0.0.1:{crowded.fetch_port}/{number}.jpg" for number in range(2)]
        for refused in (
            await client.upload(*photos),
            await client.send("POST", CROP, json={"icp_type": "school", "image_urls": urls}),
        ):
            is_error(refused, 429, "QUEUE_FULL")
            assert int(refused.headers["Retry-After"]) > 0
        assert await tasks(client) == [first]
        assert await client.balance() == before
        assert uploads_of(crowded, client) == stored
        # the limit is each account's own
        theirs = await other.begin(*photos)
    for account, task in ((client, first), (other, theirs)):
        assert (await account.ended(task))["succeeded"] == 2
    second = await client.begin(*photos)
    assert (await client.ended(second))["status"] == "completed"
    assert await client.balance() == 100 - 2 * 4


async def test_a_refused_batch_can_be_sent_again_under_its_key(
    crowded: RunningStack, bus: Bus, session: aiohttp.ClientSession, astronaut_jpeg: bytes
) -> None:
    client = await account_opened(bus, session, crowded.url)
    with_key = client.instead(**client.headers, **{"Idempotency-Key": "class-5a"})
    photos = photographs(astronaut_jpeg, 2)
    with held_up(crowded):
        first = await client.begin(*photos)
        is_error(await with_key.upload(*photos), 429, "QUEUE_FULL")
    await client.ended(first)
    again = await with_key.begin(*photos)
    assert again != first
    assert (await client.ended(again))["succeeded"] == 2
    assert await client.balance() == 100 - 2 * 4
