"""Building references: from a photograph of which it is known whom it shows to an embedding.

Each reference is read once for each embedder. Whether the agency allows it is asked in the
transaction that writes the embedding, with the agency held: who withdraws consent in the meantime
wins.
"""

import asyncio

import msgspec
from asyncpg import Record

from kit import context
from kit.bus import decoder
from kit.database import Pool
from kit.sealing import Vault
from proto.agencies import MOST_IN_MESSAGE, AgencyId, ReferenceId
from proto.errors import ConsentMissing, InvalidRequest, NotFound
from proto.facecrop import FaceBox
from proto.facereader import FacesRead, SeenFace
from proto.ids import AccountId
from proto.jobs import Failed, Succeeded
from proto.matching.asking import AboutAgency
from proto.matching.references import (
    MOST_DUE,
    BuildReferences,
    DueReferences,
    EmbedReference,
    GetDueReferences,
    ReferenceEmbedded,
    ReferenceProblem,
    ReferencesBuilt,
)
from proto.photos import Rejected
from services.matching import agencies
from services.matching.access import note
from services.matching.choosing import Problem, chosen_face
from services.matching.fetched import Fetched
from services.matching.paging import that_fit
from services.matching.reading import Reader, TookTooLong, Untrustworthy, key_to_keep, source
from services.matching.sealed import of_reference

DUE = """
SELECT id, subject_id FROM matching.reference_photos
WHERE account_id = $1 AND agency_id = $2 AND (
    state = 'waiting' OR (state = 'embedded' AND embedder <> $3)
    OR (state = 'failed' AND (key = '' OR code = 'PROCESSING_FAILED')))
ORDER BY id LIMIT $4
"""
"""What could not be fetched is tried again: the site may be back; and what the face reader failed
with, which may have been mended."""

REFERENCE = """
SELECT photo.id, photo.state, photo.embedder, photo.key, photo.url, photo.face_box,
    agency.mode = 'cards' AS by_cards, agency.consent_at IS NOT NULL AS consent
FROM matching.reference_photos AS photo
JOIN matching.agencies AS agency
    ON (agency.account_id, agency.id) = (photo.account_id, photo.agency_id)
WHERE photo.account_id = $1 AND photo.agency_id = $2 AND photo.id = $3
"""

EMBED = """
UPDATE matching.reference_photos
SET state = 'embedded', code = '', message = '', embedder = $4, embedding = $5,
    embedded_at = clock_timestamp()
WHERE account_id = $1 AND agency_id = $2 AND id = $3
RETURNING true
"""

FAIL = """
UPDATE matching.reference_photos
SET state = 'failed', code = $4, message = $5, embedder = NULL, embedding = NULL,
    embedded_at = NULL
WHERE account_id = $1 AND agency_id = $2 AND id = $3
RETURNING true
"""

COUNTS = """
SELECT count(*) FILTER (WHERE state = 'embedded' AND ($3::text IS NULL OR embedder = $3))
        AS embedded,
    count(*) FILTER (WHERE state = 'waiting' OR (state = 'embedded' AND embedder <> $3))
        AS waiting,
    count(*) FILTER (WHERE state = 'failed') AS failed
FROM matching.reference_photos WHERE account_id = $1 AND agency_id = $2
"""

PROBLEMS = """
SELECT photo.id AS reference, photo.subject_id AS subject, subject.student_id, photo.code,
    photo.message
FROM matching.reference_photos AS photo
JOIN matching.subjects AS subject
    ON (subject.account_id, subject.id) = (photo.account_id, photo.subject_id)
WHERE photo.account_id = $1 AND photo.agency_id = $2 AND photo.state = 'failed'
  AND photo.id > $4
ORDER BY photo.id LIMIT $3
"""

_AT_ONCE = 4
_LEAST_SECONDS = 5.0
"""That the caller must have left for another reference to be begun."""
_MOST_LETTERS = 1_000
_LONGEST_CODE = 100
ERASED = Failed(code="REFERENCE_ERASED", message="the reference was erased")

