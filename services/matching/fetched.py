"""Photographs that came from URLs: where they lie from now on, or that nobody needs them."""

from kit.database import Pool
from kit.storage import ObjectNotFound, Storage
from proto.agencies import FileId, ReferenceId
from proto.ids import AccountId, StorageKey
from services.matching.discarding import Discarding, discard

KEEP_FILE = """
UPDATE matching.files SET key = $3, size = $4
WHERE account_id = $1 AND id = $2 AND key = ''
RETURNING true
"""

KEEP_REFERENCE = """
UPDATE matching.reference_photos SET key = $3
WHERE account_id = $1 AND id = $2 AND key = '' AND $4 >= 0
RETURNING true
"""


class Fetched:
    """Notes what the face reader has stored."""

    def __init__(self, pool: Pool, storage: Storage, discarding: Discarding) -> None:
        self._pool = pool
        self._storage = storage
        self._discarding = discarding

    async def file(self, account: AccountId, file: FileId, key: StorageKey) -> None:
        """Keep the photograph of a file, unless that is gone or another was quicker."""
        await self._note(KEEP_FILE, account, file, key)

    async def reference(self, account: AccountId, reference: ReferenceId, key: StorageKey) -> None:
        """Keep the photograph of a reference, likewise."""
        await self._note(KEEP_REFERENCE, account, reference, key)

    async def _note(
        self, statement: str, account: AccountId, whose: FileId | ReferenceId, key: StorageKey
    ) -> None:
        try:
            size = await self._storage.size_of(key)
        except ObjectNotFound:
            return
        async with self._pool.acquire() as connection, connection.transaction():
            kept = await connection.fetchval(statement, account, whose, key, size)
            gone = [] if kept else await discard(connection, account, [key])
        await self._discarding.remove(gone)
