"""The access log: who did what with what is known of people."""

from collections.abc import Mapping
from typing import Literal

import msgspec
from asyncpg import Record

from kit.database import Connection, Pool
from proto.agencies import AccessEntry, AgencyId, SubjectId
from proto.errors import InvalidRequest, NotFound
from proto.ids import AccountId
from proto.matching.agencies import AccessLog, GetAccessLog, NoteAccess
from proto.matching.asking import AboutAgency, AboutMatch
from services.matching.paging import that_fit

NOTE = """
INSERT INTO matching.access_log (account_id, agency_id, subject_id, action, done_by, details)
VALUES ($1, $2, $3, $4, $5, $6)
"""

NOTED = """
SELECT EXISTS (
    SELECT FROM matching.access_log
    WHERE account_id = $1 AND agency_id = $2 AND action = $4 AND done_by = $3
      AND at > now() - interval '1 hour' AND details @> $5::jsonb)
"""

ONE_AT_A_TIME = """
SELECT pg_advisory_xact_lock(
    hashtextextended(concat_ws(' ', 'matching.access_log', $1::uuid, $2::bigint, $3::text), 0))
"""
"""Two looks at the same moment do not see each other's entries."""

AGENCY_OF_MATCH = """
SELECT agency_id FROM matching.matches WHERE account_id = $1 AND id = $2
"""

PAGE = """
SELECT id, at, done_by, action, subject_id, details FROM matching.access_log
WHERE account_id = $1 AND agency_id = $2 AND ($3::bigint IS NULL OR id < $3)
ORDER BY id DESC LIMIT $4
"""

AGENCY = """
SELECT true FROM matching.agencies WHERE account_id = $1 AND id = $2
"""

ANYTHING = """
SELECT EXISTS (SELECT FROM matching.agencies WHERE account_id = $1 AND id = $2)
    OR EXISTS (SELECT FROM matching.access_log WHERE account_id = $1 AND agency_id = $2)
"""

SUBJECT = """
SELECT true FROM matching.subjects WHERE account_id = $1 AND agency_id = $2 AND id = $3
"""

SERVICE = "service"
"""Who does what nobody asked for, such as the sweep."""

_MOST_BYTES = 4_000

View = Literal["results_viewed", "subjects_viewed", "references_viewed"]
"""What was looked at, with names and links: in the log once an hour for each who looks."""


async def note(
    connection: Connection,
    account: AccountId,
    agency: AgencyId,
    by: str,
    action: str,
    subject: SubjectId | None = None,
    details: Mapping[str, str] | None = None,
) -> None:
    """Write an entry in the transaction of what it is about, so that neither is there alone."""
    written = msgspec.json.encode(details or {}).decode()
    await connection.execute(NOTE, account, agency, subject, action, by, written)


class Access:
    """The log in one database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(self, request: GetAccessLog) -> AccessLog:
        """Return a page of an agency's log, also of one that was erased. Raises NotFound."""
        account, agency = request.account, request.agency
        rows = await self._pool.fetch(PAGE, account, agency, request.before, request.limit + 1)
        if not rows and not await self._pool.fetchval(ANYTHING, account, agency):
            raise _no_agency()
        entries = [_entry(row) for row in rows[: request.limit]]
        entries = entries[: that_fit(entries)]
        more = len(rows) > len(entries)
        return AccessLog(
            entries=entries, next_before=rows[len(entries) - 1]["id"] if more else None
        )

    async def viewed(self, request: AboutAgency | AboutMatch, view: View) -> None:
        """Write down that somebody looks, unless that was within the last hour.

        Comes before anything is shown. What is not the account's is not noted; whoever shows it
        says that it is not there.
        """
        account, agency = request.account, await self._agency(request)
        if agency is None:
            return
        what = account, agency, request.by, view
        if await self._pool.fetchval(NOTED, *what, "{}"):
            return
        async with self._pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval(AGENCY, account, agency):
                return
            if not await _was_noted(connection, *what):
                await note(connection, *what)

    async def _agency(self, request: AboutAgency | AboutMatch) -> AgencyId | None:
        if isinstance(request, AboutAgency):
            return request.agency
        found: AgencyId | None = await self._pool.fetchval(
            AGENCY_OF_MATCH, request.account, request.match
        )
        return found

    async def note(self, request: NoteAccess) -> None:
        """Write down what was done elsewhere. Raises NotFound, InvalidRequest."""
        _check(request.details)
        account, agency, whom = request.account, request.agency, request.subject_id
        async with self._pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval(AGENCY, account, agency):
                raise _no_agency()
            if whom is not None and not await connection.fetchval(SUBJECT, account, agency, whom):
                raise NotFound("there is no such subject in this agency")
            what, details = (account, agency, request.by, request.action), request.details
            if not (request.once_an_hour and await _was_noted(connection, *what, details)):
                await note(connection, *what, whom, details)


async def _was_noted(
    connection: Connection,
    account: AccountId,
    agency: AgencyId,
    by: str,
    action: str,
    details: Mapping[str, str] | None = None,
) -> bool:
    """Return whether such an entry is less than an hour old; who else asks that waits meanwhile."""
    await connection.execute(ONE_AT_A_TIME, account, agency, by)
    written = msgspec.json.encode(details or {}).decode()
    found: bool = await connection.fetchval(NOTED, account, agency, by, action, written)
    return found


def _check(details: Mapping[str, str]) -> None:
    if len(msgspec.json.encode(details)) > _MOST_BYTES:
        raise InvalidRequest(f"the details of an entry take at most {_MOST_BYTES} bytes")
    if any("\0" in text for pair in details.items() for text in pair):
        raise InvalidRequest("the details of an entry cannot have NUL characters")


def _entry(row: Record) -> AccessEntry:
    return AccessEntry(
        at=row["at"],
        by=row["done_by"],
        action=row["action"],
        subject=row["subject_id"],
        details=msgspec.json.decode(row["details"], type=dict[str, str]),
    )


def _no_agency() -> NotFound:
    return NotFound("there is no such agency in this account")
