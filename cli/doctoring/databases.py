"""PostgreSQL: does it answer, what may its user do, is it safe, are the tables as meant."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import asyncpg

from cli import migrating
from cli.doctoring.clock import skew
from cli.doctoring.findings import Finding
from cli.doctoring.patient import Patient
from kit import database

_CONNECT_SECONDS = 5.0
_OLDEST = 150_000
_TESTED = 18
_FEW_CONNECTIONS = 0.2
_AREA = "connections"

_FACTS = """
SELECT current_setting('server_version_num')::int AS version,
       current_setting('server_version') AS named,
       current_setting('server_encoding') AS encoding,
       current_setting('fsync') = 'on' AS fsync,
       current_setting('full_page_writes') = 'on' AS full_pages,
       current_setting('synchronous_commit') <> 'off' AS waits,
       current_setting('max_connections')::int AS most,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used,
       current_user AS "user",
       current_database() AS named_database,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,
       has_database_privilege(current_database(), 'CREATE') AS may_make_schemas,
       has_schema_privilege('public', 'CREATE')
           OR to_regclass('public.migrations') IS NOT NULL AS may_keep_migrations,
       pg_is_in_recovery() AS standby
"""

_FOREIGN = """
SELECT nspname FROM pg_namespace
WHERE nspname = ANY($1) AND NOT has_schema_privilege(oid, 'CREATE, USAGE')
ORDER BY nspname
"""


async def look(patient: Patient) -> AsyncIterator[Finding]:
    """Look at every database that services are told."""
    if not patient.databases:
        yield Finding(_AREA, "postgresql", "skipped", "no DATABASE_URL is set here")
    for url, users in patient.databases.items():
        what = _called(url, patient)
        try:
            connection = await asyncpg.connect(url, timeout=_CONNECT_SECONDS)
        except Exception as error:  # noqa: BLE001 - asyncpg raises by the cause, which is the finding
            yield _refused(what, url, error)
            continue
        try:
            async for finding in _looked_at(connection, what, users, patient):
                yield finding
        except asyncpg.PostgresError as error:
            fix = "Ask its administrator for the rights that darkroom migrate needs."
            yield Finding(_AREA, what, "fix", f"refuses to be looked at: {error}", fix)
        finally:
            await connection.close()


def _called(url: str, patient: Patient) -> str:
    if len(patient.databases) == 1:
        return "postgresql"
    return f"postgresql {urlsplit(url).path.lstrip('/')}"


def _refused(what: str, url: str, error: Exception) -> Finding:
    parts = urlsplit(url)
    place, user = f"{parts.hostname}:{parts.port or 5432}", parts.username or "nobody"
    match error:
        case asyncpg.InvalidPasswordError() | asyncpg.InvalidAuthorizationSpecificationError():
            said = f"{place} does not let {user} in: name or password is wrong"
            fix = "Correct DATABASE_URL, or the role's password (ALTER ROLE … PASSWORD)."
        case asyncpg.InvalidCatalogNameError():
            name = parts.path.lstrip("/")
            said = f"{place} has no database {name}"
            fix = f"Make it (CREATE DATABASE {name}), or correct DATABASE_URL."
        case asyncpg.TooManyConnectionsError():
            said = f"{place} has no connection to spare"
            fix = "Raise max_connections, or put a pooler that keeps sessions in front."
        case OSError() | TimeoutError():
            said = f"{place} does not answer"
            fix = "Start PostgreSQL there, or correct DATABASE_URL."
        case _:
            said = f"{place} cannot be used ({type(error).__name__})"
            fix = "Correct DATABASE_URL."
    return Finding(_AREA, what, "fix", said, fix)


async def _looked_at(
    connection: "asyncpg.Connection[asyncpg.Record]",
    what: str,
    users: tuple[str, ...],
    patient: Patient,
) -> AsyncIterator[Finding]:
    before = datetime.now(UTC)
    theirs: datetime = await connection.fetchval("SELECT clock_timestamp()")
    after = datetime.now(UTC)
    facts = await connection.fetchrow(_FACTS)
    assert facts is not None  # noqa: S101 - one row, whatever the server
    wrong = [*_rights(facts, what, patient), *_durability(facts, what), *_room(facts, what)]
    for service in await connection.fetch(_FOREIGN, migrating.with_schema()):
        name = service["nspname"]
        fix = f"Run darkroom migrate as {facts['user']}, or ALTER SCHEMA {name} OWNER TO it."
        said = f"{facts['user']} may not use the schema {name}, which another role made"
        wrong.append(Finding(_AREA, what, "fix", said, fix))
    for finding in wrong:
        yield finding
    if not wrong:
        said = f"reached as {facts['user']}, who may make what is needed; keeps what it says"
        yield Finding(_AREA, what, "ok", said)
    yield _version(facts, what)
    yield skew(what, before, theirs, after)
    for service in migrating.with_schema():
        if not users or service in users:
            stands = await database.standing(connection, service, migrating.schema(service))
            yield _migrations(service, stands)


def _version(facts: asyncpg.Record, what: str) -> Finding:
    named = f"PostgreSQL {facts['named'].split()[0]}"
    if facts["version"] < _OLDEST:
        return Finding("versions", what, "fix", named, f"Use {_TESTED}, or 15 at least.")
    if facts["version"] // 10_000 != _TESTED:
        fix = f"Nothing; tests run with {_TESTED}."
        return Finding("versions", what, "warning", named, fix)
    return Finding("versions", what, "ok", named)


def _rights(facts: asyncpg.Record, what: str, patient: Patient) -> Iterator[Finding]:
    user, name = facts["user"], facts["named_database"]
    if not facts["may_make_schemas"] or not facts["may_keep_migrations"]:
        said = f"{user} may not make tables in {name}, which migrations do"
        fix = f"GRANT CREATE ON DATABASE {name} TO {user}; GRANT CREATE ON SCHEMA public TO {user};"
        yield Finding(_AREA, what, "fix", said, fix)
    if facts["superuser"] and not patient.ours:
        said = f"{user} is a superuser: a service that was taken over could read every database"
        fix = "Let the services connect as a role that owns their database and no more."
        yield Finding(_AREA, what, "warning", said, fix)


def _durability(facts: asyncpg.Record, what: str) -> Iterator[Finding]:
    settings = {"fsync": "fsync", "full_page_writes": "full_pages", "synchronous_commit": "waits"}
    for setting, column in settings.items():
        if not facts[column]:
            said = f"{setting} is off: tokens that were booked may be gone after a crash"
            yield Finding(_AREA, what, "fix", said, f"ALTER SYSTEM SET {setting} = 'on';")
    if facts["standby"]:
        fix = "Let DATABASE_URL name the primary."
        yield Finding(_AREA, what, "fix", "it is a standby, in which nothing can be written", fix)
    if facts["encoding"] != "UTF8":
        said = f"its encoding is {facts['encoding']}: names in other scripts cannot be written"
        yield Finding(_AREA, what, "fix", said, "Make the database with ENCODING 'UTF8'.")


def _room(facts: asyncpg.Record, what: str) -> Iterator[Finding]:
    most, used = facts["most"], facts["used"]
    if most - used < _FEW_CONNECTIONS * most:
        said = f"{used} of {most} connections are in use"
        yield Finding(_AREA, what, "warning", said, "Raise max_connections.")


def _migrations(service: str, stands: database.Standing) -> Finding:
    if stands.edited:
        said = f"{', '.join(stands.edited)} was edited after it was applied"
        fix = "Put back the file as it was released, and write a new migration for the change."
        return Finding("migrations", service, "fix", said, fix)
    if stands.unknown:
        said = f"{', '.join(stands.unknown)} was applied by a newer version than this one"
        return Finding("migrations", service, "warning", said, "Run the newer version here too.")
    if stands.pending:
        said = f"{len(stands.pending)} not applied yet: {', '.join(stands.pending)}"
        fix = "Run darkroom migrate; a service does it too when it starts."
        return Finding("migrations", service, "warning", said, fix)
    return Finding("migrations", service, "ok", f"{len(stands.applied)} applied, none waits")
