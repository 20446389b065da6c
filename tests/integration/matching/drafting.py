"""Photographs of a match that no job knows of, for tests that work on them themselves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from kit.database import Pool
from proto.agencies import Agency, File, Subject
from proto.jobs import Failed, Succeeded
from proto.matching.matches import FileMatched, Match
from tests.integration.jobs.book import until
from tests.integration.matching.day import Day

Drafted = tuple[Agency, list[Subject], list[File], Match]


async def drafted(day: Day, *contents: bytes) -> Drafted:
    """A match over photographs of an agency of two, of which no job knows."""
    agency, subjects = await day.agency(2)
    shoot, files = await day.shoot(agency, *contents)
    return agency, subjects, files, await day.prepare(agency.id, shoot=shoot.id)


def matched(outcome: Succeeded | Failed) -> FileMatched:
    assert isinstance(outcome, Succeeded), outcome
    return msgspec.msgpack.decode(outcome.result, type=FileMatched)


@asynccontextmanager
async def _held_back(day: Day) -> AsyncIterator[None]:
    """Hold back the answers of the reader while the body runs."""
    day.reader.gate.clear()
    try:
        yield
    finally:
        day.reader.gate.set()


async def _is_read(day: Day, source: str) -> None:
    async def holds() -> bool:
        return source in day.reader.read

    await until(holds)


async def _wait_for_lock(pool: Pool, count: int) -> None:
    """Wait until so many sessions of this database wait for a row."""

    async def holds() -> bool:
        waiting: int = await pool.fetchval(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return waiting >= count

    await until(holds)
