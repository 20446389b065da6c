"""Many wishes in one transaction: each is treated as if it had come alone."""

import asyncio
from collections.abc import Sequence
from random import Random
from uuid import UUID, uuid4

import pytest

from kit.database import Connection, Pool
from proto.errors import Unavailable
from proto.ids import AccountId, ApiKeyId
from proto.wallet import Balance, GetStatement, Reservation
from services.wallet import batches
from services.wallet.batches import MOST_AT_ONCE, Batches, End, Hold, Outcome, Wish
from services.wallet.ledger import Ledger
from services.wallet.statement import statement
from tests.integration.wallet.books import Replica, account_with, lapse_grants, reserve, settle


def hold(
    account: AccountId,
    tokens: int,
    key: str = "",
    operation: str = "face_crop",
    api_key: ApiKeyId | None = None,
    cap: int | None = None,
) -> Hold:
    return Hold(account, key or str(uuid4()), operation, 1, tokens, 900.0, "", api_key, cap)


async def together(pool: Pool, wishes: Sequence[Wish]) -> list[Outcome]:
    """Carry out wishes as one batch."""
    loop = asyncio.get_running_loop()
    for wish in wishes:
        wish.answer = loop.create_future()
    async with pool.acquire() as connection:
        await batches.apply(connection, wishes)
    return [await wish.answer for wish in wishes]


async def test_a_refused_hold_does_not_shift_the_ones_after_it(ledger: Ledger, pool: Pool) -> None:
    accounts = sorted([await account_with(ledger, paid=tokens) for tokens in (10, 10, 10)])
    poor, *rich = [
        hold(account, tokens) for account, tokens in zip(accounts, (11, 3, 4), strict=True)
    ]
    outcomes = await together(pool, [poor, *rich])
    assert [outcome.code for outcome in outcomes] == ["short", "done", "done"]
    assert [outcome.available for outcome in outcomes] == [10, 7, 6]
    balances = [await ledger.balance(account) for account in accounts]
    assert [balance.held for balance in balances] == [0, 3, 4]


