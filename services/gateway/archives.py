"""One ZIP of everything that a job made, written while it is being sent.

Photographs do not get smaller by packing, so nothing is packed; whatever the size of the archive, a
piece of one file is in memory.
"""

import time
import zipfile
from collections.abc import AsyncIterator
from typing import IO, cast

from kit.storage import Storage
from proto.facecrop import Portrait
from proto.ids import StorageKey
from proto.jobs import Item
from services.gateway import table
from services.gateway.portraits import files, outcome_of

_HEADINGS = (
    "filename",
    "file",
    "status",
    "error",
    "eye_line",
    "head",
    "eye_distance",
    "roll",
    "rotated",
    "scale",
    "print_dpi",
    "sharpness",
    "brightness",
    "flags",
    "warnings",
)
_READABLE_BY_ALL = 0o644 << 16


class _Buffer:
    """Where the ZIP is written to, until it is sent."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


async def of_portraits(storage: Storage, items: AsyncIterator[Item]) -> AsyncIterator[bytes]:
    """Yield the archive of a face crop job piece by piece: its files once each, and receipt.csv.

    Raises ObjectNotFound in the middle when a file is not there any more, so that a part is not
    taken for the whole.
    """
    buffer = _Buffer()
    lines: list[tuple[object, ...]] = [_HEADINGS]
    packed: set[StorageKey] = set()
    with zipfile.ZipFile(cast("IO[bytes]", buffer), "w", zipfile.ZIP_STORED) as archive:
        async for item in items:
            if item.order is None:
                continue
            outcome = outcome_of(item)
            lines.append(_line(item, outcome if isinstance(outcome, Portrait) else None))
            if not isinstance(outcome, Portrait):
                continue
            for key in files(outcome).values():
                if key in packed:
                    continue
                packed.add(key)
                _, pieces = await storage.stream(key)
                with archive.open(_entry(key.rpartition("/")[2]), "w") as entry:
                    async for piece in pieces:
                        entry.write(piece)
                        yield buffer.take()
                yield buffer.take()
        archive.writestr(_entry("receipt.csv"), table.rows(lines))
    yield buffer.take()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, time.gmtime()[:6])
    entry.external_attr = _READABLE_BY_ALL
    return entry


def _line(item: Item, portrait: Portrait | None) -> tuple[object, ...]:
    if portrait is None:
        return (item.name, None, item.state, item.code, *[None] * (len(_HEADINGS) - 4))
    receipt = portrait.receipt
    return (
        item.name,
        portrait.original.rpartition("/")[2],
        item.state,
        None,
        receipt.eye_line,
        receipt.head,
        receipt.eye_distance,
        receipt.roll,
        receipt.rotated,
        receipt.scale,
        receipt.print_dpi,
        receipt.sharpness,
        receipt.brightness,
        " ".join(portrait.flags),
        " ".join(portrait.warnings),
    )
