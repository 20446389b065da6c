"""Who is in which photograph, and who is in none, as it stands after review."""

import base64
from binascii import Error as NotBase64
from collections.abc import Sequence
from contextlib import suppress

import msgspec
from asyncpg import Record

from kit.bus import decoder
from kit.database import Pool
from proto.agencies import AgencyId, MatchId, Subject
from proto.errors import InvalidRequest, NotFound, Unavailable
from proto.ids import AccountId
from proto.matching.asking import After, Position
from proto.matching.exports import (
    Assignment,
    AssignmentPage,
    GetAssignments,
    GetMissing,
    GetMissingOfAgency,
    MissingPage,
)
from proto.matching.matches import MatchOptions
from services.matching import agencies
from services.matching.paging import that_fit
from services.matching.reading import Reader
from services.matching.standing import Standing, no_match

ASSIGNED = """
SELECT DISTINCT ON (subject.class_name, subject.student_id, face.file_id)
    face.file_id AS file, file.filename, file.key, subject.id AS subject, subject.student_id,
    subject.name, subject.class_name, face.score, face.reviewed
FROM matching.faces AS face
JOIN matching.subjects AS subject
    ON (subject.account_id, subject.id) = (face.account_id, face.subject_id)
JOIN matching.files AS file ON (file.account_id, file.id) = (face.account_id, face.file_id)
WHERE face.account_id = $1 AND face.match_id = $2 AND face.state = 'matched'
  AND (subject.class_name, subject.student_id, face.file_id) > ($3, $4, $5)
ORDER BY subject.class_name, subject.student_id, face.file_id, face.number LIMIT $6
"""

ABOUT = """
SELECT agency_id, options FROM matching.matches WHERE account_id = $1 AND id = $2
"""

MISSING = """
SELECT subject.id, subject.student_id, subject.name, subject.class_name, subject.created_at,
    photos.references, photos.embeddings
FROM matching.subjects AS subject, LATERAL (
    SELECT count(*) AS references,
        count(*) FILTER (WHERE state = 'embedded' AND ($7::text IS NULL OR embedder = $7))
            AS embeddings
    FROM matching.reference_photos AS photo
    WHERE photo.account_id = $1 AND photo.subject_id = subject.id
) AS photos
WHERE subject.account_id = $1 AND subject.agency_id = $2
  AND ($4::text IS NULL OR subject.class_name = $4) AND subject.student_id > $5
  AND NOT EXISTS (
    SELECT FROM matching.faces
    WHERE faces.account_id = $1 AND faces.match_id = $3 AND faces.subject_id = subject.id
      AND faces.state = 'matched')
ORDER BY subject.student_id LIMIT $6
"""

OPEN = """
SELECT id, agency_id, jobs, state, created_at,
    created_at < now() - interval '10 minutes' AS has_waited
FROM matching.matches WHERE account_id = $1 AND agency_id = $2 AND state = 'open'
ORDER BY id
"""

SHOOT = """
SELECT true FROM matching.shoots WHERE account_id = $1 AND agency_id = $2 AND id = $3
"""

MISSING_OF_AGENCY = """
WITH given AS MATERIALIZED (
    SELECT DISTINCT face.subject_id
    FROM matching.matches AS match
    JOIN matching.faces AS face ON (face.account_id, face.match_id) = (match.account_id, match.id)
    JOIN matching.files AS file ON (file.account_id, file.id) = (face.account_id, face.file_id)
    JOIN matching.subjects AS whose
        ON (whose.account_id, whose.id) = (face.account_id, face.subject_id)
    WHERE match.account_id = $1 AND match.agency_id = $2 AND match.state <> 'open'
      AND face.state = 'matched' AND ($3::bigint IS NULL OR file.shoot_id = $3)
      AND ($4::text IS NULL OR whose.class_name = $4)
      AND NOT EXISTS (
        SELECT FROM matching.results AS later
        JOIN matching.matches AS by ON (by.account_id, by.id) = (later.account_id, later.match_id)
        WHERE later.account_id = $1 AND later.file_id = face.file_id AND by.id > match.id
          AND by.state <> 'open' AND later.state IN ('matched', 'needs_review', 'unmatched')
          AND by.options ->> 'class_name' IS NULL)
)
SELECT subject.id, subject.student_id, subject.name, subject.class_name, subject.created_at,
    photos.references, photos.embeddings
FROM matching.subjects AS subject, LATERAL (
    SELECT count(*) AS references,
        count(*) FILTER (WHERE state = 'embedded' AND ($7::text IS NULL OR embedder = $7))
            AS embeddings
    FROM matching.reference_photos AS photo
    WHERE photo.account_id = $1 AND photo.subject_id = subject.id
) AS photos
WHERE subject.account_id = $1 AND subject.agency_id = $2
  AND ($4::text IS NULL OR subject.class_name = $4) AND subject.student_id > $5
  AND NOT EXISTS (SELECT FROM given WHERE given.subject_id = subject.id)
ORDER BY subject.student_id LIMIT $6
"""
"""A match that looked for one class says nothing of the others, and who is in a class today was
perhaps in another then: so it replaces nothing and only adds; nor does one replace anything that
could not read the photograph."""

