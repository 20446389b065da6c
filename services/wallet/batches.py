"""Natural batching: what arrives while a statement is in flight goes together into the next one.

Nobody waits for company: with the connection free, a single wish leaves at once. A batch is one
call of `wallet.apply`, which is one transaction, and names each key and each hold at most once.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import TypeAlias
from uuid import UUID

import asyncpg
import structlog

from kit import context, tracing
from kit.database import AWAY, Connection, Pool
from proto.errors import Unavailable
from proto.ids import AccountId, ApiKeyId
from services.wallet.counting import BATCH_SECONDS, BATCH_SIZE, Tally

log = structlog.get_logger(__name__)

APPLY = """
SELECT * FROM wallet.apply($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
"""

MOST_AT_ONCE = 128
"""Larger ones are no faster for each, and while one is in flight the next is already filling."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a wish; the codes are those of the type `wallet.outcome`."""

    code: str
    number: int
    state: str
    reserved: int
    consumed: int
    available: int
    spent: int = 0
    held: int = 0


@dataclass(slots=True, eq=False)
class Hold:
    """A wish to set tokens aside."""

    account: AccountId
    key: str
    operation: str
    units: int
    tokens: int
    lease_seconds: float
    correlation_id: str
    api_key: ApiKeyId | None
    cap: int | None
    idempotency: UUID = field(init=False)
    order: bytes = field(init=False)
    """Where it stands in a batch: by account, then by API key."""
    answer: "asyncio.Future[Outcome]" = field(init=False)
    trace: str = field(init=False, default="")
    """Of whoever wishes it."""

    def __post_init__(self) -> None:
        spender = b"" if self.api_key is None else self.api_key.bytes
        self.order = self.account.bytes + spender
        # as the database's function wallet.idempotency computes it
        digest = hashlib.sha256(self.account.bytes + self.key.encode()).digest()
        self.idempotency = UUID(bytes=digest[:16])

    @property
    def once(self) -> object:
        """What a batch may name but once."""
        return self.idempotency


@dataclass(slots=True, eq=False)
class End:
    """A wish to end a hold."""

    account: AccountId
    number: int
    way: str
    """settled, refunded, expired"""
    consumed: int
    order: bytes = field(init=False)
    answer: "asyncio.Future[Outcome]" = field(init=False)
    trace: str = field(init=False, default="")

    def __post_init__(self) -> None:
        self.order = self.account.bytes

    @property
    def once(self) -> object:
        """What a batch may name but once."""
        return self.number


Wish: TypeAlias = Hold | End


class Batches:
    """Applies wishes through one connection of a pool, as many at a time as have arrived."""

    def __init__(self, pool: Pool, at_most: int = MOST_AT_ONCE) -> None:
        self._pool = pool
        self._at_most = at_most
        self._waiting: deque[Wish] = deque()
        self._running: asyncio.Task[None] | None = None

    async def apply(self, wish: Wish) -> Outcome:
        """Carry out a wish; returns when it is committed.

        Raises Unavailable when that cannot be known; to wish it again is safe.
        """
        wish.answer = asyncio.get_running_loop().create_future()
        wish.trace = context.traceparent.get()
        self._waiting.append(wish)
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await wish.answer

    async def _run(self) -> None:
        # more may arrive while the connection goes back to the pool
        while self._waiting:
            try:
                async with self._pool.acquire() as connection:
                    while self._waiting:
                        if batch := self._take():
                            await self._send(connection, batch)
            except Exception as error:  # noqa: BLE001 - handed to those who wait
                waiting, self._waiting = self._waiting, deque()
                _fail(waiting, error)
        self._running = None

    def _take(self) -> list[Wish]:
        """Take what has arrived, but for second wishes about the same thing."""
        taken: dict[object, Wish] = {}
        later: list[Wish] = []
        while self._waiting and len(taken) < self._at_most:
            wish = self._waiting.popleft()
            if isinstance(wish, Hold) and wish.answer.done():
                continue  # whoever asked has gone, and nobody would end it
            if taken.setdefault(wish.once, wish) is not wish:
                later.append(wish)
        self._waiting.extendleft(reversed(later))
        return list(taken.values())

    async def _send(self, connection: Connection, batch: Sequence[Wish]) -> None:
        began = perf_counter()
        first, *others = [wish.trace for wish in batch if wish.trace] or [""]
        try:
            # the trace of the first shows it; those of the others are linked
            with tracing.span("wallet.apply", parent=first, links=others) as span:
                span.note("darkroom.wishes", len(batch))
                await apply(connection, batch)
            BATCH_SIZE.observe(len(batch))
            BATCH_SECONDS.observe(perf_counter() - began)
        except AWAY as error:
            _fail(batch, error)
            raise
        except Exception as error:
            if len(batch) == 1:
                _fail(batch, error)
                return
            # one that trips a fault must not take the others with it
            log.exception("batch failed, trying one by one", size=len(batch))
            for index, wish in enumerate(batch):
                try:
                    await self._send(connection, [wish])
                except AWAY as gone:
                    _fail(batch[index + 1 :], gone)
                    raise


async def apply(connection: Connection, batch: Sequence[Wish]) -> None:
    """Carry out a batch in one transaction and answer each wish."""
    ends = sorted((wish for wish in batch if isinstance(wish, End)), key=_order)
    holds = sorted((wish for wish in batch if isinstance(wish, Hold)), key=_order)
    # most batches have no API key in them: an empty array is cheaper than one of nulls
    spending = holds if any(hold.api_key is not None for hold in holds) else []
    row = await connection.fetchrow(
        APPLY,
        [end.account for end in ends],
        [end.number for end in ends],
        [end.way for end in ends],
        [end.consumed for end in ends],
        [hold.account for hold in holds],
        [hold.idempotency for hold in holds],
        [hold.key for hold in holds],
        [hold.operation for hold in holds],
        [hold.units for hold in holds],
        [hold.tokens for hold in holds],
        [hold.lease_seconds for hold in holds],
        [hold.correlation_id for hold in holds],
        [hold.api_key for hold in spending],
        [hold.cap for hold in spending],
    )
    assert row is not None  # noqa: S101 - a function call gives one row
    tally = Tally()
    if ends:
        _answer_ends(ends, row, tally)
    if holds:
        _answer_holds(holds, row, tally)
    tally.add()


def _answer_ends(ends: Sequence[End], row: asyncpg.Record, tally: Tally) -> None:
    columns = ("end_codes", "end_states", "end_reserved", "end_consumed", "end_availables")
    found = zip(ends, *(row[column] for column in columns), strict=True)
    for end, code, state, reserved, consumed, available in found:
        tally.ended(code, end.way, reserved, consumed)
        _answer(end, Outcome(code, end.number, state, reserved, consumed, available))


def _answer_holds(holds: Sequence[Hold], row: asyncpg.Record, tally: Tally) -> None:
    others = iter(row["others"] or ())
    found = zip(holds, row["codes"], row["numbers"], row["availables"], strict=True)
    for hold, code, number, available in found:
        if code is not None:
            outcome = Outcome("done", number, "held", hold.tokens, 0, available)
        else:
            outcome = Outcome(*next(others))
        tally.held(outcome.code, hold.operation, hold.tokens)
        _answer(hold, outcome)


def _answer(wish: Wish, outcome: Outcome) -> None:
    if not wish.answer.done():  # whoever asked may have gone
        wish.answer.set_result(outcome)


def _fail(wishes: Sequence[Wish] | deque[Wish], error: Exception) -> None:
    for wish in wishes:
        if isinstance(error, AWAY):
            refusal: Exception = Unavailable("the ledger's database is not available")
            refusal.__cause__ = error
        else:
            refusal = error
        if not wish.answer.done():
            wish.answer.set_exception(refusal)


def _order(wish: Wish) -> bytes:
    return wish.order
