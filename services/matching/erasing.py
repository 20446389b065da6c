"""Erasing: a subject with every mention of it, a shoot, an agency.

Rows go in one transaction with a new number of the gallery, so that no replica compares with what
is gone; who writes results looks at that number while it holds the agency. Objects follow.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from asyncpg import Record

from kit.database import Connection, Pool
from kit.storage import is_key
from proto.agencies import AgencyId, FileId, SubjectId
from proto.errors import NotFound
from proto.ids import AccountId, StorageKey
from proto.matching.agencies import EraseAgency
from proto.matching.shoots import EraseShoot
from proto.matching.subjects import EraseSubject
from services.matching import agencies, portraits, scrubbing
from services.matching.access import note
from services.matching.discarding import Discarding, discard
from services.matching.forgetting import Forget

KEYS_OF_SUBJECT = """
SELECT key FROM matching.reference_photos
WHERE account_id = $1 AND agency_id = $2 AND subject_id = $3
"""

ERASE_SUBJECT = """
DELETE FROM matching.subjects WHERE account_id = $1 AND agency_id = $2 AND id = $3
RETURNING true
"""

EXPORTS = """
SELECT DISTINCT details ->> 'key' AS key FROM matching.access_log
WHERE account_id = $1 AND agency_id = $2 AND action = 'subject_exported'
  AND ($3::bigint IS NULL OR subject_id = $3)
"""
"""What was written down of somebody for themselves does not outlast them either."""

FACES = """
SELECT faces.match_id, faces.file_id, faces.number, faces.state, faces.subject_id, faces.score,
    faces.margin, faces.candidates, faces.reasons, matches.threshold
FROM matching.faces JOIN matching.matches ON matches.id = faces.match_id
WHERE matches.account_id = $1 AND matches.agency_id = $2 AND faces.account_id = $1
  AND (faces.subject_id = $3
       OR faces.candidates @> jsonb_build_array(jsonb_build_object('subject', $3::bigint)))
"""

SET_FACES = """
UPDATE matching.faces
SET state = changed.state, subject_id = changed.subject_id, score = changed.score,
    margin = changed.margin, candidates = changed.candidates::jsonb,
    reasons = ARRAY(SELECT jsonb_array_elements_text(changed.reasons::jsonb))
FROM unnest($2::bigint[], $3::bigint[], $4::integer[], $5::text[], $6::bigint[],
            $7::double precision[], $8::double precision[], $9::text[], $10::text[])
    AS changed (match_id, file_id, number, state, subject_id, score, margin, candidates, reasons)
WHERE faces.account_id = $1 AND faces.match_id = changed.match_id
  AND faces.file_id = changed.file_id AND faces.number = changed.number
"""

SETTLE = """
UPDATE matching.results
SET reasons = array_append(array_remove(reasons, 'subject_erased'), 'subject_erased'),
    state = CASE
        WHEN state NOT IN ('matched', 'needs_review', 'unmatched') THEN state
        WHEN EXISTS (SELECT FROM matching.faces
                     WHERE faces.match_id = results.match_id AND faces.file_id = results.file_id
                       AND faces.state = 'needs_review') THEN 'needs_review'
        WHEN EXISTS (SELECT FROM matching.faces
                     WHERE faces.match_id = results.match_id AND faces.file_id = results.file_id
                       AND faces.state = 'matched') THEN 'matched'
        ELSE 'unmatched' END
FROM unnest($2::bigint[], $3::bigint[]) AS changed (match_id, file_id)
WHERE results.account_id = $1 AND results.match_id = changed.match_id
  AND results.file_id = changed.file_id
"""

FORGET_CARDS = """
UPDATE matching.results SET from_card = array_remove(from_card, $3)
FROM matching.matches
WHERE matches.account_id = $1 AND matches.agency_id = $2 AND results.match_id = matches.id
  AND results.account_id = $1 AND $3 = ANY (results.from_card)
"""

DECISIONS = """
SELECT decisions.id, decisions.before, matches.threshold
FROM matching.decisions JOIN matching.matches ON matches.id = decisions.match_id
WHERE matches.account_id = $1 AND matches.agency_id = $2 AND decisions.account_id = $1
  AND strpos(decisions.before::text, $3::bigint::text) > 0