_Cursor = tuple[After, After, Position]
"""Class, student_id and file of the last one shown."""

_START: _Cursor = ("", "", 0)


class Assignments:
    """Lists assignments of one database."""

    def __init__(self, pool: Pool, standing: Standing, reader: Reader) -> None:
        self._pool = pool
        self._standing = standing
        self._reader = reader

    async def page(self, request: GetAssignments) -> AssignmentPage:
        """Return a page of assignments. Raises NotFound, InvalidRequest."""
        after = _read(request.after) if request.after else _START
        await self._standing.settle(request.account, request.match)
        rows = await self._pool.fetch(
            ASSIGNED, request.account, request.match, *after, request.limit + 1
        )
        shown = [Assignment(**row) for row in rows[: request.limit]]
        shown = shown[: that_fit(shown)]
        more = len(rows) > len(shown)
        return AssignmentPage(assignments=shown, next_after=_written(shown[-1]) if more else None)

    async def missing(self, request: GetMissing) -> MissingPage:
        """Return a page of subjects that no photograph is given to. Raises NotFound."""
        await self._standing.settle(request.account, request.match)
        agency, class_name = await self._about(request.account, request.match)
        rows = await self._pool.fetch(
            MISSING,
            request.account,
            agency,
            request.match,
            class_name,
            request.after,
            request.limit + 1,
            await self._reader.version_if_known(),
        )
        return _page(rows, request.limit)

    async def missing_of_agency(self, request: GetMissingOfAgency) -> MissingPage:
        """Return a page of subjects that no match of their agency has found. Raises NotFound."""
        account, agency, shoot = request.account, request.agency, request.shoot
        await agencies.check_there(self._pool, account, agency)
        if shoot is not None and not await self._pool.fetchval(SHOOT, account, agency, shoot):
            raise NotFound("there is no such shoot in this agency")
        await self._settle(account, agency)
        rows = await self._pool.fetch(
            MISSING_OF_AGENCY,
            account,
            agency,
            shoot,
            request.class_name,
            request.after,
            request.limit + 1,
            await self._reader.version_if_known(),
        )
        return _page(rows, request.limit)

    async def _settle(self, account: AccountId, agency: AgencyId) -> None:
        """Conclude the matches whose jobs have closed and that nobody has looked at since."""
        # while the job book is away they stay as they are, and the others need not be asked for
        with suppress(Unavailable):
            for row in await self._pool.fetch(OPEN, account, agency):
                with suppress(NotFound):
                    await self._standing.look(account, row)

    async def _about(self, account: AccountId, match: MatchId) -> tuple[int, str | None]:
        """Return the agency of a match, and the class that it is about."""
        row = await self._pool.fetchrow(ABOUT, account, match)
        if row is None:
            raise no_match()
        options = msgspec.json.decode(row["options"], type=MatchOptions)
        return row["agency_id"], options.class_name


def _page(rows: Sequence[Record], limit: int) -> MissingPage:
    """Return what fits of the subjects asked for, of which one more than `limit` was."""
    shown = [Subject(**row) for row in rows[:limit]]
    shown = shown[: that_fit(shown)]
    more = len(rows) > len(shown)
    return MissingPage(subjects=shown, next_after=shown[-1].student_id if more else None)


def _written(last: Assignment) -> str:
    cursor: _Cursor = (last.class_name, last.student_id, last.file)
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(cursor)).decode()


def _read(text: str) -> _Cursor:
    try:
        packed = base64.b64decode(text, altchars=b"-_", validate=True)
        cursor: _Cursor = decoder(_Cursor).decode(packed)
    except (NotBase64, ValueError, msgspec.DecodeError) as error:
        raise InvalidRequest("this is no place in the list of assignments") from error
    return cursor
