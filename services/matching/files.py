"""The photographs of a shoot: each once, by its content or its URL."""

from collections.abc import Sequence

from asyncpg import Record

from kit.database import Connection, Pool
from proto.agencies import MOST_FILES, File, FileId, ShootId
from proto.errors import InvalidRequest, NotFound
from proto.ids import AccountId
from proto.matching.shoots import AddFiles, EraseFiles, FilePage, GetFiles
from services.matching import agencies, portraits, shoots
from services.matching.access import note
from services.matching.discarding import Discarding, discard
from services.matching.forgetting import Forget
from services.matching.paging import that_fit
from services.matching.photographs import Photograph, checked

COUNT = """
SELECT count(*) FROM matching.files WHERE account_id = $1 AND shoot_id = $2
"""

ADD = """
INSERT INTO matching.files (account_id, agency_id, shoot_id, filename, key, url, size, sha256)
SELECT $1, $2, $3, filename, key, url, size, sha256
FROM unnest($4::text[], $5::text[], $6::text[], $7::bigint[], $8::bytea[])
    WITH ORDINALITY AS sent (filename, key, url, size, sha256, place)
ORDER BY place
ON CONFLICT (shoot_id, sha256) DO NOTHING
"""

THESE = """
SELECT id, shoot_id AS shoot, filename, key, url, size, created_at, sha256 FROM matching.files
WHERE account_id = $1 AND shoot_id = $2 AND sha256 = ANY ($3)
"""

PAGE = """
SELECT id, shoot_id AS shoot, filename, key, url, size, created_at FROM matching.files
WHERE account_id = $1 AND agency_id = $2 AND shoot_id = $3 AND id > $4 ORDER BY id LIMIT $5
"""

THERE = """
SELECT true FROM matching.shoots WHERE account_id = $1 AND agency_id = $2 AND id = $3
"""

COMPARED = """
SELECT EXISTS (
    SELECT FROM matching.reference_photos
    WHERE account_id = $1 AND file_id = ANY ($2) AND state = 'embedded'
)
"""

ERASE = """
DELETE FROM matching.files
WHERE account_id = $1 AND agency_id = $2 AND shoot_id = $3 AND id = ANY ($4)
RETURNING key
"""


class Files:
    """The photographs in one database, their objects in one storage."""

    def __init__(self, pool: Pool, discarding: Discarding, forget: Forget) -> None:
        self._pool = pool
        self._discarding = discarding
        self._forget = forget

    async def add(self, request: AddFiles) -> FilePage:
        """Add photographs; answers one for each, in their order.

        Raises NotFound, and InvalidRequest where nothing, or not so many, may be added.
        """
        account, agency, shoot = request.account, request.agency, request.shoot
        photographs = [checked(account, file) for file in request.files]
        async with self._pool.acquire() as connection, connection.transaction():
            agencies.check_open(await agencies.held(connection, account, agency))
            await shoots.lock_open(connection, account, agency, shoot)
            known = {row["sha256"] for row in await _these(connection, account, shoot, photographs)}
            new: dict[bytes, Photograph] = {}
            for each in photographs:
                if each.sha256 not in known:
                    new.setdefault(each.sha256, each)
            there: int = await connection.fetchval(COUNT, account, shoot)
            if there + len(new) > MOST_FILES:
                raise InvalidRequest(
                    f"a shoot has at most {MOST_FILES} photographs; this one has {there}"
                )
            await connection.execute(ADD, account, agency, shoot, *_columns(list(new.values())))
            rows = await _these(connection, account, shoot, photographs)
            stored = {row["sha256"]: _file(row) for row in rows}
            gone = await discard(connection, account, (each.key for each in photographs))
        await self._discarding.remove(gone)
        return FilePage(files=[stored[each.sha256] for each in photographs], next_after=None)

    async def page(self, request: GetFiles) -> FilePage:
        """Return a page of a shoot's photographs. Raises NotFound."""
        account, agency, shoot = request.account, request.agency, request.shoot
        limit = request.limit
        rows = await self._pool.fetch(PAGE, account, agency, shoot, request.after, limit + 1)
        if not rows and not await self._pool.fetchval(THERE, account, agency, shoot):
            raise NotFound("there is no such shoot in this agency")
        shown = [_file(row) for row in rows[:limit]]
        shown = shown[: that_fit(shown)]
        return FilePage(files=shown, next_after=shown[-1].id if len(rows) > len(shown) else None)

    async def erase(self, request: EraseFiles) -> None:
        """Remove photographs with what was found in them, all or none. Raises NotFound."""
        account, agency, shoot = request.account, request.agency, request.shoot
        files = sorted(set(request.files))
        async with self._pool.acquire() as connection, connection.transaction():
            await agencies.locked(connection, account, agency)
            compared = await were_compared(connection, account, files)
            cut = await portraits.of_files(connection, account, files)
            rows = await connection.fetch(ERASE, account, agency, shoot, files)
            if len(rows) != len(files):
                raise NotFound("there are no such photographs in this shoot")
            if compared:
                await agencies.bump(connection, account, agency)
            told = {"shoot": str(shoot), "files": str(len(files))}
            await note(connection, account, agency, request.by, "files_erased", None, told)
            gone = await discard(connection, account, [*(row["key"] for row in rows), *cut])
        if compared:
            await self._forget(account, agency)
        await self._discarding.remove(gone)


async def were_compared(
    connection: Connection, account: AccountId, files: Sequence[FileId]
) -> bool:
    """Return whether any of these photographs is a reference that faces are compared with."""
    found: bool = await connection.fetchval(COMPARED, account, files)
    return found


async def _these(
    connection: Connection, account: AccountId, shoot: ShootId, photographs: Sequence[Photograph]
) -> list[Record]:
    digests = [each.sha256 for each in photographs]
    found: list[Record] = await connection.fetch(THESE, account, shoot, digests)
    return found


def _columns(photographs: Sequence[Photograph]) -> tuple[list[object], ...]:
    """Return $4 to $8 of what adds them."""
    return (
        [each.filename for each in photographs],
        [each.key for each in photographs],
        [each.url for each in photographs],
        [each.size for each in photographs],
        [each.sha256 for each in photographs],
    )


def _file(row: Record) -> File:
    fields = dict(row)
    fields.pop("sha256", None)
    return File(**fields)
