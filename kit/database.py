"""PostgreSQL: one pool per service, opened with the service and brought to its schema first."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import asyncpg
import structlog

from kit import queries

log = structlog.get_logger(__name__)

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

AWAY: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.exceptions.InsufficientResourcesError,
    # a deadlock: whoever was killed may have left a session behind that still ends its statement
    asyncpg.exceptions.TransactionRollbackError,
)
"""What is raised when the server is gone, going, coming up, full or made us give way to others; to
try again is sensible."""

_LOCK = 0x6461726B  # "dark": one number for all services, so that migrations run one at a time


class SchemaConflict(Exception):
    """A migration that was applied has since been edited; write a new one instead."""


@asynccontextmanager
async def connect(url: str, *, at_most: int = 8) -> AsyncIterator[Pool]:
    """Open a pool and close it when its connections are back.

    Connections go back as they are, without the round trip that would reset them: whoever changes
    a session (SET, LISTEN, an advisory lock) must do so on a connection of its own.
    """
    pool = await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=at_most,
        command_timeout=30,
        init=queries.watch,
        reset=_leave_as_it_is,
        # one that stops in the middle must not keep its rows from the others for ever
        server_settings={"idle_in_transaction_session_timeout": "30s"},
    )
    try:
        with queries.counted(pool):
            yield pool
    finally:
        await pool.close()


async def _leave_as_it_is(_: "asyncpg.Connection[asyncpg.Record]") -> None:
    pass


async def migrate(url: str, service: str, folder: Path) -> list[str]:
    """Apply the new `NNNN_what_it_does.sql` files of `folder` in order, each in a transaction.

    Replicas may call this at once: an advisory lock lets one work while the others wait.
    Returns the names applied. Raises SchemaConflict.
    """
    files = _migrations(folder)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await connection.execute(
            """
            CREATE TABLE IF NOT EXISTS public.migrations (
                service text, name text, checksum text NOT NULL,
                applied_at timestamptz NOT NULL DEFAULT now(),
                PRIMARY KEY (service, name))
            """
        )
        return await _apply(connection, service, files)
    finally:
        await connection.close()


@dataclass(frozen=True, slots=True)
class Standing:
    """How the tables of one service stand against its migrations, by their names."""

    applied: list[str]
    pending: list[str]
    edited: list[str]
    """Applied, and since changed: what is in the database is not what stands in the file."""
    unknown: list[str]
    """Applied by a newer version, or by another one."""


async def standing(
    connection: "asyncpg.Connection[asyncpg.Record]", service: str, folder: Path
) -> Standing:
    """Compare the migrations of `folder` with those that were applied, and change nothing."""
    known = dict(_migrations(folder))
    rows = []
    if await connection.fetchval("SELECT to_regclass('public.migrations') IS NOT NULL"):
        rows = await connection.fetch(
            "SELECT name, checksum FROM public.migrations WHERE service = $1", service
        )
    done = {row["name"]: row["checksum"] for row in rows}
    return Standing(
        applied=[name for name in known if name in done],
        pending=[name for name in known if name not in done],
        edited=[
            name for name, text in known.items() if name in done and done[name] != _checksum(text)
        ],
        unknown=sorted(done.keys() - known.keys()),
    )


async def _apply(
    connection: "asyncpg.Connection[asyncpg.Record]", service: str, files: list[tuple[str, str]]
) -> list[str]:
    rows = await connection.fetch(
        "SELECT name, checksum FROM public.migrations WHERE service = $1", service
    )
    done = {row["name"]: row["checksum"] for row in rows}
    applied = []
    for name, text in files:
        checksum = _checksum(text)
        if name in done:
            if done[name] != checksum:
                raise SchemaConflict(f"{service}: {name} was edited after it was applied")
            continue
        async with connection.transaction():
            await connection.execute(text)
            await connection.execute(
                "INSERT INTO public.migrations (service, name, checksum) VALUES ($1, $2, $3)",
                service,
                name,
                checksum,
            )
        log.info("migrated", service=service, name=name)
        applied.append(name)
    return applied


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _migrations(folder: Path) -> list[tuple[str, str]]:
    """Return name and text of each migration, oldest first."""
    return [(file.name, file.read_text()) for file in sorted(folder.glob("*.sql"))]
