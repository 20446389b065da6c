"""Calls that are sent again: one attempt works, the others get its answer."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from kit import database
from kit.database import Pool
from proto.errors import IdempotencyConflict
from proto.ids import AccountId
from proto.wallet import AbandonCall, AnswerCall, BeginCall, Call, CallAnswer
from services.wallet import calls
from services.wallet.app import SCHEMA

ANSWER = CallAnswer(status=200, content_type="application/json", body=b'{"tokens_deducted":2}')


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    await database.migrate(database_url, "wallet", SCHEMA)
    async with database.connect(database_url, at_most=16) as pool:
        yield pool


@pytest.fixture
def account() -> AccountId:
    return AccountId(uuid4())


def begin(account: AccountId, sent: bytes = b"a", key: str = "k") -> BeginCall:
    return BeginCall(account=account, key=key, fingerprint=sent * 32, lease_seconds=60)


def answered(account: AccountId, call: Call) -> AnswerCall:
    assert call.attempt is not None
    return AnswerCall(account=account, key="k", attempt=call.attempt, answer=ANSWER)


async def lapse(pool: Pool, account: AccountId) -> None:
    await pool.execute(
        "UPDATE wallet.calls SET lease_ends = now() - interval '1 second' WHERE account_id = $1",
        account,
    )


async def test_of_a_hundred_at_once_one_begins(pool: Pool, account: AccountId) -> None:
    found = await asyncio.gather(*(calls.begin(pool, begin(account)) for _ in range(100)))
    assert sorted(call.state for call in found) == ["begun"] + ["under_way"] * 99


async def test_an_answered_call_is_answered_the_same_again(pool: Pool, account: AccountId) -> None:
    first = await calls.begin(pool, begin(account))
    assert await calls.answer(pool, answered(account, first))
    again = await calls.begin(pool, begin(account))
    assert (again.state, again.answer) == ("answered", ANSWER)


async def test_another_request_under_the_same_key_is_refused(
    pool: Pool, account: AccountId
) -> None:
    first = await calls.begin(pool, begin(account))
    with pytest.raises(IdempotencyConflict):
        await calls.begin(pool, begin(account, b"b"))
    await calls.answer(pool, answered(account, first))
    with pytest.raises(IdempotencyConflict):
        await calls.begin(pool, begin(account, b"b"))


async def test_accounts_do_not_share_their_keys(pool: Pool, account: AccountId) -> None:
    first = await calls.begin(pool, begin(account))
    await calls.answer(pool, answered(account, first))
    other = await calls.begin(pool, begin(AccountId(uuid4()), b"b"))
    assert other.state == "begun"


async def test_an_abandoned_call_may_be_sent_again_at_once_and_is_the_same(
    pool: Pool, account: AccountId
) -> None:
    first = await calls.begin(pool, begin(account))
    assert first.attempt is not None
    assert await calls.abandon(pool, AbandonCall(account=account, key="k", attempt=first.attempt))
    with pytest.raises(IdempotencyConflict):
        await calls.begin(pool, begin(account, b"b"))
    second = await calls.begin(pool, begin(account))
    assert (second.state, second.id) == ("begun", first.id)
    assert second.attempt != first.attempt


async def test_a_dead_attempt_is_followed_by_one_other_and_can_no_longer_end_the_call(
    pool: Pool, account: AccountId
) -> None:
    dead = await calls.begin(pool, begin(account))
    await lapse(pool, account)
    with pytest.raises(IdempotencyConflict):
        await calls.begin(pool, begin(account, b"b"))
    found = await asyncio.gather(*(calls.begin(pool, begin(account)) for _ in range(10)))
    assert sorted(call.state for call in found) == ["begun"] + ["under_way"] * 9
    assert not await calls.answer(pool, answered(account, dead))
    assert dead.attempt is not None
    abandon = AbandonCall(account=account, key="k", attempt=dead.attempt)
    assert not await calls.abandon(pool, abandon)
    (second,) = (call for call in found if call.state == "begun")
    assert second.id == dead.id
    assert await calls.answer(pool, answered(account, second))


async def test_an_answer_is_not_changed_by_what_comes_late(pool: Pool, account: AccountId) -> None:
    first = await calls.begin(pool, begin(account))
    await calls.answer(pool, answered(account, first))
    await lapse(pool, account)
    assert not await calls.answer(pool, answered(account, first))
    assert (await calls.begin(pool, begin(account))).state == "answered"


async def test_after_a_day_a_key_is_forgotten(pool: Pool, account: AccountId) -> None:
    first = await calls.begin(pool, begin(account))
    await calls.answer(pool, answered(account, first))
    await calls.forget(pool)
    assert (await calls.begin(pool, begin(account))).state == "answered"
    await pool.execute(
        "UPDATE wallet.calls SET forget_at = now() - interval '1 second' WHERE account_id = $1",
        account,
    )
    another = await calls.begin(pool, begin(account, b"b"))
    assert another.state == "begun"
    # and paid for by itself
    assert another.id != first.id
    await pool.execute(
        "UPDATE wallet.calls SET forget_at = now() - interval '1 second' WHERE account_id = $1",
        account,
    )
    await calls.forget(pool)
    known = "SELECT count(*) FROM wallet.calls WHERE account_id = $1"
    assert await pool.fetchval(known, account) == 0
