"""The messages about references, matches, results and review that matching answers."""

from kit.bus import Bus
from kit.database import Pool
from kit.endpoints import answers
from kit.sealing import Vault
from kit.storage import Storage
from proto.jobs import Failed, Succeeded
from proto.matching.asking import Done
from proto.matching.exports import (
    AssignmentPage,
    GetAssignments,
    GetMissing,
    GetMissingOfAgency,
    MissingPage,
)
from proto.matching.matches import (
    DropMatch,
    GetMatch,
    GetMatches,
    GetMatchFiles,
    Match,
    MatchFiles,
    MatchList,
    PrepareMatch,
)
from proto.matching.portraits import NotePortraits
from proto.matching.references import (
    BuildReferences,
    DueReferences,
    GetDueReferences,
    GetReferencesBuilt,
    ReferencesBuilt,
)
from proto.matching.results import (
    Decide,
    DecisionList,
    FileResult,
    GetDecisions,
    GetResult,
    GetResults,
    ResultPage,
)
from services.matching.access import Access
from services.matching.assignments import Assignments
from services.matching.building import Building
from services.matching.discarding import Discarding
from services.matching.fetched import Fetched
from services.matching.forgetting import Forgetting
from services.matching.gallery import Galleries
from services.matching.items import Items
from services.matching.matchlist import MatchLists
from services.matching.portraits import Portraits
from services.matching.reading import Reader
from services.matching.results import Results
from services.matching.review import Review
from services.matching.runs import Runs
from services.matching.standing import Standing
from services.matching.together import Together


class MatchEndpoints:
    """Answers from one database; also does the work of items of jobs."""

    def __init__(
        self,
        pool: Pool,
        bus: Bus,
        storage: Storage,
        vault: Vault,
        *,
        gallery_bytes: int,
        api_key: str = "",
    ) -> None:
        self._access = Access(pool)
        self._discarding = Discarding(pool, storage)
        self._galleries = Galleries(pool, vault, gallery_bytes)
        self.forgetting = Forgetting(bus, self._galleries)
        self._together = Together()
        self._reader = Reader(bus, api_key)
        fetched = Fetched(pool, storage, self._discarding)
        standing = Standing(pool, bus)
        self._building = Building(pool, vault, self._reader, fetched)
        self._items = Items(pool, self._reader, self._galleries, self._together, fetched)
        self._standing = standing
        self._runs = Runs(pool, bus, self._reader, standing)
        self._lists = MatchLists(pool, standing)
        self._results = Results(pool, standing)
        self._review = Review(pool, standing, self._discarding, self.forgetting.forget)
        self._assignments = Assignments(pool, standing, self._reader)
        self._portraits = Portraits(pool)

    async def close(self) -> None:
        """Let go of what is under way, and of what is in memory."""
        await self.forgetting.stop()
        await self._standing.close()
        await self._together.close()
        await self._galleries.close()
        await self._discarding.stop()

    async def version_if_known(self) -> str | None:
        """Return the version of the present embedder, None while nobody can say."""
        return await self._reader.version_if_known()

    async def match_file(self, data: bytes) -> Succeeded | Failed:
        """Do the work of an item of MATCH_KIND."""
        return await self._items.work(data)

    async def embed_reference(self, data: bytes) -> Succeeded | Failed:
        """Do the work of an item of REFERENCE_KIND."""
        return await self._building.work(data)

    @answers
    async def due_references(self, request: GetDueReferences) -> DueReferences:
        """Tell which references are to be embedded."""
        return await self._building.due(request)

    @answers
    async def build_references(self, request: BuildReferences) -> ReferencesBuilt:
        """Embed what is due."""
        await self._access.viewed(request, "references_viewed")
        return await self._building.build(request)

    @answers
    async def references_built(self, request: GetReferencesBuilt) -> ReferencesBuilt:
        """Tell how the references of an agency stand."""
        await self._access.viewed(request, "references_viewed")
        return await self._building.built(request, after=request.after)

    @answers
    async def prepare_match(self, request: PrepareMatch) -> Match:
        """Draft a match."""
        return await self._runs.prepare(request)

    @answers
    async def drop_match(self, request: DropMatch) -> Done:
        """Forget a job that did not begin."""
        await self._runs.drop(request)
        return Done()

    @answers
    async def match_files(self, request: GetMatchFiles) -> MatchFiles:
        """List the files of a match."""
        return await self._runs.files(request)

    @answers
    async def match(self, request: GetMatch) -> Match:
        """Tell how a match stands."""
        return await self._standing.get(request.account, request.match)

    @answers
    async def matches(self, request: GetMatches) -> MatchList:
        """List matches."""
        return await self._lists.page(request)

    @answers
    async def results(self, request: GetResults) -> ResultPage:
        """List what was found."""
        await self._access.viewed(request, "results_viewed")
        return await self._results.page(request)

    @answers
    async def result(self, request: GetResult) -> FileResult:
        """Show what was found in one photograph."""
        await self._access.viewed(request, "results_viewed")
        return await self._results.one(request)

    @answers
    async def decide(self, request: Decide) -> FileResult:
        """Take a decision down."""
        await self._access.viewed(request, "results_viewed")
        return await self._review.decide(request)

    @answers
    async def decisions(self, request: GetDecisions) -> DecisionList:
        """Show what was decided on a photograph."""
        return await self._results.decisions(request)

    @answers
    async def note_portraits(self, request: NotePortraits) -> Done:
        """Write down which portraits are about to be cut."""
        await self._portraits.note(request)
        return Done()

    @answers
    async def assignments(self, request: GetAssignments) -> AssignmentPage:
        """List who is in which photograph."""
        return await self._assignments.page(request)

    @answers
    async def missing(self, request: GetMissing) -> MissingPage:
        """List who is in none."""
        await self._access.viewed(request, "subjects_viewed")
        return await self._assignments.missing(request)

    @answers
    async def missing_of_agency(self, request: GetMissingOfAgency) -> MissingPage:
        """List who is in none of all matches."""
        await self._access.viewed(request, "subjects_viewed")
        return await self._assignments.missing_of_agency(request)
