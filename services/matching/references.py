"""References: photographs of which it is known whom they show. Embedding them is not done here."""

from collections.abc import Sequence

from asyncpg import Record

from kit.database import Connection, Pool
from proto.agencies import (
    MOST_REFERENCES,
    AgencyId,
    Reference,
    ReferenceId,
    ReferenceState,
    SubjectId,
)
from proto.errors import InvalidRequest, NotFound
from proto.ids import AccountId
from proto.matching.subjects import AboutSubject, AddReferences, EraseReference, ReferenceList
from services.matching import agencies
from services.matching.access import note
from services.matching.discarding import Discarding, discard
from services.matching.forgetting import Forget
from services.matching.photographs import checked

SUBJECT = """
SELECT true FROM matching.subjects WHERE account_id = $1 AND agency_id = $2 AND id = $3
"""

ADD = """
INSERT INTO matching.reference_photos (account_id, agency_id, subject_id, key, url, sha256)
SELECT $1, $2, subject_id, key, url, sha256
FROM unnest($3::bigint[], $4::text[], $5::text[], $6::bytea[])
    WITH ORDINALITY AS sent (subject_id, key, url, sha256, place)
ORDER BY place
ON CONFLICT (subject_id, sha256) DO NOTHING
"""

TOO_MANY = """
SELECT student_id FROM matching.subjects
WHERE account_id = $1 AND id = ANY ($2) AND (
    SELECT count(*) FROM matching.reference_photos WHERE subject_id = subjects.id
) > $3
ORDER BY student_id LIMIT 1
"""

OF_SUBJECT = """
SELECT id, subject_id, key, url, file_id, state, code, message, embedder, created_at
FROM matching.reference_photos
WHERE account_id = $1 AND agency_id = $2 AND subject_id = $3 ORDER BY id
"""

ERASE = """
DELETE FROM matching.reference_photos
WHERE account_id = $1 AND agency_id = $2 AND subject_id = $3 AND id = $4
RETURNING key, state
"""


class References:
    """The references in one database, their objects in one storage."""

    def __init__(self, pool: Pool, discarding: Discarding, forget: Forget) -> None:
        self._pool = pool
        self._discarding = discarding
        self._forget = forget

    async def add(self, request: AddReferences, version: str | None) -> ReferenceList:
        """Add photographs of a subject; answers all there are.

        Raises NotFound, and InvalidRequest where nothing, or not so many, may be added.
        """
        account, agency, subject = request.account, request.agency, request.subject_id
        photographs = [checked(account, photo) for photo in request.photos]
        async with self._pool.acquire() as connection, connection.transaction():
            # for oneself: counting does not see what others add
            agencies.check_open(await agencies.locked(connection, account, agency))
            if not await connection.fetchval(SUBJECT, account, agency, subject):
                raise _no_subject()
            await add(
                connection,
                account,
                agency,
                [(subject, each.key, each.url, each.sha256) for each in photographs],
            )
            sent = {"photographs": str(len(photographs))}
            await note(connection, account, agency, request.by, "references_added", subject, sent)
            gone = await discard(connection, account, (each.key for each in photographs))
            rows = await connection.fetch(OF_SUBJECT, account, agency, subject)
        await self._discarding.remove(gone)
        return ReferenceList(references=[_reference(row, version) for row in rows])

    async def all(self, request: AboutSubject, version: str | None) -> ReferenceList:
        """Return a subject's references. Raises NotFound."""
        account, agency, subject = request.account, request.agency, request.subject_id
        rows = await self._pool.fetch(OF_SUBJECT, account, agency, subject)
        if not rows and not await self._pool.fetchval(SUBJECT, account, agency, subject):
            raise _no_subject()
        return ReferenceList(references=[_reference(row, version) for row in rows])

    async def erase(self, request: EraseReference) -> None:
        """Remove a reference with its embedding. Raises NotFound.

        The object of one that is a photograph of a shoot stays with that.
        """
        account, agency, subject = request.account, request.agency, request.subject_id
        async with self._pool.acquire() as connection, connection.transaction():
            await agencies.locked(connection, account, agency)
            row = await connection.fetchrow(ERASE, account, agency, subject, request.reference)
            if row is None:
                raise NotFound("there is no such reference of this subject")
            if row["state"] == "embedded":
                await agencies.bump(connection, account, agency)
            which = {"reference": str(request.reference)}
            await note(connection, account, agency, request.by, "reference_erased", subject, which)
            gone = await discard(connection, account, [row["key"]])
        await self._forget(account, agency)
        await self._discarding.remove(gone)


async def add(
    connection: Connection,
    account: AccountId,
    agency: AgencyId,
    sent: Sequence[tuple[SubjectId, str, str, bytes]],
) -> None:
    """Add references in a transaction that has the agency for itself.

    Args:
        connection: In that transaction.
        account: Whose agency it is.
        agency: The agency of all subjects.
        sent: Subject, key, URL and digest of each; one that is there already stays as it is.

    Raises InvalidRequest for more than a subject may have.
    """
    if not sent:
        return
    await connection.execute(ADD, account, agency, *map(list, zip(*sent, strict=True)))
    subjects = list({subject for subject, *_ in sent})
    if whose := await connection.fetchval(TOO_MANY, account, subjects, MOST_REFERENCES):
        raise InvalidRequest(
            f"a subject has at most {MOST_REFERENCES} references; {whose} would have more"
        )


def _reference(row: Record, version: str | None) -> Reference:
    return Reference(
        id=ReferenceId(row["id"]),
        subject=SubjectId(row["subject_id"]),
        state=_state(row["state"], row["embedder"], version),
        key=row["key"],
        url=row["url"],
        from_file=row["file_id"],
        code=row["code"],
        message=row["message"],
        created_at=row["created_at"],
    )


def _state(state: ReferenceState, embedder: str | None, version: str | None) -> ReferenceState:
    """Return how a reference stands while `version` makes embeddings; None where not known."""
    if state == "embedded" and version is not None and embedder != version:
        return "stale"
    return state


def _no_subject() -> NotFound:
    return NotFound("there is no such subject in this agency")
