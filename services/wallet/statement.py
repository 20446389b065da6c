"""Reading the books: the statement and the usage of one account, and the audit of all."""

from datetime import UTC, datetime

from kit.database import Pool
from proto.wallet import (
    Balance,
    Discrepancy,
    GetStatement,
    GetUsage,
    Reconciliation,
    Statement,
    StatementLine,
    Usage,
    UsageLine,
)

LINES = """
SELECT * FROM (
    (SELECT number, 'charge' AS kind, state, operation, units, reserved, consumed,
            CASE WHEN state = 'held' THEN 0 ELSE reserved - consumed END AS refunded,
            0::bigint AS added, 0::bigint AS expired,
            CASE WHEN state = 'held' THEN expires_at END AS expires_at, created_at, correlation_id,
            api_key
     FROM wallet.reservations
     WHERE account_id = $1 AND number < $2 AND created_at >= $3 AND created_at < $4
       AND coalesce($5, 'charge') = 'charge' AND ($6::uuid IS NULL OR api_key = $6)
     ORDER BY number DESC LIMIT $7)
    UNION ALL
    (SELECT number, 'top_up', 'added', reason, 0, 0, 0, 0, tokens, 0, NULL, created_at,
            correlation_id, NULL
     FROM wallet.top_ups
     WHERE account_id = $1 AND number < $2 AND created_at >= $3 AND created_at < $4
       AND coalesce($5, 'top_up') = 'top_up' AND $6::uuid IS NULL
     ORDER BY number DESC LIMIT $7)
    UNION ALL
    (SELECT number, 'grant', CASE WHEN expires_at > now() THEN 'added' ELSE 'expired' END, reason,
            0, 0, 0, 0, tokens, CASE WHEN expires_at > now() THEN 0 ELSE expired + remaining END,
            expires_at, created_at, correlation_id, NULL
     FROM wallet.grants
     WHERE account_id = $1 AND number < $2 AND created_at >= $3 AND created_at < $4
       AND coalesce($5, 'grant') = 'grant' AND $6::uuid IS NULL
     ORDER BY number DESC LIMIT $7)
) AS lines
ORDER BY number DESC LIMIT $7
"""
"""Charges, top-ups and grants of one account below a number, newest first.

Each part is limited on its own, so that a page costs the same however long the books are.
"""

USAGE = """
SELECT api_key, operation, count(*) AS charges, sum(units)::bigint AS units,
       sum(consumed)::bigint AS consumed
FROM wallet.reservations
WHERE account_id = $1 AND created_at >= $2 AND created_at < $3
GROUP BY api_key, operation ORDER BY consumed DESC, operation, api_key
"""

TOTALS = """
SELECT (SELECT count(*) FROM wallet.accounts) AS accounts,
       (SELECT count(*) FROM wallet.entries) AS entries,
       (SELECT coalesce(sum(tokens), 0)::bigint FROM wallet.legs) AS sum_of_all_places
"""

DISCREPANCIES = """
WITH computed AS (
    SELECT account_id,
           coalesce(sum(tokens) FILTER (WHERE place = 'available'), 0)::bigint AS available,
           coalesce(sum(tokens) FILTER (WHERE place = 'promotional'), 0)::bigint AS promotional,
           coalesce(sum(tokens) FILTER (WHERE place = 'held'), 0)::bigint AS held
    FROM wallet.legs GROUP BY account_id
), open_holds AS (
    SELECT account_id, sum(reserved)::bigint AS held
    FROM wallet.reservations WHERE state = 'held' GROUP BY account_id
), live_grants AS (
    SELECT account_id, sum(remaining)::bigint AS remaining FROM wallet.grants GROUP BY account_id
), keys AS (
    SELECT account_id, api_key, coalesce(sum(consumed), 0)::bigint AS spent,
           coalesce(sum(reserved) FILTER (WHERE state = 'held'), 0)::bigint AS held
    FROM wallet.reservations WHERE api_key IS NOT NULL GROUP BY account_id, api_key
), wrong_keys AS (
    SELECT DISTINCT account_id FROM keys FULL JOIN wallet.spenders AS s USING (account_id, api_key)
    WHERE (s.spent, s.held) IS DISTINCT FROM (keys.spent, keys.held)
)
SELECT coalesce(id, computed.account_id) AS id,
       coalesce(accounts.available + accounts.promotional, 0) AS available,
       coalesce(accounts.promotional, 0) AS promotional,
       coalesce(accounts.held, 0) AS held,
       coalesce(computed.available + computed.promotional, 0) AS computed_available,
       coalesce(computed.promotional, 0) AS computed_promotional,
       coalesce(computed.held, 0) AS computed_held
FROM wallet.accounts
FULL JOIN computed ON computed.account_id = id
LEFT JOIN open_holds ON open_holds.account_id = id
LEFT JOIN live_grants ON live_grants.account_id = id
LEFT JOIN wrong_keys ON wrong_keys.account_id = id
WHERE id IS NULL
   OR accounts.available <> coalesce(computed.available, 0)
   OR accounts.promotional <> coalesce(computed.promotional, 0)
   OR accounts.promotional <> coalesce(live_grants.remaining, 0)
   OR accounts.held <> coalesce(computed.held, 0)
   OR accounts.held <> coalesce(open_holds.held, 0)
   OR wrong_keys.account_id IS NOT NULL
ORDER BY 1
"""
"""Accounts whose cached balances differ from their entries, or from what their holds, their grants
or their keys' counts make; and entries of accounts that are not there."""

HOUSE = """
SELECT place::text, coalesce(sum(tokens), 0)::bigint AS tokens FROM wallet.legs
WHERE place::text LIKE 'house:%' GROUP BY place ORDER BY place
"""

_NO_BOUND = 2**62
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)


async def statement(pool: Pool, request: GetStatement) -> Statement:
    """Return one page; asks for one line more than shown to know whether another page follows."""
    rows = await pool.fetch(
        LINES,
        request.account,
        _NO_BOUND if request.before is None else max(0, min(request.before, _NO_BOUND)),
        request.since or _LONG_AGO,
        request.until or _NEVER,
        request.kind,
        request.api_key,
        request.limit + 1,
    )
    lines = [StatementLine(**row) for row in rows[: request.limit]]
    more = len(rows) > request.limit
    return Statement(lines=lines, next_before=lines[-1].number if more else None)


async def usage(pool: Pool, request: GetUsage) -> Usage:
    """Sum up what was begun in a span of time, by key and operation."""
    rows = await pool.fetch(USAGE, request.account, request.since, request.until)
    return Usage(lines=[UsageLine(**row) for row in rows])


async def reconcile(pool: Pool) -> Reconciliation:
    """Compute every balance again from the entries, in one snapshot."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
        totals = await connection.fetchrow(TOTALS)
        house = await connection.fetch(HOUSE)
        rows = await connection.fetch(DISCREPANCIES)
    assert totals is not None  # noqa: S101 - a SELECT without FROM gives one row
    return Reconciliation(
        **totals,
        house={row["place"]: row["tokens"] for row in house},
        discrepancies=[
            Discrepancy(
                account=row["id"],
                cached=Balance(
                    available=row["available"], held=row["held"], promotional=row["promotional"]
                ),
                recomputed=Balance(
                    available=row["computed_available"],
                    held=row["computed_held"],
                    promotional=row["computed_promotional"],
                ),
            )
            for row in rows
        ],
    )
