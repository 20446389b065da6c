"""Portraits that the face crop engine cuts for yearbooks: where they lie, and that they go in time.

They lie among the results of jobs, which are kept for weeks. Each is written down before it is cut,
with whom it shows and the photograph it comes from: it goes with either of them, and when somebody
says that the photograph shows another person. A job may be cutting meanwhile, so the sweep removes
what it finds of these once more.
"""

from collections.abc import Sequence

from asyncpg import Record

from kit.database import Connection, Pool
from kit.storage import Storage, is_key
from proto.agencies import AgencyId, FileId, SubjectId
from proto.errors import InvalidRequest
from proto.ids import AccountId, StorageKey
from proto.matching.portraits import NotePortraits, key_of
from services.matching import agencies
from services.matching.access import note
from services.matching.standing import MATCH, no_match

ADD = """
INSERT INTO matching.portraits
    (account_id, agency_id, match_id, subject_id, file_id, outputs, endings)
SELECT $1, $2, $3, subject_id, file_id, $6, $7
FROM unnest($4::bigint[], $5::bigint[]) AS portrait (subject_id, file_id)
"""

OF_SUBJECT = """
SELECT subject_id, outputs, endings FROM matching.portraits
WHERE account_id = $1 AND agency_id = $2 AND ($3::bigint IS NULL OR subject_id = $3)
"""

OF_FILES = """
SELECT subject_id, outputs, endings FROM matching.portraits
WHERE account_id = $1 AND file_id = ANY ($2)
"""

TAKE_BACK = """
UPDATE matching.portraits SET is_taken_back = true
WHERE account_id = $1 AND agency_id = $2 AND file_id = $3 AND subject_id = ANY ($4)
RETURNING subject_id, outputs, endings
"""

LEFT = """
SELECT id, subject_id, outputs, endings,
    created_at < now() - make_interval(secs => $3) AS is_cut
FROM matching.portraits AS portrait
WHERE id > $1 AND (
    is_taken_back
    OR NOT EXISTS (SELECT FROM matching.subjects
                WHERE account_id = portrait.account_id AND id = portrait.subject_id)
    OR NOT EXISTS (SELECT FROM matching.files
                   WHERE account_id = portrait.account_id AND id = portrait.file_id))
ORDER BY id LIMIT $2
"""
"""Of people and photographs that are not there any more, or not of them, as it turned out."""

FORGET = """
DELETE FROM matching.portraits WHERE id = ANY ($1)
"""

CUT_WITHIN_SECONDS = 31 * 86_400
"""After which no job that was begun goes on cutting: one may take a day, and less than the thirty
for which results are kept (KEEP_DAYS) whatever JOB_HOURS is set to. So long what is gone is removed
again and again, as it may have been written since."""

_AT_ONCE = 500


class Portraits:
    """The portraits that one database knows of."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def note(self, request: NotePortraits) -> None:
        """Write down which portraits are about to be cut. Raises NotFound, InvalidRequest."""
        account, outputs = request.account, request.outputs
        if not (is_key(outputs) and outputs.startswith(f"outputs/{account}/")):
            raise InvalidRequest("portraits must lie in the account's own folder")
        row = await self._pool.fetchrow(MATCH, account, request.match)
        if row is None:
            raise no_match()
        agency = AgencyId(row["agency_id"])
        async with self._pool.acquire() as connection, connection.transaction():
            # whoever erases somebody waits, and finds what is written here
            await agencies.held(connection, account, agency)
            await connection.execute(
                ADD,
                account,
                agency,
                request.match,
                [each.subject for each in request.portraits],
                [each.file for each in request.portraits],
                outputs,
                request.endings,
            )
            told = {
                "match": str(request.match),
                "task": str(request.job),
                "portraits": str(len(request.portraits)),
            }
            await note(connection, account, agency, request.by, "yearbook_begun", None, told)


async def of_subject(
    connection: Connection, account: AccountId, agency: AgencyId, subject: SubjectId | None
) -> list[StorageKey]:
    """Return where portraits of somebody lie, or will; of everybody where nobody is named."""
    return _keys(await connection.fetch(OF_SUBJECT, account, agency, subject))


async def of_files(
    connection: Connection, account: AccountId, files: Sequence[FileId]
) -> list[StorageKey]:
    """Return where portraits lie, or will, that were cut out of these photographs."""
    return _keys(await connection.fetch(OF_FILES, account, files))


async def take_back(
    connection: Connection,
    account: AccountId,
    agency: AgencyId,
    file: FileId,
    subjects: Sequence[SubjectId],
) -> list[StorageKey]:
    """Say that a photograph does not show these people, whichever match took it for one of them.

    Returns where portraits lie, or will, that were cut out of it for them.
    """
    return _keys(await connection.fetch(TAKE_BACK, account, agency, file, subjects))


async def sweep(pool: Pool, storage: Storage) -> int:
    """Remove portraits of people and photographs that are not there any more, or taken back.

    Returns how many rows were done with. Raises Unavailable when the storage is away.
    """
    count = last = 0
    while rows := await pool.fetch(LEFT, last, _AT_ONCE, CUT_WITHIN_SECONDS):
        await storage.delete_all(_keys(rows))
        done = [row["id"] for row in rows if row["is_cut"]]
        await pool.execute(FORGET, done)
        count, last = count + len(done), rows[-1]["id"]
    return count


def _keys(rows: Sequence[Record]) -> list[StorageKey]:
    """Return where the portraits of rows lie."""
    return [
        key_of(row["outputs"], SubjectId(row["subject_id"]), ending)
        for row in rows
        for ending in row["endings"]
    ]
