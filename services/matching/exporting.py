"""Everything that is known of a subject, written down for whoever may ask to see it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from asyncpg import Record

from kit.database import Connection, Pool
from kit.storage import Storage, is_key
from proto.agencies import AgencyId, SubjectId
from proto.errors import InvalidRequest, NotFound
from proto.ids import AccountId
from proto.matching.subjects import ExportSubject, SubjectExport
from services.matching import agencies
from services.matching.access import note

SUBJECT = """
SELECT subjects.id, subjects.student_id, subjects.name, subjects.class_name, subjects.created_at,
    agencies.id AS agency_id, agencies.name AS agency, agencies.agency_type, agencies.mode,
    agencies.retention_days, agencies.consent_statement, agencies.consent_by, agencies.consent_at
FROM matching.subjects JOIN matching.agencies ON agencies.id = subjects.agency_id
WHERE subjects.account_id = $1 AND subjects.agency_id = $2 AND subjects.id = $3
"""

REFERENCES = """
SELECT id, key, url, file_id, face_box, state, code, message, embedder, embedded_at, created_at
FROM matching.reference_photos
WHERE account_id = $1 AND agency_id = $2 AND subject_id = $3 ORDER BY id
"""
"""An embedding itself is of no use to people, and of much to whoever should not have it."""

RESULTS = """
SELECT faces.match_id, faces.file_id, files.filename, files.key, files.shoot_id,
    results.captured_at, results.camera, results.done_at, faces.number, faces.box, faces.state,
    faces.subject_id IS NOT DISTINCT FROM $3 AS taken_for_subject, faces.reasons, faces.reviewed,
    faces.candidates
FROM matching.faces
JOIN matching.matches ON matches.id = faces.match_id
JOIN matching.results ON results.match_id = faces.match_id AND results.file_id = faces.file_id
JOIN matching.files ON files.id = faces.file_id
WHERE matches.account_id = $1 AND matches.agency_id = $2 AND faces.account_id = $1
  AND (faces.subject_id = $3
       OR faces.candidates @> jsonb_build_array(jsonb_build_object('subject', $3::bigint)))
ORDER BY faces.match_id, faces.file_id, faces.number
"""

CARDS = """
SELECT results.match_id, results.file_id, files.filename, files.key, files.shoot_id, EXISTS (
    SELECT FROM matching.faces
    WHERE faces.account_id = $1 AND faces.match_id = results.match_id
      AND faces.file_id = results.file_id AND faces.subject_id = $3) AS taken_for_subject
FROM matching.results
JOIN matching.matches ON matches.id = results.match_id
JOIN matching.files ON files.id = results.file_id
WHERE matches.account_id = $1 AND matches.agency_id = $2 AND results.account_id = $1
  AND $3 = ANY (results.from_card)
ORDER BY results.match_id, results.file_id
"""

DECISIONS = """
SELECT decisions.match_id, decisions.file_id, decisions.action, decisions.face,
    decisions.faces @> jsonb_build_array(jsonb_build_object('subject', $3::bigint))
        AS given_to_subject,
    decisions.reference_id, decisions.decided_by, decisions.decided_at, decisions.undone_at,
    decisions.before
FROM matching.decisions JOIN matching.matches ON matches.id = decisions.match_id
WHERE matches.account_id = $1 AND matches.agency_id = $2 AND decisions.account_id = $1
  AND (decisions.faces @> jsonb_build_array(jsonb_build_object('subject', $3::bigint))
    OR jsonb_path_exists(
    decisions.before,
    '$.faces[*] ? (@.subject_id == $whom || @.candidates[*].subject == $whom)',
    jsonb_build_object('whom', $3::bigint)))
