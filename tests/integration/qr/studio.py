"""A studio that orders cards, and what it finds on the sheets that it gets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

import pypdfium2
import zxingcpp
from PIL import Image

from kit.bus import Bus
from kit.storage import Storage
from proto.ids import AccountId, StorageKey
from proto.qr import (
    AddSubjects,
    BeginSheet,
    Card,
    DrawnSheet,
    DrawSheet,
    GetCard,
    GetPrinted,
    Printed,
    Subject,
    Wishes,
)
from services.qr.payload import CardContent, Cards

SECRET = "a secret of these tests with 32 characters and more"
JOB = "SPRING-2026"

_SECONDS = 60.0
_PART = 500
_MOST_BYTES = 100_000_000


def subject(number: int, **more: Any) -> Subject:
    return Subject(**{"student_id": f"S-{number:04d}", "name": f"Name {number}", **more})


@dataclass(frozen=True)
class Studio:
    """Speaks for one account."""

    bus: Bus
    storage: Storage
    account: AccountId
    cards: Cards

    def other(self) -> "Studio":
        """Another account."""
        return replace(self, account=AccountId(uuid4()))

    async def begin(
        self,
        subjects: Sequence[Subject],
        *,
        job_id: str = JOB,
        wishes: Wishes | None = None,
        sheet: UUID | None = None,
    ) -> DrawSheet:
        """Hand over a roster, and return what lets it be drawn."""
        sheet = sheet or uuid4()
        await self.bus.request(
            BeginSheet(account=self.account, sheet=sheet, job_id=job_id, wishes=wishes or Wishes())
        )
        for part, first in enumerate(range(0, len(subjects), _PART)):
            await self.bus.request(
                AddSubjects(
                    account=self.account,
                    sheet=sheet,
                    part=part,
                    subjects=list(subjects[first : first + _PART]),
                )
            )
        outputs = StorageKey(f"outputs/{self.account}/{sheet}")
        return DrawSheet(account=self.account, sheet=sheet, outputs=outputs)

    async def ask(self, request: DrawSheet) -> DrawnSheet:
        return await self.bus.request(request, _SECONDS)

    async def draw(self, subjects: Sequence[Subject], **more: Any) -> DrawnSheet:
        """A sheet from beginning to end."""
        return await self.ask(await self.begin(subjects, **more))

    async def names(self, sheet: DrawnSheet) -> list[str]:
        """The first line of text on each page: with one card a page, whose it is."""
        with pypdfium2.PdfDocument(await self.file(sheet.pdf)) as pdf:
            return [page.get_textpage().get_text_range().splitlines()[0] for page in pdf]

    async def codes(self, sheet: DrawnSheet) -> list[CardContent]:
        """What the codes of a sheet say, as somebody with a scanner finds them."""
        found: list[CardContent] = []
        with pypdfium2.PdfDocument(await self.file(sheet.pdf)) as pdf:
            for page in pdf:
                picture = page.render(scale=2).to_pil().convert("L")
                for symbol in zxingcpp.read_barcodes(picture):
                    content = self.cards.read(symbol.text, self.account)
                    assert isinstance(content, CardContent)
                    found.append(content)
        return found

    async def picture(self, key: StorageKey) -> Image.Image:
        return Image.open(BytesIO(await self.file(key)))

    async def file(self, key: StorageKey) -> bytes:
        return await self.storage.get(key, _MOST_BYTES)

    async def printed(self, job_id: str = JOB, **more: Any) -> list[Printed]:
        """One page of those who have cards."""
        asked = GetPrinted(account=self.account, job_id=job_id, **more)
        return (await self.bus.request(asked)).subjects

    async def card(self, student_id: str, job_id: str = JOB) -> Card:
        return await self.bus.request(
            GetCard(account=self.account, job_id=job_id, student_id=student_id)
        )
