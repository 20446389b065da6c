"""The messages that qr answers."""

from functools import partial

from kit.endpoints import answers
from proto.qr import (
    AddSubjects,
    BeginSheet,
    Card,
    DrawnSheet,
    DrawSheet,
    ForgetJob,
    Forgotten,
    GetCard,
    GetPrinted,
    GetSorted,
    PrintedPage,
    ReadRoster,
    RosterRead,
    SheetBegun,
    SortedShoot,
)
from services.qr import svg
from services.qr.arranging import subject_text
from services.qr.drawing.symbols import encoded
from services.qr.payload import Cards, job_tag
from services.qr.printed import Roster
from services.qr.rosterfiles import RosterFiles
from services.qr.sheets import Sheets
from services.qr.shoots import Shoots

_SCREEN_MM = 150.0
"""A tablet held upright shows a code about as large; it decides what is too fine to be read."""


class Endpoints:
    """Answers from the sheets, rosters and shoots of one installation."""

    def __init__(
        self, sheets: Sheets, roster: Roster, files: RosterFiles, shoots: Shoots, cards: Cards
    ) -> None:
        self._sheets = sheets
        self._roster = roster
        self._files = files
        self._shoots = shoots
        self._cards = cards

    @answers
    async def begin_sheet(self, request: BeginSheet) -> SheetBegun:
        """Begin a sheet."""
        await self._sheets.begin(request)
        return SheetBegun()

    @answers
    async def add_subjects(self, request: AddSubjects) -> SheetBegun:
        """Give a sheet a part of its subjects."""
        await self._sheets.add(request)
        return SheetBegun()

    @answers
    async def draw_sheet(self, request: DrawSheet) -> DrawnSheet:
        """Draw a sheet."""
        return await self._sheets.draw(request)

    @answers
    async def printed(self, request: GetPrinted) -> PrintedPage:
        """List who has cards for a job."""
        return await self._roster.page(request)

    @answers
    async def card(self, request: GetCard) -> Card:
        """Show the card of one subject: the same code as on paper."""
        account, job = request.account, job_tag(request.account, request.job_id)
        found = await self._roster.card(account, request.job_id, request.student_id)
        write = partial(self._cards.write, account=account)
        text = subject_text(
            found.student_id, found.name, job, write, name_in_code=found.name_in_code
        )
        return Card(
            student_id=found.student_id,
            name=found.name,
            class_name=found.class_name,
            school_name=found.school_name,
            svg=svg.drawn(encoded(text, found.symbol, "M", _SCREEN_MM)),
        )

    @answers
    async def forget(self, request: ForgetJob) -> Forgotten:
        """Forget who had cards for a job."""
        return Forgotten(subjects=await self._sheets.forget(request.account, request.job_id))

    @answers
    async def read_roster(self, request: ReadRoster) -> RosterRead:
        """Read an uploaded roster."""
        return RosterRead(key=await self._files.read(request))

    @answers
    async def sorted(self, request: GetSorted) -> SortedShoot:
        """Sort a shoot."""
        return await self._shoots.page(request)
