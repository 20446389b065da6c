"""Amounts at and beyond what a message may carry, as they come in over the bus."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from kit.bus import Bus
from kit.database import Pool
from kit.lifecycle import answering
from proto.errors import (
    InsufficientTokens,
    InvalidRequest,
    NotFound,
    Refusal,
    ReservationEnded,
)
from proto.ids import AccountId, ApiKeyId
from proto.wallet import (
    Attach,
    GetBalance,
    GetStatement,
    Refund,
    Reserve,
    SetThreshold,
    Settle,
    TopUp,
)
from services.wallet.endpoints import Endpoints
from services.wallet.ledger import Ledger
from tests.integration.wallet.books import account_with, reserve, settle

MOST = 1_000_000_000


@pytest.fixture
async def bus(nats_url: str, pool: Pool, ledger: Ledger) -> AsyncIterator[Bus]:
    """The bus, with a wallet that listens."""
    bus = await Bus.connect(nats_url, "test of limits")
    listening = await answering(bus, "wallet", Endpoints(pool, ledger))
    yield bus
    await listening.stop()
    await bus.close()


def asking(account: AccountId, **changed: Any) -> Reserve:
    return msgspec.structs.replace(reserve(account, 1), **changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"tokens": 0},
        {"tokens": -1},
        {"tokens": MOST + 1},
        {"tokens": 2**63},
        {"tokens": 2**64 - 1},
        {"tokens": 1.5},
        {"tokens": "1"},
        {"units": 0},
        {"units": -1},
        {"units": MOST + 1},
        {"units": 2**31},
        {"expires_in": 0.0},
        {"expires_in": -1.0},
        {"expires_in": float("nan")},
        {"expires_in": float("inf")},
        {"expires_in": 86_401.0},
        {"credit_cap": -1},
        {"key": ""},
        {"key": "x" * 256},
        {"key": "a\x00b"},
        {"operation": ""},
        {"operation": "x" * 101},
        {"operation": "a\x00b"},
    ],
)
async def test_what_makes_no_sense_is_refused_and_moves_nothing(
    bus: Bus, account: AccountId, changed: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequest):
        await bus.request(asking(account, **changed))
    balance = await bus.request(GetBalance(account=account))
    assert (balance.available, balance.held) == (100, 0)


@pytest.mark.parametrize("tokens", [0, -1, MOST + 1, 2**64 - 1])
async def test_no_such_amount_can_be_added(bus: Bus, account: AccountId, tokens: int) -> None:
    with pytest.raises(InvalidRequest):
        await bus.request(TopUp(account=account, tokens=tokens, key="k"))
    with pytest.raises(InvalidRequest):
        await bus.request(SetThreshold(account=account, tokens=tokens))


@pytest.mark.parametrize("consumed", [-1, -(2**63)])
async def test_less_than_nothing_cannot_be_captured(
    bus: Bus, ledger: Ledger, account: AccountId, consumed: int
) -> None:
    hold = await ledger.reserve(reserve(account, 10))
    with pytest.raises(InvalidRequest):
        await bus.request(settle(hold, account, consumed))


@pytest.mark.parametrize("consumed", [11, 2**31, 2**63 - 1, 2**63, 2**64 - 1])
async def test_more_than_was_held_cannot_be_captured(
    bus: Bus, ledger: Ledger, account: AccountId, consumed: int
) -> None:
    hold = await ledger.reserve(reserve(account, 10))
    with pytest.raises(ReservationEnded) as caught:
        await bus.request(settle(hold, account, consumed))
    assert caught.value.state == "held"


@pytest.mark.parametrize("number", [-(2**63), -1, 0, 2**31, 2**63 - 1, 2**63, 2**64 - 1])
async def test_any_number_that_there_is_not_is_not_found(
    bus: Bus, account: AccountId, number: int
) -> None:
    for request in (
        Settle(account=account, number=number, consumed=1),
        Refund(account=account, number=number),
        Attach(account=account, number=number, job=uuid4()),  # type: ignore[arg-type] # any will do
    ):
        with pytest.raises(NotFound):
            await bus.request(request)


@pytest.mark.parametrize("before", [-1, 2**63 - 1, 2**64 - 1])
async def test_a_statement_can_be_asked_for_before_any_number(
    bus: Bus, account: AccountId, before: int
) -> None:
    page = await bus.request(GetStatement(account=account, before=before))
    assert len(page.lines) == (before > 0)


async def test_the_largest_amounts_are_counted(bus: Bus, pool: Pool) -> None:
    account = AccountId(uuid4())
    for number in range(3):
        balance = await bus.request(TopUp(account=account, tokens=MOST, key=f"k{number}"))
    assert balance.available == 3 * MOST
    hold = await bus.request(
        asking(account, tokens=MOST, units=MOST, api_key=ApiKeyId(uuid4()), credit_cap=2**64 - 1)
    )
    settled = await bus.request(settle(hold, account, MOST))
    assert (settled.consumed, settled.available) == (MOST, 2 * MOST)


@pytest.mark.parametrize("count", [2_000, 2_001])
async def test_a_hold_of_many_subjects_is_all_or_nothing(ledger: Ledger, count: int) -> None:
    account = await account_with(ledger, paid=2 * 2_000)
    request = reserve(account, 2 * count, units=count)
    if count == 2_000:
        assert (await ledger.reserve(request)).available == 0
    else:
        with pytest.raises(InsufficientTokens) as caught:
            await ledger.reserve(request)
        assert caught.value.shortfall == 2


async def test_a_message_that_makes_no_sense_does_not_hold_up_the_others(
    pool: Pool, ledger: Ledger, account: AccountId
) -> None:
    beyond = 2**64 - 1
    outcomes = await asyncio.gather(
        *(ledger.reserve(reserve(account, 1)) for _ in range(5)),
        ledger.settle(Settle(account=account, number=beyond, consumed=beyond)),
        ledger.reserve(reserve(account, 1, api_key=ApiKeyId(uuid4()), cap=beyond)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, Refusal) for outcome in outcomes) == 1
    assert (await ledger.balance(account)).held == 6
