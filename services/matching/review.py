"""Review: what people say of photographs, with what was there before, so that it can be taken back.

A decision locks the photograph's result. Faces that somebody decided on stay as they were decided;
state and reasons of the photograph follow from its faces.
"""

from collections.abc import Sequence

import msgspec
from asyncpg import Record

from kit.database import Connection, Pool
from proto.agencies import MOST_REFERENCES, AgencyId, FileId, MatchId
from proto.errors import InvalidRequest, NotFound
from proto.ids import AccountId, StorageKey
from proto.matching.results import Decide, DecidedFace, FileResult, FileState, Reason
from services.matching import agencies, kept, portraits
from services.matching.discarding import Discarding, discard
from services.matching.forgetting import Forget
from services.matching.results import no_result, result
from services.matching.standing import MATCH, Standing, no_match

RESULT = """
SELECT result.state, result.reasons, result.reviewed, match.embedder, file.key, file.url,
    file.sha256
FROM matching.results AS result
JOIN matching.matches AS match
    ON (match.account_id, match.id) = (result.account_id, result.match_id)
JOIN matching.files AS file ON (file.account_id, file.id) = (result.account_id, result.file_id)
WHERE result.account_id = $1 AND result.match_id = $2 AND result.file_id = $3
FOR UPDATE OF result
"""

SUBJECT = """
SELECT true FROM matching.subjects WHERE account_id = $1 AND agency_id = $2 AND id = $3
"""

SET_RESULT = """
UPDATE matching.results SET state = $4, reasons = $5, reviewed = $6
WHERE account_id = $1 AND match_id = $2 AND file_id = $3
"""

NOTE = """
INSERT INTO matching.decisions (account_id, match_id, file_id, action, face, subject_id, faces,
    before, reference_id, decided_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""

LATEST = """
SELECT id, before, reference_id FROM matching.decisions
WHERE account_id = $1 AND match_id = $2 AND file_id = $3 AND undone_at IS NULL
  AND action <> 'undo'
ORDER BY id DESC LIMIT 1
"""

TAKE_BACK = """
UPDATE matching.decisions SET undone_at = now() WHERE account_id = $1 AND id = $2
"""

ADD_REFERENCE = """
INSERT INTO matching.reference_photos
    (account_id, agency_id, subject_id, key, url, sha256, file_id, face_box)
SELECT $1, $2, $3, $4, $5, $6, $7, $8
WHERE (SELECT count(*) FROM matching.reference_photos
       WHERE account_id = $1 AND subject_id = $3) < $9
RETURNING id
"""

IS_REFERENCE = """
SELECT id, state, file_id, face_box IS DISTINCT FROM $4 AS elsewhere
FROM matching.reference_photos
WHERE account_id = $1 AND subject_id = $2 AND sha256 = $3
"""

MOVE_REFERENCE = """
UPDATE matching.reference_photos
SET file_id = $3, face_box = $4, state = 'waiting', code = '', message = '', embedder = NULL,
    embedding = NULL, embedded_at = NULL
WHERE account_id = $1 AND id = $2
"""
"""To another face of the same picture, which is embedded anew."""

REMOVE_REFERENCE = """
DELETE FROM matching.reference_photos WHERE account_id = $1 AND agency_id = $2 AND id = $3
RETURNING state
"""

REMOVE_OTHERS_OF_FACE = """
DELETE FROM matching.reference_photos AS photo
USING jsonb_to_recordset($4::jsonb) AS face (box jsonb, subject_id bigint)
WHERE photo.account_id = $1 AND photo.agency_id = $2 AND photo.file_id = $3
  AND photo.face_box = face.box AND photo.subject_id IS DISTINCT FROM face.subject_id
RETURNING photo.state
"""
"""References made of faces that are somebody else's, or nobody's, as it turns out. Their objects
stay: they are the file's."""

REMOVE_FACES = """
DELETE FROM matching.faces
WHERE account_id = $1 AND match_id = $2 AND file_id = $3 AND number <> ALL ($4::integer[])
"""

_NO_FACE = kept.Face(
    number=-1,
    box=None,
    eye_distance=None,
    state="unmatched",
    subject_id=None,
    score=None,
    margin=None,
    candidates=[],
    reasons=[],
)
"""Stands for somebody whom a person recognised where no face was seen."""


class _Before(msgspec.Struct, frozen=True):
    """A photograph's result as it was."""

    state: FileState
    reasons: list[Reason]
    reviewed: bool
    faces: list[kept.Face]


