"""What tests of senders have in common: events that become due, and how their telling goes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from uuid import UUID

from kit.database import Pool
from kit.sealing import Vault
from proto.ids import AccountId
from proto.webhooks import MOST_DELIVERIES, Delivery, Endpoint, GetDeliveries, SendTest
from services.webhooks import deliveries
from services.webhooks.claims import Outcome
from services.webhooks.sending import Sender
from tests.integration.webhooks.receiving import until

TAKEN = Outcome(200, None, 3)
REFUSED = Outcome(500, "BAD_STATUS", 3)

VAULT = Vault(["k" * 32], "tests")


@asynccontextmanager
async def sending(sender: Sender) -> AsyncIterator[asyncio.Task[None]]:
    """Run a sender, and stop it as the service does."""
    task = asyncio.create_task(sender.run())
    yield task
    sender.stop()
    with suppress(asyncio.CancelledError):
        await task


async def note(pool: Pool, account: AccountId, endpoint: Endpoint, count: int = 1) -> None:
    """Let so many events become due for an endpoint."""
    for _ in range(count):
        await deliveries.record_test(pool, SendTest(account=account, endpoint=endpoint.id))


async def shown(pool: Pool, account: AccountId, endpoint: Endpoint) -> list[Delivery]:
    asked = GetDeliveries(account=account, endpoint=endpoint.id, limit=MOST_DELIVERIES)
    return (await deliveries.page(pool, asked)).deliveries


async def the_one(pool: Pool, account: AccountId, endpoint: Endpoint) -> Delivery:
    (delivery,) = await shown(pool, account, endpoint)
    return delivery


async def ended(pool: Pool, account: AccountId, endpoint: Endpoint) -> list[Delivery]:
    """Wait until every delivery has ended."""

    async def all_have() -> bool:
        return all(each.ended_at for each in await shown(pool, account, endpoint))

    await until(all_have)
    return await shown(pool, account, endpoint)


async def attempted_once(pool: Pool, account: AccountId, endpoint: Endpoint) -> Delivery:
    """Wait until the one delivery has been attempted and waits for the next time."""

    async def has_been() -> bool:
        return (await the_one(pool, account, endpoint)).last_error is not None

    await until(has_been)
    return await the_one(pool, account, endpoint)


async def grow_old(pool: Pool, event: UUID, age: timedelta) -> None:
    await pool.execute(
        "UPDATE webhooks.deliveries SET created_at = now() - $2::interval WHERE event_id = $1",
        event,
        age,
    )
