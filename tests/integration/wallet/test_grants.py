"""Tokens that lapse: spent first, given back where they came from, and gone when their time is."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from kit.database import Pool
from proto.errors import IdempotencyConflict, InsufficientTokens, InvalidRequest
from proto.ids import AccountId, ApiKeyId
from proto.wallet import Balance, Grant, Refund
from services.wallet.ledger import Ledger
from tests.integration.wallet.books import (
    Replica,
    account_with,
    grant,
    lapse,
    lapse_grants,
    place_sums,
    reserve,
    settle,
)


@pytest.fixture
async def account(ledger: Ledger) -> AccountId:
    """Ten paid for; five that lapse first, and seven that lapse later."""
    return await account_with(ledger, paid=10, granted=(5, 7))


async def remaining(pool: Pool, account: AccountId) -> list[tuple[int, int]]:
    rows = await pool.fetch(
        "SELECT remaining, expired FROM wallet.grants WHERE account_id = $1 ORDER BY expires_at",
        account,
    )
    return [(row["remaining"], row["expired"]) for row in rows]


async def test_granted_tokens_are_part_of_what_can_be_spent(
    ledger: Ledger, account: AccountId
) -> None:
    assert await ledger.balance(account) == Balance(available=22, held=0, promotional=12)


async def test_what_lapses_first_is_spent_first_and_what_was_paid_for_last(
    ledger: Ledger, pool: Pool, account: AccountId
) -> None:
    await ledger.reserve(reserve(account, 4))
    assert await remaining(pool, account) == [(1, 0), (7, 0)]
    await ledger.reserve(reserve(account, 3))
    assert await remaining(pool, account) == [(0, 0), (5, 0)]
    hold = await ledger.reserve(reserve(account, 9))
    assert hold.available == 6
    assert await ledger.balance(account) == Balance(available=6, held=16)


async def test_a_refund_goes_back_into_the_grants_it_came_from(
    ledger: Ledger, pool: Pool, account: AccountId
) -> None:
    hold = await ledger.reserve(reserve(account, 15))
    await ledger.refund(Refund(account=account, number=hold.number))
    assert await remaining(pool, account) == [(5, 0), (7, 0)]
    assert await ledger.balance(account) == Balance(available=22, held=0, promotional=12)


async def test_a_settlement_consumes_what_lapses_first(
    ledger: Ledger, pool: Pool, account: AccountId
) -> None:
    hold = await ledger.reserve(reserve(account, 15))
    settled = await ledger.settle(settle(hold, account, 6))
    assert (settled.refunded, settled.available) == (9, 16)
    assert await remaining(pool, account) == [(0, 0), (6, 0)]


@pytest.mark.parametrize("consumed", range(0, 16, 3))
async def test_however_much_is_consumed_the_books_are_in_order(
    ledger: Ledger, account: AccountId, consumed: int
) -> None:
    hold = await ledger.reserve(reserve(account, 15))
    await ledger.settle(settle(hold, account, consumed))
    balance = await ledger.balance(account)
    assert balance.available == 22 - consumed
    assert balance.promotional == max(0, 12 - consumed)


async def test_lapsed_tokens_cannot_be_spent_though_the_sweep_has_not_come_by(
    ledger: Ledger, pool: Pool, account: AccountId
) -> None:
    await lapse_grants(pool, account)
    assert await ledger.balance(account) == Balance(available=10, held=0)
    with pytest.raises(InsufficientTokens) as caught:
        await ledger.reserve(reserve(account, 11))
    assert (caught.value.balance, caught.value.shortfall) == (10, 1)
    assert (await ledger.reserve(reserve(account, 10))).available == 0
    assert await remaining(pool, account) == [(0, 5), (0, 7)]


async def test_the_sweep_takes_what_lapsed_once(
    replicas: list[Replica], pool: Pool, account: AccountId
) -> None:
    await lapse_grants(pool, account, tokens=5)
    released = await asyncio.gather(*(replica.ledger.expire() for replica in replicas * 3))
    assert sum(released) == 1
    assert await remaining(pool, account) == [(0, 5), (7, 0)]


async def test_what_a_refund_brings_back_too_late_lapses_at_once(
    ledger: Ledger, pool: Pool, account: AccountId
) -> None:
    hold = await ledger.reserve(reserve(account, 15))
    await lapse_grants(pool, account, tokens=5)
    refunded = await ledger.refund(Refund(account=account, number=hold.number))
    assert (refunded.refunded, refunded.available) == (15, 17)
    assert await remaining(pool, account) == [(0, 5), (7, 0)]


async def test_a_hold_whose_lease_and_whose_grants_lapse_together_gives_back_what_was_paid(
    ledger: Ledger, pool: Pool, account: AccountId
) -> None:
    hold = await ledger.reserve(reserve(account, 15))
    await lapse(pool, hold)
    await lapse_grants(pool, account)
    await ledger.expire()
    assert await ledger.balance(account) == Balance(available=10, held=0)


async def test_what_is_held_may_be_consumed_though_its_grant_has_lapsed(
    ledger: Ledger, pool: Pool, account: AccountId
) -> None:
    hold = await ledger.reserve(reserve(account, 5))
    await lapse_grants(pool, account)
    assert (await ledger.settle(settle(hold, account, 5))).consumed == 5
    assert await ledger.balance(account) == Balance(available=10, held=0)


async def test_a_grant_counts_once_per_key(replicas: list[Replica], account: AccountId) -> None:
    same = grant(account, 3, key="welcome")
    await asyncio.gather(*(replica.ledger.grant(same) for replica in replicas * 10))
    ledger = replicas[0].ledger
    assert (await ledger.balance(account)).promotional == 15
    for other in (grant(account, 4, key="welcome"), grant(account, 3, key="welcome", days=31)):
        with pytest.raises(IdempotencyConflict):
            await ledger.grant(other)


async def test_a_grant_sent_again_after_it_lapsed_gives_nothing(
    ledger: Ledger, pool: Pool, account: AccountId
) -> None:
    moment = datetime.now(UTC) - timedelta(seconds=1)
    await ledger.grant(grant(account, 3, key="welcome"))
    await pool.execute("UPDATE wallet.grants SET expires_at = $1 WHERE key = 'welcome'", moment)
    again = Grant(account=account, tokens=3, key="welcome", expires_at=moment)
    assert (await ledger.grant(again)).promotional == 12


async def test_a_grant_of_the_past_is_refused(ledger: Ledger, account: AccountId) -> None:
    with pytest.raises(InvalidRequest):
        await ledger.grant(grant(account, 3, days=-1))


async def test_a_grant_opens_the_wallet_of_an_account_that_has_none(ledger: Ledger) -> None:
    account = await account_with(ledger, granted=(4,))
    assert await ledger.balance(account) == Balance(available=4, held=0, promotional=4)


async def test_tokens_only_move_whatever_happens_to_them(ledger: Ledger, pool: Pool) -> None:
    async with pool.acquire() as connection:
        before = await place_sums(connection)
        account = await account_with(ledger, paid=10, granted=(5, 7))
        kept, spent, _ = [await ledger.reserve(reserve(account, 6)) for _ in range(3)]
        await ledger.refund(Refund(account=account, number=kept.number))
        await ledger.settle(settle(spent, account, 4))
        await lapse_grants(pool, account)
        await ledger.expire()
        after = await place_sums(connection)
    moved = {place: tokens - before.get(place, 0) for place, tokens in after.items()}
    assert sum(moved.values()) == 0
    assert moved["house:revenue"] == 4
    assert moved["house:top_ups"] == -10
    assert moved["held"] == 6
    balance = await ledger.balance(account)
    # what was given and has not come back is spent, held or still there
    assert -moved["house:grants"] - moved["promotional"] + 10 == 4 + 6 + balance.available


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE wallet.accounts SET promotional = -1 WHERE id = $1",
        "UPDATE wallet.grants SET remaining = tokens + 1 WHERE account_id = $1",
        "UPDATE wallet.grants SET remaining = -1 WHERE account_id = $1",
        "UPDATE wallet.grants SET expired = 1, remaining = tokens WHERE account_id = $1",
        "UPDATE wallet.reservations SET promotional = reserved + 1 WHERE account_id = $1",
        "UPDATE wallet.reservations SET promotional = -1 WHERE account_id = $1",
        "UPDATE wallet.reservations SET consumed = 1 WHERE account_id = $1",
        "UPDATE wallet.reservations SET expires_at = NULL WHERE account_id = $1",
        "UPDATE wallet.spenders SET held = -1 WHERE account_id = $1",
        "UPDATE wallet.spenders SET spent = -1 WHERE account_id = $1",
    ],
)
async def test_no_writer_can_commit_what_cannot_be(
    ledger: Ledger, pool: Pool, account: AccountId, change: str
) -> None:
    await ledger.reserve(reserve(account, 5, api_key=ApiKeyId(uuid4())))
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute(change, account)
