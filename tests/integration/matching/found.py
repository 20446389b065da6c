"""Results and embeddings put into the tables by hand, for tests of what becomes of them."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import msgspec

from kit.database import Pool
from proto.agencies import Agency, FileId, MatchId, ReferenceId
from proto.ids import AccountId

VERSION = "v1"


async def embed(pool: Pool, account: AccountId, *references: ReferenceId) -> None:
    """Give references an embedding; what it says does not matter here."""
    await pool.execute(
        "UPDATE matching.reference_photos SET state = 'embedded', embedder = $3, embedding = $4, "
        "embedded_at = now() WHERE account_id = $1 AND id = ANY ($2)",
        account,
        references,
        VERSION,
        b"sealed",
    )


async def gallery(pool: Pool, agency: Agency) -> int:
    """The number that goes up with every change of what can be compared with."""
    found: int = await pool.fetchval(
        "SELECT gallery FROM matching.agencies WHERE id = $1", agency.id
    )
    return found


async def match(
    pool: Pool, account: AccountId, agency: Agency, state: str = "completed"
) -> MatchId:
    found: int = await pool.fetchval(
        "INSERT INTO matching.matches (account_id, agency_id, threshold, options, jobs, state) "
        "VALUES ($1, $2, 0.85, '{}', $3, $4) RETURNING id",
        account,
        agency.id,
        [uuid4()],
        state,
    )
    return MatchId(found)


async def result(
    pool: Pool,
    account: AccountId,
    match: MatchId,
    file: FileId,
    state: str,
    faces: Sequence[dict[str, Any]] = (),
    from_card: Sequence[int] = (),
) -> None:
    await pool.execute(
        "INSERT INTO matching.results (account_id, match_id, file_id, state, from_card, done_at) "
        "VALUES ($1, $2, $3, $4, $5, now())",
        account,
        match,
        file,
        state,
        list(from_card),
    )
    for each in faces:
        await pool.execute(
            "INSERT INTO matching.faces (account_id, match_id, file_id, number, state, "
            "subject_id, score, margin, candidates, reasons) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            account,
            match,
            file,
            each["number"],
            each["state"],
            each["subject_id"],
            each["score"],
            each["margin"],
            msgspec.json.encode(each["candidates"]).decode(),
            each["reasons"],
        )


async def decide(
    pool: Pool,
    account: AccountId,
    match: MatchId,
    file: FileId,
    subject: int | None,
    before: dict[str, Any],
) -> int:
    found: int = await pool.fetchval(
        "INSERT INTO matching.decisions (account_id, match_id, file_id, action, face, subject_id, "
        "faces, before, decided_by) VALUES ($1, $2, $3, 'confirm', 0, $4, "
        "jsonb_build_array(jsonb_build_object('face', 0, 'subject', $4::bigint)), $5, "
        "'user:a-reviewer') RETURNING id",
        account,
        match,
        file,
        subject,
        msgspec.json.encode(before).decode(),
    )
    return found


async def shown(pool: Pool, match: MatchId, file: FileId) -> dict[str, Any]:
    """A result as it stands, with its faces."""
    row = await pool.fetchrow(
        "SELECT state, reasons, from_card FROM matching.results "
        "WHERE match_id = $1 AND file_id = $2",
        match,
        file,
    )
    faces = await pool.fetch(
        "SELECT number, state, subject_id, score, margin, candidates, reasons FROM matching.faces "
        "WHERE match_id = $1 AND file_id = $2 ORDER BY number",
        match,
        file,
    )
    told = [{**each, "candidates": msgspec.json.decode(each["candidates"])} for each in faces]
    return {**row, "faces": told}


def face(
    number: int, state: str, subject: int | None, *candidates: tuple[int, float, float]
) -> dict[str, Any]:
    """A face whose candidates are given as subject, score and margin."""
    best = candidates[0] if candidates and subject == candidates[0][0] else (None, None, None)
    return {
        "number": number,
        "state": state,
        "subject_id": subject,
        "score": best[1],
        "margin": best[2],
        "candidates": [
            {"subject": each, "score": score, "margin": margin}
            for each, score, margin in candidates
        ],
        "reasons": [],
    }
