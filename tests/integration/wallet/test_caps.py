"""Spend caps of API keys: what a key has spent and holds never exceeds its cap."""

import asyncio
from uuid import uuid4

import pytest

from kit.database import Pool
from proto.errors import InsufficientTokens, SpendCapReached
from proto.ids import AccountId, ApiKeyId
from proto.wallet import Balance, Refund, Reservation
from services.wallet.ledger import Ledger
from tests.integration.wallet.books import Replica, account_with, lapse, reserve, settle


@pytest.fixture
def key() -> ApiKeyId:
    return ApiKeyId(uuid4())


async def spent_and_held(pool: Pool, key: ApiKeyId) -> tuple[int, int]:
    row = await pool.fetchrow("SELECT spent, held FROM wallet.spenders WHERE api_key = $1", key)
    assert row is not None
    return row["spent"], row["held"]


async def test_a_cap_is_told_with_what_counts_towards_it(
    ledger: Ledger, account: AccountId, key: ApiKeyId
) -> None:
    first = await ledger.reserve(reserve(account, 4, api_key=key, cap=10))
    await ledger.settle(settle(first, account, 3))
    await ledger.reserve(reserve(account, 5, api_key=key, cap=10))
    with pytest.raises(SpendCapReached) as caught:
        await ledger.reserve(reserve(account, 3, api_key=key, cap=10))
    assert (caught.value.cap, caught.value.spent, caught.value.held) == (10, 3, 5)
    await ledger.reserve(reserve(account, 2, api_key=key, cap=10))


async def test_with_one_token_of_the_cap_left_one_of_two_at_once_passes(
    replicas: list[Replica], account: AccountId
) -> None:
    for _ in range(5):
        key = ApiKeyId(uuid4())
        used = await replicas[0].ledger.reserve(reserve(account, 9, api_key=key, cap=10))
        await replicas[0].ledger.settle(settle(used, account, 9))
        outcomes = await asyncio.gather(
            *(
                replica.ledger.reserve(reserve(account, 1, api_key=key, cap=10))
                for replica in replicas
            ),
            return_exceptions=True,
        )
        assert sum(isinstance(outcome, Reservation) for outcome in outcomes) == 1
        assert sum(isinstance(outcome, SpendCapReached) for outcome in outcomes) == 1


@pytest.mark.parametrize("granted", [(), (400,)])
async def test_fifty_at_a_cap_over_two_wallets_are_never_one_too_many(
    replicas: list[Replica], pool: Pool, granted: tuple[int, ...]
) -> None:
    account = await account_with(replicas[0].ledger, paid=1000, granted=granted)
    keys = [ApiKeyId(uuid4()) for _ in range(2)]

    async def call(index: int) -> object:
        ledger = replicas[index % 2].ledger
        key = keys[index // 2 % 2]
        hold = await ledger.reserve(reserve(account, 3, api_key=key, cap=40))
        if index % 3 == 0:
            await ledger.settle(settle(hold, account, 3))
        return hold

    outcomes = await asyncio.gather(*map(call, range(50)), return_exceptions=True)
    assert sum(isinstance(outcome, Reservation) for outcome in outcomes) == 2 * 13
    assert sum(isinstance(outcome, SpendCapReached) for outcome in outcomes) == 24
    assert [sum(await spent_and_held(pool, key)) for key in keys] == [39, 39]


async def test_what_comes_back_can_be_spent_again(
    ledger: Ledger, pool: Pool, account: AccountId, key: ApiKeyId
) -> None:
    refunded, lapsed, settled = [
        await ledger.reserve(reserve(account, tokens, api_key=key, cap=10)) for tokens in (3, 3, 4)
    ]
    await ledger.refund(Refund(account=account, number=refunded.number))
    await lapse(pool, lapsed)
    await ledger.expire()
    await ledger.settle(settle(settled, account, 1))
    assert await spent_and_held(pool, key) == (1, 0)
    await ledger.reserve(reserve(account, 9, api_key=key, cap=10))


async def test_a_cap_lowered_below_what_was_spent_stops_the_key_but_not_its_holds(
    ledger: Ledger, pool: Pool, account: AccountId, key: ApiKeyId
) -> None:
    spent = await ledger.reserve(reserve(account, 8, api_key=key, cap=20))
    await ledger.settle(settle(spent, account, 8))
    running = await ledger.reserve(reserve(account, 6, api_key=key, cap=20))
    with pytest.raises(SpendCapReached) as caught:
        await ledger.reserve(reserve(account, 1, api_key=key, cap=5))
    assert (caught.value.cap, caught.value.spent, caught.value.held) == (5, 8, 6)
    await ledger.settle(settle(running, account, 6))
    assert await spent_and_held(pool, key) == (14, 0)


async def test_a_cap_of_nothing_lets_nothing_through(
    ledger: Ledger, account: AccountId, key: ApiKeyId
) -> None:
    with pytest.raises(SpendCapReached):
        await ledger.reserve(reserve(account, 1, api_key=key, cap=0))
    assert await ledger.balance(account) == Balance(available=100, held=0)


async def test_a_key_without_a_cap_is_counted_all_the_same(
    ledger: Ledger, pool: Pool, account: AccountId, key: ApiKeyId
) -> None:
    await ledger.reserve(reserve(account, 30, api_key=key))
    assert await spent_and_held(pool, key) == (0, 30)
    with pytest.raises(SpendCapReached):
        await ledger.reserve(reserve(account, 1, api_key=key, cap=30))


async def test_a_cap_without_a_key_binds_nobody(ledger: Ledger, account: AccountId) -> None:
    await ledger.reserve(reserve(account, 30, cap=1))


async def test_a_cap_beyond_what_can_be_counted_binds_nobody(
    ledger: Ledger, account: AccountId, key: ApiKeyId
) -> None:
    await ledger.reserve(reserve(account, 30, api_key=key, cap=2**64 - 1))


async def test_other_keys_and_people_who_log_in_are_not_bound(
    ledger: Ledger, account: AccountId, key: ApiKeyId
) -> None:
    await ledger.reserve(reserve(account, 10, api_key=key, cap=10))
    await ledger.reserve(reserve(account, 10, api_key=ApiKeyId(uuid4()), cap=10))
    await ledger.reserve(reserve(account, 10))


async def test_the_same_key_of_idempotency_is_answered_at_the_cap(
    ledger: Ledger, account: AccountId, key: ApiKeyId
) -> None:
    request = reserve(account, 10, "once", api_key=key, cap=10)
    assert await ledger.reserve(request) == await ledger.reserve(request)


async def test_an_account_that_is_short_is_told_so_before_its_key_is(
    ledger: Ledger, account: AccountId, key: ApiKeyId
) -> None:
    with pytest.raises(InsufficientTokens):
        await ledger.reserve(reserve(account, 101, api_key=key, cap=10))
