"""Books that were written before there were grants, caps and jobs go on as they are."""

import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from kit import database
from kit.database import Pool
from proto.errors import IdempotencyConflict, ReservationEnded
from proto.ids import AccountId
from proto.wallet import Balance, GetStatement, Refund, Reservation, Reserve, Settle, TopUp
from services.wallet.app import SCHEMA
from services.wallet.batches import Batches
from services.wallet.ledger import Ledger
from services.wallet.statement import statement
from tests.integration.wallet.books import sound

ACCOUNT = AccountId(UUID(int=7))

KEYS = {1: "plain", 2: "ключ ✓ 🙂", 3: "x" * 255, 4: "o'clock \\ \t"}
"""Keys of the holds by their numbers."""


STATES = {1: "held", 2: "settled", 3: "refunded", 4: "expired"}


async def write(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """A top-up of 84 tokens, and four holds of ten: one open, one of four tokens captured."""
    await connection.execute("INSERT INTO wallet.accounts VALUES ($1, 70, 10)", ACCOUNT)
    await connection.execute(
        "INSERT INTO wallet.top_ups (number, account_id, key, tokens) VALUES (5, $1, 'first', 84)",
        ACCOUNT,
    )
    await enter(connection, 5, 84, "house:top_ups", "available")
    now = datetime.now(UTC)
    for number, state in STATES.items():
        ended = None if state == "held" else now
        consumed = 4 if state == "settled" else 0
        await connection.execute(
            "INSERT INTO wallet.reservations (number, account_id, key, operation, units, reserved, "
            "state, consumed, expires_at, ended_at) "
            "VALUES ($1, $2, $3, 'face_crop', 5, 10, $4, $5, now() + interval '1 hour', $6)",
            number,
            ACCOUNT,
            KEYS[number],
            state,
            consumed,
            ended,
        )
        await enter(connection, number, 10, "available", "held")
        if consumed:
            await enter(connection, number, consumed, "held", "house:revenue")
        if state != "held":
            await enter(connection, number, 10 - consumed, "held", "available")
    await connection.execute("SELECT setval('wallet.transaction_number', 5)")


async def enter(
    connection: "asyncpg.Connection[asyncpg.Record]", number: int, tokens: int, *places: str
) -> None:
    await connection.execute(
        "INSERT INTO wallet.entries (number, account_id, tokens, source, destination) "
        "VALUES ($1, $2, $3, $4, $5)",
        number,
        ACCOUNT,
        tokens,
        *places,
    )


@pytest.fixture(scope="module")
async def migrated(
    database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Pool]:
    first: Path = tmp_path_factory.mktemp("schema")
    shutil.copy(SCHEMA / "0001_ledger.sql", first)
    await database.migrate(database_url, "wallet", first)
    connection = await asyncpg.connect(database_url)
    try:
        await write(connection)
    finally:
        await connection.close()
    applied = await database.migrate(database_url, "wallet", SCHEMA)
    assert applied[0].startswith("0002")
    async with database.connect(database_url) as pool:
        yield pool


@pytest.fixture
def ledger(migrated: Pool) -> Ledger:
    return Ledger(migrated, Batches(migrated))


def sent_again(number: int, tokens: int = 10) -> Reserve:
    return Reserve(account=ACCOUNT, tokens=tokens, key=KEYS[number], operation="face_crop", units=5)


async def test_the_books_are_in_order(migrated: Pool, ledger: Ledger) -> None:
    await sound(migrated)
    assert await ledger.balance(ACCOUNT) == Balance(available=70, held=10)


@pytest.mark.parametrize("number", STATES)
async def test_a_hold_sent_again_is_the_one_of_then(ledger: Ledger, number: int) -> None:
    again = await ledger.reserve(sent_again(number))
    assert (again.number, again.state) == (number, STATES[number])
    with pytest.raises(IdempotencyConflict):
        await ledger.reserve(sent_again(number, tokens=11))
    assert await ledger.balance(ACCOUNT) == Balance(available=70, held=10)


async def test_a_top_up_sent_again_adds_nothing(ledger: Ledger) -> None:
    again = TopUp(account=ACCOUNT, tokens=84, key="first", reference="pay_1")
    assert (await ledger.top_up(again)).available == 70


async def test_the_statement_shows_them_all(migrated: Pool) -> None:
    page = await statement(migrated, GetStatement(account=ACCOUNT))
    assert [(line.number, line.state, line.consumed) for line in page.lines] == [
        (5, "added", 0),
        (4, "expired", 0),
        (3, "refunded", 0),
        (2, "settled", 4),
        (1, "held", 0),
    ]


async def test_they_end_as_any_other_and_numbers_go_on(migrated: Pool, ledger: Ledger) -> None:
    settled = await ledger.settle(Settle(account=ACCOUNT, number=1, consumed=3))
    assert (settled.consumed, settled.refunded, settled.available) == (3, 7, 77)
    with pytest.raises(ReservationEnded):
        await ledger.refund(Refund(account=ACCOUNT, number=2))
    young: Reservation = await ledger.reserve(
        Reserve(account=ACCOUNT, tokens=1, key="young", operation="face_crop")
    )
    assert young.number > 5
    await sound(migrated)
