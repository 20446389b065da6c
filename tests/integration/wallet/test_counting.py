"""Tokens are counted where they move, once; and what stands open is read from the books."""

import asyncio
from uuid import uuid4

import pytest

from kit.database import Pool
from proto.errors import IdempotencyConflict, InsufficientTokens
from proto.ids import AccountId, JobId
from proto.wallet import Attach, Refund, Release, Reserve, Settle, TopUp
from services.wallet import counting
from services.wallet.ledger import Ledger
from tests.counted import growing, number

RESERVED = "darkroom_wallet_tokens_reserved_total"
BY_OPERATION = "darkroom_wallet_operation_tokens_reserved_total"
SETTLED = "darkroom_wallet_tokens_settled_total"
REFUNDED = "darkroom_wallet_tokens_refunded_total"
HOLDS = "darkroom_wallet_holds_total"


def hold(account: AccountId, tokens: int, key: str = "", seconds: float = 900.0) -> Reserve:
    return Reserve(
        account=account,
        tokens=tokens,
        key=key or str(uuid4()),
        operation="counting",
        expires_in=seconds,
    )


async def test_tokens_are_counted_once_however_often_one_asks(
    ledger: Ledger, account: AccountId
) -> None:
    with growing() as grown:
        asked = hold(account, 10)
        first = await ledger.reserve(asked)
        await ledger.reserve(asked)
        settle = Settle(account=account, number=first.number, consumed=7)
        await ledger.settle(settle)
        await ledger.settle(settle)
        second = await ledger.reserve(hold(account, 4))
        await ledger.refund(Refund(account=account, number=second.number))
        await ledger.refund(Refund(account=account, number=second.number))
        third = await ledger.reserve(hold(account, 2))
        job = JobId(uuid4())
        await ledger.release(Release(account=account, number=third.number, job=job))
        await ledger.release(Release(account=account, number=third.number, job=job))
        assert grown(RESERVED) == grown(BY_OPERATION, operation="counting") == 16
        assert grown(HOLDS, outcome="held") == 3
        assert grown(SETTLED) == 7
        assert grown(REFUNDED, way="settled") == 3
        assert grown(REFUNDED, way="refunded") == 6
        assert grown(REFUNDED, way="expired") == 0


async def test_refusals_are_counted_by_why(ledger: Ledger, account: AccountId) -> None:
    with growing() as grown:
        with pytest.raises(InsufficientTokens):
            await ledger.reserve(hold(account, 1_000))
        await ledger.reserve(hold(account, 1, key="used"))
        with pytest.raises(IdempotencyConflict):
            await ledger.reserve(hold(account, 2, key="used"))
        assert grown(HOLDS, outcome="short") == 1
        assert grown(HOLDS, outcome="conflict") == 1
        assert grown(RESERVED) == 1


async def test_what_lapses_is_counted_as_such(ledger: Ledger, account: AccountId) -> None:
    with growing() as grown:
        await ledger.reserve(hold(account, 3, seconds=0.01))
        await asyncio.sleep(0.02)
        assert await ledger.expire() == 1
        assert await ledger.expire() == 0
        assert grown(REFUNDED, way="expired") == 3


async def test_top_ups_are_counted_when_they_are_new(ledger: Ledger, account: AccountId) -> None:
    with growing() as grown:
        for _ in range(2):
            await ledger.top_up(TopUp(account=account, tokens=50, key="again"))
        assert grown("darkroom_wallet_tokens_added_total", way="top_up") == 50


async def test_many_at_once_are_told_in_few_batches(ledger: Ledger, account: AccountId) -> None:
    with growing() as grown:
        await asyncio.gather(*(ledger.reserve(hold(account, 1)) for _ in range(50)))
        assert grown("darkroom_wallet_batch_wishes_sum") == 50
        assert 1 <= grown("darkroom_wallet_batch_wishes_count") < 50
        assert grown(RESERVED) == 50


async def test_open_holds_are_read_from_the_books(
    ledger: Ledger, account: AccountId, pool: Pool
) -> None:
    def told(name: str, owner: str) -> float:
        return number(f"darkroom_wallet_{name}", owner=owner)

    await counting.survey(pool)
    calls, jobs = told("open_holds", "call"), told("held_tokens", "job")
    waits = await ledger.reserve(hold(account, 5))
    await ledger.reserve(hold(account, 6, seconds=0.01))
    await ledger.attach(Attach(account=account, number=waits.number, job=JobId(uuid4())))
    await asyncio.sleep(0.05)
    await counting.survey(pool)
    assert told("open_holds", "call") == calls + 1
    assert told("held_tokens", "job") == jobs + 5
    assert told("oldest_hold_age_seconds", "job") > 0
    assert number("darkroom_wallet_hold_overdue_seconds") > 0.03
    await ledger.expire()
    await counting.survey(pool)
    assert number("darkroom_wallet_hold_overdue_seconds") == 0
    await ledger.refund(Refund(account=account, number=waits.number))


async def test_a_balance_that_somebody_bent_is_noticed(
    ledger: Ledger, account: AccountId, pool: Pool
) -> None:
    mine = await ledger.reserve(hold(account, 9))
    await counting.compare(pool)
    assert number("darkroom_wallet_held_mismatch_tokens") == 0
    bend = "UPDATE wallet.accounts SET held = held + $2 WHERE id = $1"
    await pool.execute(bend, account, 2)
    await counting.compare(pool)
    assert number("darkroom_wallet_held_mismatch_tokens") == 2
    await pool.execute(bend, account, -2)
    await counting.compare(pool)
    assert number("darkroom_wallet_held_mismatch_tokens") == 0
    await ledger.refund(Refund(account=account, number=mine.number))
