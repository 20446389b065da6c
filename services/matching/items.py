"""One item of a job: a photograph, read, compared, decided on and written down.

Nothing is written of who was erased while that went on: the agency is held while the result is
written, and if its gallery has changed since the search, the search is done again. Reading the
photograph, which takes longest, is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from asyncpg import Record

from kit.bus import decoder
from kit.database import Connection, Pool
from proto.agencies import AgencyId, SubjectId
from proto.errors import InvalidRequest, NotFound
from proto.facereader import FacesRead
from proto.jobs import Failed, Succeeded
from proto.matching.matches import FileMatched, MatchFile, MatchOptions
from proto.matching.results import FileState
from proto.photos import Rejected
from services.matching import agencies, kept
from services.matching.cards import against_cards, by_cards_alone, unknown_to_faces
from services.matching.deciding import (
    Candidate,
    Decided,
    Face,
    Likeness,
    Rules,
    candidates,
    faces_decided,
)
from services.matching.fetched import Fetched
from services.matching.gallery import Galleries, Whose
from services.matching.reading import Reader, key_to_keep, source
from services.matching.searching import References, as_rows
from services.matching.together import Only, Together

TASK = """
SELECT result.state, result.from_card, result.code, result.message,
    match.agency_id, match.state AS match_state, match.threshold, match.options, match.embedder,
    file.key, file.url, agency.mode = 'faces' AND agency.consent_at IS NOT NULL AS allowed
FROM matching.results AS result
JOIN matching.matches AS match
    ON (match.account_id, match.id) = (result.account_id, result.match_id)
JOIN matching.files AS file ON (file.account_id, file.id) = (result.account_id, result.file_id)
JOIN matching.agencies AS agency
    ON (agency.account_id, agency.id) = (match.account_id, match.agency_id)
WHERE result.account_id = $1 AND result.match_id = $2 AND result.file_id = $3
"""

FACES_SEEN = """
SELECT count(*) FROM matching.faces
WHERE account_id = $1 AND match_id = $2 AND file_id = $3 AND number >= 0
"""

CLASS = """
SELECT id FROM matching.subjects
WHERE account_id = $1 AND agency_id = $2 AND class_name = $3
"""

STILL_THERE = """
SELECT count(*) FROM matching.subjects
WHERE account_id = $1 AND agency_id = $2 AND id = ANY ($3) AND (id = ANY ($4) OR EXISTS (
    SELECT FROM matching.reference_photos
    WHERE subject_id = subjects.id AND account_id = $1 AND state = 'embedded'))
"""
"""How many of the subjects can still be told: those that a card names, or that have embeddings."""

HOLD_MATCH = """
SELECT state FROM matching.matches WHERE account_id = $1 AND id = $2 FOR SHARE
"""

WRITE = """
UPDATE matching.results
SET state = $4, reasons = $5, code = $6, message = $7, captured_at = $8, camera = $9,
    done_at = now()
WHERE account_id = $1 AND match_id = $2 AND file_id = $3 AND state = 'pending'
RETURNING true
"""
"""Never over what was written by an earlier attempt, and perhaps reviewed since."""

_SEARCHES = 3
"""Until it is enough that nobody was erased, where references come in without a pause."""
_CAMERAS_SINCE, _CAMERAS_UNTIL = 1900, 2200
"""Years that a clock may show; others are made up, and some are infinity for PostgreSQL."""
_MOST_LETTERS = 1_000
_LONGEST_CODE = 100

ERASED = Failed(code="FILE_ERASED", message="the photograph was erased before it was matched")
ENDED = Failed(code="MATCH_ENDED", message="the match had ended before this photograph was read")
WITHDRAWN = Failed(
    code="CONSENT_MISSING",
    message="the agency does not allow faces to be compared any more",
)
STALE = Failed(
    code="REFERENCES_STALE",
    message="the embedder has changed since the match began; build the references again",
)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What is to be written down of a photograph."""

    state: FileState
    faces: Sequence[kept.Face] = ()
    looked: bool = False
    """Whether faces were sought."""
    failed: Failed | None = None
    taken: datetime | None = None
    camera: str | None = None
    """Where it is known to be this one."""

    @property
    def told(self) -> Succeeded | Failed:
        """For the job book."""
        seen = sum(face.number >= 0 for face in self.faces)
        return self.failed or _succeeded(self.state, seen)


