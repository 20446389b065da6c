"""What the tests of the wallet say to it, and how they move its time and look into its books."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from kit.database import Connection, Pool
from proto.ids import AccountId, ApiKeyId
from proto.wallet import Grant, Reservation, Reserve, Settle, TopUp
from services.wallet.ledger import Ledger
from services.wallet.statement import reconcile


@dataclass(frozen=True)
class Replica:
    """A wallet beside others: pools of its own over the same database."""

    ledger: Ledger
    pool: Pool
    writer: Pool


def reserve(
    account: AccountId,
    tokens: int,
    key: str = "",
    *,
    units: int = 1,
    api_key: ApiKeyId | None = None,
    cap: int | None = None,
) -> Reserve:
    return Reserve(
        account=account,
        tokens=tokens,
        key=key or str(uuid4()),
        operation="face_crop",
        units=units,
        api_key=api_key,
        credit_cap=cap,
    )


def settle(hold: Reservation, account: AccountId, consumed: int) -> Settle:
    return Settle(account=account, number=hold.number, consumed=consumed)


def top_up(account: AccountId, tokens: int, key: str = "", reference: str = "") -> TopUp:
    return TopUp(account=account, tokens=tokens, key=key or str(uuid4()), reference=reference)


def grant(account: AccountId, tokens: int, key: str = "", *, days: float = 30) -> Grant:
    lapses = datetime.now(UTC) + timedelta(days=days)
    return Grant(account=account, tokens=tokens, key=key or str(uuid4()), expires_at=lapses)


async def account_with(
    ledger: Ledger, paid: int = 0, granted: tuple[int, ...] = (), account: AccountId | None = None
) -> AccountId:
    """A new account; without tokens, it has no wallet. Its first grant lapses first."""
    account = account or AccountId(uuid4())
    if paid:
        await ledger.top_up(top_up(account, paid))
    for day, tokens in enumerate(granted, 1):
        await ledger.grant(grant(account, tokens, days=day))
    return account


async def lapse(pool: Pool, hold: Reservation) -> None:
    """Let the lease of a hold be over."""
    await pool.execute(
        "UPDATE wallet.reservations SET expires_at = now() - interval '1 second' WHERE number = $1",
        hold.number,
    )


async def lapse_grants(pool: Pool, account: AccountId, tokens: int | None = None) -> None:
    """Let the time of an account's grants be over, or only of those of so many tokens."""
    await pool.execute(
        "UPDATE wallet.grants SET expires_at = now() - interval '1 second' "
        "WHERE account_id = $1 AND tokens = coalesce($2, tokens)",
        account,
        tokens,
    )


BROKEN = {
    "a balance below zero": """
        SELECT id FROM wallet.accounts WHERE least(available, held, promotional) < 0
    """,
    "a hold that ended twice, or ended otherwise than its entries say": """
        SELECT r.number FROM wallet.reservations AS r LEFT JOIN LATERAL (
            SELECT coalesce(sum(e.tokens) FILTER (WHERE e.destination = 'held'), 0) AS went_in,
                   coalesce(sum(e.tokens) FILTER (WHERE e.source = 'held'), 0) AS came_out,
                   coalesce(sum(e.tokens) FILTER (WHERE e.destination = 'house:revenue'), 0)
                       AS captured,
                   coalesce(sum(e.tokens) FILTER (WHERE e.source = 'promotional'), 0) AS granted
            FROM wallet.entries AS e
            WHERE e.number = r.number AND e.account_id = r.account_id
              AND 'held' IN (e.source, e.destination)
        ) AS moved ON true
        WHERE (went_in, came_out, captured, granted) IS DISTINCT FROM
              (reserved, CASE WHEN state = 'held' THEN 0 ELSE reserved END, consumed, promotional)
    """,
    "a grant whose parts do not add up": """
        SELECT g.number FROM wallet.grants AS g LEFT JOIN (
            SELECT u.account_id, u.grant_number, sum(u.tokens) AS drawn,
                   sum(u.tokens) FILTER (WHERE r.state = 'held') AS held
            FROM wallet.grant_uses AS u JOIN wallet.reservations AS r
                ON r.account_id = u.account_id AND r.number = u.reservation
            GROUP BY u.account_id, u.grant_number
        ) AS uses ON uses.account_id = g.account_id AND uses.grant_number = g.number
        WHERE g.remaining + g.expired + coalesce(uses.held, 0) > g.tokens
           OR g.remaining + g.expired + coalesce(uses.drawn, 0) < g.tokens
    """,
    "grants that do not add up over an account": """
        SELECT account_id FROM (
            SELECT account_id, sum(tokens - remaining - expired) AS gone FROM wallet.grants
            GROUP BY account_id
        ) AS given FULL JOIN (
            SELECT account_id,
                   sum(CASE WHEN state = 'held' THEN promotional
                       ELSE least(consumed, promotional) END) AS gone
            FROM wallet.reservations WHERE promotional > 0 GROUP BY account_id
        ) AS drawn USING (account_id)
        WHERE coalesce(given.gone, 0) <> coalesce(drawn.gone, 0)
    """,
    "a hold whose grants are not those it drew on": """
        SELECT r.number FROM wallet.reservations AS r LEFT JOIN (
            SELECT account_id, reservation, sum(tokens) AS drawn FROM wallet.grant_uses
            GROUP BY account_id, reservation
        ) AS u ON u.account_id = r.account_id AND u.reservation = r.number
        WHERE r.promotional <> coalesce(u.drawn, 0)
    """,
}
"""Queries that find what must not be, beside what `reconcile` looks for."""


async def sound(pool: Pool) -> None:
    """Assert that the books are in order."""
    books = await reconcile(pool)
    assert books.discrepancies == []
    assert books.sum_of_all_places == 0
    async with pool.acquire() as connection:
        for what, query in BROKEN.items():
            assert await connection.fetch(query) == [], what


async def place_sums(connection: Connection) -> dict[str, int]:
    """What lies in each place, over all accounts."""
    rows = await connection.fetch(
        "SELECT place::text, sum(tokens)::bigint AS tokens FROM wallet.legs GROUP BY place"
    )
    return {row["place"]: row["tokens"] for row in rows}
