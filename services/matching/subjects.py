"""Subjects: the people of an agency, told by their student_id."""

from collections.abc import Sequence

from asyncpg import Record
from msgspec import UNSET

from kit.database import Connection, Pool
from proto.agencies import MOST_SUBJECTS, NewSubject, Subject, SubjectId
from proto.errors import InvalidRequest, NotFound
from proto.matching.subjects import (
    AboutSubject,
    ChangeSubject,
    GetSubjects,
    PutSubjects,
    SubjectPage,
)
from services.matching import agencies, references
from services.matching.access import note
from services.matching.paging import that_fit
from services.matching.photographs import checked_url, of_url

PUT = """
INSERT INTO matching.subjects (account_id, agency_id, student_id, name, class_name)
SELECT $1, $2, student_id, name, coalesce(class_name, (
    SELECT subjects.class_name FROM matching.subjects
    WHERE account_id = $1 AND agency_id = $2 AND subjects.student_id = sent.student_id), '')
FROM unnest($3::text[], $4::text[], $5::text[])
    WITH ORDINALITY AS sent (student_id, name, class_name, place)
ORDER BY place
ON CONFLICT (agency_id, student_id) DO UPDATE
SET name = excluded.name, class_name = excluded.class_name
RETURNING id, student_id
"""
"""In a transaction that has the agency for itself: a class that is not given stays what it is."""

KNOWN = """
SELECT id FROM matching.subjects
WHERE account_id = $1 AND agency_id = $2 AND student_id = ANY ($3)
"""

COUNT = """
SELECT count(*) FROM matching.subjects WHERE account_id = $1 AND agency_id = $2
"""

_SHOWN = """
SELECT id, student_id, name, class_name, created_at, photos.references, photos.embeddings
FROM matching.subjects, LATERAL (
    SELECT count(*) AS references,
        count(*) FILTER (WHERE state = 'embedded' AND ($3::text IS NULL OR embedder = $3))
            AS embeddings
    FROM matching.reference_photos WHERE subject_id = subjects.id
) AS photos
WHERE account_id = $1 AND agency_id = $2
"""
"""$3 is the present embedder; embeddings of another cannot be compared with."""

ONE = f"""
{_SHOWN} AND id = $4
"""

THESE = f"""
{_SHOWN} AND id = ANY ($4) ORDER BY student_id
"""

PAGE = f"""
{_SHOWN} AND student_id > $4
  AND ($5::text IS NULL OR class_name = $5)
  AND ($6::text[] IS NULL OR student_id = ANY ($6))
ORDER BY student_id LIMIT $7
"""

CHANGE = """
UPDATE matching.subjects SET name = coalesce($4, name), class_name = coalesce($5, class_name)
WHERE account_id = $1 AND agency_id = $2 AND id = $3
RETURNING true
"""


