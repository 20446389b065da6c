"""The statement and the usage of an account: what is shown, in which pages, and to whom."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from kit.context import correlation_id
from kit.database import Pool
from proto.ids import AccountId, ApiKeyId
from proto.wallet import GetStatement, GetUsage, Refund, Reserve, StatementKind, StatementLine
from services.wallet.ledger import Ledger
from services.wallet.statement import statement, usage
from tests.integration.wallet.books import (
    account_with,
    grant,
    lapse,
    lapse_grants,
    reserve,
    settle,
    top_up,
)

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
def key() -> ApiKeyId:
    return ApiKeyId(uuid4())


async def lines(pool: Pool, account: AccountId, **filters: object) -> list[StatementLine]:
    page = await statement(pool, GetStatement(account=account, limit=1000, **filters))  # type: ignore[arg-type] # each test names filters that there are
    return page.lines


async def begun(pool: Pool, account: AccountId, *moments: datetime) -> None:
    """Move the charges of an account to these moments, oldest first."""
    rows = await pool.fetch(
        "SELECT number FROM wallet.reservations WHERE account_id = $1 ORDER BY number", account
    )
    for row, moment in zip(rows, moments, strict=True):
        await pool.execute(
            "UPDATE wallet.reservations SET created_at = $2 WHERE number = $1",
            row["number"],
            moment,
        )


async def test_every_page_follows_the_one_before_without_gap_or_repetition(
    ledger: Ledger, pool: Pool
) -> None:
    account = await account_with(ledger, paid=100, granted=(10,))
    for index in range(20):
        await ledger.reserve(reserve(account, 1))
        if index % 4 == 0:
            await ledger.top_up(top_up(account, 1))
        if index % 5 == 0:
            await ledger.grant(grant(account, 1))
    whole = [line.number for line in await lines(pool, account)]
    assert whole == sorted(whole, reverse=True)
    assert len(whole) == 22 + 5 + 4
    for limit in (1, 7, 30, 31, 32):
        seen: list[int] = []
        before: int | None = None
        while True:
            page = await statement(pool, GetStatement(account=account, limit=limit, before=before))
            assert len(page.lines) <= limit
            seen += [line.number for line in page.lines]
            before = page.next_before
            if before is None:
                break
        assert seen == whole


@pytest.mark.parametrize("before", [-5, 0, 2**63, 2**64 - 1])
async def test_a_page_before_any_number_can_be_asked_for(
    pool: Pool, account: AccountId, before: int
) -> None:
    assert len(await lines(pool, account, before=before)) == (1 if before > 0 else 0)


@pytest.mark.parametrize("kind", ["charge", "top_up", "grant"])
async def test_one_kind_can_be_asked_for(ledger: Ledger, pool: Pool, kind: StatementKind) -> None:
    account = await account_with(ledger, paid=100, granted=(10,))
    await ledger.reserve(reserve(account, 1))
    assert [line.kind for line in await lines(pool, account, kind=kind)] == [kind]


async def test_the_span_takes_its_first_moment_and_leaves_its_last(
    ledger: Ledger, pool: Pool, account: AccountId
) -> None:
    holds = [await ledger.reserve(reserve(account, tokens)) for tokens in (1, 2, 3)]
    hours = [LONG_AGO + timedelta(hours=hour) for hour in range(3)]
    await begun(pool, account, *hours)
    found = await lines(pool, account, since=hours[0], until=hours[2])
    assert [line.number for line in found] == [holds[1].number, holds[0].number]
    assert len(await lines(pool, account, since=hours[2])) == 2
    assert await lines(pool, account, until=LONG_AGO) == []


async def test_charges_of_one_key_can_be_asked_for(
    ledger: Ledger, pool: Pool, account: AccountId, key: ApiKeyId
) -> None:
    await ledger.reserve(reserve(account, 1))
    await ledger.reserve(reserve(account, 1, api_key=ApiKeyId(uuid4())))
    hold = await ledger.reserve(reserve(account, 2, api_key=key))
    (line,) = await lines(pool, account, api_key=key)
    assert (line.number, line.api_key, line.reserved) == (hold.number, key, 2)
    assert await lines(pool, account, api_key=key, kind="top_up") == []


async def test_the_call_that_caused_it_stands_on_the_line(ledger: Ledger, pool: Pool) -> None:
    account = await account_with(ledger)

    async def call(number: int) -> None:
        correlation_id.set(f"call {number}")
        match number % 3:
            case 0:
                await ledger.top_up(top_up(account, 10, key=f"k{number}"))
            case 1:
                await ledger.grant(grant(account, 10, key=f"k{number}"))
            case _:
                await ledger.reserve(reserve(account, 1, key=f"k{number}"))

    for number in range(3):
        await asyncio.create_task(call(number))
    # in one batch, each keeps its own
    await asyncio.gather(*(call(number) for number in range(5, 26, 3)))
    told = {line.correlation_id for line in await lines(pool, account)}
    assert told == {f"call {number}" for number in (0, 1, 2, *range(5, 26, 3))}


async def test_a_grant_tells_what_of_it_expired(ledger: Ledger, pool: Pool) -> None:
    account = await account_with(ledger, granted=(10,))
    hold = await ledger.reserve(reserve(account, 4))
    await lapse_grants(pool, account)
    for sweep in (False, True):
        if sweep:
            await ledger.expire()
        (line,) = await lines(pool, account, kind="grant")
        assert (line.state, line.added, line.expired) == ("expired", 10, 6)
    await ledger.settle(settle(hold, account, 1))
    (line,) = await lines(pool, account, kind="grant")
    assert (line.added, line.expired) == (10, 9)


async def test_a_charge_tells_how_it_ended(ledger: Ledger, pool: Pool, account: AccountId) -> None:
    held, settled, refunded, expired = [
        await ledger.reserve(reserve(account, 10, units=5)) for _ in range(4)
    ]
    await ledger.settle(settle(settled, account, 4))
    await ledger.refund(Refund(account=account, number=refunded.number))
    await lapse(pool, expired)
    await ledger.expire()
    found = {line.number: line for line in await lines(pool, account, kind="charge")}
    assert {
        number: (line.state, line.units, line.reserved, line.consumed, line.refunded)
        for number, line in found.items()
    } == {
        held.number: ("held", 5, 10, 0, 0),
        settled.number: ("settled", 5, 10, 4, 6),
        refunded.number: ("refunded", 5, 10, 0, 10),
        expired.number: ("expired", 5, 10, 0, 10),
    }


async def test_usage_adds_up_by_key_and_operation_the_dearest_first(
    ledger: Ledger, pool: Pool, account: AccountId, key: ApiKeyId
) -> None:
    async def charge(tokens: int, operation: str, api_key: ApiKeyId | None) -> None:
        request = Reserve(
            account=account,
            tokens=tokens,
            key=str(uuid4()),
            operation=operation,
            units=2,
            api_key=api_key,
        )
        hold = await ledger.reserve(request)
        await ledger.settle(settle(hold, account, tokens))

    await charge(3, "face_crop", key)
    await charge(4, "face_crop", key)
    await charge(5, "face_crop", None)
    await charge(1, "blur", key)
    hold = await ledger.reserve(reserve(account, 50, api_key=key))
    await ledger.refund(Refund(account=account, number=hold.number))
    asked = GetUsage(account=account, since=LONG_AGO, until=datetime.now(UTC) + timedelta(hours=1))
    found = (await usage(pool, asked)).lines
    assert [
        (line.api_key, line.operation, line.charges, line.units, line.consumed) for line in found
    ] == [(key, "face_crop", 3, 5, 7), (None, "face_crop", 1, 2, 5), (key, "blur", 1, 2, 1)]


async def test_usage_is_of_one_account_and_of_one_span(
    ledger: Ledger, pool: Pool, account: AccountId
) -> None:
    other = await account_with(ledger, paid=10)
    for each in (account, other):
        hold = await ledger.reserve(reserve(each, 2))
        await ledger.settle(settle(hold, each, 2))
    await begun(pool, account, LONG_AGO)
    hour = timedelta(hours=1)

    async def consumed(since: datetime, until: datetime) -> list[int]:
        asked = GetUsage(account=account, since=since, until=until)
        return [line.consumed for line in (await usage(pool, asked)).lines]

    assert await consumed(LONG_AGO, LONG_AGO + hour) == [2]
    assert await consumed(LONG_AGO - hour, LONG_AGO) == []
    assert await consumed(LONG_AGO + hour, datetime.now(UTC) + hour) == []