"""

SET_IMAGES = """
UPDATE matching.decisions SET before = changed.before::jsonb
FROM unnest($2::bigint[], $3::text[]) AS changed (id, before)
WHERE decisions.account_id = $1 AND decisions.id = changed.id
"""

FORGET_DECIDED = """
UPDATE matching.decisions SET subject_id = NULL
FROM matching.matches
WHERE matches.account_id = $1 AND matches.agency_id = $2 AND decisions.match_id = matches.id
  AND decisions.account_id = $1 AND decisions.subject_id = $3
"""

FORGET_DECIDED_FACES = """
UPDATE matching.decisions SET faces = (
    SELECT jsonb_agg(CASE WHEN face -> 'subject' = to_jsonb($3::bigint)
                          THEN jsonb_set(face, '{subject}', 'null') ELSE face END ORDER BY place)
    FROM jsonb_array_elements(decisions.faces) WITH ORDINALITY AS given (face, place))
FROM matching.matches
WHERE matches.account_id = $1 AND matches.agency_id = $2 AND decisions.match_id = matches.id
  AND decisions.account_id = $1
  AND decisions.faces @> jsonb_build_array(jsonb_build_object('subject', $3::bigint))
"""

KEYS_OF_SHOOT = """
SELECT files.id, files.key FROM matching.files
WHERE account_id = $1 AND agency_id = $2 AND shoot_id = $3
"""

COMPARED_OF_SHOOT = """
SELECT EXISTS (
    SELECT FROM matching.reference_photos AS photos JOIN matching.files ON files.id = photos.file_id
    WHERE photos.account_id = $1 AND photos.agency_id = $2 AND photos.state = 'embedded'
      AND files.account_id = $1 AND files.shoot_id = $3
)
"""

ERASE_SHOOT = """
DELETE FROM matching.shoots WHERE account_id = $1 AND agency_id = $2 AND id = $3 RETURNING true
"""

KEYS_OF_AGENCY = """
SELECT key FROM matching.files WHERE account_id = $1 AND agency_id = $2
UNION
SELECT key FROM matching.reference_photos WHERE account_id = $1 AND agency_id = $2
"""

ERASE_AGENCY = """
DELETE FROM matching.agencies WHERE account_id = $1 AND id = $2
"""


class Erasing:
    """Removes people, shoots and agencies."""

    def __init__(self, pool: Pool, discarding: Discarding, forget: Forget) -> None:
        self._pool = pool
        self._discarding = discarding
        self._forget = forget

    async def subject(self, request: EraseSubject) -> None:
        """Remove a subject: references, embeddings, portraits and every mention in results.

        Raises NotFound.
        """
        whose = request.account, request.agency, request.subject_id
        async with self._pool.acquire() as connection, connection.transaction():
            await agencies.locked(connection, request.account, request.agency)
            photos = await connection.fetch(KEYS_OF_SUBJECT, *whose)
            exports = await connection.fetch(EXPORTS, *whose)
            cut = await portraits.of_subject(connection, *whose)
            if not await connection.fetchval(ERASE_SUBJECT, *whose):
                raise NotFound("there is no such subject in this agency")
            await _scrub(connection, *whose)
            await agencies.bump(connection, request.account, request.agency)
            told = {"references": str(len(photos))}
            account, agency, subject = whose
            await note(connection, account, agency, request.by, "subject_erased", subject, told)
            keys = [*_keys(photos), *_outputs(account, exports), *cut]
            gone = await discard(connection, account, keys)
        await self._forget(account, agency)
        await self._discarding.remove(gone)

    async def shoot(self, request: EraseShoot) -> None:
        """Remove a shoot with its photographs and what was found in them. Raises NotFound."""
        which = request.account, request.agency, request.shoot
        async with self._pool.acquire() as connection, connection.transaction():
            await agencies.locked(connection, request.account, request.agency)
            files = await connection.fetch(KEYS_OF_SHOOT, *which)
            compared = await connection.fetchval(COMPARED_OF_SHOOT, *which)
            ids = [FileId(row["id"]) for row in files]
            cut = await portraits.of_files(connection, request.account, ids)
            if not await connection.fetchval(ERASE_SHOOT, *which):
                raise NotFound("there is no such shoot in this agency")
            if compared:
                await agencies.bump(connection, request.account, request.agency)
            told = {"shoot": str(request.shoot), "files": str(len(files))}
            account, agency, by = request.account, request.agency, request.by
            await note(connection, account, agency, by, "shoot_erased", None, told)
            gone = await discard(connection, account, [*_keys(files), *cut])
        if compared:
            await self._forget(account, agency)
        await self._discarding.remove(gone)

    async def agency(self, request: EraseAgency) -> None:
        """Remove an agency with everything in it but the log. Raises NotFound."""
        account, agency = request.account, request.agency
        async with self._pool.acquire() as connection, connection.transaction():
            await agencies.locked(connection, account, agency)
            photos = await connection.fetch(KEYS_OF_AGENCY, account, agency)
            exports = await connection.fetch(EXPORTS, account, agency, None)
            cut = await portraits.of_subject(connection, account, agency, None)
            await connection.execute(ERASE_AGENCY, account, agency)
            await note(connection, account, agency, request.by, "agency_erased")
            keys = [*_keys(photos), *_outputs(account, exports), *cut]
            gone = await discard(connection, account, keys)
        await self._forget(account, agency)
        await self._discarding.remove(gone)
        await self._discarding.clear(StorageKey(f"photos/{account}/{agency}"))


async def _scrub(
    connection: Connection, account: AccountId, agency: AgencyId, subject: SubjectId
) -> None:
    """Take a subject out of results and decisions; the agency is locked."""
    whose = account, agency, subject
    await _scrub_faces(connection, account, subject, await connection.fetch(FACES, *whose))
    await connection.execute(FORGET_CARDS, *whose)
    await connection.execute(FORGET_DECIDED, *whose)
    await connection.execute(FORGET_DECIDED_FACES, *whose)
    images = [
        (row["id"], _image(row, subject)) for row in await connection.fetch(DECISIONS, *whose)
    ]
    if images:
        await connection.execute(SET_IMAGES, account, *_columns(images))


async def _scrub_faces(
    connection: Connection, account: AccountId, subject: SubjectId, rows: Sequence[Record]
) -> None:
    if not rows:
        return
    faces = [
        scrubbing.face_without(
            {**row, "candidates": msgspec.json.decode(row["candidates"])},
            subject,
            row["threshold"],
        )
        for row in rows
    ]
    await connection.execute(SET_FACES, account, *_columns([_values(face) for face in faces]))
    changed = {
        (face["match_id"], face["file_id"]) for face in faces if scrubbing.ERASED in face["reasons"]
    }
    if changed:
        await connection.execute(SETTLE, account, *_columns(sorted(changed)))


def _values(face: Mapping[str, Any]) -> tuple[object, ...]:
    """Return $2 to $10 of what writes it."""
    return (
        face["match_id"],
        face["file_id"],
        face["number"],
        face["state"],
        face["subject_id"],
        face["score"],
        face["margin"],
        msgspec.json.encode(face["candidates"]).decode(),
        msgspec.json.encode(face["reasons"]).decode(),
    )


def _image(row: Record, subject: SubjectId) -> str:
    before = msgspec.json.decode(row["before"])
    return msgspec.json.encode(scrubbing.image_without(before, subject, row["threshold"])).decode()


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    """Return what unnest takes for rows."""
    return [list(column) for column in zip(*rows, strict=True)]


def _keys(rows: Sequence[Record]) -> list[str]:
    return [row["key"] for row in rows]


def _outputs(account: AccountId, rows: Sequence[Record]) -> list[str]:
    """Return where exports lie; into the log others write, too, and not all of it is a key."""
    keys = (row["key"] or "" for row in rows)
    return [key for key in keys if key.startswith(f"outputs/{account}/") and is_key(key)]
