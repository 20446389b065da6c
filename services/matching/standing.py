"""How matches stand: their rows, and the jobs that carry them out.

The job book says whether a job runs or has closed. Whoever looks at a match whose job has closed
concludes it: what was not read has failed, bursts are looked at, and it does not change by itself
any more.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from uuid import UUID

import msgspec
import structlog
from asyncpg import Record

from kit.bus import Bus
from kit.database import Connection, Pool
from proto.agencies import AgencyId, FileId, MatchId, ShootId
from proto.errors import NotFound, Unavailable
from proto.ids import AccountId, JobId
from proto.jobs import GetJob, Job
from proto.matching.matches import Match, MatchOptions, MatchState
from proto.matching.results import Reason
from services.matching import agencies, bursts, kept
from services.matching.access import note

MATCH = """
SELECT id, agency_id, jobs, state, created_at,
    created_at < now() - interval '10 minutes' AS has_waited
FROM matching.matches WHERE account_id = $1 AND id = $2
"""
"""A match whose job is not known after 10 minutes will not begin: it takes two at the longest."""

COUNTED = """
SELECT matches.*, files.*, (
    SELECT count(*) FROM matching.faces
    WHERE faces.account_id = $1 AND faces.match_id = matches.id AND faces.number >= 0
) AS faces
FROM matching.matches, LATERAL (
    SELECT count(*) AS total,
        count(*) FILTER (WHERE state = 'matched') AS matched,
        count(*) FILTER (WHERE state = 'needs_review') AS needs_review,
        count(*) FILTER (WHERE state = 'unmatched') AS unmatched,
        count(*) FILTER (WHERE state = 'failed') AS failed,
        count(*) FILTER (WHERE reviewed) AS reviewed
    FROM matching.results WHERE results.account_id = $1 AND results.match_id = matches.id
) AS files
WHERE matches.account_id = $1 AND matches.id = ANY ($2) ORDER BY matches.id DESC
"""

LOCK = """
SELECT match.state, match.options, match.embedder,
    agency.mode = 'faces' AND agency.consent_at IS NOT NULL AS allowed
FROM matching.matches AS match
JOIN matching.agencies AS agency
    ON (agency.account_id, agency.id) = (match.account_id, match.agency_id)
WHERE match.account_id = $1 AND match.id = $2 FOR UPDATE OF match
"""

ANY_DONE = """
SELECT EXISTS (SELECT FROM matching.results
               WHERE account_id = $1 AND match_id = $2 AND state <> 'pending')
"""

NOT_READ = """
UPDATE matching.results SET state = 'failed', code = $3, message = $4, done_at = now()
WHERE account_id = $1 AND match_id = $2 AND state = 'pending'
RETURNING file_id
"""

END = """
UPDATE matching.matches SET state = $3, ended_at = coalesce($4, now()), jobs = $5
WHERE account_id = $1 AND id = $2
"""

REMOVE_VOID = """
DELETE FROM matching.matches WHERE account_id = $1 AND id = $2 AND created_at = $3
RETURNING true
"""

FRAMES = """
SELECT file_id, camera, captured_at FROM matching.results
WHERE account_id = $1 AND match_id = $2 AND camera IS NOT NULL AND captured_at IS NOT NULL
  AND state IN ('matched', 'needs_review')
"""

SETTLE = """
UPDATE matching.results AS result SET state = new.state, reasons = new.reasons
FROM jsonb_to_recordset($3::jsonb) AS new (file_id bigint, state text, reasons text[])
WHERE result.account_id = $1 AND result.match_id = $2 AND result.file_id = new.file_id
  AND NOT result.reviewed
