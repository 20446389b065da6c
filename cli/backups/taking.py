"""Taking a backup: the database first, because the queue can be filled again from it."""

from pathlib import Path

from cli.backups import dumps, manifest, snapshots
from cli.streams import STREAMS
from kit.bus import Bus


async def take(folder: Path, database_url: str | None, bus: Bus | None) -> str:
    """Write what is asked for into an empty folder: the database, the streams, or both.

    Raises BackupFailed; then the folder is no backup, having no manifest.
    """
    manifest.new_folder(folder)
    lines = []
    if database_url is not None:
        dump = folder / manifest.DATABASE
        await dumps.dump(database_url, dump)
        lines.append(f"database: {dump.stat().st_size:,} bytes")
    if bus is not None:
        lines += [await _save(bus, str(stream.name), folder) for stream in STREAMS]
    manifest.write(folder)
    return "\n".join(lines)


async def _save(bus: Bus, stream: str, folder: Path) -> str:
    saved = await snapshots.save(bus, stream, folder)
    if saved is None:
        return f"{stream}: not made yet"
    return f"{stream}: {saved.messages} messages, {saved.bytes:,} bytes"
