"""The books: every way in which tokens move, each one transaction and safe to repeat."""

import asyncio
from datetime import datetime

import asyncpg
import structlog

from kit.context import correlation_id
from kit.database import Connection, Pool
from proto.errors import (
    IdempotencyConflict,
    InsufficientTokens,
    InvalidRequest,
    NotFound,
    ReservationEnded,
    SpendCapReached,
)
from proto.ids import AccountId
from proto.wallet import (
    Attach,
    Balance,
    Grant,
    Refund,
    Release,
    Reservation,
    ReservationState,
    Reserve,
    Settle,
    TopUp,
    transaction_id,
)
from services.wallet import counting
from services.wallet.batches import Batches, End, Hold, Outcome

log = structlog.get_logger(__name__)

OPEN = """
INSERT INTO wallet.accounts (id) VALUES ($1) ON CONFLICT DO NOTHING
"""

LOCK = """
SELECT wallet.lock(ARRAY[$1::uuid])
"""

ADD = """
WITH added AS (
    INSERT INTO wallet.top_ups (account_id, key, tokens, reason, correlation_id, reference)
    VALUES ($1, $2, $3, $4, $5, $6)
    RETURNING *
), entry AS (
    INSERT INTO wallet.entries (number, account_id, tokens, source, destination)
    SELECT number, account_id, tokens, 'house:top_ups', 'available' FROM added
)
UPDATE wallet.accounts SET
    available = available + $3,
    low_told = low_told AND available + promotional + $3 < coalesce(low_balance, 0)
WHERE id = $1
"""
"""A balance that is filled up may be told of again when it falls."""

TOP_UP_BY_KEY = """
SELECT tokens, reference FROM wallet.top_ups WHERE account_id = $1 AND key = $2
"""

TOP_UP_BY_REFERENCE = """
SELECT account_id, tokens FROM wallet.top_ups WHERE reference = $1
"""

GIVE = """
WITH given AS (
    INSERT INTO wallet.grants
        (account_id, key, tokens, remaining, reason, correlation_id, expires_at)
    VALUES ($1, $2, $3, $3, $4, $5, $6)
    RETURNING *
), entry AS (
    INSERT INTO wallet.entries (number, account_id, tokens, source, destination)
    SELECT number, account_id, tokens, 'house:grants', 'promotional' FROM given
)
UPDATE wallet.accounts SET
    promotional = promotional + $3,
    low_told = low_told AND available + promotional + $3 < coalesce(low_balance, 0)
WHERE id = $1
"""

GRANT_BY_KEY = """
SELECT tokens, expires_at FROM wallet.grants WHERE account_id = $1 AND key = $2
"""

BALANCE = """
SELECT available + promotional - lapsed AS available, held, promotional - lapsed AS promotional
FROM wallet.accounts, LATERAL (
    SELECT coalesce(sum(remaining), 0)::bigint AS lapsed FROM wallet.grants
    WHERE account_id = id AND remaining > 0 AND expires_at <= now()
) AS grants
WHERE id = $1
"""
"""What lapsed since the last sweep cannot be spent, and is not shown."""

ATTACH = """
UPDATE wallet.reservations SET job_id = $3, expires_at = NULL
WHERE account_id = $1 AND number = $2 AND state = 'held'
  AND (expires_at > now() OR job_id = $3)
RETURNING *
"""

RESERVATION = """
SELECT * FROM wallet.reservations WHERE account_id = $1 AND number = $2
"""

RELEASE = """
SELECT code, state, reserved, consumed, available FROM wallet.end_one($1, $2, 'refunded', 0)
"""

LAPSED_HOLDS = """
SELECT account_id, number FROM wallet.reservations
WHERE state = 'held' AND expires_at <= now() ORDER BY expires_at LIMIT $1
"""

LAPSED_GRANTS = """
SELECT DISTINCT account_id FROM wallet.grants
WHERE remaining > 0 AND expires_at <= now() LIMIT $1
"""

EXPIRE_GRANTS = """
SELECT wallet.expire_grants($1)
"""


_LARGEST = 2**63 - 1
"""What the database can count to; messages may carry more."""


