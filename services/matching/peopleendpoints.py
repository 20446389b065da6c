"""The messages about agencies, shoots, photographs and people that matching answers."""

from collections.abc import Awaitable, Callable

from kit.database import Pool
from kit.endpoints import answers
from kit.storage import Storage
from proto.agencies import Agency, Shoot, Subject
from proto.matching.agencies import (
    AccessLog,
    AgencyList,
    ChangeAgency,
    CreateAgency,
    EraseAgency,
    GetAccessLog,
    GetAgencies,
    GetAgency,
    GiveConsent,
    NoteAccess,
    WithdrawConsent,
)
from proto.matching.asking import Done
from proto.matching.shoots import (
    AddFiles,
    ChangeShoot,
    CreateShoot,
    EraseFiles,
    EraseShoot,
    FilePage,
    GetFiles,
    GetShoot,
    GetShoots,
    ShootList,
)
from proto.matching.subjects import (
    AddReferences,
    ChangeSubject,
    EraseReference,
    EraseSubject,
    ExportSubject,
    GetReferences,
    GetSubject,
    GetSubjects,
    PutSubjects,
    ReferenceList,
    SubjectExport,
    SubjectPage,
)
from services.matching.access import Access
from services.matching.agencies import Agencies
from services.matching.discarding import Discarding
from services.matching.erasing import Erasing
from services.matching.exporting import Exporting
from services.matching.files import Files
from services.matching.forgetting import Forget
from services.matching.references import References
from services.matching.shoots import Shoots
from services.matching.subjects import Subjects

Version = Callable[[], Awaitable[str | None]]
"""Tells the present embedder; None when it is not known at the moment. Does not wait for long."""


class PeopleEndpoints:
    """Answers from one database and one storage."""

    def __init__(
        self,
        pool: Pool,
        storage: Storage,
        discarding: Discarding,
        version: Version,
        forget: Forget,
    ) -> None:
        self._version = version
        self._forget = forget
        self._agencies = Agencies(pool)
        self._shoots = Shoots(pool)
        self._files = Files(pool, discarding, forget)
        self._subjects = Subjects(pool)
        self._references = References(pool, discarding, forget)
        self._erasing = Erasing(pool, discarding, forget)
        self._exporting = Exporting(pool, storage)
        self._access = Access(pool)

    @answers
    async def create_agency(self, request: CreateAgency) -> Agency:
        """Add an agency."""
        return await self._agencies.create(request)

    @answers
    async def agency(self, request: GetAgency) -> Agency:
        """Show an agency."""
        version = await self._version()
        return await self._agencies.get(request.account, request.agency, version)

    @answers
    async def agencies(self, request: GetAgencies) -> AgencyList:
        """List an account's agencies."""
        return await self._agencies.page(request, await self._version())

    @answers
    async def change_agency(self, request: ChangeAgency) -> Agency:
        """Change what is given."""
        changed = await self._agencies.change(request, await self._version())
        if request.mode == "cards":
            await self._forget(request.account, request.agency)
        return changed

    @answers
    async def give_consent(self, request: GiveConsent) -> Agency:
        """Note that people agreed."""
        return await self._agencies.give_consent(request, await self._version())

    @answers
    async def withdraw_consent(self, request: WithdrawConsent) -> Agency:
        """Note that they do not agree any more."""
        changed = await self._agencies.withdraw_consent(request, await self._version())
        await self._forget(request.account, request.agency)
        return changed

    @answers
    async def erase_agency(self, request: EraseAgency) -> Done:
        """Remove an agency."""
        await self._erasing.agency(request)
        return Done()

    @answers
    async def access_log(self, request: GetAccessLog) -> AccessLog:
        """Show who did what."""
        return await self._access.page(request)

    @answers
    async def note_access(self, request: NoteAccess) -> Done:
        """Write down what was done elsewhere."""
        await self._access.note(request)
        return Done()

    @answers
    async def create_shoot(self, request: CreateShoot) -> Shoot:
        """Add a shoot."""
        return await self._shoots.create(request)

    @answers
    async def shoot(self, request: GetShoot) -> Shoot:
        """Show a shoot."""
        return await self._shoots.get(request)

    @answers
    async def shoots(self, request: GetShoots) -> ShootList:
        """List an agency's shoots."""
        return await self._shoots.all(request)

    @answers
    async def change_shoot(self, request: ChangeShoot) -> Shoot:
        """Change what is given."""
        return await self._shoots.change(request)

    @answers
    async def erase_shoot(self, request: EraseShoot) -> Done:
        """Remove a shoot."""
        await self._erasing.shoot(request)
        return Done()

    @answers
    async def add_files(self, request: AddFiles) -> FilePage:
        """Add photographs."""
        return await self._files.add(request)

    @answers
    async def files(self, request: GetFiles) -> FilePage:
        """List the photographs of a shoot."""
        return await self._files.page(request)

    @answers
    async def erase_files(self, request: EraseFiles) -> Done:
        """Remove photographs."""
        await self._files.erase(request)
        return Done()

    @answers
    async def put_subjects(self, request: PutSubjects) -> SubjectPage:
        """Add subjects, or change them."""
        return await self._subjects.put(request, await self._version())

    @answers
    async def subjects(self, request: GetSubjects) -> SubjectPage:
        """List the subjects of an agency."""
        await self._access.viewed(request, "subjects_viewed")
        return await self._subjects.page(request, await self._version())

    @answers
    async def subject(self, request: GetSubject) -> Subject:
        """Show a subject."""
        await self._access.viewed(request, "subjects_viewed")
        return await self._subjects.get(request, await self._version())

    @answers
    async def change_subject(self, request: ChangeSubject) -> Subject:
        """Change what is given."""
        await self._access.viewed(request, "subjects_viewed")
        return await self._subjects.change(request, await self._version())

    @answers
    async def erase_subject(self, request: EraseSubject) -> Done:
        """Remove a subject with every mention of it."""
        await self._erasing.subject(request)
        return Done()

    @answers
    async def export_subject(self, request: ExportSubject) -> SubjectExport:
        """Write down everything that is known of a subject."""
        return await self._exporting.export(request)

    @answers
    async def add_references(self, request: AddReferences) -> ReferenceList:
        """Add photographs of a subject."""
        return await self._references.add(request, await self._version())

    @answers
    async def references(self, request: GetReferences) -> ReferenceList:
        """List the references of a subject."""
        await self._access.viewed(request, "references_viewed")
        return await self._references.all(request, await self._version())

    @answers
    async def erase_reference(self, request: EraseReference) -> Done:
        """Remove a reference."""
        await self._references.erase(request)
        return Done()