class Items:
    """Works on the photographs of matches."""

    def __init__(
        self,
        pool: Pool,
        reader: Reader,
        galleries: Galleries,
        together: Together,
        fetched: Fetched,
    ) -> None:
        self._pool = pool
        self._reader = reader
        self._galleries = galleries
        self._together = together
        self._fetched = fetched

    async def work(self, data: bytes) -> Succeeded | Failed:
        """Match the photograph that a MatchFile in MessagePack names.

        Raises InvalidRequest when it is no MatchFile, and Unavailable when the face reader is away.
        """
        try:
            request = decoder(MatchFile).decode(data)
        except msgspec.DecodeError as error:
            raise InvalidRequest(f"this is no photograph to match: {error}") from error
        try:
            return await self.match(request)
        except NotFound:
            return ERASED

    async def match(self, request: MatchFile) -> Succeeded | Failed:
        """Match a photograph; one that was matched is answered as it stands."""
        task = await self._task(request)
        if task["state"] != "pending":
            return await self._done(request, task)
        if task["match_state"] != "open":
            return ENDED
        if task["embedder"] is None:
            return await self._by_card(request, task)
        if not task["allowed"]:
            return await self._failed(request, task, WITHDRAWN)
        read = await self._read(request, task)
        if isinstance(read, Rejected):
            return await self._failed(request, task, _written(read))
        if read.embedder.version != task["embedder"]:
            return await self._failed(request, task, STALE)
        whose = Whose(
            request.account,
            AgencyId(task["agency_id"]),
            read.embedder.version,
            read.embedder.dimensions,
        )
        return await self._compared(request, read, whose)

    async def _task(self, request: MatchFile) -> Record:
        """Return what is to be done. Raises NotFound for what was erased."""
        row = await self._pool.fetchrow(TASK, request.account, request.match, request.file)
        if row is None:
            raise NotFound("the photograph is not there any more")
        return row

    async def _done(self, request: MatchFile, task: Record) -> Succeeded | Failed:
        if task["state"] == "failed":
            return Failed(code=task["code"], message=task["message"])
        key = request.account, request.match, request.file
        return _succeeded(task["state"], await self._pool.fetchval(FACES_SEEN, *key))

    async def _read(self, request: MatchFile, task: Record) -> FacesRead | Rejected:
        account, key = request.account, task["key"]
        keep = None if key else key_to_keep(account, AgencyId(task["agency_id"]))
        try:
            read = await self._reader.faces(account, source(key, task["url"]), keep)
        except InvalidRequest as error:
            return Rejected(code=error.code, message=str(error))
        if keep is not None and isinstance(read, FacesRead):
            await self._fetched.file(account, request.file, keep)
        return read

    async def _by_card(self, request: MatchFile, task: Record) -> Succeeded | Failed:
        """Give a photograph to whom its card names, where no face is read."""
        agency = AgencyId(task["agency_id"])
        async with self._pool.acquire() as connection, connection.transaction():
            await agencies.held(connection, request.account, agency)
            # once more: somebody may have been erased until the agency was held
            row = await connection.fetchrow(TASK, request.account, request.match, request.file)
            if row is None:
                raise NotFound("the photograph is not there any more")
            faces = _kept(by_cards_alone(row["from_card"]), None)
            outcome = _Outcome(kept.state_of(faces), faces)
            written = await _write(connection, request, outcome)
        return written or await self._done_meanwhile(request)

    async def _failed(self, request: MatchFile, task: Record, failed: Failed) -> Succeeded | Failed:
        async with self._pool.acquire() as connection, connection.transaction():
            await agencies.held(connection, request.account, AgencyId(task["agency_id"]))
            written = await _write(connection, request, _Outcome("failed", failed=failed))
        return written or await self._done_meanwhile(request)

    async def _compared(
        self, request: MatchFile, read: FacesRead, whose: Whose
    ) -> Succeeded | Failed:
        """Search and decide, again while what is compared with changes, and write it down."""
        searches = 0
        while True:
            searches += 1
            gallery = await self._galleries.get(whose)
            # after the gallery: whoever was erased since makes its number another
            task = await self._task(request)
            faces = _kept(await self._decided(task, read, gallery.references, whose), read)
            outcome = _Outcome(
                kept.state_of(faces), faces, True, None, _moment(read), _camera(read)
            )
            async with self._pool.acquire() as connection, connection.transaction():
                held = await agencies.held(connection, whose.account, whose.agency)
                if held.mode != "faces" or not held.consent:
                    outcome = _Outcome("failed", failed=WITHDRAWN)
                elif held.gallery != gallery.version and not (
                    searches >= _SEARCHES and await _all_there(connection, whose, faces, task)
                ):
                    continue
                written = await _write(connection, request, outcome)
            return written or await self._done_meanwhile(request)

    async def _decided(
        self, task: Record, read: FacesRead, references: References, whose: Whose
    ) -> list[Decided]:
        rules = Rules.of(task["threshold"], read.embedder)
        only = await self._only(task, whose)
        vectors = as_rows([face.embedding for face in read.faces], whose.dimensions)
        # also where the match is about a class: whoever is nearer outside of it is not in it
        everybody = await self._together.nearest(references, vectors, None)
        inside = everybody
        if only is not None:
            inside = await self._together.nearest(references, vectors, only)
        faces = [
            Face(number, frozenset(face.doubts), found, _outside(nearest, only))
            for number, (face, found, nearest) in enumerate(
                zip(read.faces, inside, everybody, strict=True)
            )
        ]
        card: list[Candidate] = []
        compared: set[SubjectId] = set()
        for subject in map(SubjectId, task["from_card"]):
            cosine = references.cosine(vectors[0], subject) if len(vectors) else None
            if cosine is None:
                card.append(unknown_to_faces(subject))
            else:
                compared.add(subject)
                card.append(_beside(Likeness(subject, cosine), faces[0], rules))
        return against_cards(faces_decided(faces, rules), card, compared)

    async def _only(self, task: Record, whose: Whose) -> Only:
        """Return whom the match is about, None for everybody."""
        wished = msgspec.json.decode(task["options"], type=MatchOptions).class_name
        if wished is None:
            return None
        rows = await self._pool.fetch(CLASS, whose.account, whose.agency, wished)
        return frozenset(SubjectId(row["id"]) for row in rows)

    async def _done_meanwhile(self, request: MatchFile) -> Succeeded | Failed:
        """Return how it stands that nothing was written: another attempt was quicker, or it ended.

        Raises NotFound for what was erased.
        """
        task = await self._task(request)
        return ENDED if task["state"] == "pending" else await self._done(request, task)