class Review:
    """Takes decisions down in one database."""

    def __init__(
        self, pool: Pool, standing: Standing, discarding: Discarding, forget: Forget
    ) -> None:
        self._pool = pool
        self._standing = standing
        self._discarding = discarding
        self._forget = forget

    async def decide(self, request: Decide) -> FileResult:
        """Take a decision down and return how the photograph stands with it.

        Raises NotFound, and InvalidRequest for what makes no sense.
        """
        _check(request)
        account = request.account
        await self._standing.settle(account, request.match)
        async with self._pool.acquire() as connection, connection.transaction():
            agency, gallery = await _held(connection, request)
            row = await connection.fetchrow(RESULT, *_key(request))
            if row is None:
                raise no_result()
            if row["state"] == "pending":
                raise InvalidRequest("this photograph has not been matched yet")
            if row["state"] == "failed":
                # its tokens came back, and what nobody could read is in no export
                raise InvalidRequest("this photograph was not read, so nobody is told in it")
            decide = _undo if request.action == "undo" else _decide
            cut = await decide(connection, request, agency, row)
            gone = await discard(connection, account, cut)
            now = await agencies.held(connection, account, agency)
            decided = await result(connection, account, request.match, request.file)
        if now.gallery != gallery:
            # a reference went with it, or is of another face now
            await self._forget(account, agency)
        await self._discarding.remove(gone)
        return decided


def _check(request: Decide) -> None:
    if (request.subject_id is not None) != (request.action == "reassign"):
        raise InvalidRequest("a subject is named to reassign a face, and only then")
    if request.as_reference and request.action not in ("confirm", "reassign"):
        raise InvalidRequest("a photograph becomes a reference of somebody it is given to")
    if request.action == "undo" and request.face is not None:
        raise InvalidRequest("what is undone is the latest decision, whichever face it was about")


async def _held(connection: Connection, request: Decide) -> tuple[AgencyId, int]:
    """Keep the agency of a match for oneself: references may come and go with a decision.

    Returns it, and the number of what there is to compare with.
    """
    row = await connection.fetchrow(MATCH, request.account, request.match)
    if row is None:
        raise no_match()
    agency = AgencyId(row["agency_id"])
    found = await agencies.locked(connection, request.account, agency)
    if request.as_reference and found.mode == "cards":
        raise InvalidRequest("this agency goes by cards alone; it has no references")
    return agency, found.gallery


async def _decide(
    connection: Connection, request: Decide, agency: AgencyId, row: Record
) -> list[StorageKey]:
    """Take a decision down. Returns where the portraits lie that it proves wrong."""
    account, subject = request.account, request.subject_id
    if subject is not None and not await connection.fetchval(SUBJECT, account, agency, subject):
        raise NotFound("there is no such subject in this agency")
    of_file = await kept.faces_of(connection, account, request.match, [request.file])
    before = of_file.get(request.file, [])
    chosen = _chosen(request, before)
    decided = [_decided(request, face) for face in chosen]
    numbers = {face.number for face in chosen}
    after = [*(face for face in before if face.number not in numbers), *decided]
    _check_once_each(after)
    await kept.write_faces(connection, *_key(request), decided)
    state = kept.state_of(after)
    reasons = kept.reasons_of(after, looked=row["embedder"] is not None)
    await connection.execute(SET_RESULT, *_key(request), state, reasons, True)
    await _remove_wrong(connection, request, agency, decided)
    reference = None
    if request.as_reference:
        reference = await _add_reference(connection, request, agency, row, decided)
    was = _Before(row["state"], row["reasons"], row["reviewed"], before)
    await connection.execute(
        NOTE,
        *_key(request),
        request.action,
        decided[0].number if len(decided) == 1 else None,
        decided[0].subject_id if len(decided) == 1 else None,
        msgspec.json.encode([_given(face) for face in decided]).decode(),
        msgspec.json.encode(was).decode(),
        reference,
        request.by,
    )
    return await _take_back(connection, request, agency, before, after)


def _chosen(request: Decide, faces: Sequence[kept.Face]) -> list[kept.Face]:
    """Return the faces that a decision is about. Raises InvalidRequest."""
    if request.face is not None:
        found = [face for face in faces if face.number == request.face]
        if not found:
            raise InvalidRequest(f"this photograph has no face {request.face}")
        return found
    if request.action == "reassign":
        if len(faces) > 1:
            raise InvalidRequest(f"say which of the {len(faces)} faces is reassigned")
        # somebody may be known by what no face shows
        return list(faces) or [_NO_FACE]
    if request.action == "confirm":
        # what was matched may be confirmed as well
        unsure = [face for face in faces if face.state == "needs_review"]
        found = unsure or [face for face in faces if face.state == "matched"]
    else:
        found = list(faces)
    if not found:
        raise InvalidRequest("there is nobody in this photograph to decide on")
    return found


