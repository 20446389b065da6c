"""Sheets: begun, given their subjects in parts, drawn once."""

import asyncio
import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import partial
from uuid import UUID

import msgspec
from asyncpg import Record

from kit.aside import Aside, Overrun
from kit.bus import decoder
from kit.database import Pool
from kit.letters import in_ascii
from kit.storage import BadKey, ObjectNotFound, ObjectTooLarge, Storage
from proto.errors import InvalidRequest, NotFound
from proto.ids import AccountId, StorageKey
from proto.qr import AddSubjects, BeginSheet, DrawnSheet, DrawSheet, Missing, Subject, Wishes
from services.qr import arranging, printed
from services.qr.drawing.cards import Card, SheetOptions
from services.qr.paging import that_fit
from services.qr.payload import Cards, job_tag
from services.qr.printing import Files, files

BEGIN = """
INSERT INTO qr.sheets (account_id, id, job_id, wishes) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING
"""

ADD = """
WITH sheet AS (SELECT result FROM qr.sheets WHERE account_id = $1 AND id = $2),
added AS (
    INSERT INTO qr.sheet_parts (account_id, sheet_id, part, subjects)
    SELECT $1, $2, $3, $4 FROM sheet WHERE result IS NULL
    ON CONFLICT DO NOTHING
)
SELECT true FROM sheet
"""

SHEET = """
SELECT job_id, wishes, result FROM qr.sheets WHERE account_id = $1 AND id = $2
"""

PARTS = """
SELECT subjects FROM qr.sheet_parts WHERE account_id = $1 AND sheet_id = $2 ORDER BY part
"""

FINISH = """
UPDATE qr.sheets SET result = $3, drawn_at = now()
WHERE account_id = $1 AND id = $2 AND result IS NULL
RETURNING true
"""

REMOVE_PARTS = """
DELETE FROM qr.sheet_parts WHERE account_id = $1 AND sheet_id = $2
"""

FORGET = """
DELETE FROM qr.sheets WHERE account_id = $1 AND job_id = $2 RETURNING result ->> 'pdf' AS pdf
"""
"""A sheet that is just being finished is waited for; one that is still drawn finds itself gone."""

REMOVE_OLD = """
WITH removed AS (DELETE FROM qr.sheets WHERE created_at < now() - $1::interval RETURNING true)
SELECT count(*) FROM removed
"""

DRAWING_SECONDS = 60.0
"""A sheet of 2,000 cards takes one or two."""

_MOST_LOGO_BYTES = 20_000_000
_MOST_MISSING = 100
_MOST_MISSING_BYTES = 8_000
"""In one answer, which must fit into the result of an item of a job."""
_LONGEST_STEM = 60


