"""Low balances: below what an account wants to be told, and telling it.

The ledger notes a fall in the transaction that causes it; here the note is published and removed.
A crash in between publishes it again, under the same id.
"""

import structlog

from kit import events
from kit.bus import Bus
from kit.database import Pool
from proto.events import LowBalance
from proto.ids import AccountId
from proto.wallet import Threshold

log = structlog.get_logger(__name__)

GET = """
SELECT low_balance FROM wallet.accounts WHERE id = $1
"""

PUT = """
INSERT INTO wallet.accounts (id, low_balance, low_told) VALUES ($1, $2, $2::bigint IS NOT NULL)
ON CONFLICT (id) DO UPDATE SET
    low_balance = $2,
    -- a balance that is low already has nothing left to fall from
    low_told = accounts.available + accounts.promotional < coalesce($2, 0)
"""

NOTED = """
DELETE FROM wallet.low_balances WHERE id = (
    SELECT id FROM wallet.low_balances ORDER BY happened_at LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING id, account_id, balance, threshold, happened_at
"""


async def get(pool: Pool, account: AccountId) -> Threshold:
    """Return below what an account wants to be told."""
    return Threshold(tokens=await pool.fetchval(GET, account))


async def put(pool: Pool, account: AccountId, tokens: int | None) -> Threshold:
    """Remember below what an account wants to be told."""
    await pool.execute(PUT, account, tokens)
    return Threshold(tokens=tokens)


async def publish(pool: Pool, bus: Bus) -> int:
    """Publish what was noted; returns how many. Raises Unavailable."""
    count = 0
    while await _publish_one(pool, bus):
        count += 1
    return count


async def _publish_one(pool: Pool, bus: Bus) -> bool:
    async with pool.acquire() as connection, connection.transaction():
        noted = await connection.fetchrow(NOTED)
        if noted is None:
            return False
        event = LowBalance(
            id=noted["id"],
            account=noted["account_id"],
            happened_at=noted["happened_at"],
            balance=noted["balance"],
            threshold=noted["threshold"],
        )
        await events.publish(bus, event)
        log.info("balance is low", account=str(event.account), balance=event.balance)
        return True
