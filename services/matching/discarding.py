"""Objects whose rows are gone: written down with that, removed from storage after it.

Whoever is killed in between leaves them written down, and the sweep of any replica removes them.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

import structlog

from kit.database import AWAY, Connection, Pool
from kit.storage import Storage
from proto.errors import Unavailable
from proto.ids import AccountId, StorageKey

DISCARD = """
INSERT INTO matching.discarded_objects (key, account_id)
SELECT key, $1 FROM unnest($2::text[]) AS gone (key)
WHERE NOT EXISTS (SELECT FROM matching.files WHERE files.key = gone.key)
  AND NOT EXISTS (SELECT FROM matching.reference_photos WHERE reference_photos.key = gone.key)
ON CONFLICT (key) DO UPDATE SET discarded_at = now()
RETURNING key
"""
"""What another row names stays: a photograph that somebody confirmed is a reference, too."""

LEFT = """
SELECT key FROM matching.discarded_objects AS gone
WHERE key > $1
  AND NOT EXISTS (SELECT FROM matching.files WHERE files.key = gone.key)
  AND NOT EXISTS (SELECT FROM matching.reference_photos WHERE reference_photos.key = gone.key)
ORDER BY key LIMIT $2
"""

FORGET = """
DELETE FROM matching.discarded_objects WHERE key = ANY ($1)
"""

_AT_ONCE = 500
_IN_VAIN: tuple[type[Exception], ...] = (Unavailable, *AWAY)

log = structlog.get_logger(__name__)


async def discard(
    connection: Connection, account: AccountId, keys: Iterable[str]
) -> list[StorageKey]:
    """Write down what no row names any more, in the transaction that removed the rows.

    Args:
        connection: In a transaction, after the rows are removed.
        account: Whose objects they are.
        keys: Where they lie; "" for what was never stored.

    Returns:
        What is to be removed when the transaction has ended.
    """
    # in order, so that two who discard the same do not wait for each other
    wanted = sorted({key for key in keys if key})
    if not wanted:
        return []
    rows = await connection.fetch(DISCARD, account, wanted)
    return [StorageKey(row["key"]) for row in rows]


class Discarding:
    """Removes what was discarded."""

    def __init__(self, pool: Pool, storage: Storage) -> None:
        self._pool = pool
        self._storage = storage
        self._removing: set[asyncio.Task[None]] = set()

    async def remove(self, keys: Sequence[StorageKey]) -> None:
        """Remove objects that were written down; what fails is left for the sweep.

        It goes on when the caller does not wait any longer.
        """
        if keys:
            await self._go_on(self._remove_in_parts(keys))

    async def clear(self, folder: StorageKey) -> None:
        """Remove a folder whose rows are gone, with what had none yet; as `remove`."""
        await self._go_on(self._storage.delete_folder(folder))

    async def sweep(self) -> int:
        """Remove what is still written down. Returns how many. Raises Unavailable."""
        count, last = 0, ""
        while rows := await self._pool.fetch(LEFT, last, _AT_ONCE):
            await self._remove([StorageKey(row["key"]) for row in rows])
            count, last = count + len(rows), rows[-1]["key"]
        return count

    async def stop(self) -> None:
        """Let go of what is under way."""
        removing = list(self._removing)
        for task in removing:
            task.cancel()
        await asyncio.gather(*removing, return_exceptions=True)

    async def _go_on(self, removal: Coroutine[Any, Any, object]) -> None:
        """Wait for a removal; who does not wait any longer does not end it."""
        task = asyncio.create_task(_tried(removal))
        self._removing.add(task)
        task.add_done_callback(self._removing.discard)
        await asyncio.shield(task)

    async def _remove_in_parts(self, keys: Sequence[StorageKey]) -> None:
        for first in range(0, len(keys), _AT_ONCE):
            await self._remove(keys[first : first + _AT_ONCE])

    async def _remove(self, keys: Sequence[StorageKey]) -> None:
        await self._storage.delete_all(keys)
        await self._pool.execute(FORGET, keys)


async def _tried(removal: Coroutine[Any, Any, object]) -> None:
    try:
        await removal
    except _IN_VAIN as error:
        log.warning("objects left for the sweep", error=str(error) or type(error).__name__)