class Ledger:
    """Moves tokens. Holds and their ends go through `batches`, the rare rest through `pool`."""

    def __init__(self, pool: Pool, batches: Batches) -> None:
        self._pool = pool
        self._batches = batches

    async def reserve(self, request: Reserve) -> Reservation:
        """Hold tokens. Raises InsufficientTokens, SpendCapReached, IdempotencyConflict."""
        hold = Hold(
            account=request.account,
            key=request.key,
            operation=request.operation,
            units=request.units,
            tokens=request.tokens,
            lease_seconds=request.expires_in,
            correlation_id=correlation_id.get(),
            api_key=request.api_key,
            cap=None if request.credit_cap is None else min(request.credit_cap, _LARGEST),
        )
        outcome = await self._batches.apply(hold)
        match outcome.code:
            case "done" | "same":
                return _reservation(outcome)
            case "short":
                raise InsufficientTokens(
                    "not enough tokens for this request",
                    balance=outcome.available,
                    shortfall=request.tokens - outcome.available,
                )
            case "capped":
                raise SpendCapReached(
                    "the API key's spend cap does not cover this request",
                    cap=request.credit_cap or 0,
                    spent=outcome.spent,
                    held=outcome.held,
                )
            case _:
                raise IdempotencyConflict("this key has reserved something else before")

    async def settle(self, request: Settle) -> Reservation:
        """Capture what was consumed and give back the rest. Raises ReservationEnded, NotFound."""
        return await self._end(request.account, request.number, "settled", request.consumed)

    async def refund(self, request: Refund) -> Reservation:
        """Give the whole hold back. Raises ReservationEnded when it was settled, NotFound."""
        return await self._end(request.account, request.number, "refunded", 0)

    async def attach(self, request: Attach) -> Reservation:
        """Let a hold wait for its job. Raises ReservationEnded, NotFound."""
        key = (request.account, _known(request.number))
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(LOCK, request.account)
            row = await connection.fetchrow(ATTACH, *key, request.job)
            if row is None:
                row = await connection.fetchrow(RESERVATION, *key)
                if row is None:
                    raise _missing(request.number)
                if row["state"] == "held" and row["job_id"] is not None:
                    raise IdempotencyConflict("this hold waits for another job")
                raise _ended(request.number, row["state"])
            balance = await _balance(connection, request.account)
        return Reservation(
            number=row["number"],
            state=row["state"],
            reserved=row["reserved"],
            available=balance.available,
        )

    async def release(self, request: Release) -> Reservation:
        """Give a hold back unless another job has it. Raises IdempotencyConflict, and as refund."""
        key = (request.account, _known(request.number))
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(LOCK, request.account)
            row = await connection.fetchrow(RESERVATION, *key)
            if row is None:
                raise _missing(request.number)
            if row["state"] == "held" and row["job_id"] not in (None, request.job):
                raise IdempotencyConflict("this hold waits for another job")
            ended = await connection.fetchrow(RELEASE, *key)
        outcome = Outcome(number=row["number"], **ended)
        tally = counting.Tally()
        tally.ended(outcome.code, "refunded", outcome.reserved, outcome.consumed)
        tally.add()
        if outcome.code not in ("done", "same"):
            raise _ended(request.number, outcome.state)
        return _reservation(outcome)

    async def expire(self, at_most: int = 100) -> int:
        """Release lapsed holds and grants, `at_most` of each; any replica may do it.

        Returns how many this call released.
        """
        holds = await self._pool.fetch(LAPSED_HOLDS, at_most)
        ends = (End(row["account_id"], row["number"], "expired", 0) for row in holds)
        # one that cannot be released must not keep the others
        outcomes = await asyncio.gather(*map(self._batches.apply, ends), return_exceptions=True)
        for row, outcome in zip(holds, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                log.error("hold not released", number=row["number"], exc_info=outcome)
        released = sum(isinstance(o, Outcome) and o.code == "done" for o in outcomes)
        accounts = await self._pool.fetch(LAPSED_GRANTS, at_most)
        for row in accounts:
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(LOCK, row["account_id"])
                released += await connection.fetchval(EXPIRE_GRANTS, row["account_id"])
        return released

    async def top_up(self, request: TopUp) -> Balance:
        """Add tokens, opening the wallet if need be. Raises IdempotencyConflict."""
        reference = request.reference or None
        async with self._pool.acquire() as connection, connection.transaction():
            await _open(connection, request.account)
            if await _added_before(connection, request):
                return await _balance(connection, request.account)
            try:
                async with connection.transaction():
                    await connection.execute(
                        ADD,
                        request.account,
                        request.key,
                        request.tokens,
                        request.reason,
                        correlation_id.get(),
                        reference,
                    )
            except asyncpg.UniqueViolationError:
                # another account's, at this instant
                raise _paid_to_another() from None
            balance = await _balance(connection, request.account)
        counting.added(request.tokens, granted=False)
        return balance

    async def grant(self, request: Grant) -> Balance:
        """Give tokens that lapse. Raises IdempotencyConflict, InvalidRequest."""
        async with self._pool.acquire() as connection, connection.transaction():
            await _open(connection, request.account)
            earlier = await connection.fetchrow(GRANT_BY_KEY, request.account, request.key)
            anew = earlier is None
            if earlier is None:
                if request.expires_at <= await connection.fetchval("SELECT now()"):
                    raise InvalidRequest("a grant must lapse in the future")
                await connection.execute(
                    GIVE,
                    request.account,
                    request.key,
                    request.tokens,
                    request.reason,
                    correlation_id.get(),
                    request.expires_at,
                )
            elif not _same_grant(earlier, request.tokens, request.expires_at):
                raise IdempotencyConflict(f"this key has granted {earlier['tokens']} tokens before")
            balance = await _balance(connection, request.account)
        if anew:
            counting.added(request.tokens, granted=True)
        return balance

    async def balance(self, account: AccountId) -> Balance:
        """Return what an account owns; nothing, if it never had tokens."""
        async with self._pool.acquire() as connection:
            return await _balance(connection, account)

    async def _end(
        self, account: AccountId, number: int, way: ReservationState, consumed: int
    ) -> Reservation:
        outcome = await self._batches.apply(
            End(account, _known(number), way, min(consumed, _LARGEST))
        )
        match outcome.code:
            case "done" | "same":
                return _reservation(outcome)
            case "missing":
                raise _missing(number)
            case "too_much":
                raise ReservationEnded(
                    f"{transaction_id(number)} holds {outcome.reserved} tokens, "
                    f"{consumed} cannot be captured from it",
                    state="held",
                )
            case _:
                raise _ended(number, outcome.state)


async def _open(connection: Connection, account: AccountId) -> None:
    await connection.execute(OPEN, account)
    await connection.execute(LOCK, account)


async def _added_before(connection: Connection, request: TopUp) -> bool:
    """Whether this key or this payment has added its tokens. Raises IdempotencyConflict."""
    earlier = await connection.fetchrow(TOP_UP_BY_KEY, request.account, request.key)
    if earlier is not None:
        if earlier["tokens"] != request.tokens:
            raise IdempotencyConflict(f"this key has added {earlier['tokens']} tokens before")
        if request.reference and earlier["reference"] not in (None, request.reference):
            raise IdempotencyConflict("this key has added the tokens of another payment before")
        return True
    if not request.reference:
        return False
    paid = await connection.fetchrow(TOP_UP_BY_REFERENCE, request.reference)
    if paid is not None and paid["account_id"] != request.account:
        raise _paid_to_another()
    return paid is not None


async def _balance(connection: Connection, account: AccountId) -> Balance:
    row = await connection.fetchrow(BALANCE, account)
    return Balance(available=0, held=0) if row is None else Balance(**row)


def _same_grant(earlier: asyncpg.Record, tokens: int, expires_at: datetime) -> bool:
    return (earlier["tokens"], earlier["expires_at"]) == (tokens, expires_at)


def _paid_to_another() -> IdempotencyConflict:
    return IdempotencyConflict("this payment has added tokens to another account")


def _known(number: int) -> int:
    """Return a number that the database can be asked for. Raises NotFound."""
    if abs(number) > _LARGEST:
        raise _missing(number)
    return number


def _missing(number: int) -> NotFound:
    return NotFound(f"there is no {transaction_id(number)} in this account")


def _ended(number: int, state: ReservationState | str) -> ReservationEnded:
    # a hold whose lease has passed is over, though the sweep has not come by yet
    over: ReservationState = "expired" if state == "held" else state  # type: ignore[assignment] # one of the four
    return ReservationEnded(f"{transaction_id(number)} is {over} already", state=over)


def _reservation(outcome: Outcome) -> Reservation:
    back = 0 if outcome.state == "held" else outcome.reserved - outcome.consumed
    return Reservation(
        number=outcome.number,
        state=outcome.state,  # type: ignore[arg-type] # one of the four, the database checks
        reserved=outcome.reserved,
        consumed=outcome.consumed,
        refunded=back,
        available=outcome.available,
    )
