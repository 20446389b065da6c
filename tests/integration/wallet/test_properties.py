"""Random histories over two wallets that share their books.

A step is one request, which has to come to what the model says, or several at once, of which only
what holds in any order is checked. `LEDGER_HISTORIES=3000` makes a long run of it.
"""

import asyncio
import os
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.database import Pool
from proto.errors import (
    IdempotencyConflict,
    InsufficientTokens,
    NotFound,
    ReservationEnded,
    SpendCapReached,
)
from proto.ids import AccountId, ApiKeyId, JobId
from proto.wallet import (
    Attach,
    Balance,
    Grant,
    Refund,
    Reservation,
    Reserve,
    Settle,
    TopUp,
)
from services.wallet.ledger import Ledger
from tests.integration.wallet import model
from tests.integration.wallet.books import Replica, sound

HISTORIES = int(os.environ.get("LEDGER_HISTORIES", "100"))

CAPS = (None, 12, 25)
"""Of the spenders by their place; the first are the people who log in."""

REFUSALS = (
    IdempotencyConflict,
    InsufficientTokens,
    NotFound,
    ReservationEnded,
    SpendCapReached,
)
"""What a request may be refused with, when the books are as they should be."""

amount = st.integers(1, 9)
hold = st.integers(0, 4)
key = st.integers(0, 15)
account = st.integers(0, 1)
settle = st.tuples(st.just("settle"), hold, st.integers(0, 9))
reserve = st.tuples(st.just("reserve"), account, key, amount, st.integers(0, 2))
ask = st.one_of(
    *3 * [reserve],
    *3 * [settle],
    st.tuples(st.just("refund"), hold),
    st.tuples(st.just("attach"), hold, st.integers(0, 1)),
    st.tuples(st.just("refund by a stranger"), hold),
    st.tuples(st.just("top up"), account, st.integers(0, 5), amount),
    st.tuples(st.just("grant"), account, st.integers(0, 5), amount),
)
replica = st.integers(0, 1)
request = st.tuples(replica, ask)
sweep = st.tuples(replica, st.just(("expire",)))
passing = st.one_of(
    st.tuples(st.just("lapse"), hold),
    st.tuples(st.just("lapse grant"), account, st.integers(0, 5)),
)
several = st.lists(st.one_of(*4 * [request], sweep), min_size=2, max_size=12)
rush = st.lists(st.tuples(replica, reserve), min_size=4, max_size=16)
histories = st.lists(
    st.one_of(*4 * [request], sweep, several, rush, *2 * [passing]), min_size=15, max_size=40
)


