"""Reading the books: the statement of one account, and the audit of all."""

from kit.database import Pool
from proto.wallet import (
    Balance,
    Discrepancy,
    GetStatement,
    Reconciliation,
    Statement,
    StatementLine,
)

LINES = """
SELECT * FROM (
    SELECT number, 'charge' AS kind, state, operation, units, reserved, consumed,
           CASE WHEN state = 'held' THEN 0 ELSE reserved - consumed END AS refunded,
           0 AS added, created_at, correlation_id
    FROM wallet.reservations WHERE account_id = $1 AND number < $2
    UNION ALL
    SELECT number, 'top_up', 'added', reason, 0, 0, 0, 0, tokens, created_at, correlation_id
    FROM wallet.top_ups WHERE account_id = $1 AND number < $2
) AS lines
ORDER BY number DESC LIMIT $3
"""
"""Charges and top-ups of one account below a number, newest first."""

TOTALS = """
SELECT (SELECT count(*) FROM wallet.accounts) AS accounts,
       (SELECT count(*) FROM wallet.entries) AS entries,
       (SELECT coalesce(sum(tokens), 0)::bigint FROM wallet.legs) AS sum_of_all_places
"""

DISCREPANCIES = """
WITH computed AS (
    SELECT account_id,
           coalesce(sum(tokens) FILTER (WHERE place = 'available'), 0)::bigint AS available,
           coalesce(sum(tokens) FILTER (WHERE place = 'held'), 0)::bigint AS held
    FROM wallet.legs GROUP BY account_id
), open_holds AS (
    SELECT account_id, sum(reserved)::bigint AS held
    FROM wallet.reservations WHERE state = 'held' GROUP BY account_id
)
SELECT id, accounts.available, accounts.held,
       coalesce(computed.available, 0) AS computed_available,
       coalesce(computed.held, 0) AS computed_held
FROM wallet.accounts
LEFT JOIN computed ON computed.account_id = id
LEFT JOIN open_holds ON open_holds.account_id = id
WHERE accounts.available <> coalesce(computed.available, 0)
   OR accounts.held <> coalesce(computed.held, 0)
   OR accounts.held <> coalesce(open_holds.held, 0)
ORDER BY id
"""
"""Accounts whose cached balances differ from their entries, or whose holds from what is held."""

_NO_BOUND = 2**62


async def statement(pool: Pool, request: GetStatement) -> Statement:
    """Return one page; asks for one line more than shown to know whether another page follows."""
    before = _NO_BOUND if request.before is None else request.before
    rows = await pool.fetch(LINES, request.account, before, request.limit + 1)
    lines = [StatementLine(**row) for row in rows[: request.limit]]
    more = len(rows) > request.limit
    return Statement(lines=lines, next_before=lines[-1].number if more else None)


async def reconcile(pool: Pool) -> Reconciliation:
    """Compute every balance again from the entries, in one snapshot."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
        totals = await connection.fetchrow(TOTALS)
        rows = await connection.fetch(DISCREPANCIES)
    assert totals is not None  # noqa: S101 - a SELECT without FROM gives one row
    return Reconciliation(
        **totals,
        discrepancies=[
            Discrepancy(
                account=row["id"],
                cached=Balance(available=row["available"], held=row["held"]),
                recomputed=Balance(available=row["computed_available"], held=row["computed_held"]),
            )
            for row in rows
        ],
    )