RETURNING result.file_id
"""
"""What a person decided on stays, also if that was a moment ago."""

_CANCELLED = ("CANCELLED", "the job was cancelled before this photograph was read")
_NOT_DONE = ("PROCESSING_FAILED", "this photograph was not read")

log = structlog.get_logger(__name__)


class Standing:
    """Looks at the matches of one database."""

    def __init__(self, pool: Pool, bus: Bus) -> None:
        self._pool = pool
        self._bus = bus
        self._concluding: dict[tuple[AccountId, int], asyncio.Task[None]] = {}

    async def close(self) -> None:
        """Let go of what is under way; whoever looks next begins anew."""
        concluding = list(self._concluding.values())
        for task in concluding:
            task.cancel()
        await asyncio.gather(*concluding, return_exceptions=True)

    async def get(self, account: AccountId, match: MatchId) -> Match:
        """Return a match, concluded if its job has closed. Raises NotFound."""
        found = await self.shown(account, {match: await self.settle(account, match)})
        if not found:
            raise no_match()
        return found[0]

    async def shown(self, account: AccountId, jobs: Mapping[MatchId, Job | None]) -> list[Match]:
        """Return the matches that are there, the latest first, by the jobs of those that run."""
        rows = await self._pool.fetch(COUNTED, account, list(jobs))
        return [_match(row, jobs[row["id"]]) for row in rows]

    async def settle(self, account: AccountId, match: MatchId) -> Job | None:
        """Conclude a match if its job has closed. Returns the job of one that goes on.

        Raises NotFound. While the job book is away matches stay as they are.
        """
        row = await self._pool.fetchrow(MATCH, account, match)
        if row is None:
            raise no_match()
        try:
            return await self.look(account, row)
        except Unavailable:
            return None

    async def look(self, account: AccountId, row: Record) -> Job | None:
        """Do as `settle` for a row of MATCH. Raises Unavailable.

        A match that was never begun and will not be is removed: then this raises NotFound.
        """
        if row["state"] != "open":
            return None
        job = await self.job(account, row["jobs"])
        if job is None:
            if row["has_waited"]:
                await self._end_void(account, row)
            return None
        if job.closed:
            # who looks may not have the time that it takes, and would have it begun again each time
            await asyncio.shield(self._conclusion(account, row, job))
            return None
        return job

    async def job(self, account: AccountId, jobs: Sequence[UUID]) -> Job | None:
        """Return the job that carries a match out, or a draft of it. Raises Unavailable."""
        draft: Job | None = None
        for each in reversed(jobs):
            try:
                found = await self._bus.request(GetJob(account=account, job=JobId(each)))
            except NotFound:
                continue
            if found.state != "draft":
                return found
            draft = draft or found
        return draft

    def _conclusion(self, account: AccountId, row: Record, job: Job) -> asyncio.Task[None]:
        """Begin to conclude a match, or return what does that already."""
        key = account, row["id"]
        task = self._concluding.get(key)
        if task is None:
            task = self._concluding[key] = asyncio.create_task(self._conclude(account, row, job))
            task.add_done_callback(partial(self._concluded, key))
        return task

    def _concluded(self, key: tuple[AccountId, int], task: asyncio.Task[None]) -> None:
        del self._concluding[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            # perhaps nobody waits for it any more
            log.warning("match not concluded", match=key[1], error=str(error))

    async def _conclude(self, account: AccountId, row: Record, job: Job) -> None:
        """Let a match end as its job has; again changes nothing."""
        state: MatchState = "failed" if job.state == "draft" else job.state
        code, message = _NOT_DONE
        if job.state == "cancelled" or job.code == "CANCELLED":
            code, message = _CANCELLED
        elif job.code:
            code, message = job.code, job.message
        async with self._pool.acquire() as connection, connection.transaction():
            found = await _locked(connection, account, row)
            if found is None:
                return
            key = account, MatchId(row["id"])
            await connection.execute(NOT_READ, *key, code, message)
            options = msgspec.json.decode(found["options"], type=MatchOptions)
            # consent may have been withdrawn since the photographs were compared
            if options.bursts and found["embedder"] is not None and found["allowed"]:
                await _settle_bursts(connection, *key)
            await connection.execute(END, *key, state, job.closed_at, [job.id])

    async def _end_void(self, account: AccountId, row: Record) -> None:
        """Remove a match that never began; one whose job is not known any more has ended."""
        async with self._pool.acquire() as connection, connection.transaction():
            found = await _locked(connection, account, row)
            if found is None:
                return
            key = account, MatchId(row["id"])
            if await connection.fetchval(ANY_DONE, *key):
                left = await connection.fetch(NOT_READ, *key, *_NOT_DONE)
                state = "failed" if left else "completed"
                await connection.execute(END, *key, state, None, row["jobs"])
                return
            # another attempt of its call may have taken it up again: then it is younger
            if not await connection.fetchval(REMOVE_VOID, *key, row["created_at"]):
                return
            dropped = {"match": str(row["id"])}
            agency = AgencyId(row["agency_id"])
            await note(connection, account, agency, "service", "match_dropped", None, dropped)
        raise no_match()


async def _locked(connection: Connection, account: AccountId, row: Record) -> Record | None:
    """Keep a match for oneself, its agency held. Returns None for one that has ended."""
    await agencies.held(connection, account, AgencyId(row["agency_id"]))
    found = await connection.fetchrow(LOCK, account, row["id"])
    return found if found is not None and found["state"] == "open" else None


async def _settle_bursts(connection: Connection, account: AccountId, match: MatchId) -> None:
    """Let photographs of one camera speak for each other."""
    rows = await connection.fetch(FRAMES, account, match)
    files = [FileId(row["file_id"]) for row in rows]
    faces = await kept.faces_of(connection, account, match, files)
    frames = [
        bursts.Frame(
            file=row["file_id"],
            camera=row["camera"],
            taken=row["captured_at"].timestamp(),
            faces=[face.decided for face in faces.get(row["file_id"], [])],
        )
        for row in rows
    ]
    raised = await asyncio.to_thread(bursts.raised, frames)
    changed = {
        file: [
            face.with_decision(decided)
            for face, decided in zip(faces[file], raised[file], strict=True)
        ]
        for file in sorted(raised)
    }
    results = [
        {"file_id": file, "state": kept.state_of(of_file), "reasons": _reasons(of_file)}
        for file, of_file in changed.items()
    ]
    # the results first, as whoever reviews them does
    written = msgspec.json.encode(results).decode()
    settled = await connection.fetch(SETTLE, account, match, written)
    of_settled = {FileId(row["file_id"]): changed[row["file_id"]] for row in settled}
    await kept.write_faces_of(connection, account, match, of_settled)


def _reasons(faces: Sequence[kept.Face]) -> list[Reason]:
    return kept.reasons_of(faces, looked=True)


def _match(row: Record, job: Job | None) -> Match:
    return Match(
        id=row["id"],
        agency=row["agency_id"],
        shoot=None if row["shoot_id"] is None else ShootId(row["shoot_id"]),
        job=_job_id(row, job),
        state=_state(row, job),
        threshold=row["threshold"],
        options=msgspec.json.decode(row["options"], type=MatchOptions),
        total=row["total"],
        matched=row["matched"],
        needs_review=row["needs_review"],
        unmatched=row["unmatched"],
        failed=row["failed"],
        reviewed=row["reviewed"],
        faces=row["faces"],
        created_at=row["created_at"],
        ended_at=row["ended_at"],
    )


def _job_id(row: Record, job: Job | None) -> JobId | None:
    if row["state"] != "open":
        return JobId(row["jobs"][0]) if row["jobs"] else None
    return job.id if job is not None and job.state != "draft" else None


def _state(row: Record, job: Job | None) -> MatchState:
    if row["state"] != "open":
        state: MatchState = row["state"]
        return state
    done: int = row["matched"] + row["needs_review"] + row["unmatched"] + row["failed"]
    # a job that has closed is told of as running until it was concluded
    return "running" if done or (job is not None and job.state == "running") else "queued"


def no_match() -> NotFound:
    """Return what is said of a match that is not there, or another account's."""
    return NotFound("there is no such match in this account")
