"""The books over a real PostgreSQL: every way in which tokens move, and what must never happen."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from kit import database
from kit.database import Pool
from proto.errors import IdempotencyConflict, InsufficientTokens, NotFound, ReservationEnded
from proto.ids import AccountId
from proto.wallet import Balance, GetStatement, Refund, Reservation, Reserve, Settle, TopUp
from services.wallet.app import SCHEMA
from services.wallet.batches import Batches
from services.wallet.ledger import Ledger
from services.wallet.statement import reconcile, statement


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    await database.migrate(database_url, "wallet", SCHEMA)
    async with database.connect(database_url, at_most=16) as pool:
        yield pool
        books = await reconcile(pool)
        assert books.discrepancies == []
        assert books.sum_of_all_places == 0


@pytest.fixture
def ledger(pool: Pool) -> Ledger:
    return Ledger(pool, Batches(pool))


@pytest.fixture
async def account(ledger: Ledger) -> AccountId:
    account = AccountId(uuid4())
    await ledger.top_up(TopUp(account=account, tokens=100, key="first", reason="test"))
    return account


def reserve(account: AccountId, tokens: int, key: str = "", units: int = 1) -> Reserve:
    key = key or str(uuid4())
    return Reserve(account=account, tokens=tokens, key=key, operation="face_crop", units=units)


async def lapse(pool: Pool, hold: Reservation) -> None:
    await pool.execute(
        "UPDATE wallet.reservations SET expires_at = now() - interval '1 second' WHERE number = $1",
        hold.number,
    )


async def test_a_reservation_sets_tokens_aside(ledger: Ledger, account: AccountId) -> None:
    hold = await ledger.reserve(reserve(account, 30))
    assert (hold.state, hold.reserved, hold.available) == ("held", 30, 70)
    assert await ledger.balance(account) == Balance(available=70, held=30)


async def test_settling_captures_what_was_consumed_and_gives_back_the_rest(
    ledger: Ledger, account: AccountId
) -> None:
    hold = await ledger.reserve(reserve(account, 30))
    settled = await ledger.settle(Settle(account=account, number=hold.number, consumed=12))
    assert (settled.state, settled.consumed, settled.refunded) == ("settled", 12, 18)
    assert await ledger.balance(account) == Balance(available=88, held=0)


@pytest.mark.parametrize("consumed", [0, 30])
async def test_all_or_nothing_of_a_hold_may_be_consumed(
    ledger: Ledger, account: AccountId, consumed: int
) -> None:
    hold = await ledger.reserve(reserve(account, 30))
    await ledger.settle(Settle(account=account, number=hold.number, consumed=consumed))
    assert (await ledger.balance(account)).available == 100 - consumed


async def test_more_than_was_held_cannot_be_captured(ledger: Ledger, account: AccountId) -> None:
    hold = await ledger.reserve(reserve(account, 30))
    with pytest.raises(ReservationEnded):
        await ledger.settle(Settle(account=account, number=hold.number, consumed=31))
    assert await ledger.balance(account) == Balance(available=70, held=30)


async def test_a_second_settle_changes_nothing(ledger: Ledger, account: AccountId) -> None:
    hold = await ledger.reserve(reserve(account, 30))
    first = await ledger.settle(Settle(account=account, number=hold.number, consumed=12))
    assert await ledger.settle(Settle(account=account, number=hold.number, consumed=12)) == first


async def test_a_settled_hold_cannot_be_settled_otherwise_or_refunded(
    ledger: Ledger, account: AccountId
) -> None:
    hold = await ledger.reserve(reserve(account, 30))
    await ledger.settle(Settle(account=account, number=hold.number, consumed=12))
    with pytest.raises(ReservationEnded) as caught:
        await ledger.settle(Settle(account=account, number=hold.number, consumed=13))
    assert caught.value.state == "settled"
    with pytest.raises(ReservationEnded):
        await ledger.refund(Refund(account=account, number=hold.number))
    assert (await ledger.balance(account)).available == 88


async def test_a_second_refund_changes_nothing(ledger: Ledger, account: AccountId) -> None:
    hold = await ledger.reserve(reserve(account, 30))
    for _ in range(2):
        refunded = await ledger.refund(Refund(account=account, number=hold.number))
        assert (refunded.state, refunded.refunded, refunded.available) == ("refunded", 30, 100)


async def test_a_settle_after_a_refund_takes_nothing(ledger: Ledger, account: AccountId) -> None:
    hold = await ledger.reserve(reserve(account, 30))
    await ledger.refund(Refund(account=account, number=hold.number))
    with pytest.raises(ReservationEnded):
        await ledger.settle(Settle(account=account, number=hold.number, consumed=30))
    assert (await ledger.balance(account)).available == 100


async def test_too_few_tokens_are_told_with_the_shortfall(
    ledger: Ledger, account: AccountId
) -> None:
    with pytest.raises(InsufficientTokens) as caught:
        await ledger.reserve(reserve(account, 104))
    assert (caught.value.balance, caught.value.shortfall) == (100, 4)
    assert (await ledger.balance(account)).available == 100


async def test_an_account_without_a_wallet_owns_nothing(ledger: Ledger) -> None:
    nobody = AccountId(uuid4())
    assert await ledger.balance(nobody) == Balance(available=0, held=0)
    with pytest.raises(InsufficientTokens):
        await ledger.reserve(reserve(nobody, 1))


async def test_the_same_key_reserves_once(ledger: Ledger, account: AccountId) -> None:
    same = reserve(account, 30, key="once")
    holds = await asyncio.gather(*(ledger.reserve(same) for _ in range(50)))
    assert len({hold.number for hold in holds}) == 1
    assert (await ledger.balance(account)).held == 30


async def test_the_same_key_for_something_else_is_a_conflict(
    ledger: Ledger, account: AccountId
) -> None:
    await ledger.reserve(reserve(account, 30, key="once"))
    with pytest.raises(IdempotencyConflict):
        await ledger.reserve(reserve(account, 31, key="once"))


async def test_two_accounts_may_use_the_same_key(ledger: Ledger, account: AccountId) -> None:
    other = AccountId(uuid4())
    await ledger.top_up(TopUp(account=other, tokens=5, key="first"))
    first = await ledger.reserve(reserve(account, 5, key="k"))
    second = await ledger.reserve(reserve(other, 5, key="k"))
    assert first.number != second.number


async def test_another_accounts_hold_is_not_found(ledger: Ledger, account: AccountId) -> None:
    hold = await ledger.reserve(reserve(account, 30))
    stranger = AccountId(uuid4())
    for request in (
        ledger.settle(Settle(account=stranger, number=hold.number, consumed=1)),
        ledger.refund(Refund(account=stranger, number=hold.number)),
    ):
        with pytest.raises(NotFound):
            await request
    assert (await ledger.balance(account)).held == 30


async def test_a_thousand_reservations_on_five_hundred_tokens_leave_exactly_five_hundred(
    ledger: Ledger,
) -> None:
    account = AccountId(uuid4())
    await ledger.top_up(TopUp(account=account, tokens=500, key="first"))
    outcomes = await asyncio.gather(
        *(ledger.reserve(reserve(account, 1)) for _ in range(1000)), return_exceptions=True
    )
    assert sum(isinstance(outcome, Reservation) for outcome in outcomes) == 500
    assert sum(isinstance(outcome, InsufficientTokens) for outcome in outcomes) == 500
    assert await ledger.balance(account) == Balance(available=0, held=500)


async def test_settle_and_refund_at_once_end_a_hold_one_way(
    ledger: Ledger, account: AccountId
) -> None:
    for _ in range(10):
        hold = await ledger.reserve(reserve(account, 2))
        outcomes = await asyncio.gather(
            ledger.settle(Settle(account=account, number=hold.number, consumed=2)),
            ledger.refund(Refund(account=account, number=hold.number)),
            return_exceptions=True,
        )
        assert sum(isinstance(outcome, ReservationEnded) for outcome in outcomes) == 1
    assert (await ledger.balance(account)).held == 0


async def test_a_lapsed_hold_is_released_once_and_cannot_be_settled(
    ledger: Ledger, pool: Pool, account: AccountId
) -> None:
    hold = await ledger.reserve(reserve(account, 30))
    await lapse(pool, hold)
    released = await asyncio.gather(*(ledger.expire() for _ in range(4)))
    assert sum(released) == 1
    assert await ledger.balance(account) == Balance(available=100, held=0)
    with pytest.raises(ReservationEnded) as caught:
        await ledger.settle(Settle(account=account, number=hold.number, consumed=30))
    assert caught.value.state == "expired"
    refunded = await ledger.refund(Refund(account=account, number=hold.number))
    assert (refunded.state, refunded.available) == ("expired", 100)


async def test_a_late_settle_is_refused_even_before_the_sweep(
    ledger: Ledger, pool: Pool, account: AccountId
) -> None:
    hold = await ledger.reserve(reserve(account, 30))
    await lapse(pool, hold)
    with pytest.raises(ReservationEnded) as caught:
        await ledger.settle(Settle(account=account, number=hold.number, consumed=30))
    assert caught.value.state == "expired"
    assert await ledger.expire() == 1


async def test_a_live_hold_is_left_alone_by_the_sweep(ledger: Ledger, account: AccountId) -> None:
    await ledger.reserve(reserve(account, 30))
    assert await ledger.expire() == 0


async def test_a_top_up_counts_once_per_key(ledger: Ledger, account: AccountId) -> None:
    same = TopUp(account=account, tokens=50, key="event-1")
    await asyncio.gather(*(ledger.top_up(same) for _ in range(20)))
    assert (await ledger.balance(account)).available == 150
    with pytest.raises(IdempotencyConflict):
        await ledger.top_up(TopUp(account=account, tokens=51, key="event-1"))


async def test_no_writer_can_bring_a_balance_below_zero(pool: Pool, account: AccountId) -> None:
    for change in (
        "UPDATE wallet.accounts SET available = -1 WHERE id = $1",
        "UPDATE wallet.accounts SET held = -1 WHERE id = $1",
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await pool.execute(change, account)


@pytest.mark.parametrize(
    "statement_",
    [
        "UPDATE wallet.entries SET tokens = 1",
        "DELETE FROM wallet.entries",
        "TRUNCATE wallet.entries",
    ],
)
async def test_an_entry_is_final(pool: Pool, account: AccountId, statement_: str) -> None:
    with pytest.raises(asyncpg.RaiseError):
        await pool.execute(statement_)


async def test_the_statement_tells_newest_first_and_page_by_page(
    ledger: Ledger, pool: Pool, account: AccountId
) -> None:
    holds = [await ledger.reserve(reserve(account, 10, units=5)) for _ in range(3)]
    await ledger.settle(Settle(account=account, number=holds[0].number, consumed=4))
    await ledger.refund(Refund(account=account, number=holds[1].number))
    first = await statement(pool, GetStatement(account=account, limit=3))
    assert [(line.state, line.reserved, line.consumed, line.refunded) for line in first.lines] == [
        ("held", 10, 0, 0),
        ("refunded", 10, 0, 10),
        ("settled", 10, 4, 6),
    ]
    second = await statement(pool, GetStatement(account=account, limit=3, before=first.next_before))
    assert [(line.kind, line.added) for line in second.lines] == [("top_up", 100)]
    assert second.next_before is None


async def test_a_statement_shows_nothing_of_others(
    ledger: Ledger, pool: Pool, account: AccountId
) -> None:
    await ledger.reserve(reserve(account, 10))
    assert (await statement(pool, GetStatement(account=AccountId(uuid4())))).lines == []


async def test_reconciling_finds_a_balance_that_its_entries_do_not_bear_out(
    ledger: Ledger, pool: Pool, account: AccountId
) -> None:
    await pool.execute("UPDATE wallet.accounts SET available = 101 WHERE id = $1", account)
    (found,) = (await reconcile(pool)).discrepancies
    assert (found.cached.available, found.recomputed.available) == (101, 100)
    await pool.execute("UPDATE wallet.accounts SET available = 100 WHERE id = $1", account)
