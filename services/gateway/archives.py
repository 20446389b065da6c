"""Everything that a face crop job made, as one ZIP."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import msgspec

from kit.storage import Storage
from proto.facecrop import Portrait
from proto.ids import StorageKey
from proto.jobs import Item
from services.gateway import table
from services.gateway.ended import JobBody
from services.gateway.portraits import files, outcome_of, warnings
from services.gateway.zips import Zip

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
    "measured",
    "sizes",
    "scales",
    "upscaled",
)


async def of_portraits(
    storage: Storage, job: JobBody, items: AsyncIterator[Item]
) -> AsyncIterator[bytes]:
    """Yield the archive of a face crop job piece by piece: its files once each, and two receipts.

    receipt.csv has a line for each photo, receipt.json is what is told of the job without its
    results: how many of what, and how alike the portraits are.

    Raises ObjectNotFound in the middle when a file is not there any more, so that a part is not
    taken for the whole.
    """
    lines: list[tuple[object, ...]] = [_HEADINGS]
    packed: set[StorageKey] = set()
    with Zip() as archive:
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
                name = key.rpartition("/")[2]
                async with aclosing(archive.add_stored(name, storage, key)) as pieces:
                    async for piece in pieces:
                        yield piece
        archive.add("receipt.csv", table.rows(lines))
        archive.add("receipt.json", msgspec.json.format(msgspec.json.encode(job)))
    yield archive.take()


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
        " ".join(warnings(portrait)),
        "yes" if receipt.measured else "no",
        " ".join(f"{name}={of.width}x{of.height}" for name, of in receipt.files.items()),
        " ".join(f"{name}={of.scale}" for name, of in receipt.files.items()),
        " ".join(name for name, of in receipt.files.items() if "upscaled" in of.flags),
    )
