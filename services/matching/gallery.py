"""What the faces of an agency are compared with: its embeddings, unsealed, in memory.

PostgreSQL keeps them sealed; here they are one matrix, loaded when somebody first asks and again
when the agency's `gallery` has gone up, of which only what is new is read and unsealed. Whoever
searches asks for the number first, so nobody is compared with what was erased. What is not used
goes: the longest unused when there is too much, and each after a while.
"""

import asyncio
from asyncio import TimerHandle
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import structlog
from asyncpg import Record
from numpy.typing import NDArray
from prometheus_client import Gauge

from kit.database import Connection, Pool
from kit.sealing import Vault
from proto.agencies import AgencyId, ReferenceId
from proto.errors import NotFound
from proto.ids import AccountId
from services.matching.sealed import of_reference
from services.matching.searching import References, Vectors, as_rows

VERSION = """
SELECT gallery FROM matching.agencies WHERE account_id = $1 AND id = $2
"""

ROWS = """
SELECT id, subject_id, (extract(epoch FROM embedded_at) * 1000000)::bigint AS embedded
FROM matching.reference_photos
WHERE account_id = $1 AND agency_id = $2 AND state = 'embedded' AND embedder = $3
ORDER BY subject_id, id
"""
"""Which embeddings there are; a reference that is embedded anew has another time."""

EMBEDDINGS = """
SELECT id, embedding FROM matching.reference_photos
WHERE account_id = $1 AND agency_id = $2 AND id = ANY ($3)
"""

MEMORY = Gauge("darkroom_gallery_bytes", "Memory that embeddings of references take")

IDLE_SECONDS = 600.0
"""After which what nobody searches is dropped: what is erased leaves memory too."""

_AT_ONCE = 10_000
"""Embeddings that are read, unsealed and forgotten together: 5 MB."""

log = structlog.get_logger(__name__)


class Whose(NamedTuple):
    """Of which agency, and made by which embedder."""

    account: AccountId
    agency: AgencyId
    embedder: str
    dimensions: int


@dataclass(frozen=True, slots=True)
class Gallery:
    """The embeddings of an agency, as they stood at one moment."""

    version: int
    """Of the agency's `gallery`."""
    references: References
    stamps: NDArray[np.int64]
    """[n, 2]: id and time of embedding of each row, to tell what is new later."""

    @property
    def size(self) -> int:
        """In bytes."""
        return self.references.matrix.nbytes + self.stamps.nbytes + self.references.starts.nbytes


