"""Beginning matches: which photographs, compared with whom, under which job.

A match is drafted before its job begins, so that the job's items can name it. Until the job is
known to the job book the draft is void, and gives way to the next.
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec
from asyncpg import UniqueViolationError

from kit.bus import Bus
from kit.database import Connection, Pool
from proto.agencies import AgencyId, FileId, MatchId
from proto.errors import (
    ConsentMissing,
    InvalidRequest,
    MatchRunning,
    NoReferences,
    NotFound,
    ReferencesStale,
    Unavailable,
)
from proto.ids import AccountId
from proto.jobs import MOST_ITEMS
from proto.matching.matches import DropMatch, GetMatchFiles, Match, MatchFiles, PrepareMatch
from services.matching import agencies
from services.matching.access import note
from services.matching.reading import Reader
from services.matching.shootcards import Named, named_by_cards
from services.matching.standing import MATCH, Standing, no_match

SHOOT = """
SELECT true FROM matching.shoots WHERE account_id = $1 AND agency_id = $2 AND id = $3
"""

OF_SHOOT = """
SELECT id FROM matching.files WHERE account_id = $1 AND agency_id = $2 AND shoot_id = $3
ORDER BY id LIMIT $4
"""

OF_AGENCY = """
SELECT id FROM matching.files WHERE account_id = $1 AND agency_id = $2 AND id = ANY ($3)
ORDER BY id
"""

ANY_EMBEDDED = """
SELECT EXISTS (SELECT FROM matching.reference_photos
               WHERE account_id = $1 AND agency_id = $2 AND state = 'embedded')
"""

COMPARABLE = """
SELECT count(*) FILTER (WHERE photo.embedder <> $3) AS stale,
    count(*) FILTER (WHERE $4::text IS NULL OR subject.class_name = $4) AS wished
FROM matching.reference_photos AS photo
JOIN matching.subjects AS subject
    ON (subject.account_id, subject.id) = (photo.account_id, photo.subject_id)
