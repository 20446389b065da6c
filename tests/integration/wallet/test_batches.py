"""Many wishes in one transaction: each is treated as if it had come alone."""

import asyncio
from collections.abc import Sequence
from uuid import uuid4

from kit.database import Pool
from proto.ids import AccountId, ApiKeyId
from services.wallet import batches
from services.wallet.batches import Hold, Outcome, Wish
from services.wallet.ledger import Ledger
from tests.integration.wallet.books import account_with


def hold(
    account: AccountId,
    tokens: int,
    key: str = "",
    operation: str = "face_crop",
    api_key: ApiKeyId | None = None,
    cap: int | None = None,
) -> Hold:
    return Hold(account, key or str(uuid4()), operation, 1, tokens, 900.0, "", api_key, cap)


async def together(pool: Pool, wishes: Sequence[Wish]) -> list[Outcome]:
    """Carry out wishes as one batch."""
    loop = asyncio.get_running_loop()
    for wish in wishes:
        wish.answer = loop.create_future()
    async with pool.acquire() as connection:
        await batches.apply(connection, wishes)
    return [await wish.answer for wish in wishes]


async def test_a_refused_hold_does_not_shift_the_ones_after_it(ledger: Ledger, pool: Pool) -> None:
    accounts = sorted([await account_with(ledger, paid=tokens) for tokens in (10, 10, 10)])
    poor, *rich = [
        hold(account, tokens) for account, tokens in zip(accounts, (11, 3, 4), strict=True)
    ]
    outcomes = await together(pool, [poor, *rich])
    assert [outcome.code for outcome in outcomes] == ["short", "done", "done"]
    assert [outcome.available for outcome in outcomes] == [10, 7, 6]
    balances = [await ledger.balance(account) for account in accounts]
    assert [balance.held for balance in balances] == [0, 3, 4]
