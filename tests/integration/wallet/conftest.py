"""Books in an empty database for each module, checked after every test."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from kit import database
from kit.database import Pool
from proto.ids import AccountId
from services.wallet.app import SCHEMA
from services.wallet.batches import Batches
from services.wallet.ledger import Ledger
from tests.integration.wallet.books import Replica, account_with, sound


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    await database.migrate(database_url, "wallet", SCHEMA)
    async with database.connect(database_url, at_most=16) as pool:
        yield pool
        await sound(pool)


@pytest.fixture
async def replicas(pool: Pool, database_url: str) -> AsyncIterator[list[Replica]]:
    """Two wallets over the same books, each with pools of its own as in `services.wallet.app`."""
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(2):
            reader = await stack.enter_async_context(database.connect(database_url))
            writer = await stack.enter_async_context(database.connect(database_url, at_most=1))
            made.append(Replica(Ledger(reader, Batches(writer)), reader, writer))
        yield made


@pytest.fixture
def ledger(replicas: list[Replica]) -> Ledger:
    return replicas[0].ledger


@pytest.fixture
async def account(ledger: Ledger) -> AccountId:
    return await account_with(ledger, paid=100)
