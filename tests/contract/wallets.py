"""What an account was charged, and accounts that tests share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from kit.bus import Bus
from tests.contract.conftest import Client, account_opened
from tests.running import RunningStack


async def charges(client: Client) -> list[dict[str, Any]]:
    """Return what was charged, newest first."""
    answer = await client.send("GET", "/v1/wallet/transactions", params={"kind": "charge"})
    return list(answer.body["transactions"])


async def is_free(client: Client, tokens: int = 100) -> None:
    """See to it that nothing was charged, nor held and given back."""
    assert await client.balance() == tokens
    assert await charges(client) == []


@asynccontextmanager
async def opened(stack: RunningStack, tokens: int = 100) -> AsyncIterator[Client]:
    """Open a Premium account that is logged in, for all tests of a module.

    An account takes longer to open than most requests take, for passwords are slow to hash: tests
    that leave nothing behind, or that nothing left behind concerns, need none of their own.
    """
    bus = await Bus.connect(stack.nats_url, "contract tests")
    try:
        async with aiohttp.ClientSession() as session:
            yield await account_opened(bus, session, stack.url, tokens)
    finally:
        await bus.close()
