"""What was found in photographs, as it is told."""

from collections.abc import Collection, Sequence

import msgspec
from asyncpg import Record

from kit.database import Connection, Pool
from proto.agencies import FileId, MatchId, SubjectId
from proto.errors import NotFound
from proto.ids import AccountId
from proto.matching.results import (
    Candidate,
    DecidedFace,
    Decision,
    DecisionList,
    FileResult,
    GetDecisions,
    GetResult,
    GetResults,
    MatchedFace,
    ResultPage,
    Who,
)
from services.matching import kept
from services.matching.paging import that_fit
from services.matching.standing import MATCH, Standing, no_match

_SHOWN = """
SELECT result.file_id, file.filename, file.key, result.state, result.reasons, result.from_card,
    result.code, result.message, result.reviewed
FROM matching.results AS result
JOIN matching.files AS file ON (file.account_id, file.id) = (result.account_id, result.file_id)
WHERE result.account_id = $1 AND result.match_id = $2
"""

ONE = f"""
{_SHOWN} AND result.file_id = $3
"""

PAGE = f"""
{_SHOWN} AND result.file_id > $3 AND ($4::text IS NULL OR result.state = $4)
AND (($5::text IS NULL AND $6::bigint IS NULL) OR EXISTS (
    SELECT FROM matching.faces AS face
    JOIN matching.subjects AS subject ON subject.account_id = $1
        AND subject.id = CASE face.state
            WHEN 'matched' THEN face.subject_id
            WHEN 'needs_review' THEN (face.candidates -> 0 ->> 'subject')::bigint END
    WHERE face.account_id = $1 AND face.match_id = $2 AND face.file_id = result.file_id
        AND ($5::text IS NULL OR subject.class_name = $5)
        AND ($6::bigint IS NULL OR subject.id = $6)))
ORDER BY result.file_id LIMIT $7
"""
"""By class or subject: those of whom it is, and those of whom it perhaps is."""

WHO = """
SELECT id, student_id, name, class_name FROM matching.subjects
WHERE account_id = $1 AND id = ANY ($2)
"""

DECISIONS = """
SELECT file_id, action, face, subject_id, faces, decided_by, decided_at,
    undone_at IS NOT NULL AS undone
FROM matching.decisions WHERE account_id = $1 AND match_id = $2 AND file_id = $3
ORDER BY id DESC LIMIT $4
"""

_MOST_DECISIONS = 1_000


class Results:
    """Shows the results in one database."""

    def __init__(self, pool: Pool, standing: Standing) -> None:
        self._pool = pool
        self._standing = standing

    async def page(self, request: GetResults) -> ResultPage:
        """Return a page; it ends early where it would not fit into a message. Raises NotFound."""
        await self._standing.settle(request.account, request.match)
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(
                PAGE,
                request.account,
                request.match,
                request.after,
                request.state,
                request.class_name,
                request.subject_id,
                request.limit + 1,
            )
            shown = await _told(connection, request.account, request.match, rows[: request.limit])
        shown = shown[: that_fit(shown)]
        more = len(rows) > len(shown)
        return ResultPage(results=shown, next_after=shown[-1].file if more else None)

    async def one(self, request: GetResult) -> FileResult:
        """Return what was found in one photograph. Raises NotFound."""
        await self._standing.settle(request.account, request.match)
        async with self._pool.acquire() as connection:
            return await result(connection, request.account, request.match, request.file)

    async def decisions(self, request: GetDecisions) -> DecisionList:
        """Return what people decided on a photograph, the latest first. Raises NotFound."""
        key = request.account, request.match
        if await self._pool.fetchrow(MATCH, *key) is None:
            raise no_match()
        if await self._pool.fetchrow(ONE, *key, request.file) is None:
            raise no_result()
        rows = await self._pool.fetch(DECISIONS, *key, request.file, _MOST_DECISIONS)
        return DecisionList(decisions=[_decision(row) for row in rows])


async def result(
    connection: Connection, account: AccountId, match: MatchId, file: FileId
) -> FileResult:
    """Return what was found in a photograph. Raises NotFound."""
    rows = await connection.fetch(ONE, account, match, file)
    if not rows:
        raise no_result()
    (shown,) = await _told(connection, account, match, rows)
    return shown


async def _told(
    connection: Connection, account: AccountId, match: MatchId, rows: Sequence[Record]
) -> list[FileResult]:
    files = [FileId(row["file_id"]) for row in rows]
    faces = await kept.faces_of(connection, account, match, files)
    subjects: set[SubjectId] = set()
    for of_file in faces.values():
        for face in of_file:
            subjects.update(each.subject for each in face.candidates)
            subjects.update([] if face.subject_id is None else [face.subject_id])
    who = {
        SubjectId(row["id"]): row for row in await connection.fetch(WHO, account, list(subjects))
    }
    return [_result(row, faces.get(row["file_id"], []), who) for row in rows]


def _result(row: Record, faces: Collection[kept.Face], who: dict[SubjectId, Record]) -> FileResult:
    # a card's answers come behind the faces
    in_order = sorted(faces, key=lambda face: (face.number < 0, abs(face.number)))
    return FileResult(
        file=row["file_id"],
        filename=row["filename"],
        key=row["key"],
        state=row["state"],
        faces=[_face(face, who) for face in in_order],
        reasons=row["reasons"],
        from_card=row["from_card"],
        code=row["code"],
        message=row["message"],
        reviewed=row["reviewed"],
    )


def _face(face: kept.Face, who: dict[SubjectId, Record]) -> MatchedFace:
    return MatchedFace(
        number=face.number,
        box=face.box,
        state=face.state,
        subject=face.subject_id,
        who=_who(face.subject_id, who),
        candidates=[
            Candidate(
                subject=each.subject,
                student_id=who[each.subject]["student_id"],
                name=who[each.subject]["name"],
                class_name=who[each.subject]["class_name"],
                score=each.score,
                margin=each.margin,
            )
            for each in face.candidates
            if each.subject in who
        ],
        reasons=face.reasons,
        reviewed=face.reviewed,
    )


def _who(subject: SubjectId | None, who: dict[SubjectId, Record]) -> Who | None:
    row = None if subject is None else who.get(subject)
    if row is None:
        return None
    return Who(student_id=row["student_id"], name=row["name"], class_name=row["class_name"])


def _decision(row: Record) -> Decision:
    return Decision(
        file=row["file_id"],
        action=row["action"],
        face=row["face"],
        subject=row["subject_id"],
        by=row["decided_by"],
        at=row["decided_at"],
        undone=row["undone"],
        faces=msgspec.json.decode(row["faces"], type=list[DecidedFace]),
    )


def no_result() -> NotFound:
    """Return what is said of a photograph that is not in a match."""
    return NotFound("this photograph is not in this match")