WHERE photo.account_id = $1 AND photo.agency_id = $2 AND photo.state = 'embedded'
"""

DRAFT = """
INSERT INTO matching.matches
    (account_id, agency_id, shoot_id, threshold, options, embedder, jobs, call_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
RETURNING id
"""

ADD_FILES = """
WITH named AS (
    SELECT card.file, array_agg(subject.id ORDER BY subject.student_id) AS subjects
    FROM unnest($4::bigint[], $5::text[]) AS card (file, student_id)
    JOIN matching.subjects AS subject ON subject.account_id = $1 AND subject.agency_id = $6
        AND subject.student_id = card.student_id
    GROUP BY card.file
)
INSERT INTO matching.results (account_id, match_id, file_id, from_card)
SELECT $1, $2, file.id, coalesce(named.subjects, '{}')
FROM unnest($3::bigint[]) AS file (id) LEFT JOIN named ON named.file = file.id
"""

OF_CALL = """
SELECT id, agency_id, jobs, state FROM matching.matches WHERE account_id = $1 AND call_id = $2
"""

TAKE_UP = """
UPDATE matching.matches SET jobs = array_append(jobs, $3), created_at = now()
WHERE account_id = $1 AND id = $2 AND state = 'open' AND NOT $3 = ANY (jobs)
"""
"""From now on it waits for this job; it is void only if this one is not known in time either."""

OPEN = """
SELECT id FROM matching.matches WHERE account_id = $1 AND shoot_id = $2 AND state = 'open'
"""

FORGET_JOB = """
UPDATE matching.matches SET jobs = array_remove(jobs, $3)
WHERE account_id = $1 AND id = $2 AND state = 'open' AND $3 = ANY (jobs)
RETURNING agency_id, cardinality(jobs) AS jobs
"""

REMOVE = """
DELETE FROM matching.matches WHERE account_id = $1 AND id = $2 AND cardinality(jobs) = 0
"""

FILES = """
SELECT result.file_id, file.filename
FROM matching.results AS result
JOIN matching.files AS file ON (file.account_id, file.id) = (result.account_id, result.file_id)
WHERE result.account_id = $1 AND result.match_id = $2 AND result.file_id > $3
ORDER BY result.file_id LIMIT $4
"""

_TRIES = 4
"""At drafting, where others draft and end matches of the same shoot at the same time."""


class Runs:
    """Drafts matches in one database."""

    def __init__(self, pool: Pool, bus: Bus, reader: Reader, standing: Standing) -> None:
        self._pool = pool
        self._bus = bus
        self._reader = reader
        self._standing = standing

    async def prepare(self, request: PrepareMatch) -> Match:
        """Draft a match, or return the one that its call has drafted before.

        Raises NotFound, InvalidRequest, ConsentMissing, NoReferences, ReferencesStale,
        MatchRunning, Unavailable.
        """
        _check(request)
        for _ in range(_TRIES):
            if found := await self._of_call(request):
                return found
            try:
                match = await self._draft(request)
            except UniqueViolationError:
                # another is open for the same shoot, perhaps drafted just now for the same call
                if found := await self._of_call(request):
                    return found
                await self._make_room(request)
            else:
                return await self._standing.get(request.account, match)
        raise MatchRunning("this shoot is being matched already")

    async def drop(self, request: DropMatch) -> None:
        """Forget a job that did not begin; without another the draft goes. Raises NotFound.

        One that has begun after all stays, as it is being carried out.
        """
        row = await self._pool.fetchrow(MATCH, request.account, request.match)
        if row is None:
            raise no_match()
        job = await self._standing.job(request.account, [request.job])
        if job is not None and job.state != "draft":
            return
        async with self._pool.acquire() as connection, connection.transaction():
            await agencies.held(connection, request.account, AgencyId(row["agency_id"]))
            key = request.account, request.match
            left = await connection.fetchrow(FORGET_JOB, *key, request.job)
            if left is not None and not left["jobs"]:
                await connection.execute(REMOVE, *key)
                dropped = {"match": str(request.match)}
                agency = AgencyId(left["agency_id"])
                who = request.account, agency, request.by
                await note(connection, *who, "match_dropped", None, dropped)

    async def files(self, request: GetMatchFiles) -> MatchFiles:
        """Return a page of the files of a match. Raises NotFound."""
        if await self._pool.fetchrow(MATCH, request.account, request.match) is None:
            raise no_match()
        rows = await self._pool.fetch(
            FILES, request.account, request.match, request.after, request.limit + 1
        )
        shown = rows[: request.limit]
        return MatchFiles(
            files=[(FileId(row["file_id"]), row["filename"]) for row in shown],
            next_after=shown[-1]["file_id"] if len(rows) > len(shown) else None,
        )

    async def _of_call(self, request: PrepareMatch) -> Match | None:
        """Return the match of an earlier attempt of the same call, which this job may carry out."""
        if request.call is None:
            return None
        row = await self._pool.fetchrow(OF_CALL, request.account, request.call)
        if row is None:
            return None
        match = MatchId(row["id"])
        if row["agency_id"] != request.agency:
            raise InvalidRequest("this call has drafted a match of another agency")
        job = await self._standing.job(request.account, row["jobs"])
        if row["state"] == "open" and (job is None or job.state == "draft"):
            await self._pool.execute(TAKE_UP, request.account, match, request.job)
        try:
            return await self._standing.get(request.account, match)
        except NotFound:
            return None

    async def _draft(self, request: PrepareMatch) -> MatchId:
        account, agency = request.account, request.agency
        embedder = await self._embedder(account, agency)
        named: Named = {}
        if request.options.sort_job is not None:
            named = await named_by_cards(self._bus, account, request.options.sort_job)
        async with self._pool.acquire() as connection, connection.transaction():
            held = await agencies.held(connection, account, agency)
            agencies.check_open(held)
            if held.mode == "cards":
                if request.options.sort_job is None:
                    raise InvalidRequest("without biometrics only a job that read cards can tell")
                embedder = None
            elif embedder is None:
                raise Unavailable("the agency has changed at this moment; try again")
            else:
                await _check_comparable(connection, request, held, embedder)
            files = await _files(connection, request)
            if request.options.sort_job is not None and not named.keys() & set(files):
                raise InvalidRequest(
                    "none of these photographs is among those whose cards that job has read; "
                    "sort the same ones, with files_of_job"
                )
            match = await _drafted(connection, request, embedder)
            cards = [(file, student) for file in files for student in named.get(file, ())]
            await connection.execute(
                ADD_FILES,
                account,
                match,
                files,
                [file for file, _ in cards],
                [student for _, student in cards],
                agency,
            )
            told = {"match": str(match), "files": str(len(files))}
            await note(connection, account, agency, request.by, "match_begun", None, told)
            return match

    async def _embedder(self, account: AccountId, agency: AgencyId) -> str | None:
        """Return what makes embeddings, None for an agency that goes by cards alone.

        That there is nothing to compare with comes first, whoever is away: without references a
        match cannot be, with consent or without it.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            held = await agencies.held(connection, account, agency)
            if held.mode == "cards":
                return None
            if not await connection.fetchval(ANY_EMBEDDED, account, agency):
                raise _no_references("the agency", consent=held.consent)
        if not held.consent:
            raise _no_consent()
        return (await self._reader.embedder()).version

    async def _make_room(self, request: PrepareMatch) -> None:
        """Let the open match of a shoot end, if it has; raises MatchRunning if it has not."""
        match = await self._pool.fetchval(OPEN, request.account, request.shoot)
        if match is None:
            return
        row = await self._pool.fetchrow(MATCH, request.account, match)
        if row is None:
            return
        try:
            await self._standing.look(request.account, row)
        except NotFound:
            return
        if await self._pool.fetchval(OPEN, request.account, request.shoot) == match:
            raise MatchRunning("this shoot is being matched already; wait for that, or cancel it")


def _check(request: PrepareMatch) -> None:
    if (request.shoot is None) == (request.files is None):
        raise InvalidRequest("name either a shoot or photographs")


async def _check_comparable(
    connection: Connection, request: PrepareMatch, held: agencies.Held, embedder: str
) -> None:
    """Raise what speaks against comparing faces."""
    if not held.consent:
        raise _no_consent()
    wished = request.options.class_name
    row = await connection.fetchrow(COMPARABLE, request.account, request.agency, embedder, wished)
    if row is None:
        raise AssertionError("an aggregate has a row")
    if row["stale"]:
        raise ReferencesStale(
            f"{row['stale']:,} references were embedded by another embedder; build them again"
        )
    if not row["wished"]:
        whose = "the agency" if wished is None else f"class {wished!r}"
        raise _no_references(whose, consent=held.consent)


async def _files(connection: Connection, request: PrepareMatch) -> Sequence[FileId]:
    """Return the photographs of a match, by id. Raises NotFound, InvalidRequest."""
    whose = request.account, request.agency
    if request.shoot is not None:
        if not await connection.fetchval(SHOOT, *whose, request.shoot):
            raise NotFound("there is no such shoot in this agency")
        rows = await connection.fetch(OF_SHOOT, *whose, request.shoot, MOST_ITEMS + 1)
    else:
        # one that is named twice is one: whoever sent a picture twice was told one id for both
        files = sorted(set(request.files or ()))
        rows = await connection.fetch(OF_AGENCY, *whose, files)
        if len(rows) != len(files):
            raise NotFound("one of these photographs is not there, or not of this agency")
    if not rows:
        raise InvalidRequest("there are no photographs to match")
    if len(rows) > MOST_ITEMS:
        raise InvalidRequest(
            f"a match has at most {MOST_ITEMS:,} photographs; name some of them at a time"
        )
    return [FileId(row["id"]) for row in rows]


async def _drafted(connection: Connection, request: PrepareMatch, embedder: str | None) -> MatchId:
    drafted: int = await connection.fetchval(
        DRAFT,
        request.account,
        request.agency,
        request.shoot,
        request.threshold,
        msgspec.json.encode(request.options).decode(),
        embedder,
        list[UUID]((request.job,)),
        request.call,
    )
    return MatchId(drafted)


def _no_references(whose: str, *, consent: bool) -> NoReferences:
    first = "" if consent else "note that its people agreed, and then "
    return NoReferences(
        f"{whose} has no embeddings to compare with; {first}build its references first"
    )


def _no_consent() -> ConsentMissing:
    return ConsentMissing(
        "nobody noted that the people of this agency agreed to have their faces compared"
    )
