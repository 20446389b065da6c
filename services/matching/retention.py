"""Retention: photographs and embeddings go when an agency's days are over, objects with them.

Every replica does this now and then; what one removes, the others do not find.
"""

from datetime import UTC, datetime, timedelta

import structlog
from asyncpg import Record

from kit.database import Connection, Pool
from kit.storage import Storage
from proto.agencies import AgencyId
from proto.errors import NotFound
from proto.ids import AccountId, StorageKey
from services.matching import agencies, portraits
from services.matching.access import SERVICE, note
from services.matching.discarding import Discarding, discard
from services.matching.files import were_compared

OVER = """
SELECT account_id, id FROM matching.agencies
WHERE EXISTS (
    SELECT FROM matching.files WHERE agency_id = agencies.id
      AND created_at < now() - make_interval(days => retention_days)
) OR EXISTS (
    SELECT FROM matching.reference_photos WHERE agency_id = agencies.id
      AND created_at < now() - make_interval(days => retention_days)
)
ORDER BY id
"""

OLD_FILES = """
SELECT files.id FROM matching.files JOIN matching.agencies ON agencies.id = files.agency_id
WHERE files.account_id = $1 AND files.agency_id = $2
  AND files.created_at < now() - make_interval(days => agencies.retention_days)
ORDER BY files.id LIMIT $3
"""

ERASE_FILES = """
DELETE FROM matching.files WHERE account_id = $1 AND agency_id = $2 AND id = ANY ($3)
RETURNING key
"""

ERASE_REFERENCES = """
WITH old AS (
    SELECT photos.id FROM matching.reference_photos AS photos
    JOIN matching.agencies ON agencies.id = photos.agency_id
    WHERE photos.account_id = $1 AND photos.agency_id = $2
      AND photos.created_at < now() - make_interval(days => agencies.retention_days)
    ORDER BY photos.id LIMIT $3
)
DELETE FROM matching.reference_photos USING old
WHERE reference_photos.account_id = $1 AND reference_photos.id = old.id
RETURNING key, state
"""

UNNAMED = """
SELECT key FROM unnest($1::text[]) AS found (key)
WHERE NOT EXISTS (SELECT FROM matching.files WHERE files.key = found.key)
  AND NOT EXISTS (SELECT FROM matching.reference_photos WHERE reference_photos.key = found.key)
"""

_AT_ONCE = 500
_PHOTOS = StorageKey("photos")
_UNNAMED_FOR = timedelta(days=1)
"""After which an upload that nobody spoke of was left behind: its request has long ended."""

log = structlog.get_logger(__name__)


class Retention:
    """Removes what has had its time."""

    def __init__(self, pool: Pool, storage: Storage, discarding: Discarding) -> None:
        self._pool = pool
        self._storage = storage
        self._discarding = discarding

    async def sweep(self) -> None:
        """Remove what is old, what is left of what was removed, and what nobody speaks of.

        Raises Unavailable when the storage is away.
        """
        for row in await self._pool.fetch(OVER):
            await self._clear_agency(AccountId(row["account_id"]), AgencyId(row["id"]))
        left = await self._discarding.sweep()
        left += await portraits.sweep(self._pool, self._storage)
        unnamed = await self._clear_unnamed(datetime.now(UTC) - _UNNAMED_FOR)
        if left or unnamed:
            log.info("removed objects left behind", discarded=left, unnamed=unnamed)

    async def _clear_agency(self, account: AccountId, agency: AgencyId) -> None:
        """Remove an agency's old photographs, some at a time, and write each time down."""
        more = True
        while more:
            try:
                async with self._pool.acquire() as connection, connection.transaction():
                    keys = await _clear(connection, account, agency)
                    gone = await discard(connection, account, keys)
            except NotFound:
                # erased meanwhile, with everything in it
                return
            await self._discarding.remove(gone)
            more = bool(keys)

    async def _clear_unnamed(self, before: datetime) -> int:
        """Remove photographs last written before this that are nobody's. Returns how many."""
        count = 0
        keys: list[StorageKey] = []
        async for key, written in self._storage.list(_PHOTOS):
            if written < before:
                keys.append(key)
            if len(keys) == _AT_ONCE:
                count += await self._remove_unnamed(keys)
                keys = []
        count += await self._remove_unnamed(keys)
        # what a writer that was killed midway left has no key yet
        await self._storage.delete_unfinished(_PHOTOS, before)
        return count

    async def _remove_unnamed(self, keys: list[StorageKey]) -> int:
        if not keys:
            return 0
        unnamed = [StorageKey(row["key"]) for row in await self._pool.fetch(UNNAMED, keys)]
        if unnamed:
            await self._storage.delete_all(unnamed)
        return len(unnamed)


async def _clear(connection: Connection, account: AccountId, agency: AgencyId) -> list[str]:
    """Remove some of what is old in an agency. Returns where it lies. Raises NotFound."""
    await agencies.locked(connection, account, agency)
    files = [row["id"] for row in await connection.fetch(OLD_FILES, account, agency, _AT_ONCE)]
    compared = bool(files) and await were_compared(connection, account, files)
    cut = await portraits.of_files(connection, account, files)
    removed: list[Record] = await connection.fetch(ERASE_FILES, account, agency, files)
    photos: list[Record] = await connection.fetch(ERASE_REFERENCES, account, agency, _AT_ONCE)
    if compared or any(row["state"] == "embedded" for row in photos):
        await agencies.bump(connection, account, agency)
    if removed or photos:
        told = {"files": str(len(removed)), "references": str(len(photos))}
        await note(connection, account, agency, SERVICE, "retention_swept", None, told)
    return [*(row["key"] for row in (*removed, *photos)), *cut]
