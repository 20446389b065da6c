"""Agencies: whom a studio photographs for, and whether faces may be compared there."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from asyncpg import Record
from msgspec import UNSET, UnsetType

from kit.database import Connection, Pool
from proto.agencies import MOST_AGENCIES, Agency, AgencyId, Consent, Mode
from proto.errors import InvalidRequest, NotFound
from proto.ids import AccountId
from proto.matching.agencies import (
    AgencyList,
    ChangeAgency,
    CreateAgency,
    GetAgencies,
    GiveConsent,
    WithdrawConsent,
)
from services.matching.access import note
from services.matching.paging import that_fit

ONE_AT_A_TIME = """
SELECT pg_advisory_xact_lock(hashtextextended('matching.agencies ' || $1::text, 0))
"""
"""Until the transaction ends, only one for each account: counting does not see what others add."""

ADD = """
INSERT INTO matching.agencies (account_id, name, agency_type, mode, retention_days)
SELECT $1, $2, $3, $4, $5
WHERE (SELECT count(*) FROM matching.agencies WHERE account_id = $1) < $6
RETURNING id
"""

_SHOWN = """
SELECT id, name, agency_type, mode, consent_statement, consent_by, consent_at, retention_days,
    archived_at IS NOT NULL AS archived, created_at,
    (SELECT count(*) FROM matching.subjects
     WHERE account_id = agencies.account_id AND agency_id = agencies.id) AS subjects,
    photos.references, photos.embeddings
FROM matching.agencies, LATERAL (
    SELECT count(*) AS references,
        count(*) FILTER (WHERE state = 'embedded' AND ($2::text IS NULL OR embedder = $2))
            AS embeddings
    FROM matching.reference_photos
    WHERE account_id = agencies.account_id AND agency_id = agencies.id
) AS photos
WHERE account_id = $1
"""
"""$2 is the present embedder; embeddings of another cannot be compared with."""

ONE = f"""
{_SHOWN} AND id = $3
"""

PAGE = f"""
{_SHOWN} AND (archived_at IS NOT NULL) = $3 AND id > $4 ORDER BY id LIMIT $5
"""

_HELD = """
SELECT mode, consent_at IS NOT NULL AS consent, archived_at IS NOT NULL AS archived, gallery
FROM matching.agencies WHERE account_id = $1 AND id = $2
"""

LOCK = f"""
{_HELD} FOR NO KEY UPDATE
"""

HOLD = f"""
{_HELD} FOR SHARE
"""

THERE = """
SELECT true FROM matching.agencies WHERE account_id = $1 AND id = $2
"""

CHANGE = """
UPDATE matching.agencies
SET name = coalesce($3, name), agency_type = coalesce($4, agency_type), mode = coalesce($5, mode),
    retention_days = coalesce($6, retention_days),
    archived_at = CASE WHEN $7::boolean IS NULL THEN archived_at
                       WHEN $7 THEN coalesce(archived_at, now()) END
WHERE account_id = $1 AND id = $2
"""

GIVE_CONSENT = """
UPDATE matching.agencies SET consent_statement = $3, consent_by = $4, consent_at = now()
WHERE account_id = $1 AND id = $2
"""

WITHDRAW_CONSENT = """
UPDATE matching.agencies SET consent_statement = NULL, consent_by = NULL, consent_at = NULL
WHERE account_id = $1 AND id = $2
"""

BUMP = """
UPDATE matching.agencies SET gallery = gallery + 1 WHERE account_id = $1 AND id = $2
"""

FORGET_EMBEDDINGS = """
UPDATE matching.reference_photos
SET state = 'waiting', code = '', message = '', embedder = NULL, embedding = NULL,
    embedded_at = NULL
