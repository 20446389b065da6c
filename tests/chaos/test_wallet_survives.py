"""The wallet and its PostgreSQL killed again and again under load: what was told stays true.

Callers know their idempotency keys, and send each message again until they are told how it ended.
"""

import asyncio
import os
import random
import signal
import sys
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, TypeVar
from uuid import uuid4

import msgspec
import psutil
import pytest

from cli import nats, ports, postgres, services
from cli.home import Home
from cli.processes import Program, kill_group, spawn, tell
from kit.bus import Bus
from proto.errors import InsufficientTokens, ReservationEnded, SpendCapReached, Unavailable
from proto.ids import AccountId, ApiKeyId
from proto.message import Request
from proto.wallet import (
    GetBalance,
    Grant,
    Reconcile,
    Refund,
    Reservation,
    Reserve,
    Settle,
    TopUp,
)
from tests.running import temporary_home

CALLERS = 24
KILLS = ["wallet", "postgres", "both", "postgres", "wallet"] * 3
"""What is killed, in this order: each of them nine times."""
CALLS_BETWEEN_KILLS = (10, 70)
CAP = 40
PATIENT = 60.0
"""Seconds until something that should have come to pass has not."""

Reply = TypeVar("Reply")


class Kept:
    """A program that is killed and started again on purpose, and must not end by itself."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._process: Process | None = None

    async def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = process = await spawn(self._program)
        deadline = monotonic() + PATIENT
        while not await self._program.ready():
            assert process.returncode is None, f"{self._program.name} ended by itself"
            assert monotonic() < deadline, f"{self._program.name} does not answer"
            await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """Kill it, and all that it has started, and wait until they are gone."""
        assert self._process is not None
        family = psutil.Process(self._process.pid).children(recursive=True)
        tell(self._process, signal.SIGKILL)
        for child in family:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        ended = await self._process.wait()
        assert ended == -signal.SIGKILL, f"{self._program.name} had ended by itself"
        await asyncio.to_thread(psutil.wait_procs, family, PATIENT)

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            tell(self._process, self._program.stop_signal)
            await self._process.wait()
            kill_group(self._process)


@dataclass(frozen=True)
class Servers:
    """NATS, which lives on, and the two that do not."""

    postgres: Kept
    wallet: Kept
    bus: Bus

    async def kill_and_start(self, which: str) -> None:
        if which in ("wallet", "both"):
            await self.wallet.kill()
        if which in ("postgres", "both"):
            await self.postgres.kill()
            await self.postgres.start()
        if which in ("wallet", "both"):
            await self.wallet.start()


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    with temporary_home() as home:
        async with running(home) as made:
            yield made


@asynccontextmanager
async def running(home: Home) -> AsyncIterator[Servers]:
    database_port, nats_port, operator_port = ports.free(3)
    database = await postgres.prepare(home, database_port)
    broker = nats.Nats(home, nats_port)
    around = services.Surroundings(
        fixed={"DATABASE_URL": database.url()},
        default={},
        caller={**os.environ, "SWEEP_SECONDS": "0.3"},
    )
    wallet = services.program("wallet", home, broker.url("wallet"), operator_port, around)
    kept = [Kept(each) for each in (database.program(), broker.program(), wallet)]
    bus = None
    try:
        for each in kept[:2]:
            await each.start()
        await database.create(postgres.DATABASE)
        await kept[2].start()
        bus = await Bus.connect(broker.url(), "chaos")
        yield Servers(kept[0], kept[2], bus)
    finally:
        if bus is not None:
            await bus.close()
        for each in reversed(kept):
            await each.stop()
        # seen where a test fails: what the wallet made of it
        for line in wallet.log.read_text().splitlines():
            if '"level": "error"' in line:
                sys.stdout.write(f"{line}\n")


@dataclass
class Load:
    """Callers who hold tokens and end their holds, and what they were told in the end."""

    bus: Bus
    accounts: list[AccountId]
    api_key: ApiKeyId
    told: dict[str, tuple[Reserve, Reservation]] = field(default_factory=dict)
    """By key: what was asked for, and how it ended as far as its caller knows."""
    refused: Counter[str] = field(default_factory=Counter)
    tries: int = 0
    calls: int = 0
    stopping: bool = False
    progress: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, request: Request[Reply]) -> Reply:
        """Ask until there is an answer."""
        deadline = monotonic() + PATIENT
        while True:
            self.tries += 1
            try:
                return await self.bus.request(request, timeout_seconds=3.0)
            except Unavailable:
                assert monotonic() < deadline, "nobody answers any more"
                await asyncio.sleep(random.uniform(0.01, 0.1))

    async def call_until_stopped(self) -> None:
        while not self.stopping:
            await self._call()
            self.calls += 1
            self.progress.set()

    async def until_called(self, more: int) -> None:
        """Wait for so many more calls to be over."""
        wanted = self.calls + more
        async with asyncio.timeout(PATIENT):
            while self.calls < wanted:
                self.progress.clear()
                await self.progress.wait()

    async def _call(self) -> None:
        abandoned = random.random() < 0.15
        hold = Reserve(
            account=random.choice(self.accounts),
            tokens=random.randint(1, 5),
            key=str(uuid4()),
            operation="face_crop",
            expires_in=0.5 if abandoned else 900,
            api_key=self.api_key if random.random() < 0.5 else None,
        )
        if hold.api_key is not None:
            hold = msgspec.structs.replace(hold, credit_cap=CAP)
        try:
            made = await self.ask(hold)
            if not abandoned:
                made = await self._end(hold, made)
        except (InsufficientTokens, SpendCapReached) as refusal:
            self.refused[refusal.code] += 1
            return
        self.told[hold.key] = hold, made

    async def _end(self, hold: Reserve, made: Reservation) -> Reservation:
        refund = Refund(account=hold.account, number=made.number)
        if random.random() < 0.3:
            return await self.ask(refund)
        consumed = random.randint(0, made.reserved)
        settled = await self.ask(
            Settle(account=hold.account, number=made.number, consumed=consumed)
        )
        if random.random() < 0.2:  # a late message, which must not undo it
            with pytest.raises(ReservationEnded):
                await self.ask(refund)
        return settled


async def test_without_its_database_the_wallet_says_so_and_charges_nothing(
    servers: Servers,
) -> None:
    load = Load(servers.bus, [AccountId(uuid4())], ApiKeyId(uuid4()))
    (account,) = load.accounts
    await load.ask(TopUp(account=account, tokens=100, key="first"))
    hold = Reserve(account=account, tokens=30, key="before", operation="face_crop")
    made = await load.ask(hold)
    await servers.postgres.kill()
    requests: list[Request[Any]] = [
        msgspec.structs.replace(hold, key="during"),
        Settle(account=account, number=made.number, consumed=10),
        TopUp(account=account, tokens=7, key="second"),
        GetBalance(account=account),
    ]
    for request in requests:
        with pytest.raises(Unavailable) as caught:
            await servers.bus.request(request)
        assert type(caught.value) is Unavailable  # told at once, not given up waiting for
    await servers.postgres.start()
    balance = await load.ask(GetBalance(account=account))
    assert (balance.available, balance.held) == (70, 30)
    for _ in range(2):
        for request in requests:
            await load.ask(request)
    balance = await load.ask(GetBalance(account=account))
    assert (balance.available, balance.held) == (100 + 7 - 10 - 30, 30)
    assert (await load.ask(Reconcile())).discrepancies == []


async def test_a_wallet_and_its_database_that_are_killed_all_the_time_lose_and_make_no_token(
    servers: Servers,
) -> None:
    load = Load(servers.bus, [AccountId(uuid4()) for _ in range(4)], ApiKeyId(uuid4()))
    rich, granted, poor, capped = load.accounts
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    for account, tokens in ((rich, 1_000_000), (granted, 1_000_000), (poor, 40), (capped, 9_000)):
        await load.ask(TopUp(account=account, tokens=tokens, key="first"))
    for number in range(20):
        await load.ask(Grant(account=granted, tokens=50, key=f"{number}", expires_at=tomorrow))

    callers = [asyncio.create_task(load.call_until_stopped()) for _ in range(CALLERS)]
    filling = asyncio.create_task(top_up_until_stopped(load, rich))
    for which in KILLS:
        await load.until_called(random.randint(*CALLS_BETWEEN_KILLS))
        await servers.kill_and_start(which)
    load.stopping = True
    await asyncio.gather(*callers)
    added = await filling

    await eventually(lambda: nothing_is_held(load))
    for key, (hold, told) in load.told.items():
        again = await load.ask(hold)
        ended = "expired" if told.state == "held" else told.state
        consumed = told.consumed
        assert (again.number, again.state, again.consumed) == (told.number, ended, consumed), key
    assert len({told.number for _, told in load.told.values()}) == len(load.told)

    books = await load.ask(Reconcile())
    assert books.discrepancies == []
    assert books.sum_of_all_places == 0
    assert books.house["house:revenue"] == sum(told.consumed for _, told in load.told.values())
    assert -books.house["house:top_ups"] == 2_000_000 + 9_040 + added
    for account in load.accounts:
        of_key = (
            told.consumed
            for hold, told in load.told.values()
            if (hold.account, hold.api_key) == (account, load.api_key)
        )
        assert sum(of_key) <= CAP
    # it was no idle load: calls were answered late, and what there is was used up
    assert load.tries > 2 * load.calls
    assert set(load.refused) == {InsufficientTokens.code, SpendCapReached.code}


async def top_up_until_stopped(load: Load, account: AccountId) -> int:
    """Tell of payments, each under several keys; returns what they add up to."""
    added = 0
    while not load.stopping:
        added += 3
        payment = str(uuid4())
        for _ in range(2):
            key = str(uuid4())
            await load.ask(TopUp(account=account, tokens=3, key=key, reference=payment))
    return added


async def nothing_is_held(load: Load) -> bool:
    balances = [await load.ask(GetBalance(account=account)) for account in load.accounts]
    return all(balance.held == 0 for balance in balances)


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENT):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.1)
