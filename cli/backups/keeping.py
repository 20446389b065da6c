"""Backups in object storage: sent, fetched, and forgotten when their time is over.

One lies at `<what>/<when>/`; its manifest goes last, so that one without is none.
"""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from cli.backups import manifest
from cli.backups.errors import BackupFailed, Damaged
from cli.backups.manifest import Manifest
from kit.storage import ObjectNotFound, Storage
from proto.ids import StorageKey

_WHEN = "%Y%m%dT%H%M%S%fZ"
_WHAT = re.compile(r"[a-z][a-z0-9-]{0,39}")
_PIECE_BYTES = 8 << 20
_LARGEST_BYTES = 5_000_000_000_000


class Keeping(msgspec.Struct, frozen=True, kw_only=True):
    """Where backups are kept, and for how long."""

    backup_url: Annotated[
        str, Meta(description="Where backups go: s3://bucket/prefix, gs://, az://, file:///folder")
    ]
    backup_days: Annotated[
        float, Meta(gt=0, description="How long one is kept; the newest always is")
    ] = 35.0


async def store(folder: Path, what: str, keeping: Keeping) -> str:
    """Send a backup, and forget those of its kind whose time is over. Raises BackupFailed."""
    if not _WHAT.fullmatch(what):
        raise BackupFailed(f"A kind of backup is named in small letters, not {what!r}.")
    made = manifest.read(folder) if (folder / manifest.NAME).exists() else manifest.write(folder)
    place = f"{what}/{made.taken_at.astimezone(UTC):{_WHEN}}"
    async with Storage.open(keeping.backup_url) as storage:
        for file in made.files:
            pieces = _pieces(folder / file.name)
            await storage.put_stream(_key(place, file.name), pieces, max_bytes=_LARGEST_BYTES)
        listed = (folder / manifest.NAME).read_bytes()
        await storage.put(_key(place, manifest.NAME), listed, "application/json")
        forgotten = await _forget(storage, what, timedelta(days=keeping.backup_days))
    sent = f"{what}: {made.bytes:,} bytes in {len(made.files)} files are at {place}"
    return sent + (f"; {forgotten} old ones are gone" if forgotten else "")


async def fetch(folder: Path, what: str, keeping: Keeping) -> str:
    """Take the newest backup that is whole into an empty folder. Raises BackupFailed."""
    manifest.new_folder(folder)
    async with Storage.open(keeping.backup_url) as storage:
        for place in sorted(await _places(storage, what), reverse=True):
            if (made := await _listed(storage, place)) is not None:
                await _take(storage, place, made, folder)
                return f"{what}: {place}, {made.bytes:,} bytes, is in {folder}"
    raise BackupFailed(f"There is no backup of {what}.")


async def _take(storage: Storage, place: str, made: Manifest, folder: Path) -> None:
    for file in made.files:
        try:
            _, pieces = await storage.stream(_key(place, file.name))
        except ObjectNotFound:
            raise Damaged(f"{file.name} is not there.") from None
        with (folder / file.name).open("wb") as into:
            async for piece in pieces:
                into.write(piece)
    (folder / manifest.NAME).write_bytes(msgspec.json.encode(made))
    manifest.read(folder)


async def _forget(storage: Storage, what: str, keep: timedelta) -> int:
    """Remove backups that are too old, all but the newest. Returns how many."""
    bound = f"{what}/{datetime.now(UTC) - keep:{_WHEN}}"
    places = sorted(await _places(storage, what))
    whole = [place for place in places if await _listed(storage, place) is not None]
    old = [place for place in places if place < bound and place not in whole[-1:]]
    for place in old:
        await storage.delete_folder(StorageKey(place))
    return len(old)


async def _places(storage: Storage, what: str) -> set[str]:
    return {key.rpartition("/")[0] async for key, _ in storage.list(StorageKey(what))}


async def _listed(storage: Storage, place: str) -> Manifest | None:
    """Return the list of a backup; None for one that was never finished."""
    try:
        return manifest.decode(await storage.get(_key(place, manifest.NAME), max_bytes=1_000_000))
    except ObjectNotFound:
        return None


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    # a backup has nothing else to do meanwhile
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


def _key(place: str, name: str) -> StorageKey:
    return StorageKey(f"{place}/{name}")