class World:
    """Three accounts with wallets, one without, and holds in all states; the like for a seed."""

    def __init__(self, seed: int, ledger: Ledger, pool: Pool) -> None:
        self.random = Random(seed)
        self.ledger, self.pool = ledger, pool
        self.accounts: list[AccountId] = []
        self.keys = [ApiKeyId(uuid4()) for _ in range(2)]
        self.numbers: list[tuple[AccountId, int]] = []

    async def fill(self, order: list[AccountId]) -> None:
        self.accounts = order
        await self._open(order[0], paid=60)
        await self._open(order[1], paid=25, granted=(10, 15))
        await self._open(order[2], granted=(30,))
        for index in range(24):
            account = order[self.random.randrange(3)]
            spender = self.random.choice([None, *self.keys])
            wish = hold(account, self.random.randint(1, 5), f"old {index}", api_key=spender)
            (made,) = await together(self.pool, [wish])
            if made.code == "done":
                self.numbers.append((account, made.number))
        for account, number in self.numbers[::3]:
            way = self.random.choice(["settled", "refunded"])
            await together(self.pool, [End(account, number, way, int(way == "settled"))])
        for _, number in self.numbers[1::5]:
            await self.pool.execute(
                "UPDATE wallet.reservations SET expires_at = now() - interval '1 second' "
                "WHERE number = $1",
                number,
            )
        await lapse_grants(self.pool, order[1], 10)

    async def _open(self, account: AccountId, paid: int = 0, granted: tuple[int, ...] = ()) -> None:
        await account_with(self.ledger, paid, granted, account)

    def wishes(self, count: int) -> list[Wish]:
        """Ends of numbers, also of others', and holds: new, sent before, changed, too large."""
        found: dict[object, Wish] = {}
        for index in range(count):
            wish = self._end() if self.random.random() < 0.4 else self._hold(index)
            found.setdefault(wish.once, wish)
        return list(found.values())

    def _end(self) -> End:
        owner, number = self.random.choice(self.numbers)
        account = owner if self.random.random() < 0.85 else self.random.choice(self.accounts)
        way = self.random.choice(["settled", "settled", "refunded", "expired"])
        return End(account, number, way, self.random.randint(0, 6) if way == "settled" else 0)

    def _hold(self, index: int) -> Hold:
        old = self.random.random() < 0.3
        key = f"old {self.random.randrange(24)}" if old else f"new {index}"
        spender = self.random.choice([None, None, *self.keys])
        return hold(
            self.random.choice(self.accounts),
            self.random.choice([1, 2, 3, 4, 5, 40]),
            key,
            api_key=spender,
            cap=self.random.choice([None, 8, 15, 30]) if spender else None,
        )

    async def books(self) -> list[object]:
        seen: list[object] = []
        for account in self.accounts:
            seen.append(await self.ledger.balance(account))
            lines = (await statement(self.pool, GetStatement(account=account, limit=500))).lines
            seen.append(
                sorted(
                    (
                        line.kind,
                        line.state,
                        line.operation,
                        line.units,
                        line.reserved,
                        line.consumed,
                        line.added,
                        line.expired,
                        self._spender(line.api_key),
                    )
                    for line in lines
                )
            )
            spent = await self.pool.fetch(
                "SELECT api_key, spent, held FROM wallet.spenders WHERE account_id = $1", account
            )
            seen.append(
                sorted((self._spender(row["api_key"]), row["spent"], row["held"]) for row in spent)
            )
            seen.append(
                await self.pool.fetchval(
                    "SELECT array_agg((tokens, remaining, expired) ORDER BY number) "
                    "FROM wallet.grants WHERE account_id = $1",
                    account,
                )
            )
        return seen

    def _spender(self, key: UUID | None) -> int:
        return -1 if key is None else self.keys.index(ApiKeyId(key))


def in_order_of_batch(wishes: Sequence[Wish], outcomes: Sequence[Outcome]) -> list[Wish]:
    """The order in which a batch comes to the same: ends, holds that are made, what is left."""

    def place(index: int) -> tuple[bool, bool, bytes]:
        wish, outcome = wishes[index], outcomes[index]
        refused = isinstance(wish, Hold) and outcome.code != "done"
        return isinstance(wish, Hold), refused, wish.order

    return [wishes[index] for index in sorted(range(len(wishes)), key=place)]


def essence(wish: Wish, outcome: Outcome) -> tuple[object, ...]:
    """What must not depend on the company: an account that is short may be capped besides."""
    code = "refused" if outcome.code in ("short", "capped") else outcome.code
    after = outcome.available if isinstance(wish, Hold) and code == "done" else None
    return code, outcome.state, outcome.reserved, outcome.consumed, after


@pytest.mark.parametrize("seed", range(12))
async def test_a_batch_comes_to_the_same_as_its_wishes_one_by_one(
    ledger: Ledger, pool: Pool, seed: int
) -> None:
    worlds = [World(seed, ledger, pool) for _ in range(2)]
    for world in worlds:
        world.keys.sort()
        await world.fill(sorted(AccountId(uuid4()) for _ in range(4)))
    first, second = (world.wishes(90) for world in worlds)
    outcomes = await together(pool, first)

    order = {id(wish): index for index, wish in enumerate(first)}
    singly: dict[int, Outcome] = {}
    for wish in in_order_of_batch(first, outcomes):
        index = order[id(wish)]
        (singly[index],) = await together(pool, [second[index]])

    alone = [singly[index] for index in range(len(first))]
    assert list(map(essence, first, outcomes)) == list(map(essence, second, alone))
    assert await worlds[0].books() == await worlds[1].books()
    assert {outcome.code for outcome in outcomes} >= {"done", "same", "short", "ended"}


