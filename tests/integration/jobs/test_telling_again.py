"""What the stream of events lost before it was read is told again, and is heard once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from aiohttp import web

from cli.nats import Nats
from kit import events
from kit.bus import Bus
from kit.database import Pool
from proto.events import STREAM as EVENTS
from proto.events import LowBalance
from proto.ids import AccountId, JobId
from proto.webhooks import CreateEndpoint, Deliveries, GetDeliveries, NewEndpoint
from services.jobs import closing
from services.jobs.closing import TOLD, UNTOLD
from services.webhooks.app import build
from services.webhooks.settings import Settings
from tests.integration.jobs.book import KIND, PATIENT, Book, told, until
from tests.integration.webhooks.receiving import Receiver, listening

WAITS = """
SELECT count(*) > 0 FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND datname = current_database() AND query LIKE '%told_at = NULL%'
"""


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with listening() as receiver:
        yield receiver


@pytest.fixture
def webhooks(nats_server: Nats, database_url: str, receiver: Receiver) -> Settings:
    """As webhooks has them, with the rights of its own."""
    return Settings(
        nats_url=nats_server.url("webhooks"),
        database_url=database_url,
        fetch_allow=[receiver.origin],
        secret_key=["k" * 32],
    )


@asynccontextmanager
async def telling(settings: Settings) -> AsyncIterator[None]:
    """Webhooks as it runs."""
    runner = web.AppRunner(build(settings))
    await runner.setup()
    try:
        yield
    finally:
        await runner.cleanup()


async def done(book: Book, account: AccountId) -> JobId:
    """A job that has closed and was told to the stream, which the book has looked at."""
    await book.sweeping.bring_to_an_end()
    job = await book.start(account, 1)
    await book.work(account, job, [0])
    await book.sweeping.bring_to_an_end()
    assert len(await told(book.bus, job)) == 1
    return job


async def heard(bus: Bus, account: AccountId, made: NewEndpoint, event: UUID) -> None:
    """Wait until an event was delivered, and with it everything before."""

    async def has_been() -> bool:
        ask = GetDeliveries(account=account, endpoint=made.endpoint.id)
        page: Deliveries = await bus.request(ask)
        states = {each.event: each.state for each in page.deliveries}
        return states.get(event) == "delivered" and set(states.values()) == {"delivered"}

    await until(has_been)


async def test_a_job_whose_event_was_lost_before_webhooks_read_it_is_delivered_once(
    book: Book, account: AccountId, bus: Bus, webhooks: Settings, receiver: Receiver
) -> None:
    async with telling(webhooks):
        made = await bus.request(CreateEndpoint(account=account, url=receiver.url))
    job = await done(book, account)
    jetstream = bus.client.jetstream()
    for _ in range(2):
        # the second time it was read already
        await jetstream.delete_stream(EVENTS)
        await book.sweeping.bring_to_an_end()
        (event,) = await told(bus, job)
        last = LowBalance(
            id=uuid4(),
            account=account,
            happened_at=datetime.now(UTC),
            balance=1,
            threshold=2,
        )
        await events.publish(bus, last)
        async with telling(webhooks):
            await heard(bus, account, made, last.id)
    types = [request.json["type"] for request in receiver.told]
    assert sorted(types) == ["job.completed", "wallet.low_balance", "wallet.low_balance"]
    (once,) = [request for request in receiver.told if request.json["type"] == "job.completed"]
    assert once.id == str(event["id"])
    assert once.json["data"]["task_id"] == str(job)


async def test_a_stream_that_was_set_back_is_told_again(
    book: Book, account: AccountId, pool: Pool
) -> None:
    job = await done(book, account)
    told_at = "SELECT told_at FROM jobs.jobs WHERE id = $1"
    before = await pool.fetchval(told_at, job)
    await book.closing.tell_again()
    assert await pool.fetchval(told_at, job) == before
    await pool.execute("UPDATE jobs.stream SET last = last + 1000")
    await book.closing.tell_again()
    assert await pool.fetchval(told_at, job) is None


async def test_what_is_lost_after_the_last_look_is_told_again(
    book: Book, account: AccountId, pool: Pool, bus: Bus
) -> None:
    await done(book, account)
    job = await book.start(account, 1)
    await book.work(account, job, [0])
    come_to = "SELECT last FROM jobs.stream"
    assert await pool.fetchval(come_to) == (await events.standing(bus)).last
    # as if this one had been told in a tail that is gone, and another after that
    await pool.execute("UPDATE jobs.stream SET last = last + 1000")
    before = await pool.fetchval(come_to)
    last = await book.start(account, 1)
    await book.work(account, last, [0])
    assert await pool.fetchval(come_to) == before
    await book.closing.tell_again()
    untold = await pool.fetch("SELECT id FROM jobs.jobs WHERE told_at IS NULL")
    assert {job, last} <= {row["id"] for row in untold}


async def test_a_job_that_another_replica_is_telling_is_not_waited_for(
    book: Book, account: AccountId, pool: Pool, bus: Bus
) -> None:
    job = await done(book, account)
    await pool.execute("UPDATE jobs.jobs SET told_at = NULL WHERE id = $1", job)
    told_at = "SELECT told_at FROM jobs.jobs WHERE id = $1"
    async with pool.acquire() as connection, connection.transaction():
        assert await connection.fetchrow(UNTOLD, account, job) is not None
        async with asyncio.timeout(PATIENT):
            await book.closing.tell(account, job)
        assert await pool.fetchval(told_at, job) is None
    await book.closing.tell(account, job)
    assert await pool.fetchval(told_at, job) is not None


async def add_closed(pool: Pool, account: AccountId, count: int, *, told: bool) -> None:
    """Add jobs that have closed, without items."""
    await pool.execute(
        """
        INSERT INTO jobs.jobs (id, account_id, kind, state, hold, unit_tokens, total, succeeded,
            details, outputs, queued_at, closed_at, told_at)
        SELECT gen_random_uuid(), $1, $2, 'completed', 0, 0, 1, 1,
            '{}', 'outputs/of-none', now(), now(), CASE WHEN $4 THEN now() END
        FROM generate_series(1, $3)
        """,
        account,
        KIND,
        count,
        told,
    )


async def test_what_is_told_again_is_marked_in_parts(
    book: Book, account: AccountId, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "_MARKED_AT_ONCE", 2)
    await book.closing.tell_again()
    await add_closed(pool, account, 5, told=True)
    await pool.execute("UPDATE jobs.stream SET last = last + 1000")
    await book.closing.tell_again()
    untold = "SELECT count(*) FROM jobs.jobs WHERE account_id = $1 AND told_at IS NULL"
    assert await pool.fetchval(untold, account) == 5


async def test_however_many_are_to_be_told_again_a_job_that_closes_comes_first(
    book: Book, account: AccountId, pool: Pool
) -> None:
    job = await book.start(account, 1)
    # more than was held: the wallet refuses that, so the sweep has to close it
    await pool.execute("UPDATE jobs.jobs SET unit_tokens = 100 WHERE id = $1", job)
    await book.work(account, job, [0])
    await pool.execute("UPDATE jobs.jobs SET unit_tokens = 2 WHERE id = $1", job)
    await add_closed(pool, account, 2_000, told=False)
    await book.sweeping.bring_to_an_end()
    assert (await book.job(account, job)).closed


async def test_what_happened_longer_ago_than_the_stream_keeps_is_not_told_again(
    book: Book, account: AccountId, pool: Pool, bus: Bus
) -> None:
    job = await done(book, account)
    await pool.execute(
        "UPDATE jobs.jobs SET closed_at = now() - interval '3 days 1 hour' WHERE id = $1", job
    )
    await bus.client.jetstream().delete_stream(EVENTS)
    for _ in range(2):
        await book.sweeping.bring_to_an_end()
    assert await told(bus, job) == []


async def test_a_job_that_is_being_told_while_the_stream_is_lost_is_told_again(
    book: Book, account: AccountId, pool: Pool, bus: Bus
) -> None:
    job = await done(book, account)
    await pool.execute("UPDATE jobs.jobs SET told_at = NULL WHERE id = $1", job)
    async with pool.acquire() as connection, connection.transaction():
        # somebody has published it to the stream that was there, and has not noted it yet
        assert await connection.fetchrow(UNTOLD, account, job) is not None
        await bus.client.jetstream().delete_stream(EVENTS)
        again = asyncio.create_task(book.closing.tell_again())

        async def waits() -> bool:
            return bool(await pool.fetchval(WAITS))

        await until(waits)
        await connection.execute(TOLD, account, job)
    await again
    await book.sweeping.bring_to_an_end()
    assert len(await told(bus, job)) == 1


async def test_what_many_replicas_let_be_told_again_is_told_once(
    book: Book, account: AccountId, bus: Bus
) -> None:
    job = await done(book, account)
    await bus.client.jetstream().delete_stream(EVENTS)
    await asyncio.gather(*(book.closing.tell_again() for _ in range(8)))
    for _ in range(2):
        await book.sweeping.bring_to_an_end()
    assert len(await told(bus, job)) == 1
