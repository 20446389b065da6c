"""Low balances: told once when they fall below what an account named, as events on the bus."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from kit.bus import Bus
from kit.database import Pool
from kit.ending import end
from kit.events import Happened, Reader
from proto.errors import Unavailable
from proto.events import STREAM, LowBalance
from proto.ids import AccountId
from proto.wallet import Refund
from services.wallet import thresholds
from services.wallet.ledger import Ledger
from tests.integration.wallet.books import (
    Replica,
    account_with,
    lapse_grants,
    reserve,
    settle,
    top_up,
)


async def told(pool: Pool, account: AccountId) -> list[int]:
    """The balances that were noted and are not published."""
    rows = await pool.fetch(
        """
        SELECT balance FROM wallet.low_balances
        WHERE account_id = $1 AND told_at IS NULL ORDER BY happened_at
        """,
        account,
    )
    return [row["balance"] for row in rows]


async def test_an_account_is_told_once_when_it_falls_below(
    ledger: Ledger, pool: Pool, account: AccountId
) -> None:
    assert (await thresholds.put(pool, account, 50)).tokens == 50
    assert (await thresholds.get(pool, account)).tokens == 50
    await ledger.reserve(reserve(account, 50))
    assert await told(pool, account) == []
    for _ in range(3):
        await ledger.reserve(reserve(account, 1))
    assert await told(pool, account) == [49]


async def test_what_comes_back_is_no_reason_to_tell_again(
    ledger: Ledger, pool: Pool, account: AccountId
) -> None:
    await thresholds.put(pool, account, 50)
    for _ in range(2):
        hold = await ledger.reserve(reserve(account, 60))
        await ledger.refund(Refund(account=account, number=hold.number))
    assert await told(pool, account) == [40]


async def test_filled_up_it_is_told_again(ledger: Ledger, pool: Pool, account: AccountId) -> None:
    await thresholds.put(pool, account, 50)
    hold = await ledger.reserve(reserve(account, 60))
    await ledger.settle(settle(hold, account, 60))
    await ledger.top_up(top_up(account, 9))  # 49: still low
    await ledger.reserve(reserve(account, 1))
    assert await told(pool, account) == [40]
    await ledger.top_up(top_up(account, 2))  # 50: not low any more
    await ledger.reserve(reserve(account, 1))
    assert await told(pool, account) == [40, 49]


async def test_a_threshold_above_the_balance_has_nothing_to_tell(
    ledger: Ledger, pool: Pool, account: AccountId
) -> None:
    await thresholds.put(pool, account, 200)
    await ledger.reserve(reserve(account, 1))
    assert await told(pool, account) == []


async def test_a_threshold_set_before_the_first_tokens_tells_from_the_first_fall_on(
    ledger: Ledger, pool: Pool
) -> None:
    account = await account_with(ledger)
    assert (await thresholds.get(pool, account)).tokens is None
    await thresholds.put(pool, account, 20)
    await ledger.top_up(top_up(account, 10))
    await ledger.reserve(reserve(account, 1))
    assert await told(pool, account) == []
    await ledger.top_up(top_up(account, 11))
    await ledger.reserve(reserve(account, 1))
    assert await told(pool, account) == [19]


async def test_no_threshold_tells_nothing(ledger: Ledger, pool: Pool, account: AccountId) -> None:
    await thresholds.put(pool, account, 50)
    await thresholds.put(pool, account, None)
    await ledger.reserve(reserve(account, 100))
    assert await told(pool, account) == []


async def test_a_balance_falls_by_what_lapses_too(ledger: Ledger, pool: Pool) -> None:
    account = await account_with(ledger, paid=10, granted=(30,))
    await thresholds.put(pool, account, 20)
    await lapse_grants(pool, account)
    await ledger.expire()
    assert await told(pool, account) == [10]


async def test_many_falls_at_once_over_two_wallets_are_told_once(
    replicas: list[Replica], pool: Pool, account: AccountId
) -> None:
    await thresholds.put(pool, account, 60)
    await asyncio.gather(
        *(replica.ledger.reserve(reserve(account, 1)) for replica in replicas * 50)
    )
    (balance,) = await told(pool, account)
    assert balance < 60


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    bus = await Bus.connect(nats_url, "test of thresholds")
    yield bus
    await bus.close()


@pytest.fixture
async def heard(bus: Bus) -> AsyncIterator["asyncio.Queue[Happened]"]:
    """What the stream of events keeps."""
    queue: asyncio.Queue[Happened] = asyncio.Queue()
    reading = asyncio.create_task(Reader(bus, f"test-{uuid4().hex}").run(queue.put))
    yield queue
    await end(reading)


async def test_a_fall_is_published_once(
    ledger: Ledger,
    pool: Pool,
    account: AccountId,
    bus: Bus,
    heard: "asyncio.Queue[Happened]",
) -> None:
    await thresholds.publish(pool, bus)  # what other tests left
    await thresholds.put(pool, account, 50)
    await ledger.reserve(reserve(account, 60))
    assert sum(await asyncio.gather(*(thresholds.publish(pool, bus) for _ in range(4)))) == 1
    async with asyncio.timeout(10):
        event = await heard.get()
        while event.account != account:
            event = await heard.get()
    assert event.type == LowBalance.type
    assert (event.fields["balance"], event.fields["threshold"]) == (40, 50)
    assert await told(pool, account) == []


@pytest.mark.parametrize("how", ["gone", "set back"])
async def test_a_fall_that_the_stream_has_lost_is_published_again(
    ledger: Ledger, pool: Pool, account: AccountId, bus: Bus, how: str
) -> None:
    await thresholds.tell_again(pool, bus)
    await thresholds.put(pool, account, 50)
    await ledger.reserve(reserve(account, 60))
    await thresholds.publish(pool, bus)
    for _ in range(2):
        await thresholds.tell_again(pool, bus)
    assert await told(pool, account) == []
    if how == "gone":
        await bus.client.jetstream().delete_stream(STREAM)
    else:
        await pool.execute("UPDATE wallet.stream SET last = last + 1000")
    await thresholds.tell_again(pool, bus)
    assert await told(pool, account) == [40]
    await thresholds.publish(pool, bus)
    await thresholds.tell_again(pool, bus)
    assert await told(pool, account) == []


async def test_how_far_the_stream_has_come_is_known_from_what_was_told(
    ledger: Ledger, pool: Pool, account: AccountId, bus: Bus
) -> None:
    await thresholds.publish(pool, bus)  # what other tests left
    await thresholds.tell_again(pool, bus)
    before = await pool.fetchval("SELECT last FROM wallet.stream")
    await thresholds.put(pool, account, 50)
    await ledger.reserve(reserve(account, 60))
    assert await thresholds.publish(pool, bus) == 1
    assert await pool.fetchval("SELECT last FROM wallet.stream") == before + 1


async def test_a_fall_is_forgotten_when_the_stream_would_not_keep_it_either(
    ledger: Ledger, pool: Pool, account: AccountId, bus: Bus
) -> None:
    async def noted() -> int:
        count = "SELECT count(*) FROM wallet.low_balances WHERE account_id = $1"
        return int(await pool.fetchval(count, account))

    await thresholds.put(pool, account, 50)
    await ledger.reserve(reserve(account, 60))
    await pool.execute(
        "UPDATE wallet.low_balances SET happened_at = now() - interval '4 days' "
        "WHERE account_id = $1",
        account,
    )
    await thresholds.forget(pool)
    assert await noted() == 1
    await thresholds.publish(pool, bus)
    await thresholds.forget(pool)
    assert await noted() == 1
    await pool.execute("UPDATE wallet.low_balances SET told_at = told_at - interval '3 days'")
    await thresholds.forget(pool)
    assert await noted() == 0


async def test_a_fall_that_cannot_be_published_is_kept(
    ledger: Ledger, pool: Pool, account: AccountId, nats_url: str
) -> None:
    await thresholds.put(pool, account, 50)
    await ledger.reserve(reserve(account, 60))
    bus = await Bus.connect(nats_url, "gone")
    await bus.close()
    with pytest.raises(Unavailable):
        await thresholds.publish(pool, bus)
    assert await told(pool, account) == [40]
