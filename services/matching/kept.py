"""What is kept of the faces of a photograph, and of the photograph itself."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from asyncpg import Record

from kit.database import Connection
from proto.agencies import FileId, MatchId, SubjectId
from proto.facecrop import FaceBox
from proto.ids import AccountId
from proto.matching.results import FaceState, FileState, Reason
from services.matching import deciding
from services.matching.deciding import Candidate, Decided

FACES = """
SELECT file_id, number, box, eye_distance, state, subject_id, score, margin, candidates, reasons,
    reviewed
FROM matching.faces
WHERE account_id = $1 AND match_id = $2 AND file_id = ANY ($3) ORDER BY file_id, number
"""

WRITE_FACES = """
INSERT INTO matching.faces (account_id, match_id, file_id, number, box, eye_distance, state,
    subject_id, score, margin, candidates, reasons, reviewed)
SELECT $1, $2, * FROM jsonb_to_recordset($3::jsonb) AS face (
    file_id bigint, number integer, box jsonb, eye_distance double precision, state text,
    subject_id bigint, score double precision, margin double precision, candidates jsonb,
    reasons text[], reviewed boolean)
ON CONFLICT (match_id, file_id, number) DO UPDATE
SET state = excluded.state, subject_id = excluded.subject_id, score = excluded.score,
    margin = excluded.margin, candidates = excluded.candidates, reasons = excluded.reasons,
    reviewed = excluded.reviewed
"""


class Face(msgspec.Struct, frozen=True, kw_only=True):
    """A face, or a card's answer, as it is kept."""

    number: int
    box: FaceBox | None
    eye_distance: float | None
    state: FaceState
    subject_id: SubjectId | None
    score: float | None
    """Of whom it is given to, or else of its best candidate."""
    margin: float | None
    candidates: list[Candidate]
    reasons: list[Reason]
    reviewed: bool = False

    @property
    def decided(self) -> Decided:
        """What the rules say of it."""
        return Decided(
            self.number, self.state, self.subject_id, tuple(self.candidates), tuple(self.reasons)
        )

    def with_decision(self, decided: Decided) -> "Face":
        """Return it as the rules decide now."""
        score, margin = _measured(decided.subject, decided.candidates)
        return msgspec.structs.replace(
            self,
            state=decided.state,
            subject_id=decided.subject,
            score=score,
            margin=margin,
            candidates=list(decided.candidates),
            reasons=list(decided.reasons),
        )

    def given_to(self, subject: SubjectId | None) -> "Face":
        """Return it as a person gave it to somebody, or to nobody."""
        score, margin = _measured(subject, self.candidates)
        if subject is not None and subject not in {each.subject for each in self.candidates}:
            score = margin = None
        return msgspec.structs.replace(
            self,
            state="unmatched" if subject is None else "matched",
            subject_id=subject,
            score=score,
            margin=margin,
            reasons=[],
            reviewed=True,
        )


def new_face(decided: Decided, box: FaceBox | None, eye_distance: float | None) -> Face:
    """Return what is to be kept of a face that was just decided on."""
    return Face(
        number=decided.number,
        box=box,
        eye_distance=eye_distance,
        state=decided.state,
        subject_id=None,
        score=None,
        margin=None,
        candidates=[],
        reasons=[],
    ).with_decision(decided)


def state_of(faces: Sequence[Face]) -> FileState:
    """Return the state of a photograph by those of its faces."""
    return deciding.summary(_told(faces))


def reasons_of(faces: Sequence[Face], *, looked: bool) -> list[Reason]:
    """Return the reasons of a photograph; `looked` says whether faces were sought in it."""
    if looked:
        return deciding.reasons(_told(faces))
    return list(dict.fromkeys(reason for face in faces for reason in face.reasons))


async def faces_of(
    connection: Connection, account: AccountId, match: MatchId, files: Sequence[FileId]
) -> dict[FileId, list[Face]]:
    """Return the faces of photographs, by number; photographs without any are left out."""
    found: dict[FileId, list[Face]] = {}
    for row in await connection.fetch(FACES, account, match, files):
        found.setdefault(FileId(row["file_id"]), []).append(face(row))
    return found


async def write_faces(
    connection: Connection,
    account: AccountId,
    match: MatchId,
    file: FileId,
    faces: Sequence[Face],
) -> None:
    """Write faces over those of the same numbers."""
    await write_faces_of(connection, account, match, {file: faces})


async def write_faces_of(
    connection: Connection,
    account: AccountId,
    match: MatchId,
    faces: Mapping[FileId, Sequence[Face]],
) -> None:
    """Do as `write_faces` for several photographs, in one statement."""
    rows = [
        {"file_id": file, **msgspec.structs.asdict(each)}
        for file, of_file in faces.items()
        for each in of_file
    ]
    if rows:
        await connection.execute(WRITE_FACES, account, match, msgspec.json.encode(rows).decode())


def face(row: Record | Mapping[str, Any]) -> Face:
    """Return a row of matching.faces."""
    return msgspec.convert(
        {
            **row,
            "box": None if row["box"] is None else msgspec.json.decode(row["box"]),
            "candidates": msgspec.json.decode(row["candidates"]),
        },
        Face,
    )


def _told(faces: Sequence[Face]) -> list[tuple[int, FaceState, Sequence[Reason]]]:
    return [(each.number, each.state, each.reasons) for each in faces]


def _measured(
    subject: SubjectId | None, candidates: Sequence[Candidate]
) -> tuple[float | None, float | None]:
    """Return score and margin of a subject, or of the best where it is nobody's."""
    for each in candidates:
        if subject is None or each.subject == subject:
            return each.score, each.margin
    return None, None
