"""A drill: restore a backup on servers that may be thrown away, and look whether it is whole.

A backup that was never restored is a hope. The database is filled, its migrations are compared
with this version's and those still missing applied, the wallet's books are computed again; the
streams are restored, and their messages counted.
"""

import time
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from cli import migrating, wallet
from cli.backups import dumps, manifest, snapshots
from cli.backups.errors import DrillFailed, NotEmpty
from kit import database
from kit.bus import Bus
from services.wallet import statement

TABLES = """
SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""

SERVICES = """
SELECT service, count(*) AS migrations FROM public.migrations GROUP BY service ORDER BY service
"""

ROWS = """
SELECT coalesce(sum(n_live_tup), 0) FROM pg_stat_user_tables WHERE schemaname = $1
"""

UNFINISHED = """
SELECT count(*) FROM jobs.items WHERE state IN ('waiting', 'queued', 'running')
"""


async def drill(folder: Path, database_url: str, bus: Bus | None, replicas: int = 1) -> str:
    """Restore a backup on empty servers. Returns what was found.

    Args:
        folder: The backup.
        database_url: An empty database.
        bus: A server without streams; None leaves them out.
        replicas: Copies of each stream, as many servers as there are at most.

    Raises BackupFailed: Damaged, NotEmpty, DrillFailed.
    """
    began = time.perf_counter()
    made = manifest.read(folder)
    age = datetime.now(UTC) - made.taken_at
    lines = [
        f"Taken at {made.taken_at:%Y-%m-%d %H:%M:%S} UTC, {age.total_seconds() / 3600:.1f} h ago"
    ]
    if (folder / manifest.DATABASE).exists():
        lines += await _database(folder / manifest.DATABASE, database_url)
    if bus is not None:
        lines += [await _stream(bus, name, folder, replicas) for name in snapshots.saved(folder)]
    lines.append(f"Restored and looked through in {time.perf_counter() - began:.1f} s.")
    return "\n".join(lines)


async def _database(dump: Path, url: str) -> list[str]:
    async with database.connect(url, at_most=2) as pool:
        if await pool.fetchval(TABLES):
            raise NotEmpty("The database has tables; a drill wants an empty one.")
    await dumps.restore(url, dump)
    async with database.connect(url, at_most=2) as pool:
        services = {row["service"]: row["migrations"] for row in await pool.fetch(SERVICES)}
        await pool.execute("ANALYZE")
        lines = [await _migrated(url, service, count) for service, count in services.items()]
        lines += [f"{service}: {await pool.fetchval(ROWS, service):,} rows" for service in services]
        if "wallet" in services:
            lines.append(await _books(pool))
        if "jobs" in services:
            waiting = await pool.fetchval(UNFINISHED)
            lines.append(f"jobs: {waiting} items are not done; they go into the queue again")
    return lines


async def _migrated(url: str, service: str, applied: int) -> str:
    if service not in migrating.with_schema():
        raise DrillFailed(f"The backup knows a service {service}, this version does not.")
    try:
        new = await database.migrate(url, service, migrating.schema(service))
    except (database.SchemaConflict, asyncpg.PostgresError) as error:
        raise DrillFailed(f"{service}: {error}.") from error
    known = len(list(migrating.schema(service).glob("*.sql")))
    if applied + len(new) > known:
        raise DrillFailed(f"{service}: the backup has migrations that this version does not know.")
    return f"{service}: {applied} migrations" + (f", and {len(new)} new ones" if new else "")


async def _books(pool: database.Pool) -> str:
    books = await statement.reconcile(pool)
    if wrong := wallet.differences(books):
        raise DrillFailed("\n".join(wrong))
    return f"wallet: {books.accounts} accounts, {books.entries} entries: the books add up"


async def _stream(bus: Bus, name: str, folder: Path, replicas: int) -> str:
    expected = snapshots.messages(folder, name)
    restored = await snapshots.restore(bus, name, folder, replicas)
    if restored.messages != expected:
        raise DrillFailed(f"{name}: {restored.messages} messages came back of {expected}.")
    return f"{name}: {restored.messages} messages"