class Galleries:
    """The galleries in memory; each is loaded once, however many wait for it."""

    def __init__(
        self, pool: Pool, vault: Vault, most_bytes: int, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self._pool = pool
        self._vault = vault
        self._most_bytes = most_bytes
        self._idle_seconds = idle_seconds
        self._kept: OrderedDict[Whose, Gallery] = OrderedDict()
        self._loading: dict[Whose, asyncio.Task[Gallery]] = {}
        self._alarms: dict[Whose, TimerHandle] = {}

    @property
    def kept_bytes(self) -> int:
        """What all of them take at the moment."""
        return sum(gallery.size for gallery in self._kept.values())

    async def version(self, account: AccountId, agency: AgencyId) -> int:
        """Return the number that goes up with every change. Raises NotFound."""
        found: int | None = await self._pool.fetchval(VERSION, account, agency)
        if found is None:
            raise NotFound("there is no such agency in this account")
        return found

    async def get(self, whose: Whose) -> Gallery:
        """Return a gallery as it stands now, or newer. Raises NotFound, CannotOpen."""
        version = await self.version(whose.account, whose.agency)
        gallery = self._kept.get(whose)
        while gallery is None or gallery.version < version:
            # who waits may be cancelled without the others losing what is being loaded
            gallery = await asyncio.shield(self._load(whose))
        self._use(whose)
        return gallery

    def forget(self, account: AccountId, agency: AgencyId) -> None:
        """Drop what there is of an agency, also what is being loaded as soon as it is."""
        for whose in [each for each in self._kept if each[:2] == (account, agency)]:
            self._drop(whose)
        for whose, task in self._loading.items():
            if whose[:2] == (account, agency):
                # it may have been read before the erasure; whoever waits for it looks again
                task.add_done_callback(partial(self._loaded_in_vain, whose))

    async def close(self) -> None:
        """Drop everything."""
        for task in self._loading.values():
            task.cancel()
        await asyncio.gather(*self._loading.values(), return_exceptions=True)
        for whose in list(self._kept):
            self._drop(whose)

    def _load(self, whose: Whose) -> asyncio.Task[Gallery]:
        task = self._loading.get(whose)
        if task is None:
            task = self._loading[whose] = asyncio.create_task(self._loaded(whose))
            task.add_done_callback(lambda _: self._loading.pop(whose, None))
        return task

    async def _loaded(self, whose: Whose) -> Gallery:
        before = self._kept.get(whose)
        async with (
            self._pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            gallery = await self._read(connection, whose, before)
        self._kept[whose] = gallery
        self._make_room(whose)
        # perhaps nobody waits for it any more
        self._use(whose)
        log.info(
            "gallery loaded",
            agency=whose.agency,
            references=len(gallery.stamps),
            subjects=len(gallery.references.subjects),
            bytes=gallery.size,
        )
        return gallery

    async def _read(self, connection: Connection, whose: Whose, before: Gallery | None) -> Gallery:
        """Read what there is at one moment; rows that were there before are taken from there."""
        version = await connection.fetchval(VERSION, whose.account, whose.agency)
        if version is None:
            raise NotFound("there is no such agency in this account")
        rows = await connection.fetch(ROWS, whose.account, whose.agency, whose.embedder)
        stamps, subjects = await asyncio.to_thread(_columns, rows)
        matrix = np.empty((len(rows), whose.dimensions), np.float32)
        missing = await asyncio.to_thread(_taken_over, matrix, stamps, before)
        for first in range(0, len(missing), _AT_ONCE):
            places = missing[first : first + _AT_ONCE]
            ids = stamps[places, 0].tolist()
            found = await connection.fetch(EMBEDDINGS, whose.account, whose.agency, ids)
            await asyncio.to_thread(self._unsealed, whose, found, ids, matrix, places)
        return Gallery(version, References.of(matrix, subjects), stamps)

    def _unsealed(
        self,
        whose: Whose,
        found: Sequence[Record],
        ids: Sequence[int],
        matrix: Vectors,
        places: NDArray[np.int64],
    ) -> None:
        """Put embeddings into their rows."""
        sealed = {row["id"]: row["embedding"] for row in found}
        opened = [
            self._vault.open(
                sealed[of], of_reference(whose.account, ReferenceId(of), whose.embedder)
            )
            for of in ids
        ]
        matrix[places] = as_rows(opened, whose.dimensions)

    def _use(self, whose: Whose) -> None:
        """Note that it is in use, until it has not been for a while."""
        if whose in self._kept:
            self._kept.move_to_end(whose)
            if alarm := self._alarms.pop(whose, None):
                alarm.cancel()
            loop = asyncio.get_running_loop()
            self._alarms[whose] = loop.call_later(self._idle_seconds, self._drop, whose)

    def _make_room(self, for_whom: Whose) -> None:
        """Drop the longest unused until the rest fits; the one that is needed stays."""
        self._kept.move_to_end(for_whom)
        while len(self._kept) > 1 and self.kept_bytes > self._most_bytes:
            self._drop(next(iter(self._kept)))
        MEMORY.set(self.kept_bytes)

    def _loaded_in_vain(self, whose: Whose, _: "asyncio.Task[Gallery]") -> None:
        self._drop(whose)

    def _drop(self, whose: Whose) -> None:
        self._kept.pop(whose, None)
        if alarm := self._alarms.pop(whose, None):
            alarm.cancel()
        MEMORY.set(self.kept_bytes)


def _columns(rows: Sequence[Record]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the stamps of rows, and the subject of each."""
    found = np.array([tuple(row) for row in rows], np.int64).reshape(-1, 3)
    return np.ascontiguousarray(found[:, ::2]), np.ascontiguousarray(found[:, 1])


def _taken_over(
    matrix: Vectors, stamps: NDArray[np.int64], before: Gallery | None
) -> NDArray[np.int64]:
    """Copy the rows that were there before. Returns the places of those that were not."""
    if before is None or not len(before.stamps):
        return np.arange(len(stamps))
    by_id = np.argsort(before.stamps[:, 0])
    at = np.searchsorted(before.stamps[:, 0], stamps[:, 0], sorter=by_id)
    was = by_id[np.minimum(at, len(by_id) - 1)]
    known = (before.stamps[was] == stamps).all(axis=1)
    matrix[known] = before.references.matrix[was[known]]
    return np.flatnonzero(~known)