async def test_one_wish_about_a_key_or_a_number_goes_into_a_batch_at_a_time(
    ledger: Ledger, account: AccountId
) -> None:
    requests = [reserve(account, 2, key=f"k{index % 7}") for index in range(70)]
    holds = await asyncio.gather(*map(ledger.reserve, requests))
    assert len({made.number for made in holds}) == 7
    ends = [settle(made, account, 1) for made in holds]
    ended = await asyncio.gather(*map(ledger.settle, ends))
    assert {(end.state, end.consumed) for end in ended} == {("settled", 1)}
    assert await ledger.balance(account) == Balance(available=93, held=0)


async def test_the_number_of_another_account_in_the_same_batch_is_left_alone(
    ledger: Ledger, pool: Pool
) -> None:
    mine, theirs = [await account_with(ledger, paid=10) for _ in range(2)]
    made = await ledger.reserve(reserve(theirs, 4))
    wishes: list[Wish] = [End(mine, made.number, "refunded", 0), hold(theirs, 6), hold(mine, 10)]
    outcomes = await together(pool, wishes)
    assert [outcome.code for outcome in outcomes] == ["missing", "done", "done"]
    assert (await ledger.balance(theirs)).held == 10


async def test_what_a_batch_ends_it_can_hold_again(ledger: Ledger, pool: Pool) -> None:
    account = await account_with(ledger, paid=10)
    made = await ledger.reserve(reserve(account, 10))
    wishes: list[Wish] = [hold(account, 10), End(account, made.number, "refunded", 0)]
    assert [outcome.code for outcome in await together(pool, wishes)] == ["done", "done"]


async def test_keys_in_a_batch_are_each_held_to_their_own_cap(ledger: Ledger, pool: Pool) -> None:
    accounts = [await account_with(ledger, paid=1000) for _ in range(2)]
    keys = [ApiKeyId(uuid4()) for _ in range(3)]
    # the last two belong to nobody yet, and one key is named by two accounts: they share nothing
    wishes = [
        hold(account, 3, api_key=key, cap=10)
        for _ in range(5)
        for account in accounts
        for key in keys
    ]
    outcomes = await together(pool, wishes)
    assert sum(outcome.code == "done" for outcome in outcomes) == 2 * 3 * 3
    refused = [outcome for outcome in outcomes if outcome.code == "capped"]
    assert {(outcome.spent, outcome.held) for outcome in refused} == {(0, 9)}


async def test_an_account_opened_while_the_others_are_being_locked_is_left_for_later(
    ledger: Ledger, pool: Pool
) -> None:
    """Its row is not locked: a second wallet could read it at the same time and overwrite ours."""
    busy, young = await account_with(ledger, paid=10), AccountId(uuid4())
    async with pool.acquire() as blocker, blocker.transaction():
        await blocker.execute("SELECT wallet.lock(ARRAY[$1::uuid])", busy)
        batch = asyncio.create_task(together(pool, [hold(busy, 1), hold(young, 1)]))
        await until_somebody_waits_for_a_lock(pool)
        await account_with(ledger, granted=(5,), account=young)
    assert [outcome.code for outcome in await batch] == ["done", "short"]
    assert await ledger.balance(young) == Balance(available=5, held=0, promotional=5)


async def until_somebody_waits_for_a_lock(pool: Pool) -> None:
    waiting = """
        SELECT EXISTS (SELECT FROM pg_stat_activity
                       WHERE wait_event_type = 'Lock' AND datname = current_database())
    """
    async with asyncio.timeout(10):
        while True:
            if await pool.fetchval(waiting):
                return
            await asyncio.sleep(0.01)


