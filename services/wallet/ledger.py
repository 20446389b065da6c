"""The books: every way in which tokens move, each one transaction.

An account's row is locked before anything is read about it, in a statement of its own: a statement
that both locks and looks up an idempotency key would look with a snapshot older than the lock.
"""

from datetime import timedelta

import asyncpg

from kit.context import correlation_id
from kit.database import Connection, Pool
from proto.errors import IdempotencyConflict, InsufficientTokens, NotFound, ReservationEnded
from proto.ids import AccountId
from proto.wallet import (
    Balance,
    Refund,
    Reservation,
    ReservationState,
    Reserve,
    Settle,
    TopUp,
    transaction_id,
)

OPEN = """
INSERT INTO wallet.accounts (id) VALUES ($1) ON CONFLICT DO NOTHING
"""

LOCK = """
SELECT available, held FROM wallet.accounts WHERE id = $1 FOR UPDATE
"""

RESERVATION_BY_KEY = """
SELECT * FROM wallet.reservations WHERE account_id = $1 AND key = $2
"""

RESERVATION_BY_NUMBER = """
SELECT *, expires_at <= now() AS lapsed FROM wallet.reservations
WHERE account_id = $1 AND number = $2
"""

HOLD = """
WITH hold AS (
    INSERT INTO wallet.reservations
        (account_id, key, operation, units, reserved, expires_at, correlation_id)
    VALUES ($1, $2, $3, $4, $5, now() + $6::interval, $7)
    RETURNING *
), entry AS (
    INSERT INTO wallet.entries (number, account_id, tokens, source, destination)
    SELECT number, account_id, reserved, 'available', 'held' FROM hold
), balance AS (
    UPDATE wallet.accounts SET available = available - $5, held = held + $5 WHERE id = $1
)
SELECT * FROM hold
"""

END = """
WITH ended AS (
    UPDATE wallet.reservations SET state = $3, consumed = $4, ended_at = now()
    WHERE account_id = $1 AND number = $2 AND state = 'held'
    RETURNING *
), entry AS (
    INSERT INTO wallet.entries (number, account_id, tokens, source, destination)
    SELECT number, account_id, consumed, 'held'::wallet.place, 'house:revenue'::wallet.place
    FROM ended WHERE consumed > 0
    UNION ALL
    SELECT number, account_id, reserved - consumed, 'held', 'available'
    FROM ended WHERE reserved > consumed
), balance AS (
    UPDATE wallet.accounts
    SET held = held - reserved, available = available + reserved - consumed
    FROM ended WHERE accounts.id = ended.account_id
)
SELECT * FROM ended
"""
"""How a hold ends, whichever way: what was consumed goes to the house, the rest back."""

ADD = """
WITH added AS (
    INSERT INTO wallet.top_ups (account_id, key, tokens, reason, correlation_id)
    VALUES ($1, $2, $3, $4, $5)
    RETURNING *
), entry AS (
    INSERT INTO wallet.entries (number, account_id, tokens, source, destination)
    SELECT number, account_id, tokens, 'house:top_ups', 'available' FROM added
)
UPDATE wallet.accounts SET available = available + $3 WHERE id = $1
"""

TOP_UP_BY_KEY = """
SELECT tokens FROM wallet.top_ups WHERE account_id = $1 AND key = $2
"""

BALANCE = """
SELECT available, held FROM wallet.accounts WHERE id = $1
"""

LAPSED = """
SELECT account_id, number FROM wallet.reservations
WHERE state = 'held' AND expires_at <= now() ORDER BY expires_at LIMIT $1
"""