class History:
    """Two accounts, and what is done to them."""

    def __init__(self, pool: Pool, replicas: list[Replica]) -> None:
        self._pool = pool
        self._ledgers = [replica.ledger for replica in replicas]
        self._accounts = [AccountId(uuid4()) for _ in range(2)]
        self._spenders = [None, *(ApiKeyId(uuid4()) for _ in CAPS[1:])]
        self._jobs = [JobId(uuid4()) for _ in range(2)]
        self._tomorrow = datetime.now(UTC) + timedelta(days=1)
        self._holds: list[tuple[AccountId, int]] = []
        self._ends: defaultdict[int, set[tuple[str, int]]] = defaultdict(set)
        """How each hold was said to have ended."""

    async def begin(self) -> None:
        """Nobody gets far without tokens."""
        for account in self._accounts:
            await self._ledgers[0].top_up(TopUp(account=account, tokens=20, key="first"))
            lapses = self._tomorrow + timedelta(hours=1)
            grant = Grant(account=account, tokens=10, key="first", expires_at=lapses)
            await self._ledgers[1].grant(grant)

    async def take(self, step: Any) -> None:
        """Do one step, and look whether that could be."""
        if isinstance(step, list):
            await asyncio.gather(*(self._send(replica, self._read(what)) for replica, what in step))
        elif isinstance(step[0], str):
            await self._pass_time(*step)
        elif step[1] == ("expire",):
            await self._sweep(self._ledgers[step[0]])
        else:
            await self._send_foretold(step[0], self._read(step[1]))
        await self._caps_hold()

    async def end(self) -> None:
        """Let everything lapse that can, after which nothing may be left over."""
        await self._pool.execute(
            "UPDATE wallet.reservations SET expires_at = now() - interval '1 second' "
            "WHERE account_id = ANY ($1) AND state = 'held' AND job_id IS NULL",
            self._accounts,
        )
        while await self._ledgers[0].expire():
            pass
        for account in self._accounts:
            found = await model.read(self._pool, account)
            assert all(hold.job for hold in found.holds.values() if hold.state == "held")
            assert found.balance == await self._ledgers[1].balance(account)
        for number, ends in self._ends.items():
            assert len(ends) == 1, (number, ends)
        await sound(self._pool)

    def _read(self, what: tuple[Any, ...]) -> Any:
        """The request that a step stands for; None for a sweep, or an end before any hold."""
        match what:
            case ("reserve", account, key, tokens, spender):
                return Reserve(
                    account=self._accounts[account],
                    tokens=tokens,
                    key=f"hold {key}",
                    operation="face_crop",
                    api_key=self._spenders[spender],
                    credit_cap=CAPS[spender],
                )
            case ("top up", account, key, tokens):
                return TopUp(account=self._accounts[account], tokens=tokens, key=f"{key}")
            case ("grant", account, key, tokens):
                lapses = self._tomorrow + timedelta(minutes=key)
                return Grant(
                    account=self._accounts[account], tokens=tokens, key=f"{key}", expires_at=lapses
                )
        if what == ("expire",) or not self._holds:
            return None
        account, number = self._holds[-1 - what[1] % len(self._holds)]
        match what:
            case ("settle", _, consumed):
                return Settle(account=account, number=number, consumed=consumed)
            case ("attach", _, job):
                return Attach(account=account, number=number, job=self._jobs[job])
            case ("refund by a stranger", _):
                other = self._accounts[1 - self._accounts.index(account)]
                return Refund(account=other, number=number)
        return Refund(account=account, number=number)

    async def _send(self, replica: int, request: Any) -> Any:
        """Send a request, and return what came back."""
        ledger = self._ledgers[replica]
        try:
            match request:
                case None:
                    return await ledger.expire()
                case Reserve():
                    answer = await ledger.reserve(request)
                case Settle():
                    answer = await ledger.settle(request)
                case Refund():
                    answer = await ledger.refund(request)
                case Attach():
                    answer = await ledger.attach(request)
                case TopUp():
                    return await ledger.top_up(request)
                case _:
                    return await ledger.grant(request)
        except REFUSALS as refusal:
            return refusal
        self._note(request.account, answer)
        return answer

    def _note(self, account: AccountId, answer: Reservation) -> None:
        if (account, answer.number) not in self._holds:
            self._holds.append((account, answer.number))
        if answer.state != "held":
            self._ends[answer.number].add((answer.state, answer.consumed))

    async def _send_foretold(self, replica: int, request: Any) -> None:
        if request is None:
            return
        expected = await model.read(self._pool, request.account)
        says = expected.carry_out(request)
        answer = await self._send(replica, request)
        match answer:
            case Reservation():
                assert answer.state == says
                assert answer.available == expected.balance.available
                back = 0 if says == "held" else answer.reserved - answer.consumed
                assert answer.refunded == back
            case Balance():
                assert says == "added"
                assert answer == expected.balance
            case _:
                assert type(answer).__name__ == says
        if isinstance(answer, InsufficientTokens):
            assert answer.balance == expected.balance.available
        if isinstance(answer, SpendCapReached):
            assert answer.spent + answer.held == expected.counted(request.api_key)
        assert await model.read(self._pool, request.account) == expected
        assert await self._ledgers[1 - replica].balance(request.account) == expected.balance

    async def _sweep(self, ledger: Ledger) -> None:
        expected = [await model.read(self._pool, account) for account in self._accounts]
        for each in expected:
            each.sweep()
        await ledger.expire()
        assert [await model.read(self._pool, account) for account in self._accounts] == expected

    async def _pass_time(self, what: str, place: int, key: int = 0) -> None:
        if what == "lapse grant":
            await self._pool.execute(
                "UPDATE wallet.grants SET expires_at = now() - interval '1 second' "
                "WHERE account_id = $1 AND key = $2",
                self._accounts[place],
                str(key),
            )
        elif self._holds:
            await self._pool.execute(
                "UPDATE wallet.reservations SET expires_at = now() - interval '1 second' "
                "WHERE number = $1 AND state = 'held' AND job_id IS NULL",
                self._holds[-1 - place % len(self._holds)][1],
            )

    async def _caps_hold(self) -> None:
        for account in self._accounts:
            found = await model.read(self._pool, account)
            for spender, cap in zip(self._spenders, CAPS, strict=True):
                if spender is not None and cap is not None:
                    assert found.counted(spender) <= cap


@settings(
    max_examples=HISTORIES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=histories)
async def test_whatever_happens_the_books_are_in_order(
    pool: Pool, replicas: list[Replica], steps: list[Any]
) -> None:
    history = History(pool, replicas)
    await history.begin()
    for step in steps:
        await history.take(step)
    await history.end()
