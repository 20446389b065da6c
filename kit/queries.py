"""What PostgreSQL is asked, counted, timed and traced; never with what values."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import asyncpg
from prometheus_client import Counter, Gauge, Histogram

from kit import metrics, tracing

SECONDS = Histogram(
    "darkroom_database_query_duration_seconds",
    "From sending a statement to having its answer",
    buckets=(0.0005, *metrics.SECONDS),
)
QUERIES = Counter(
    "darkroom_database_queries",
    "Statements by how they ended: ok, error, or away when the server cannot be reached",
    ("outcome",),
)
CONNECTIONS = Gauge(
    "darkroom_database_connections",
    "Connections that are open, by whether one is in use",
    ("state",),
)
LIMIT = Gauge("darkroom_database_connections_limit", "Connections that may be open")

_NAME = re.compile(
    r"\b(?:FROM|INTO|UPDATE|JOIN|SELECT)\s+(?:ONLY\s+)?([a-z_]+\.[a-z0-9_]+)", re.IGNORECASE
)
_VERBS = frozenset(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "LISTEN", "BEGIN", "COMMIT"))
_POSTGRESQL = "postgresql"

_pools: "set[asyncpg.Pool[asyncpg.Record]]" = set()
_outcomes = {outcome: QUERIES.labels(outcome) for outcome in ("ok", "error", "away")}


@contextmanager
def counted(pool: "asyncpg.Pool[asyncpg.Record]") -> Iterator[None]:
    """Count a pool's connections while it is open."""
    _pools.add(pool)
    try:
        yield
    finally:
        _pools.discard(pool)


async def watch(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Take note of every statement of a connection; for a pool's `init`."""
    connection.add_query_logger(_note)


@lru_cache(maxsize=1_000)
def summary(statement: str) -> str:
    """Return a statement's verb and the first table or function that it names."""
    verb = statement.split(None, 1)[0].upper() if statement.strip() else ""
    found = _NAME.search(statement)
    verb = verb if verb in _VERBS else "OTHER"
    return f"{verb} {found[1].lower()}" if found else verb


def _note(query: asyncpg.connection.LoggedQuery) -> None:
    error = query.exception
    if error is None:
        _outcomes["ok"].inc()
    else:
        away = isinstance(error, OSError | TimeoutError | asyncpg.PostgresConnectionError)
        _outcomes["away" if away else "error"].inc()
    SECONDS.observe(query.elapsed, metrics.exemplar())
    if tracing.on():
        name = summary(query.query)
        facts = {"db.system.name": _POSTGRESQL, "db.query.summary": name}
        failed = "" if error is None else type(error).__name__
        tracing.past(name, "client", query.elapsed, facts, failed)


def _open() -> int:
    return sum(pool.get_size() for pool in tuple(_pools))


def _idle() -> int:
    return sum(pool.get_idle_size() for pool in tuple(_pools))


CONNECTIONS.labels("idle").set_function(_idle)
CONNECTIONS.labels("busy").set_function(lambda: _open() - _idle())
LIMIT.set_function(lambda: sum(pool.get_max_size() for pool in tuple(_pools)))
