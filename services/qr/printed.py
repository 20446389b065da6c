"""Who has a card: everybody who was drawn, by account and job, as last printed."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec
from asyncpg import Record

from kit.database import Connection, Pool
from proto.errors import NotFound
from proto.ids import AccountId
from proto.qr import GetPrinted, Printed, PrintedPage, Subject, SymbolKind, Wishes
from services.qr.paging import that_fit

ONE_AT_A_TIME = """
SELECT pg_advisory_xact_lock(hashtextextended('qr.printed ' || $1::text || ' ' || $2::text, 0))
"""
"""Until the transaction ends, only one for each job: two rosters may name the same people."""

KEEP = """
INSERT INTO qr.printed (account_id, job_id, student_id, name, class_name, lines, school_name,
    symbol, name_in_code)
SELECT $1, $2, student_id, name, class_name, lines::jsonb, $7, $8, $9
FROM unnest($3::text[], $4::text[], $5::text[], $6::text[])
    AS drawn (student_id, name, class_name, lines)
ON CONFLICT (account_id, job_id, student_id) DO UPDATE
SET name = excluded.name, class_name = excluded.class_name, lines = excluded.lines,
    school_name = excluded.school_name, symbol = excluded.symbol,
    name_in_code = excluded.name_in_code, printed_at = now()
"""

PAGE = """
SELECT student_id, name, class_name, lines, school_name, symbol, name_in_code, added_at
FROM qr.printed
WHERE account_id = $1 AND job_id = $2
  AND ($3::text[] IS NULL OR student_id = ANY ($3))
  AND ($4::timestamptz IS NULL OR added_at >= $4)
  AND ($5::text IS NULL OR student_id > $5)
ORDER BY student_id LIMIT $6
"""

ANYBODY = """
SELECT EXISTS (SELECT FROM qr.printed WHERE account_id = $1 AND job_id = $2)
"""

EVERYBODY = """
SELECT student_id, name, class_name FROM qr.printed WHERE account_id = $1 AND job_id = $2
"""

ONE = """
SELECT student_id, name, class_name, school_name, symbol, name_in_code FROM qr.printed
WHERE account_id = $1 AND job_id = $2 AND student_id = $3
"""

FORGET = """
WITH forgotten AS (
    DELETE FROM qr.printed WHERE account_id = $1 AND job_id = $2 RETURNING true
)
SELECT count(*) FROM forgotten
"""

FORGET_OLD = """
WITH old AS MATERIALIZED (
    SELECT account_id, job_id, student_id FROM qr.printed
    WHERE printed_at < now() - $1::interval LIMIT 10000 FOR UPDATE SKIP LOCKED
), forgotten AS (
    DELETE FROM qr.printed USING old
    WHERE printed.account_id = old.account_id AND printed.job_id = old.job_id
      AND printed.student_id = old.student_id
    RETURNING true
)
SELECT count(*) FROM forgotten
"""


class Known(msgspec.Struct, frozen=True):
    """What a photograph is told of somebody who is on it."""

    name: str
    class_name: str


class PrintedCard(msgspec.Struct, frozen=True):
    """What a card is made of when it is shown again."""

    student_id: str
    name: str
    class_name: str
    school_name: str
    symbol: SymbolKind
    name_in_code: bool


class Roster:
    """Who has a card, in one database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(self, request: GetPrinted) -> PrintedPage:
        """Return one page of a job. Raises NotFound for a job without cards."""
        found = await self._pool.fetch(
            PAGE,
            request.account,
            request.job_id,
            request.student_ids,
            request.added_since,
            request.after,
            request.limit + 1,
        )
        if not found and not await self._pool.fetchval(ANYBODY, request.account, request.job_id):
            raise missing()
        shown = [_printed(row) for row in found[: request.limit]]
        shown = shown[: that_fit(shown)]
        more = len(found) > len(shown)
        return PrintedPage(subjects=shown, next_after=shown[-1].student_id if more else None)

    async def card(self, account: AccountId, job_id: str, student_id: str) -> PrintedCard:
        """Return the card of one subject. Raises NotFound."""
        row = await self._pool.fetchrow(ONE, account, job_id, student_id)
        if row is None:
            raise NotFound("there is no such card in this account")
        return msgspec.convert(dict(row), PrintedCard)

    async def everybody(self, account: AccountId, job_id: str) -> dict[str, Known]:
        """Return all subjects of a job by student_id; nobody for a job without cards."""
        found = await self._pool.fetch(EVERYBODY, account, job_id)
        return {row["student_id"]: Known(row["name"], row["class_name"]) for row in found}

    async def forget_old(self, older_than: timedelta) -> int:
        """Forget whose card was last printed that long ago. Returns how many."""
        forgotten = 0
        while gone := await self._pool.fetchval(FORGET_OLD, older_than):
            forgotten += gone
        return forgotten


async def keep(
    connection: Connection,
    account: AccountId,
    job_id: str,
    subjects: Sequence[Subject],
    wishes: Wishes,
) -> None:
    """Write down who was drawn, in the transaction of who drew; when first stays as it was."""
    await connection.execute(ONE_AT_A_TIME, str(account), job_id)
    await connection.execute(
        KEEP,
        account,
        job_id,
        [subject.student_id for subject in subjects],
        [subject.name for subject in subjects],
        [subject.class_name for subject in subjects],
        [msgspec.json.encode(subject.lines).decode() for subject in subjects],
        wishes.school_name,
        wishes.symbol,
        wishes.name_in_code,
    )


async def forget(connection: Connection, account: AccountId, job_id: str) -> int:
    """Forget everybody of a job, in a transaction. Returns how many."""
    await connection.execute(ONE_AT_A_TIME, str(account), job_id)
    forgotten: int = await connection.fetchval(FORGET, account, job_id)
    return forgotten


def _printed(row: Record) -> Printed:
    return msgspec.convert({**row, "lines": msgspec.json.decode(row["lines"])}, Printed)


def missing() -> NotFound:
    """Return what is raised for a job without cards."""
    return NotFound("there are no cards for this job in this account")
