"""A studio that keeps agencies, people and photographs, and speaks to matching of them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from kit.bus import Bus
from kit.storage import ObjectNotFound, Storage
from proto.agencies import (
    AccessEntry,
    Agency,
    AgencyId,
    File,
    NewFile,
    NewSubject,
    Reference,
    Shoot,
    ShootId,
    Subject,
    SubjectId,
)
from proto.ids import AccountId, StorageKey
from proto.matching.agencies import CreateAgency, GetAccessLog, GetAgency, GiveConsent
from proto.matching.shoots import AddFiles, CreateShoot, GetFiles
from proto.matching.subjects import AddReferences, GetReferences, GetSubjects, PutSubjects

BY = "user:an-owner"

_SECONDS = 30.0


@dataclass(frozen=True)
class Studio:
    """Speaks for one account."""

    bus: Bus
    storage: Storage
    account: AccountId
    by: str = BY

    def other(self) -> "Studio":
        """Another account."""
        return replace(self, account=AccountId(uuid4()))

    async def ask(self, kind: Any, agency: AgencyId | None = None, **fields: Any) -> Any:
        """Send a message of a kind, with what every message has."""
        if agency is not None:
            fields |= {"agency": agency}
        if "by" in kind.__struct_fields__:
            fields.setdefault("by", self.by)
        return await self.bus.request(kind(account=self.account, **fields), _SECONDS)

    async def agency(self, **more: Any) -> Agency:
        fields = {"name": "Springfield Elementary", "agency_type": "school", **more}
        made: Agency = await self.ask(CreateAgency, **fields)
        return made

    async def with_consent(self, **more: Any) -> Agency:
        """An agency whose people agreed."""
        agency = await self.agency(**more)
        given: Agency = await self.ask(GiveConsent, agency.id, statement="all parents signed")
        return given

    async def now(self, agency: Agency) -> Agency:
        shown: Agency = await self.ask(GetAgency, agency.id)
        return shown

    async def shoot(self, agency: Agency, **more: Any) -> Shoot:
        fields = {"name": "Spring", "icp_type": "school", **more}
        made: Shoot = await self.ask(CreateShoot, agency.id, **fields)
        return made

    async def subjects(self, agency: Agency, *sent: NewSubject) -> list[Subject]:
        page = await self.ask(PutSubjects, agency.id, subjects=list(sent))
        found: list[Subject] = page.subjects
        return found

    async def subject(self, agency: Agency, number: int = 1, **more: Any) -> Subject:
        (made,) = await self.subjects(agency, new_subject(number, **more))
        return made

    async def everybody(self, agency: Agency) -> list[Subject]:
        page = await self.ask(GetSubjects, agency.id)
        found: list[Subject] = page.subjects
        return found

    async def photo(self, content: bytes | None = None, filename: str = "a.jpg") -> NewFile:
        """A photograph as the gateway has stored it, of content that nobody else has."""
        content = uuid4().bytes if content is None else content
        key = StorageKey(f"photos/{self.account}/1/{uuid4()}/0")
        await self.storage.put(key, content, "image/jpeg")
        return stored(key, content, filename)

    async def files(self, shoot: Shoot, *sent: NewFile) -> list[File]:
        page = await self.ask(AddFiles, shoot.agency, shoot=shoot.id, files=list(sent))
        found: list[File] = page.files
        return found

    async def files_of(self, agency: Agency, shoot: ShootId) -> list[File]:
        page = await self.ask(GetFiles, agency.id, shoot=shoot)
        found: list[File] = page.files
        return found

    async def references(self, agency: Agency, subject: Subject, *sent: NewFile) -> list[Reference]:
        """Add photographs of a subject, or only ask for those there are."""
        kind, fields = (AddReferences, {"photos": list(sent)}) if sent else (GetReferences, {})
        answer = await self.ask(kind, agency.id, subject_id=subject.id, **fields)
        found: list[Reference] = answer.references
        return found

    async def log(self, agency: Agency) -> list[AccessEntry]:
        """What was done, the latest first; who only looked is left out."""
        page = await self.ask(GetAccessLog, agency.id)
        return [each for each in page.entries if not each.action.endswith("_viewed")]

    async def looks(self, agency: Agency) -> list[tuple[str, str]]:
        """Who looked at what, the first first."""
        page = await self.ask(GetAccessLog, agency.id)
        looks = [each for each in page.entries if each.action.endswith("_viewed")]
        return [(each.by, each.action) for each in reversed(looks)]

    async def actions(self, agency: Agency) -> list[tuple[str, SubjectId | None]]:
        """What was done, the latest first, and to whom."""
        return [(entry.action, entry.subject) for entry in await self.log(agency)]

    async def is_stored(self, key: str) -> bool:
        try:
            await self.storage.size_of(StorageKey(key))
        except ObjectNotFound:
            return False
        return True

    async def stored(self, keys: Sequence[str]) -> list[bool]:
        return [await self.is_stored(key) for key in keys]


def new_subject(number: int, **more: Any) -> NewSubject:
    return NewSubject(**{"student_id": f"S-{number:05d}", "name": f"Name {number}", **more})


def stored(key: str, content: bytes = b"", filename: str = "a.jpg") -> NewFile:
    return NewFile(
        filename=filename, key=key, size=len(content), sha256=hashlib.sha256(content).digest()
    )


def remote(url: str, filename: str = "a.jpg") -> NewFile:
    return NewFile(filename=filename, url=url)