class Ledger:
    """Moves tokens. Every method is one transaction and safe to repeat."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def reserve(self, request: Reserve) -> Reservation:
        """Hold tokens. Raises InsufficientTokens, IdempotencyConflict."""
        async with self._pool.acquire() as connection, connection.transaction():
            available = await _lock(connection, request.account)
            earlier = await connection.fetchrow(RESERVATION_BY_KEY, request.account, request.key)
            if earlier is not None:
                return _same(request, earlier, available)
            if available < request.tokens:
                raise InsufficientTokens(
                    "not enough tokens for this request",
                    balance=available,
                    shortfall=request.tokens - available,
                )
            held = await connection.fetchrow(
                HOLD,
                request.account,
                request.key,
                request.operation,
                request.units,
                request.tokens,
                timedelta(seconds=request.expires_in),
                correlation_id.get(),
            )
            assert held is not None  # noqa: S101 - INSERT … RETURNING gives one row
            return _reservation(held, available - request.tokens)

    async def settle(self, request: Settle) -> Reservation:
        """Capture what was consumed and give back the rest. Raises ReservationEnded, NotFound."""
        async with self._pool.acquire() as connection, connection.transaction():
            available = await _lock(connection, request.account)
            held = await _find(connection, request.account, request.number)
            if held["state"] == "settled" and held["consumed"] == request.consumed:
                return _reservation(held, available)
            if held["state"] != "held" or held["lapsed"]:
                raise _ended(held)
            if request.consumed > held["reserved"]:
                raise ReservationEnded(
                    f"{transaction_id(request.number)} holds {held['reserved']} tokens, "
                    f"{request.consumed} cannot be captured from it",
                    state="held",
                )
            return await _end(
                connection, request.account, request.number, "settled", request.consumed
            )

    async def refund(self, request: Refund) -> Reservation:
        """Give the whole hold back. Raises ReservationEnded when it was settled, NotFound."""
        async with self._pool.acquire() as connection, connection.transaction():
            available = await _lock(connection, request.account)
            held = await _find(connection, request.account, request.number)
            if held["state"] == "settled":
                raise _ended(held)
            if held["state"] != "held":
                return _reservation(held, available)
            return await _end(connection, request.account, request.number, "refunded", 0)

    async def expire(self, at_most: int = 100) -> int:
        """Release lapsed holds, as many as `at_most`; any replica may do it. Returns how many."""
        lapsed = await self._pool.fetch(LAPSED, at_most)
        return sum([await self._expire(row["account_id"], row["number"]) for row in lapsed])

    async def top_up(self, request: TopUp) -> Balance:
        """Add tokens, opening the wallet if need be. Raises IdempotencyConflict."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(OPEN, request.account)
            await _lock(connection, request.account)
            tokens = await connection.fetchval(TOP_UP_BY_KEY, request.account, request.key)
            if tokens is None:
                await connection.execute(
                    ADD,
                    request.account,
                    request.key,
                    request.tokens,
                    request.reason,
                    correlation_id.get(),
                )
            elif tokens != request.tokens:
                raise IdempotencyConflict(f"this key has added {tokens} tokens before")
            return await _balance(connection, request.account)

    async def balance(self, account: AccountId) -> Balance:
        """Return what an account owns; nothing, if it never had tokens."""
        async with self._pool.acquire() as connection:
            return await _balance(connection, account)

    async def _expire(self, account: AccountId, number: int) -> bool:
        async with self._pool.acquire() as connection, connection.transaction():
            await _lock(connection, account)
            return await connection.fetchrow(END, account, number, "expired", 0) is not None


async def _lock(connection: Connection, account: AccountId) -> int:
    """Lock the account and return what it can spend; an unknown one owns nothing."""
    row = await connection.fetchrow(LOCK, account)
    return 0 if row is None else int(row["available"])


async def _find(connection: Connection, account: AccountId, number: int) -> asyncpg.Record:
    row = await connection.fetchrow(RESERVATION_BY_NUMBER, account, number)
    if row is None:
        raise NotFound(f"there is no {transaction_id(number)} in this account")
    return row


async def _end(
    connection: Connection, account: AccountId, number: int, state: ReservationState, consumed: int
) -> Reservation:
    row = await connection.fetchrow(END, account, number, state, consumed)
    assert row is not None  # noqa: S101 - the account is locked and the hold was seen
    return _reservation(row, (await _balance(connection, account)).available)


async def _balance(connection: Connection, account: AccountId) -> Balance:
    row = await connection.fetchrow(BALANCE, account)
    return Balance(available=0, held=0) if row is None else Balance(**row)


def _same(request: Reserve, earlier: asyncpg.Record, available: int) -> Reservation:
    asked = (request.tokens, request.operation, request.units)
    if asked != (earlier["reserved"], earlier["operation"], earlier["units"]):
        raise IdempotencyConflict("this key has reserved something else before")
    return _reservation(earlier, available)


def _ended(row: asyncpg.Record) -> ReservationEnded:
    state: ReservationState = "expired" if row["state"] == "held" else row["state"]
    return ReservationEnded(f"{transaction_id(row['number'])} is {state} already", state=state)


def _reservation(row: asyncpg.Record, available: int) -> Reservation:
    back = 0 if row["state"] == "held" else row["reserved"] - row["consumed"]
    return Reservation(
        number=row["number"],
        state=row["state"],
        reserved=row["reserved"],
        consumed=row["consumed"],
        refunded=back,
        available=available,
    )