ORDER BY decisions.id
"""
"""Also those that took a face away from somebody, or gave one to others for whom they came into
question."""

ACCESS = """
SELECT at, done_by, action, details FROM matching.access_log
WHERE account_id = $1 AND agency_id = $2 AND subject_id = $3 ORDER BY id
"""

NOT_INCLUDED = (
    "The numbers of embeddings: has_embedding says that there is one, and embedder what made it.",
    "Rosters, cards and sheets of QR jobs: GET /v1/services/studio/qr/jobs/{job_id}/subjects.",
    "Portraits cut for a yearbook and other face crops: they are results of their jobs.",
    "Who else came into question for a face, and whom a decision was about besides the subject.",
    "Photographs in which nobody is taken for the subject, and their names: they may show others.",
    "Entries of the access log about the agency as a whole, such as matches and exports.",
)
"""Told in the export itself, so that nobody takes it for more than it is."""

_JSON_COLUMNS = frozenset({"box", "face_box", "details"})


class Exporting:
    """Writes exports from one database into one storage."""

    def __init__(self, pool: Pool, storage: Storage) -> None:
        self._pool = pool
        self._storage = storage

    async def export(self, request: ExportSubject) -> SubjectExport:
        """Write what is known of a subject where it was asked for.

        `key` says where each photograph lies in storage; whoever hands the export out makes links
        of these.
        Raises NotFound, InvalidRequest for another place, Unavailable when the storage is away.
        """
        key = request.key
        if not (is_key(key) and key.startswith(f"outputs/{request.account}/")):
            raise InvalidRequest("an export must lie in the account's own folder")
        account, agency, subject = whose = request.account, request.agency, request.subject_id
        async with self._pool.acquire() as connection, connection.transaction():
            # whoever erases the subject waits, finds the export in the log, and removes it
            await agencies.held(connection, account, agency)
            known = await _known(connection, *whose)
            told = {"key": key}
            await note(connection, account, agency, request.by, "subject_exported", subject, told)
            written = msgspec.json.format(msgspec.json.encode(known), indent=2)
            await self._storage.put(key, written, "application/json")
        return SubjectExport(key=key)


async def _known(
    connection: Connection, account: AccountId, agency: AgencyId, subject: SubjectId
) -> dict[str, Any]:
    """Return what there is, as it is written. Raises NotFound."""
    whose = account, agency, subject
    row = await connection.fetchrow(SUBJECT, *whose)
    if row is None:
        raise NotFound("there is no such subject in this agency")
    results = await connection.fetch(RESULTS, *whose)
    return {
        "written_at": datetime.now(UTC),
        "subject": _plain(row),
        "references": [
            {**_plain(each), "has_embedding": each["state"] == "embedded"}
            for each in await connection.fetch(REFERENCES, *whose)
        ],
        "results": [_result(each, subject) for each in results],
        "cards": [_photograph(each) for each in await connection.fetch(CARDS, *whose)],
        "decisions": [
            _decision(each, subject) for each in await connection.fetch(DECISIONS, *whose)
        ],
        "access": [_entry(each) for each in await connection.fetch(ACCESS, *whose)],
        "not_included": NOT_INCLUDED,
    }


def _plain(row: Record) -> dict[str, Any]:
    return {
        name: msgspec.json.decode(value) if name in _JSON_COLUMNS and value else value
        for name, value in row.items()
    }


def _photograph(row: Record) -> dict[str, Any]:
    """Return a photograph, without what opens or names it unless it is taken to show the subject.

    One for which the subject only came into question may well show somebody else's child.
    """
    told = _plain(row)
    return told if told["taken_for_subject"] else told | {"filename": "", "key": ""}


def _result(row: Record, subject: SubjectId) -> dict[str, Any]:
    """Return a face that is taken for the subject's, or was compared; others are not told of."""
    told = _photograph(row)
    candidates = msgspec.json.decode(told.pop("candidates"))
    return {**told, **_its(candidates, subject)}


def _decision(row: Record, subject: SubjectId) -> dict[str, Any]:
    """Return a decision with what was said of the subject before it, and of nobody else."""
    told = _plain(row)
    before = msgspec.json.decode(told.pop("before")).get("faces", [])
    mentions = [
        {
            "face": face["number"],
            "taken_for_subject": face["subject_id"] == subject,
            **_its(face["candidates"], subject),
        }
        for face in before
        if face["subject_id"] == subject
        or any(each["subject"] == subject for each in face["candidates"])
    ]
    return {**told, "before": mentions}


def _its(candidates: Sequence[Mapping[str, Any]], subject: SubjectId) -> dict[str, Any]:
    """Return how near a face came to the subject, where it was among the candidates."""
    its: Mapping[str, Any] = next((each for each in candidates if each["subject"] == subject), {})
    return {"score": its.get("score"), "margin": its.get("margin")}


def _entry(row: Record) -> dict[str, Any]:
    """Return an entry of the log; where an earlier export lay is nobody's business."""
    told = _plain(row)
    told["details"].pop("key", None)
    return told