def _decided(request: Decide, face: kept.Face) -> kept.Face:
    if request.action == "confirm":
        best = face.subject_id if face.subject_id is not None else face.decided.best
        if best is None:
            raise InvalidRequest(f"face {face.number} has no candidate; reassign it")
        return face.given_to(best)
    return face.given_to(request.subject_id)


def _given(face: kept.Face) -> DecidedFace:
    return DecidedFace(face=face.number, subject=face.subject_id)


def _check_once_each(faces: Sequence[kept.Face]) -> None:
    given = [face.subject_id for face in faces if face.subject_id is not None]
    if len(set(given)) != len(given):
        raise InvalidRequest("two faces of one photograph cannot be the same subject's")


async def _undo(
    connection: Connection, request: Decide, agency: AgencyId, _: Record
) -> list[StorageKey]:
    """Take the latest decision back. Returns where the portraits lie that this proves wrong."""
    row = await connection.fetchrow(LATEST, *_key(request))
    if row is None:
        raise InvalidRequest("there is no decision on this photograph to take back")
    # whoever was erased since is not in it any more
    was = msgspec.json.decode(row["before"], type=_Before)
    of_file = await kept.faces_of(connection, request.account, request.match, [request.file])
    await connection.execute(REMOVE_FACES, *_key(request), [face.number for face in was.faces])
    await kept.write_faces(connection, *_key(request), was.faces)
    await connection.execute(SET_RESULT, *_key(request), was.state, was.reasons, was.reviewed)
    await connection.execute(TAKE_BACK, request.account, row["id"])
    await connection.execute(NOTE, *_key(request), "undo", None, None, "[]", "{}", None, request.by)
    if row["reference_id"] is not None:
        key = request.account, agency, row["reference_id"]
        # its object stays: it is the file's
        if await connection.fetchval(REMOVE_REFERENCE, *key) == "embedded":
            await agencies.bump(connection, request.account, agency)
    return await _take_back(connection, request, agency, of_file.get(request.file, []), was.faces)


async def _take_back(
    connection: Connection,
    request: Decide,
    agency: AgencyId,
    before: Sequence[kept.Face],
    after: Sequence[kept.Face],
) -> list[StorageKey]:
    """Take the portraits back of those to whom no face of a photograph belongs any more."""
    left = {face.subject_id for face in after}
    gone = {face.subject_id for face in before if face.subject_id is not None} - left
    return await portraits.take_back(
        connection, request.account, agency, request.file, sorted(gone)
    )


async def _remove_wrong(
    connection: Connection, request: Decide, agency: AgencyId, decided: Sequence[kept.Face]
) -> None:
    """Remove the references made of faces that were now given to others, in whichever match."""
    faces = msgspec.json.encode([face for face in decided if face.box is not None]).decode()
    key = request.account, agency, request.file
    removed = await connection.fetch(REMOVE_OTHERS_OF_FACE, *key, faces)
    if any(row["state"] == "embedded" for row in removed):
        await agencies.bump(connection, request.account, agency)


async def _add_reference(
    connection: Connection,
    request: Decide,
    agency: AgencyId,
    row: Record,
    decided: Sequence[kept.Face],
) -> int | None:
    """Make a photograph a reference of whom it was given to. Returns None where it is one."""
    if len(decided) != 1 or decided[0].box is None or not row["key"]:
        raise InvalidRequest("only a face that was seen, one at a time, becomes a reference")
    subject, box = decided[0].subject_id, msgspec.json.encode(decided[0].box).decode()
    of_picture = request.account, subject, row["sha256"]
    there = await connection.fetchrow(IS_REFERENCE, *of_picture, box)
    if there is not None:
        # what was sent as a reference is one by itself; what was made here is of the latest face
        if there["file_id"] is not None and there["elsewhere"]:
            moved = request.account, there["id"], request.file, box
            await connection.execute(MOVE_REFERENCE, *moved)
            if there["state"] == "embedded":
                await agencies.bump(connection, request.account, agency)
        return None
    added: int | None = await connection.fetchval(
        ADD_REFERENCE,
        request.account,
        agency,
        subject,
        row["key"],
        row["url"],
        row["sha256"],
        request.file,
        box,
        MOST_REFERENCES,
    )
    if added is None:
        raise InvalidRequest(f"a subject has at most {MOST_REFERENCES} references")
    return added


def _key(request: Decide) -> tuple[AccountId, MatchId, FileId]:
    return request.account, request.match, request.file
