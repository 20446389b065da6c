"""Messages that come twice, late, in the wrong order, or from somebody who has gone."""

import asyncio
from datetime import timedelta

import pytest

from kit.database import Pool
from proto.errors import IdempotencyConflict, InsufficientTokens, ReservationEnded
from proto.ids import AccountId
from proto.wallet import Balance, Refund, Reservation, Settle
from services.wallet.batches import Batches
from services.wallet.ledger import Ledger
from services.wallet.statement import reconcile
from tests.integration.wallet.books import Replica, account_with, lapse, reserve, settle


async def test_a_thousand_holds_at_once_over_two_wallets_spend_what_there_is_and_no_more(
    replicas: list[Replica],
) -> None:
    ledger = replicas[0].ledger
    account = await account_with(ledger, paid=300, granted=(50, 150))
    outcomes = await asyncio.gather(
        *(replicas[index % 2].ledger.reserve(reserve(account, 1)) for index in range(1000)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, Reservation) for outcome in outcomes) == 500
    assert sum(isinstance(outcome, InsufficientTokens) for outcome in outcomes) == 500
    assert await ledger.balance(account) == Balance(available=0, held=500)


async def test_a_hundred_with_the_same_key_over_two_wallets_get_the_same_answer(
    replicas: list[Replica], pool: Pool, account: AccountId
) -> None:
    same = reserve(account, 30, key="once")
    holds = await asyncio.gather(*(replica.ledger.reserve(same) for replica in replicas * 50))
    assert set(map(repr, holds)) == {repr(holds[0])}
    ends = await asyncio.gather(
        *(replica.ledger.settle(settle(holds[0], account, 30)) for replica in replicas * 50)
    )
    assert set(map(repr, ends)) == {repr(ends[0])}
    assert await ledger_entries(pool, holds[0]) == 2


async def ledger_entries(pool: Pool, hold: Reservation) -> int:
    return int(
        await pool.fetchval("SELECT count(*) FROM wallet.entries WHERE number = $1", hold.number)
    )


async def test_the_same_key_at_once_for_something_else_is_a_conflict_for_one_of_them(
    replicas: list[Replica], account: AccountId
) -> None:
    for number in range(10):
        outcomes = await asyncio.gather(
            *(
                replica.ledger.reserve(reserve(account, tokens, key=f"k{number}"))
                for tokens, replica in enumerate(replicas, 1)
            ),
            return_exceptions=True,
        )
        assert sum(isinstance(outcome, Reservation) for outcome in outcomes) == 1
        assert sum(isinstance(outcome, IdempotencyConflict) for outcome in outcomes) == 1


async def test_a_reply_that_got_lost_is_given_again_by_another_wallet(
    replicas: list[Replica], account: AccountId
) -> None:
    request = reserve(account, 30)
    lost = await replicas[0].ledger.reserve(request)
    again = await replicas[1].ledger.reserve(request)
    assert (again.number, again.available) == (lost.number, 70)
    ended = settle(lost, account, 12)
    assert await replicas[0].ledger.settle(ended) == await replicas[1].ledger.settle(ended)
    third = await Ledger(replicas[1].pool, Batches(replicas[1].pool)).reserve(request)
    assert (third.state, third.consumed, third.refunded) == ("settled", 12, 18)


async def test_a_hold_that_nobody_comes_back_for_is_released_and_the_books_sum_to_zero(
    ledger: Ledger, pool: Pool, account: AccountId
) -> None:
    hold = await ledger.reserve(reserve(account, 30))
    await lapse(pool, hold)
    assert await ledger.expire() == 1
    assert await ledger.balance(account) == Balance(available=100, held=0)
    assert (await reconcile(pool)).sum_of_all_places == 0