class Sheets:
    """The sheets in one database, their files in one storage."""

    def __init__(self, pool: Pool, storage: Storage, cards: Cards, aside: Aside) -> None:
        self._pool = pool
        self._storage = storage
        self._cards = cards
        self._aside = aside

    async def begin(self, request: BeginSheet) -> None:
        """Begin a sheet; one that has begun stays as it is."""
        wishes = msgspec.json.encode(request.wishes).decode()
        await self._pool.execute(BEGIN, request.account, request.sheet, request.job_id, wishes)

    async def add(self, request: AddSubjects) -> None:
        """Add a part to a sheet; one that is there stays, and one that comes after drawing is late.

        Raises NotFound.
        """
        subjects = msgspec.msgpack.encode(request.subjects)
        if not await self._pool.fetchval(
            ADD, request.account, request.sheet, request.part, subjects
        ):
            raise _missing()

    async def draw(self, request: DrawSheet) -> DrawnSheet:
        """Draw a sheet and write down who is on it; one that was drawn is answered as it is.

        Raises NotFound, InvalidRequest.
        """
        account = request.account
        if not request.outputs.startswith(f"outputs/{account}/"):
            raise InvalidRequest("outputs must lie in the account's own folder")
        row, parts = await self._sheet(account, request.sheet)
        if row["result"]:
            return msgspec.json.decode(row["result"], type=DrawnSheet)
        wishes = msgspec.json.decode(row["wishes"], type=Wishes)
        subjects = [each for part in parts for each in decoder(list[Subject]).decode(part)]
        cards = await asyncio.to_thread(
            _arranged, self._cards, account, row["job_id"], subjects, wishes
        )
        logo = await self._logo(account, wishes.logo)
        finished = await self._drawn(cards, _options(row["job_id"], wishes, logo))
        result = await self._stored(request.outputs, row["job_id"], wishes, finished, len(subjects))
        return await self._finished(account, request.sheet, result, subjects, wishes)

    async def forget(self, account: AccountId, job_id: str) -> int:
        """Forget who has cards for a job, its sheets and their files.

        Returns how many had cards. Raises NotFound for a job of which nothing is known.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            # sheets first: one that is finished meanwhile has then written down whom it shows
            sheets = await connection.fetch(FORGET, account, job_id)
            forgotten = await printed.forget(connection, account, job_id)
        if not sheets and not forgotten:
            raise printed.missing()
        for row in sheets:
            if row["pdf"]:
                await self._storage.delete_folder(_folder(row["pdf"]))
        return forgotten

    async def remove_old(self, older_than: timedelta) -> int:
        """Remove sheets that were begun that long ago. Returns how many."""
        removed: int = await self._pool.fetchval(REMOVE_OLD, older_than)
        return removed

    async def _sheet(self, account: AccountId, sheet: UUID) -> tuple[Record, list[bytes]]:
        """Return a sheet and the parts it was given, as of one moment. Raises NotFound."""
        async with (
            self._pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            row = await connection.fetchrow(SHEET, account, sheet)
            parts = await connection.fetch(PARTS, account, sheet)
        if row is None:
            raise _missing()
        return row, [part["subjects"] for part in parts]

    async def _logo(self, account: AccountId, key: StorageKey | None) -> bytes | None:
        if key is None:
            return None
        if not key.startswith((f"outputs/{account}/", f"uploads/{account}/")):
            raise InvalidRequest("the logo must lie in the account's own folder")
        try:
            return await self._storage.get(key, _MOST_LOGO_BYTES)
        except (ObjectNotFound, BadKey) as error:
            raise InvalidRequest("the logo is not there any more") from error
        except ObjectTooLarge as error:
            raise InvalidRequest("the logo is too large") from error

    async def _drawn(self, cards: Sequence[Card], options: SheetOptions) -> Files:
        try:
            return await self._aside.run(DRAWING_SECONDS, files, cards, options)
        except Overrun as error:
            raise TimeoutError("a sheet was not drawn in time") from error

    async def _stored(
        self, outputs: StorageKey, job_id: str, wishes: Wishes, finished: Files, subjects: int
    ) -> DrawnSheet:
        pdf = StorageKey(f"{outputs}/qr_cards_{_stem(job_id)}_{wishes.layout}.pdf")
        preview = StorageKey(f"{outputs}/preview.png")
        try:
            await self._storage.put(pdf, finished.pdf, "application/pdf")
            await self._storage.put(preview, finished.preview, "image/png")
        except BadKey as error:
            raise InvalidRequest("outputs must be a folder") from error
        return DrawnSheet(
            job_id=job_id,
            pdf=pdf,
            preview=preview,
            subjects=subjects,
            pages=finished.pages,
            missing=_told(finished.missing),
            missing_count=len(finished.missing),
        )

    async def _finished(
        self,
        account: AccountId,
        sheet: UUID,
        result: DrawnSheet,
        subjects: Sequence[Subject],
        wishes: Wishes,
    ) -> DrawnSheet:
        """Write down what was drawn and who, or return what another has drawn meanwhile."""
        written = msgspec.json.encode(result).decode()
        async with self._pool.acquire() as connection, connection.transaction():
            if await connection.fetchval(FINISH, account, sheet, written):
                await printed.keep(connection, account, result.job_id, subjects, wishes)
                await connection.execute(REMOVE_PARTS, account, sheet)
                return result
        row = await self._pool.fetchrow(SHEET, account, sheet)
        if row is None:
            # forgotten meanwhile: nobody would ever remove what names those who are on it
            await self._storage.delete_folder(_folder(result.pdf))
            raise _missing()
        return msgspec.json.decode(row["result"], type=DrawnSheet)


def _folder(pdf: str) -> StorageKey:
    return StorageKey(pdf.rpartition("/")[0])


def _arranged(
    cards: Cards, account: AccountId, job_id: str, subjects: Sequence[Subject], wishes: Wishes
) -> list[Card]:
    """Check the subjects and make their cards, in a thread: 2,000 signatures take a while."""
    arranging.check(subjects)
    write = partial(cards.write, account=account)
    return arranging.cards(subjects, wishes, job_tag(account, job_id), write)


def _options(job_id: str, wishes: Wishes, logo: bytes | None) -> SheetOptions:
    return SheetOptions(
        layout=wishes.layout,
        paper=wishes.paper,
        symbol=wishes.symbol,
        school_name=wishes.school_name,
        logo=logo,
        dividers=wishes.dividers,
        page_break_per_group=wishes.page_break_per_class,
        language=wishes.language,
        title=", ".join(filter(None, (wishes.school_name, job_id))),
    )


def _told(missing: Iterable[tuple[str, str]]) -> list[Missing]:
    told = [Missing(student_id=whose, characters=which) for whose, which in missing]
    told = told[:_MOST_MISSING]
    return told[: that_fit(told, _MOST_MISSING_BYTES)]


def _stem(job_id: str) -> str:
    """Return a reference as part of a file name: ASCII, safe, at most 60 letters."""
    safe = re.sub(r"[^A-Za-z0-9_-]+", "-", in_ascii(job_id)).strip("-_")
    return safe[:_LONGEST_STEM] or "job"


def _missing() -> NotFound:
    return NotFound("there is no such sheet in this account")