class Subjects:
    """The people in one database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def put(self, request: PutSubjects, version: str | None) -> SubjectPage:
        """Add subjects, or change those that are known; all or none, and none at a try.

        Raises NotFound, and InvalidRequest for a student_id that comes twice, a URL that is none,
        and where nothing, or not so many, may be added.
        """
        _check(request.subjects)
        async with self._pool.acquire() as connection:
            if request.only_try:
                return await _tried(connection, request, version)
            async with connection.transaction():
                ids = await _put(connection, request)
                return await _these(connection, request, version, ids)

    async def page(self, request: GetSubjects, version: str | None) -> SubjectPage:
        """Return a page of an agency's subjects. Raises NotFound."""
        account, agency, limit = request.account, request.agency, request.limit
        rows = await self._pool.fetch(
            PAGE,
            account,
            agency,
            version,
            request.after,
            request.class_name,
            request.student_ids,
            limit + 1,
        )
        if not rows:
            await agencies.check_there(self._pool, account, agency)
        shown = [_subject(row) for row in rows[:limit]]
        shown = shown[: that_fit(shown)]
        more = len(rows) > len(shown)
        return SubjectPage(subjects=shown, next_after=shown[-1].student_id if more else None)

    async def get(self, request: AboutSubject, version: str | None) -> Subject:
        """Return a subject. Raises NotFound."""
        return _subject(
            await self._pool.fetchrow(
                ONE, request.account, request.agency, version, request.subject_id
            )
        )

    async def change(self, request: ChangeSubject, version: str | None) -> Subject:
        """Change what is given, and add references.

        Raises NotFound, and InvalidRequest for a URL that is none, and where nothing, or not so
        many, may be added.
        """
        account, agency, subject = request.account, request.agency, request.subject_id
        name = None if request.name is UNSET else request.name
        class_name = None if request.class_name is UNSET else request.class_name
        added = [
            (subject, "", checked_url(url), of_url(url))
            for url in dict.fromkeys(request.reference_urls)
        ]
        async with self._pool.acquire() as connection, connection.transaction():
            if added:
                # for oneself: counting does not see what others add
                agencies.check_open(await agencies.locked(connection, account, agency))
            else:
                # who puts subjects reads the classes of those that are known, and writes them again
                await agencies.held(connection, account, agency)
            changed = account, agency, subject, name, class_name
            if not await connection.fetchval(CHANGE, *changed):
                raise _no_subject()
            await references.add(connection, account, agency, added)
            if added:
                told = {"urls": str(len(added))}
                await note(
                    connection, account, agency, request.by, "references_added", subject, told
                )
            return _subject(await connection.fetchrow(ONE, account, agency, version, subject))


async def _tried(connection: Connection, request: PutSubjects, version: str | None) -> SubjectPage:
    """Add subjects and take that back. Returns those that were there before."""
    trial = connection.transaction()
    await trial.start()
    try:
        student_ids = [each.student_id for each in request.subjects]
        rows = await connection.fetch(KNOWN, request.account, request.agency, student_ids)
        known = await _these(connection, request, version, [row["id"] for row in rows])
        await _put(connection, request)
    finally:
        await trial.rollback()
    return known


async def _put(connection: Connection, request: PutSubjects) -> list[SubjectId]:
    """Add subjects in a transaction. Raises NotFound, InvalidRequest."""
    account, agency, sent = request.account, request.agency, request.subjects
    # for oneself: counting does not see what others add
    agencies.check_open(await agencies.locked(connection, account, agency))
    rows = await connection.fetch(
        PUT,
        account,
        agency,
        [each.student_id for each in sent],
        [each.name for each in sent],
        [None if each.class_name is UNSET else each.class_name for each in sent],
    )
    if await connection.fetchval(COUNT, account, agency) > MOST_SUBJECTS:
        raise InvalidRequest(f"an agency has at most {MOST_SUBJECTS} subjects")
    ids = {row["student_id"]: SubjectId(row["id"]) for row in rows}
    added = [
        (ids[each.student_id], "", url, of_url(url)) for each in sent for url in each.reference_urls
    ]
    await references.add(connection, account, agency, added)
    if added:
        told = {"urls": str(len(added))}
        await note(connection, account, agency, request.by, "references_added", None, told)
    return list(ids.values())


async def _these(
    connection: Connection, request: PutSubjects, version: str | None, ids: Sequence[SubjectId]
) -> SubjectPage:
    rows = await connection.fetch(THESE, request.account, request.agency, version, ids)
    return SubjectPage(subjects=[_subject(row) for row in rows], next_after=None)


def _check(sent: Sequence[NewSubject]) -> None:
    seen: set[str] = set()
    for each in sent:
        if each.student_id in seen:
            raise InvalidRequest(f"the student_id {each.student_id} is sent twice")
        seen.add(each.student_id)
        for url in each.reference_urls:
            checked_url(url)


def _subject(row: Record | None) -> Subject:
    if row is None:
        raise _no_subject()
    return Subject(**row)


def _no_subject() -> NotFound:
    return NotFound("there is no such subject in this agency")