async def _write(
    connection: Connection, request: MatchFile, outcome: _Outcome
) -> Succeeded | Failed | None:
    """Write a result down, unless there is one or the match has ended; the agency is held."""
    key = request.account, request.match, request.file
    if await connection.fetchval(HOLD_MATCH, *key[:2]) != "open":
        return None
    failed = outcome.failed
    if not await connection.fetchval(
        WRITE,
        *key,
        outcome.state,
        kept.reasons_of(outcome.faces, looked=outcome.looked),
        failed.code if failed else "",
        failed.message if failed else "",
        outcome.taken,
        outcome.camera,
    ):
        return None
    await kept.write_faces(connection, *key, outcome.faces)
    return outcome.told


async def _all_there(
    connection: Connection, whose: Whose, faces: Sequence[kept.Face], task: Record
) -> bool:
    """Whether everybody who is told of can still be told of."""
    told = {each.subject for face in faces for each in face.candidates}
    named = task["from_card"]
    there = await connection.fetchval(STILL_THERE, whose.account, whose.agency, list(told), named)
    return bool(there == len(told))


def _outside(nearest: Sequence[Likeness], only: Only) -> Likeness | None:
    """Return the nearest of those whom a match is not about, if they are among the nearest."""
    return next((each for each in nearest if only is not None and each.subject not in only), None)


def _beside(named: Likeness, face: Face, rules: Rules) -> Candidate:
    """Return whom a card names as a candidate of a face, beside those that were found."""
    others = [each for each in face.found if each.subject != named.subject]
    in_order = sorted([named, *others], key=lambda each: (-each.cosine, each.subject))
    outside = face.outside
    if outside is not None and outside.subject == named.subject:
        outside = None
    told = {each.subject: each for each in candidates(in_order, rules, outside)}
    best = in_order[0].cosine
    return told.get(named.subject) or Candidate(
        named.subject, rules.score(named.cosine), round(named.cosine - best, 5)
    )


def _kept(decided: Sequence[Decided], read: FacesRead | None) -> list[kept.Face]:
    seen = read.faces if read else []
    return [
        kept.new_face(each, seen[each.number].box, seen[each.number].eye_distance)
        if each.number >= 0
        else kept.new_face(each, None, None)
        for each in decided
    ]


def _succeeded(state: FileState, faces: int) -> Succeeded:
    return Succeeded(result=msgspec.msgpack.encode(FileMatched(state=state, faces=faces)))


def _written(rejected: Rejected) -> Failed:
    """Return why a photograph cannot be worked with, as database and job book take it."""
    return Failed(
        code=(_plain(rejected.code) or "")[:_LONGEST_CODE],
        message=(_plain(rejected.message) or "")[:_MOST_LETTERS],
    )


def _plain(text: str | None) -> str | None:
    """Return a text of somebody else's without what PostgreSQL does not take."""
    return None if text is None else text.replace("\0", "")


def _moment(read: FacesRead) -> datetime | None:
    """Return when a photograph was taken, by a clock whose zone nobody knows."""
    taken = read.captured_at
    if taken is None or not _CAMERAS_SINCE <= taken.year < _CAMERAS_UNTIL:
        return None
    return taken if taken.tzinfo else taken.replace(tzinfo=UTC)


def _camera(read: FacesRead) -> str | None:
    """Return which camera took a photograph; two of one model must not be taken for one."""
    return _plain(read.camera) if read.camera_is_certain else None
