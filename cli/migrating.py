"""`darkroom migrate`: bring databases to the schemas of this version, before its services start.

Services do the same when they start, under the same lock; done first, it takes no time from them,
and a schema that does not fit stops the upgrade before any process is replaced.
"""

from collections.abc import Sequence
from pathlib import Path

import asyncpg

from cli.elsewhere import DatabaseSettings, told
from cli.errors import CommandFailed
from cli.home import PROJECT
from kit import database
from kit.database import SchemaConflict


def with_schema() -> list[str]:
    """Return the services that own tables."""
    return sorted(folder.parent.name for folder in (PROJECT / "services").glob("*/schema"))


def schema(service: str) -> Path:
    """Return the folder of a service's migrations."""
    return PROJECT / "services" / service / "schema"


async def migrate(services: Sequence[str]) -> str:
    """Migrate the tables of some services, or of all, in the database of DATABASE_URL.

    Raises CommandFailed.
    """
    url = told(DatabaseSettings).database_url
    lines = [await _migrate(url, service) for service in services or with_schema()]
    return "\n".join(lines)


async def _migrate(url: str, service: str) -> str:
    try:
        applied = await database.migrate(url, service, schema(service))
    except SchemaConflict as conflict:
        raise CommandFailed(f"{conflict}.") from conflict
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise CommandFailed(f"{service}: the database says: {error}.") from error
    return f"{service}: {', '.join(applied) if applied else 'nothing to do'}"
