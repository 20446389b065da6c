"""Tokens that are bought: a payment adds its tokens once, whatever the message that tells of it."""

import asyncio

import pytest

from proto.errors import IdempotencyConflict
from proto.ids import AccountId
from proto.wallet import Balance
from services.wallet.ledger import Ledger
from tests.integration.wallet.books import Replica, account_with, reserve, top_up


async def test_a_payment_counts_once_under_different_keys(
    ledger: Ledger, account: AccountId
) -> None:
    for key in ("event-1", "event-2", "event-1"):
        balance = await ledger.top_up(top_up(account, 50, key, "pay_1"))
        assert balance == Balance(available=150, held=0)


async def test_a_payment_counts_once_when_it_is_told_many_times_at_once(
    replicas: list[Replica],
) -> None:
    ledger = replicas[0].ledger
    account = await account_with(ledger)  # opened by whichever comes first
    balances = await asyncio.gather(
        *(
            replicas[index % 2].ledger.top_up(top_up(account, 50, f"event-{index}", "pay_2"))
            for index in range(30)
        )
    )
    assert {balance.available for balance in balances} == {50}


async def test_a_payment_cannot_be_anothers_too(ledger: Ledger, account: AccountId) -> None:
    other = await account_with(ledger, paid=1)
    await ledger.top_up(top_up(account, 50, "event", "pay_3"))
    with pytest.raises(IdempotencyConflict):
        await ledger.top_up(top_up(other, 50, "event", "pay_3"))
    assert (await ledger.balance(other)).available == 1


async def test_a_payment_that_two_accounts_claim_at_once_is_given_to_one(
    replicas: list[Replica],
) -> None:
    ledger = replicas[0].ledger
    for number in range(10):
        accounts = [await account_with(ledger) for _ in range(2)]
        outcomes = await asyncio.gather(
            *(
                replica.ledger.top_up(top_up(account, 50, reference=f"claimed {number}"))
                for replica, account in zip(replicas, accounts, strict=True)
            ),
            return_exceptions=True,
        )
        assert sum(isinstance(outcome, Balance) for outcome in outcomes) == 1
        assert sum(isinstance(outcome, IdempotencyConflict) for outcome in outcomes) == 1
        balances = [(await ledger.balance(account)).available for account in accounts]
        assert sorted(balances) == [0, 50]


async def test_a_key_that_comes_back_with_another_payment_is_a_conflict(
    ledger: Ledger, account: AccountId
) -> None:
    """To swallow it would take the customer's money for nothing."""
    await ledger.top_up(top_up(account, 50, "event", "pay_4"))
    with pytest.raises(IdempotencyConflict):
        await ledger.top_up(top_up(account, 50, "event", "pay_5"))
    assert (await ledger.balance(account)).available == 150


async def test_top_ups_without_a_payment_do_not_stand_for_each_other(
    ledger: Ledger, account: AccountId
) -> None:
    for key in ("a", "b"):
        await ledger.top_up(top_up(account, 5, key))
    assert (await ledger.balance(account)).available == 110


async def test_two_accounts_may_use_the_same_key(ledger: Ledger, account: AccountId) -> None:
    other = await account_with(ledger, paid=1)
    for each in (account, other):
        await ledger.top_up(top_up(each, 5, "same"))
    assert (await ledger.balance(other)).available == 6


async def test_tokens_added_and_held_at_once_are_neither_lost_nor_made(
    replicas: list[Replica], account: AccountId
) -> None:
    outcomes = await asyncio.gather(
        *(
            replica.ledger.top_up(top_up(account, 7))
            if index % 3
            else replica.ledger.reserve(reserve(account, 2))
            for index, replica in enumerate(replicas * 30)
        )
    )
    assert len(outcomes) == 60
    assert await replicas[0].ledger.balance(account) == Balance(
        available=100 + 40 * 7 - 20 * 2, held=40
    )
