"""A picture day: people with references, photographs of them, and matches over these."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import msgspec

from proto.agencies import Agency, AgencyId, File, FileId, MatchId, Shoot, Subject
from proto.facereader import Doubt
from proto.ids import JobId
from proto.jobs import CancelJob, GetItems, Item, Job, NewItem
from proto.matching.matches import (
    MATCH_KIND,
    GetMatch,
    GetMatchFiles,
    Match,
    MatchFile,
    PrepareMatch,
)
from proto.matching.references import BuildReferences, ReferencesBuilt
from proto.matching.results import Decide, FileResult, GetResult, GetResults
from tests.integration.matching.reader import ALIKE, FaceReader, face, picture
from tests.integration.matching.studio import Studio, new_subject
from tests.integration.qr.shooting import begun, closed

Told = list[tuple[str, list[str]]]
"""State and reasons."""


@dataclass(frozen=True)
class Day:
    """What a studio does on a picture day and after it."""

    studio: Studio
    reader: FaceReader

    async def agency(self, people: int = 3, **more: Any) -> tuple[Agency, list[Subject]]:
        """An agency whose people, from 1 on, can be recognised."""
        agency = await self.studio.with_consent(**more)
        return agency, await self.people(agency, people)

    async def people(self, agency: Agency, count: int) -> list[Subject]:
        if not count:
            return []
        sent = [new_subject(number, class_name="3B") for number in range(1, count + 1)]
        subjects = await self.studio.subjects(agency, *sent)
        for number, subject in enumerate(subjects, 1):
            await self.studio.references(
                agency, subject, await self.photo(picture(face(number, 1.0)))
            )
        if agency.mode == "faces":
            built = await self.build(agency)
            assert built.created == count, built
        return subjects

    async def build(self, agency: Agency) -> ReferencesBuilt:
        built: ReferencesBuilt = await self.studio.ask(BuildReferences, agency.id)
        return built

    async def photo(self, content: bytes) -> Any:
        return await self.studio.photo(content)

    async def shoot(self, agency: Agency, *contents: bytes) -> tuple[Shoot, list[File]]:
        """A shoot with photographs in the order given."""
        shoot = await self.studio.shoot(agency)
        if not contents:
            return shoot, []
        photos = [await self.photo(content) for content in contents]
        files: list[File] = []
        for first in range(0, len(photos), 500):
            files += await self.studio.files(shoot, *photos[first : first + 500])
        return shoot, files

    async def portraits(self, agency: Agency, *people: int) -> tuple[Shoot, list[File]]:
        return await self.shoot(agency, *(picture(face(person)) for person in people))

    async def prepare(
        self, agency: AgencyId, files: Sequence[FileId] | None = None, **more: Any
    ) -> Match:
        fields: dict[str, Any] = {"job": JobId(uuid4()), **more}
        if files is not None:
            fields["files"] = list(files)
        match: Match = await self.studio.ask(PrepareMatch, agency, **fields)
        return match

    async def begin(self, match: Match, job: JobId, *, start: bool = True) -> JobId:
        """Begin the job of a match as the gateway does."""
        page = await self.studio.ask(GetMatchFiles, match=match.id)
        items = [
            NewItem(number=number, name=name, work=self.work(match.id, file))
            for number, (file, name) in enumerate(page.files)
        ]
        bus, account = self.studio.bus, self.studio.account
        return await begun(bus, account, MATCH_KIND, items, start=start, job=job)

    async def run(self, agency: Agency, shoot: Shoot, **more: Any) -> Match:
        """A match from beginning to end."""
        job = JobId(uuid4())
        match = await self.prepare(agency.id, shoot=shoot.id, job=job, **more)
        await self.begin(match, job)
        await self.closed(job)
        return await self.match(match.id)

    async def closed(self, job: JobId) -> Job:
        return await closed(self.studio.bus, self.studio.account, job)

    async def cancel(self, job: JobId) -> None:
        await self.studio.ask(CancelJob, job=job)

    async def items(self, job: JobId) -> list[Item]:
        page = await self.studio.ask(GetItems, job=job, limit=500)
        found: list[Item] = page.items
        return found

    def work(self, match: MatchId, file: FileId) -> bytes:
        """An item of the job of a match."""
        asked = MatchFile(account=self.studio.account, match=match, file=file)
        return msgspec.msgpack.encode(asked)

    async def match(self, match: MatchId) -> Match:
        found: Match = await self.studio.ask(GetMatch, match=match)
        return found

    async def results(self, match: Match, **more: Any) -> list[FileResult]:
        page = await self.studio.ask(GetResults, match=match.id, limit=500, **more)
        found: list[FileResult] = page.results
        return found

    async def result(self, match: Match, file: File) -> FileResult:
        found: FileResult = await self.studio.ask(GetResult, match=match.id, file=file.id)
        return found

    async def decide(self, match: Match, file: File, action: str, **more: Any) -> FileResult:
        found: FileResult = await self.studio.ask(
            Decide, match=match.id, file=file.id, action=action, **more
        )
        return found


def told(results: Sequence[FileResult]) -> Told:
    return [(each.state, list(each.reasons)) for each in results]


def whose(result: FileResult) -> list[int | None]:
    """The subjects of the faces of a photograph."""
    return [each.subject for each in result.faces]


def portrait(person: int, cosine: float = ALIKE, *doubts: Doubt, **more: Any) -> bytes:
    """A photograph of one person."""
    return picture(face(person, cosine, doubts=list(doubts)), **more)