async def test_a_refund_before_the_settlement_stands(ledger: Ledger, account: AccountId) -> None:
    hold = await ledger.reserve(reserve(account, 30))
    await ledger.refund(Refund(account=account, number=hold.number))
    for consumed in (0, 12, 30):
        with pytest.raises(ReservationEnded) as caught:
            await ledger.settle(settle(hold, account, consumed))
        assert caught.value.state == "refunded"
    assert await ledger.balance(account) == Balance(available=100, held=0)


async def test_ends_that_come_again_and_again_in_any_order_change_nothing(
    replicas: list[Replica], pool: Pool, account: AccountId
) -> None:
    ledger = replicas[0].ledger
    hold = await ledger.reserve(reserve(account, 30))
    await ledger.settle(settle(hold, account, 12))
    for _ in range(3):
        outcomes = await asyncio.gather(
            *(
                replica.ledger.refund(Refund(account=account, number=hold.number))
                for replica in replicas
            ),
            *(replica.ledger.settle(settle(hold, account, 12)) for replica in replicas),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes] == [ReservationEnded] * 2 + [Reservation] * 2
    assert await ledger_entries(pool, hold) == 3
    assert await ledger.balance(account) == Balance(available=88, held=0)


async def test_work_that_ends_after_its_hold_was_refunded_or_has_lapsed_costs_nothing(
    ledger: Ledger, pool: Pool, account: AccountId
) -> None:
    cancelled, late = [await ledger.reserve(reserve(account, 30)) for _ in range(2)]
    await ledger.refund(Refund(account=account, number=cancelled.number))
    await lapse(pool, late)
    for hold, state in ((cancelled, "refunded"), (late, "expired")):
        with pytest.raises(ReservationEnded) as caught:
            await ledger.settle(settle(hold, account, 30))
        assert caught.value.state == state
    await ledger.expire()
    assert await ledger.balance(account) == Balance(available=100, held=0)
    assert (await reconcile(pool)).discrepancies == []


@pytest.mark.parametrize("many", [1, 40])
async def test_settling_lapsing_and_refunding_at_once_end_a_hold_one_way(
    replicas: list[Replica], pool: Pool, account: AccountId, many: int
) -> None:
    first, second = (replica.ledger for replica in replicas)
    holds = [await first.reserve(reserve(account, 2)) for _ in range(many)]
    for hold in holds[::2]:
        await lapse(pool, hold)

    async def end(hold: Reservation) -> list[Reservation | BaseException]:
        return list(
            await asyncio.gather(
                first.settle(settle(hold, account, 1)),
                second.refund(Refund(account=account, number=hold.number)),
                return_exceptions=True,
            )
        )

    outcomes, *_ = await asyncio.gather(
        asyncio.gather(*map(end, holds)), first.expire(), second.expire()
    )
    consumed = 0
    for settled, refunded in outcomes:
        if isinstance(settled, Reservation):
            assert isinstance(refunded, ReservationEnded)
            consumed += 1
        else:
            assert isinstance(settled, ReservationEnded)
            assert isinstance(refunded, Reservation)
            assert refunded.refunded == 2
    assert await first.balance(account) == Balance(available=100 - consumed, held=0)


@pytest.mark.parametrize("skew", [timedelta(hours=-1), timedelta(hours=1)])
async def test_leases_are_the_databases_business_however_our_clock_goes(
    ledger: Ledger, pool: Pool, account: AccountId, skew: timedelta
) -> None:
    """The database's clock jumps over a lease of fifteen minutes, or back by an hour."""
    hold = await ledger.reserve(reserve(account, 30))
    await pool.execute(
        "UPDATE wallet.reservations SET expires_at = expires_at - $2::interval WHERE number = $1",
        hold.number,
        skew,
    )
    request = Settle(account=account, number=hold.number, consumed=30)
    if skew > timedelta():
        with pytest.raises(ReservationEnded):
            await ledger.settle(request)
        assert await ledger.expire() == 1
        assert await ledger.balance(account) == Balance(available=100, held=0)
    else:
        assert await ledger.expire() == 0
        assert (await ledger.settle(request)).consumed == 30
