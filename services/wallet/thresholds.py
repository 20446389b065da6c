"""Low balances: below what an account wants to be told, and telling it.

The ledger notes a fall in the transaction that causes it; here the note is published, and kept for
as long as the stream keeps the event. A crash in between publishes it again, under the same id, and
so does a stream that is lost.
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
SELECT id, account_id, balance, threshold, happened_at FROM wallet.low_balances
WHERE told_at IS NULL ORDER BY happened_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
"""

TOLD = """
UPDATE wallet.low_balances SET told_at = now() WHERE account_id = $1 AND id = $2
"""

SEEN = """
SELECT made_at, last FROM wallet.stream
"""

SEE = """
UPDATE wallet.stream SET made_at = $1, last = CASE WHEN $5 THEN $2 ELSE greatest(last, $2) END
-- unless another replica has looked since; who tells meanwhile only raises it
WHERE made_at IS NOT DISTINCT FROM $3 AND last >= $4
"""

HAS_COME_TO = """
UPDATE wallet.stream SET last = $1 WHERE last < $1
"""
"""So that what is lost before anybody looks is missed. Always locked after what was told."""

TELL_AGAIN = """
WITH noted AS MATERIALIZED (
    -- in one order, whoever does it beside us
    SELECT id FROM wallet.low_balances ORDER BY id FOR NO KEY UPDATE
)
UPDATE wallet.low_balances AS balance SET told_at = NULL FROM noted WHERE balance.id = noted.id
"""
"""Also those that are not told yet: somebody may have told one a moment ago, and not noted it."""

FORGET = """
DELETE FROM wallet.low_balances WHERE told_at < now() - $1::interval
"""


async def get(pool: Pool, account: AccountId) -> Threshold:
    """Return below what an account wants to be told."""
    return Threshold(tokens=await pool.fetchval(GET, account))


async def put(pool: Pool, account: AccountId, tokens: int | None) -> Threshold:
    """Remember below what an account wants to be told."""
    await pool.execute(PUT, account, tokens)
    return Threshold(tokens=tokens)


async def tell_again(pool: Pool, bus: Bus) -> None:
    """Let all that was told be published again if the stream has lost it. Raises Unavailable."""
    # before looking, so that what others note meanwhile does not look like a loss
    seen = await pool.fetchrow(SEEN)
    now = await events.standing(bus)
    made_at, last = seen["made_at"], seen["last"]
    if (now.made_at, now.last) == (made_at, last):
        return
    lost = made_at is not None and now.lost_since(made_at, last)
    if lost:
        status = await pool.execute(TELL_AGAIN)
        log.warning("the stream of events was lost; telling again", done=status)
    # last, so that whoever is killed midway leaves it to the next look
    await pool.execute(SEE, now.made_at, now.last, made_at, last, lost)


async def forget(pool: Pool) -> None:
    """Remove what was told so long ago that the stream would not keep it either."""
    await pool.execute(FORGET, events.KEPT)


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
        place = await events.publish(bus, event)
        await connection.execute(TOLD, event.account, event.id)
        await connection.execute(HAS_COME_TO, place)
        log.info("balance is low", account=str(event.account), balance=event.balance)
        return True