async def test_a_caller_who_goes_away_takes_nobody_along(
    pool: Pool, replicas: list[Replica], account: AccountId
) -> None:
    ledger = replicas[0].ledger
    async with pool.acquire() as blocker, blocker.transaction():
        await blocker.execute("SELECT wallet.lock(ARRAY[$1::uuid])", account)
        callers = [
            asyncio.create_task(ledger.reserve(reserve(account, 1, key=f"k{index}")))
            for index in range(10)
        ]
        await until_somebody_waits_for_a_lock(pool)
        for caller in callers[::2]:  # the first is in flight, the others are waiting
            caller.cancel()
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert sum(isinstance(outcome, Reservation) for outcome in outcomes) == 5
    again = [reserve(account, 1, key=f"k{index}") for index in range(10)]
    await asyncio.gather(*map(ledger.reserve, again))
    assert (await ledger.balance(account)).held == 10


async def test_one_batch_is_in_flight_at_a_time_and_none_is_too_large(
    pool: Pool, account: AccountId, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    in_flight = 0
    apply = batches.apply

    async def watched(connection: Connection, batch: Sequence[Wish]) -> None:
        nonlocal in_flight
        in_flight += 1
        assert in_flight == 1
        sizes.append(len(batch))
        await apply(connection, batch)
        in_flight -= 1

    monkeypatch.setattr(batches, "apply", watched)
    running = Batches(pool)
    count = 3 * MOST_AT_ONCE
    await asyncio.gather(*(running.apply(hold(account, 1000)) for _ in range(count)))
    assert sum(sizes) == count
    assert max(sizes) == MOST_AT_ONCE
    assert len(sizes) < 6


@pytest.mark.parametrize("operation", ["face\x00crop", "face\ud800crop"])
async def test_a_wish_that_the_database_cannot_take_does_not_take_the_others_with_it(
    ledger: Ledger, pool: Pool, account: AccountId, operation: str
) -> None:
    running = Batches(pool)
    wishes = [hold(account, 1) for _ in range(6)]
    wishes.insert(3, hold(account, 1, operation=operation))
    outcomes = await asyncio.gather(*map(running.apply, wishes), return_exceptions=True)
    faulty = outcomes.pop(3)
    assert isinstance(faulty, Exception)
    assert not isinstance(faulty, Unavailable)
    assert [getattr(outcome, "code", outcome) for outcome in outcomes] == ["done"] * 6
    assert (await ledger.balance(account)).held == 6


async def test_a_connection_lost_in_flight_is_unavailable_and_the_next_wish_gets_another(
    pool: Pool, replicas: list[Replica], account: AccountId
) -> None:
    ledger = replicas[0].ledger
    requests = [reserve(account, 1, key=f"k{index}") for index in range(20)]
    async with pool.acquire() as blocker, blocker.transaction():
        await blocker.execute("SELECT wallet.lock(ARRAY[$1::uuid])", account)
        callers = [asyncio.create_task(ledger.reserve(request)) for request in requests]
        await until_somebody_waits_for_a_lock(pool)
        await blocker.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert any(isinstance(outcome, Unavailable) for outcome in outcomes)
    assert all(isinstance(outcome, Unavailable | Reservation) for outcome in outcomes)
    await asyncio.gather(*map(ledger.reserve, requests))
    assert (await ledger.balance(account)).held == 20


async def test_a_connection_lost_while_going_one_by_one_leaves_nobody_waiting(
    pool: Pool, account: AccountId, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = batches.apply

    async def fragile(connection: Connection, batch: Sequence[Wish]) -> None:
        if isinstance(batch[0], Hold) and batch[0].key == "third" and len(batch) == 1:
            raise ConnectionResetError
        await apply(connection, batch)

    monkeypatch.setattr(batches, "apply", fragile)
    running = Batches(pool)
    keys = ["first", "second", "third", "fourth", "fifth"]
    wishes = [hold(account, 1, key) for key in keys]
    wishes[0] = hold(account, 1, "first", operation="face\x00crop")
    async with asyncio.timeout(10):
        outcomes = await asyncio.gather(*map(running.apply, wishes), return_exceptions=True)
    assert [getattr(outcome, "code", "") for outcome in outcomes[1:2]] == ["done"]
    assert all(isinstance(outcome, Unavailable) for outcome in outcomes[2:])
