"""A ZIP that is written while it is being sent.

Photographs do not get smaller by packing, so nothing is packed; whatever the size of the archive, a
piece of one file is in memory.
"""

import time
import zipfile
from collections.abc import AsyncGenerator
from typing import IO, Self, cast

from kit.storage import Storage
from proto.ids import StorageKey

_READABLE_BY_ALL = 0o644 << 16


class Zip:
    """An archive; what was written so far is taken from it and sent."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._archive = zipfile.ZipFile(cast("IO[bytes]", self), "w", zipfile.ZIP_STORED)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # what was broken off gets no end, so that a part is not taken for the whole
        if kind is None:
            self._archive.close()

    def write(self, data: bytes) -> int:
        """Take what zipfile writes."""
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits: what was written can be taken."""

    def take(self) -> bytes:
        """Return what was written since the last time."""
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken

    def add(self, name: str, data: bytes) -> None:
        """Add a small file."""
        self._archive.writestr(_entry(name), data)

    async def add_stored(
        self, name: str, storage: Storage, key: StorageKey
    ) -> AsyncGenerator[bytes, None]:
        """Add a file out of storage; yields what is to be sent of it. Raises ObjectNotFound."""
        _, pieces = await storage.stream(key)
        with self._archive.open(_entry(name), "w") as file:
            async for piece in pieces:
                file.write(piece)
                yield self.take()
        yield self.take()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, time.gmtime()[:6])
    entry.external_attr = _READABLE_BY_ALL
    return entry