_NOT_READ = Problem("PROCESSING_FAILED", "The face reader could not read this photograph.")


class Building:
    """Embeds the references in one database."""

    def __init__(self, pool: Pool, vault: Vault, reader: Reader, fetched: Fetched) -> None:
        self._pool = pool
        self._vault = vault
        self._reader = reader
        self._fetched = fetched

    async def due(self, request: GetDueReferences) -> DueReferences:
        """Return what is to be embedded.

        Raises NotFound, ConsentMissing, InvalidRequest, Unavailable.
        """
        rows = await self._due(request)
        shown = rows[:MOST_DUE]
        return DueReferences(
            references=[ReferenceId(row["id"]) for row in shown],
            subjects=len({row["subject_id"] for row in shown}),
            more=len(rows) > len(shown),
        )

    async def build(self, request: BuildReferences) -> ReferencesBuilt:
        """Embed what is due, a few at a time; what takes too long stays due.

        Raises NotFound, ConsentMissing, InvalidRequest, Unavailable.
        """
        account, agency = request.account, request.agency
        left = iter([ReferenceId(row["id"]) for row in await self._due(request)])
        made = 0

        async def embed_some() -> None:
            nonlocal made
            for reference in left:
                if context.seconds_left(2 * _LEAST_SECONDS) < _LEAST_SECONDS:
                    break
                # in two steps: others count while this one waits
                is_made = await self._embed_if_there(account, agency, reference)
                made += is_made

        tasks = [asyncio.create_task(embed_some()) for _ in range(_AT_ONCE)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if made:
                await self._note_built(request, made)
        return await self.built(request, made)

    async def built(self, request: AboutAgency, made: int = 0, after: int = 0) -> ReferencesBuilt:
        """Return how the references of an agency stand. Raises NotFound."""
        whose = request.account, request.agency
        await agencies.check_there(self._pool, *whose)
        version = await self._reader.version_if_known()
        counts = await self._pool.fetchrow(COUNTS, *whose, version)
        if counts is None:
            raise AssertionError("an aggregate has a row")
        rows = await self._pool.fetch(PROBLEMS, *whose, MOST_IN_MESSAGE + 1, after)
        problems = [ReferenceProblem(**row) for row in rows[:MOST_IN_MESSAGE]]
        problems = problems[: that_fit(problems)]
        return ReferencesBuilt(
            created=made,
            embedded=counts["embedded"],
            waiting=counts["waiting"],
            problems=problems,
            problems_total=counts["failed"],
            next_after=problems[-1].reference if len(rows) > len(problems) else None,
        )

    async def work(self, data: bytes) -> Succeeded | Failed:
        """Embed the reference that an EmbedReference in MessagePack names.

        Raises InvalidRequest when it is none, and Unavailable when the face reader is away.
        """
        try:
            request = decoder(EmbedReference).decode(data)
        except msgspec.DecodeError as error:
            raise InvalidRequest(f"this is no reference to embed: {error}") from error
        try:
            problem = await self.embed(request.account, request.agency, request.reference)
        except NotFound:
            return ERASED
        except ConsentMissing as error:
            return Failed(code=error.code, message=str(error))
        if problem is not None:
            return Failed(code=problem.code, message=problem.message)
        return Succeeded(result=msgspec.msgpack.encode(ReferenceEmbedded()))

    async def embed(
        self, account: AccountId, agency: AgencyId, reference: ReferenceId
    ) -> Problem | None:
        """Embed a reference; one that is embedded stays. Returns what is wrong with it.

        Raises NotFound, ConsentMissing, InvalidRequest, Unavailable; and TookTooLong and
        Untrustworthy when that is written down, as another attempt may do.
        """
        row = await self._pool.fetchrow(REFERENCE, account, agency, reference)
        if row is None:
            raise NotFound("there is no such reference in this agency")
        _check_allowed(by_cards=row["by_cards"], consent=row["consent"])
        embedder = row["embedder"]
        if embedder is not None and embedder == (await self._reader.embedder()).version:
            return None
        read = await self._read(account, agency, row)
        if isinstance(read, Rejected):
            chosen: SeenFace | Problem = _written(read)
            version = ""
        else:
            chosen, version = chosen_face(read, _box(row)), read.embedder.version
        await self._write(account, agency, row, chosen, version)
        return chosen if isinstance(chosen, Problem) else None

    async def _write(
        self,
        account: AccountId,
        agency: AgencyId,
        row: Record,
        chosen: SeenFace | Problem,
        version: str,
    ) -> None:
        """Write down what a reference, a row of REFERENCE, has come to.

        Raises NotFound, ConsentMissing, InvalidRequest.
        """
        key = account, agency, ReferenceId(row["id"])
        async with self._pool.acquire() as connection, connection.transaction():
            held = await agencies.locked(connection, account, agency)
            _check_allowed(by_cards=held.mode == "cards", consent=held.consent)
            if isinstance(chosen, Problem):
                there = await connection.fetchval(FAIL, *key, chosen.code, chosen.message)
            else:
                of = of_reference(account, key[2], version)
                sealed = self._vault.seal(chosen.embedding, of)
                there = await connection.fetchval(EMBED, *key, version, sealed)
            if not there:
                raise NotFound("the reference was erased")
            if row["embedder"] is not None or not isinstance(chosen, Problem):
                await agencies.bump(connection, account, agency)

    async def _note_built(self, request: BuildReferences, made: int) -> None:
        told = {"embeddings": str(made)}
        async with self._pool.acquire() as connection, connection.transaction():
            await note(
                connection,
                request.account,
                request.agency,
                request.by,
                "references_built",
                None,
                told,
            )

    async def _due(self, request: AboutAgency) -> list[Record]:
        account, agency = request.account, request.agency
        async with self._pool.acquire() as connection, connection.transaction():
            held = await agencies.held(connection, account, agency)
        _check_allowed(by_cards=held.mode == "cards", consent=held.consent)
        version = (await self._reader.embedder()).version
        rows: list[Record] = await self._pool.fetch(DUE, account, agency, version, MOST_DUE + 1)
        return rows

    async def _embed_if_there(
        self, account: AccountId, agency: AgencyId, reference: ReferenceId
    ) -> bool:
        """Embed a reference. Returns whether an embedding was made."""
        try:
            return await self.embed(account, agency, reference) is None
        except (NotFound, TookTooLong, Untrustworthy):
            return False

    async def _read(
        self, account: AccountId, agency: AgencyId, row: Record
    ) -> FacesRead | Rejected:
        keep = None if row["key"] else key_to_keep(account, agency)
        try:
            read = await self._reader.faces(account, source(row["key"], row["url"]), keep)
        except InvalidRequest as error:
            return Rejected(code=error.code, message=str(error))
        except (TookTooLong, Untrustworthy):
            # the others are embedded all the same, and whoever asks hears of this one
            await self._write(account, agency, row, _NOT_READ, "")
            raise
        if keep is not None and isinstance(read, FacesRead):
            await self._fetched.reference(account, ReferenceId(row["id"]), keep)
        return read


def _check_allowed(*, by_cards: bool, consent: bool) -> None:
    if by_cards:
        raise InvalidRequest("this agency goes by cards alone; no face of it is read")
    if not consent:
        raise ConsentMissing(
            "nobody noted that the people of this agency agreed to have their faces compared"
        )


def _box(row: Record) -> FaceBox | None:
    return None if row["face_box"] is None else msgspec.json.decode(row["face_box"], type=FaceBox)


def _written(rejected: Rejected) -> Problem:
    """Return why a photograph cannot be worked with, as the database takes it."""
    code, message = (text.replace("\0", "") for text in (rejected.code, rejected.message))
    return Problem(code[:_LONGEST_CODE], message[:_MOST_LETTERS])