WHERE account_id = $1 AND agency_id = $2 AND state = 'embedded'
"""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Held:
    """What an agency allows, for as long as the transaction lasts."""

    mode: Mode
    consent: bool
    archived: bool
    gallery: int
    """Another number as soon as there is something else to compare with."""


async def locked(connection: Connection, account: AccountId, agency: AgencyId) -> Held:
    """Keep an agency for oneself until the transaction ends, to change what can be compared with.

    Comes before any other lock in a transaction. Raises NotFound.
    """
    return _held(await connection.fetchrow(LOCK, account, agency))


async def held(connection: Connection, account: AccountId, agency: AgencyId) -> Held:
    """Keep an agency as it is until the transaction ends; others may do so at the same time.

    Comes before any other lock in a transaction. Raises NotFound.
    """
    return _held(await connection.fetchrow(HOLD, account, agency))


async def check_there(pool: Pool, account: AccountId, agency: AgencyId) -> None:
    """Raise NotFound unless the account has this agency."""
    if not await pool.fetchval(THERE, account, agency):
        raise _not_found()


async def bump(connection: Connection, account: AccountId, agency: AgencyId) -> None:
    """Make everybody look again at what can be compared with; the agency is locked."""
    await connection.execute(BUMP, account, agency)


def check_open(agency: Held) -> None:
    """Raise InvalidRequest for an agency that is archived: nothing is added to it."""
    if agency.archived:
        raise InvalidRequest("this agency is archived; restore it first")


class Agencies:
    """The agencies in one database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def create(self, request: CreateAgency) -> Agency:
        """Add an agency. Raises InvalidRequest when the account has all it may."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(ONE_AT_A_TIME, str(request.account))
            created = await connection.fetchval(
                ADD,
                request.account,
                request.name,
                request.agency_type,
                request.mode,
                request.retention_days,
                MOST_AGENCIES,
            )
            if created is None:
                raise InvalidRequest(
                    f"an account has at most {MOST_AGENCIES} agencies; delete one first"
                )
            return await _shown(connection, request.account, AgencyId(created), None)

    async def get(self, account: AccountId, agency: AgencyId, version: str | None) -> Agency:
        """Return an agency; embeddings are counted that `version` made. Raises NotFound."""
        row = await self._pool.fetchrow(ONE, account, version, agency)
        return _agency(row)

    async def page(self, request: GetAgencies, version: str | None) -> AgencyList:
        """Return a page of an account's agencies."""
        rows = await self._pool.fetch(
            PAGE, request.account, version, request.archived, request.after, request.limit + 1
        )
        shown = [_agency(row) for row in rows[: request.limit]]
        shown = shown[: that_fit(shown)]
        return AgencyList(
            agencies=shown, next_after=shown[-1].id if len(rows) > len(shown) else None
        )

    async def change(self, request: ChangeAgency, version: str | None) -> Agency:
        """Change what is given; embeddings do not outlast a change to cards. Raises NotFound."""
        account, agency = request.account, request.agency
        async with self._pool.acquire() as connection, connection.transaction():
            before = await locked(connection, account, agency)
            await connection.execute(
                CHANGE,
                account,
                agency,
                _given(request.name),
                _given(request.agency_type),
                _given(request.mode),
                _given(request.retention_days),
                _given(request.archived),
            )
            if request.mode not in (UNSET, before.mode):
                if request.mode == "cards":
                    await _forget_embeddings(connection, account, agency)
                changed = {"from": before.mode, "to": str(request.mode)}
                await note(connection, account, agency, request.by, "mode_changed", None, changed)
            if request.retention_days is not UNSET:
                days = {"days": str(request.retention_days)}
                await note(connection, account, agency, request.by, "retention_set", None, days)
            return await _shown(connection, account, agency, version)

    async def give_consent(self, request: GiveConsent, version: str | None) -> Agency:
        """Note who says that people agreed; a later statement replaces it. Raises NotFound."""
        account, agency, by, statement = (
            request.account,
            request.agency,
            request.by,
            request.statement,
        )
        async with self._pool.acquire() as connection, connection.transaction():
            await locked(connection, account, agency)
            await connection.execute(GIVE_CONSENT, account, agency, statement, by)
            said = {"statement": statement}
            await note(connection, account, agency, by, "consent_given", None, said)
            return await _shown(connection, account, agency, version)

    async def withdraw_consent(self, request: WithdrawConsent, version: str | None) -> Agency:
        """Forget the embeddings, at once and everywhere. Raises NotFound."""
        account, agency = request.account, request.agency
        async with self._pool.acquire() as connection, connection.transaction():
            before = await locked(connection, account, agency)
            if before.consent:
                await connection.execute(WITHDRAW_CONSENT, account, agency)
                await _forget_embeddings(connection, account, agency)
                await note(connection, account, agency, request.by, "consent_withdrawn")
            return await _shown(connection, account, agency, version)


async def _forget_embeddings(connection: Connection, account: AccountId, agency: AgencyId) -> None:
    await connection.execute(FORGET_EMBEDDINGS, account, agency)
    await bump(connection, account, agency)


async def _shown(
    connection: Connection, account: AccountId, agency: AgencyId, version: str | None
) -> Agency:
    return _agency(await connection.fetchrow(ONE, account, version, agency))


def _given(value: Value | UnsetType) -> Value | None:
    return None if value is UNSET else value


def _held(row: Record | None) -> Held:
    if row is None:
        raise _not_found()
    return Held(**row)


def _agency(row: Record | None) -> Agency:
    if row is None:
        raise _not_found()
    return Agency(
        id=row["id"],
        name=row["name"],
        agency_type=row["agency_type"],
        mode=row["mode"],
        consent=_consent(row["consent_statement"], row["consent_by"], row["consent_at"]),
        retention_days=row["retention_days"],
        archived=row["archived"],
        subjects=row["subjects"],
        references=row["references"],
        embeddings=row["embeddings"],
        created_at=row["created_at"],
    )


def _consent(statement: str | None, by: str | None, at: datetime | None) -> Consent | None:
    if statement is None or by is None or at is None:
        return None
    return Consent(statement=statement, given_by=by, given_at=at)


def _not_found() -> NotFound:
    return NotFound("there is no such agency in this account")
