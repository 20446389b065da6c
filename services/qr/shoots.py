"""Sorted shoots: what the card reader found in the photographs of a job, and whose they are."""

import asyncio
from bisect import bisect_right
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from mimetypes import guess_type

from kit.bus import Bus, decoder
from proto.cardreader import KIND, CardsRead
from proto.errors import InvalidRequest
from proto.ids import AccountId, JobId
from proto.jobs import GetItems, GetJob, Item
from proto.qr import CardKind, GetSorted, Person, ReasonCount, SortedFile, SortedShoot, SortOptions
from services.qr.arranging import extra_name
from services.qr.frames import Frame, Order
from services.qr.paging import that_fit
from services.qr.payload import CardContent, Cards, Kind, job_tag
from services.qr.printed import Known, Roster
from services.qr.sorting import CardStands, Options, Sorted, Subject, sort

MOST_KEPT = 8
"""Shoots in memory: who pages through one asks for it again and again."""

_ITEMS_SECONDS = 15.0
_ITEMS = 500
_CARD_KINDS: Mapping[Kind, CardKind] = {
    Kind.SUBJECT: "subject",
    Kind.GROUP: "group",
    Kind.EXTRA: "extra",
}
_NO_PICTURE = "NOT_A_PICTURE"
_SIDECARS = (".xmp", ".thm", ".ini", ".db", ".dop")
_NOT_READ = "this photograph was not read: the job was cancelled"

_Key = tuple[AccountId, JobId, SortOptions]


@dataclass(frozen=True, slots=True)
class _Photograph:
    """An item of the job."""

    number: int
    filename: str
    frame: Frame
    file_id: int | None = None
    """Where it is a file of an agency's job."""
    code: str = ""
    message: str = ""
    beside: bool = False
    """A file that came along and was never a photograph, so that it says nothing of the others."""


@dataclass(frozen=True, slots=True)
class _Shoot:
    """The photographs of a job, sorted by one roster."""

    photographs: Sequence[_Photograph]
    """By number."""
    roster: frozenset[str] | None
    """By which it was sorted."""
    owners: Mapping[int, Sequence[Subject]]
    """By the identity of a frame, as two may be equal."""
    cards: frozenset[int]
    """Identities of the frames that show a card of somebody."""
    reasons: Mapping[int, Sequence[str]]
    names: Mapping[Subject, str]
    """That stand in codes."""
    people: int
    photos: int
    unassigned: int


class Shoots:
    """Sorts the shoots of the job book, and keeps the last few."""

    def __init__(self, bus: Bus, cards: Cards, roster: Roster) -> None:
        self._bus = bus
        self._cards = cards
        self._roster = roster
        self._kept: OrderedDict[_Key, _Shoot] = OrderedDict()

    async def page(self, request: GetSorted) -> SortedShoot:
        """Return one page of a sorted shoot. Raises NotFound, InvalidRequest."""
        known = await self._roster.everybody(request.account, request.options.job_id)
        shoot = await self._shoot(request, frozenset(known) or None)
        photographs = shoot.photographs
        start = bisect_right(photographs, request.after, key=lambda each: each.number)
        page = photographs[start : start + request.limit]
        files = [_told(shoot, photograph, known) for photograph in page]
        files = files[: that_fit(files)]
        counts = Counter(reason for reasons in shoot.reasons.values() for reason in reasons)
        return SortedShoot(
            files=files,
            more=start + len(files) < len(photographs),
            people=shoot.people,
            photos=shoot.photos,
            unassigned=shoot.unassigned,
            reasons=[ReasonCount(reason=reason, count=n) for reason, n in sorted(counts.items())],
        )

    async def _shoot(self, request: GetSorted, roster: frozenset[str] | None) -> _Shoot:
        """Return a shoot from memory, unless its roster has changed since."""
        key = request.account, request.job, request.options
        kept = self._kept.get(key)
        if kept is None or kept.roster != roster:
            photographs = kept.photographs if kept else await self._photographs(*key[:2])
            options = _options(request, roster)
            kept = self._kept[key] = await asyncio.to_thread(_sorted, photographs, options)
        self._kept.move_to_end(key)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return kept

    async def _photographs(self, account: AccountId, job: JobId) -> list[_Photograph]:
        """Read what was found out of the job book."""
        found = await self._bus.request(GetJob(account=account, job=job))
        if found.kind != KIND:
            raise InvalidRequest("this is no job that reads cards")
        if not found.closed:
            raise InvalidRequest("this job has not ended yet; sort it when it has")
        photographs: list[_Photograph] = []
        after, more = -1, True
        while more:
            asked = GetItems(account=account, job=job, after=after, limit=_ITEMS)
            page = await self._bus.request(asked, _ITEMS_SECONDS)
            photographs += await asyncio.to_thread(self._read, account, page.items)
            after, more = page.items[-1].number if page.items else after, page.more
        return photographs

    def _read(self, account: AccountId, items: Iterable[Item]) -> list[_Photograph]:
        return [self._photograph(account, item) for item in items]

    def _photograph(self, account: AccountId, item: Item) -> _Photograph:
        if item.result is None:
            cancelled = item.state == "cancelled"
            code = item.code or ("CANCELLED" if cancelled else "")
            message = item.message or (_NOT_READ if cancelled else "")
            unread = Frame(file=item.name, unread=True)
            beside = code == _NO_PICTURE and _is_named_otherwise(item.name)
            return _Photograph(
                item.number, item.name, unread, code=code, message=message, beside=beside
            )
        read = decoder(CardsRead).decode(item.result)
        frame = Frame(
            file=item.name,
            captured_at=read.captured_at,
            camera=read.camera,
            camera_is_certain=read.camera_is_certain,
            cards=tuple(self._cards.read(symbol.text, account) for symbol in read.symbols),
            has_face=read.has_face,
        )
        return _Photograph(item.number, item.name, frame, read.file_id)


def _is_named_otherwise(filename: str) -> bool:
    """Whether a file name is of something else than a photograph; cameras write sidecars, too."""
    kind, _ = guess_type(filename)
    return filename.lower().endswith(_SIDECARS) or (
        kind is not None and not kind.startswith("image/")
    )


def _options(request: GetSorted, roster: frozenset[str] | None) -> Options:
    wished = request.options
    return Options(
        job=job_tag(request.account, wished.job_id),
        order=Order(wished.order),
        card=CardStands(wished.card),
        roster=roster,
        cameras_apart=wished.cameras_apart,
    )


def _sorted(photographs: Sequence[_Photograph], options: Options) -> _Shoot:
    frames = [each.frame for each in photographs if not each.beside]
    found = sort(frames, options)
    owners: dict[int, list[Subject]] = defaultdict(list)
    for assignment in found.assignments:
        for frame in (*assignment.cards, *assignment.frames):
            owners[id(frame)].append(assignment.subject)
    cards = frozenset(id(frame) for each in found.assignments for frame in each.cards)
    return _Shoot(
        photographs=photographs,
        roster=options.roster,
        owners=dict(owners),
        cards=cards,
        reasons=_reasons(found),
        names=_names(frames, options.job),
        people=sum(bool(assignment.frames) for assignment in found.assignments),
        photos=len(owners.keys() - cards),
        unassigned=sum(not frame.unread for frame in frames) - len(owners),
    )


def _reasons(found: Sorted) -> dict[int, list[str]]:
    """Return the reasons of each frame that has any, each once."""
    reasons: dict[int, dict[str, None]] = defaultdict(dict)
    for report in found.reports:
        for frame in report.frames:
            reasons[id(frame)][report.reason.value] = None
    return {frame: list(of_frame) for frame, of_frame in reasons.items()}


def _names(frames: Iterable[Frame], job: bytes) -> dict[Subject, str]:
    return {
        Subject(card.kind, card.student_id): card.name
        for frame in frames
        for card in frame.cards
        if isinstance(card, CardContent) and card.job == job and card.name
    }


def _told(shoot: _Shoot, photograph: _Photograph, known: Mapping[str, Known]) -> SortedFile:
    frame = photograph.frame
    if frame.unread:
        return SortedFile(
            number=photograph.number,
            filename=photograph.filename,
            role="failed",
            people=[],
            reasons=list(shoot.reasons.get(id(frame), ())),
            code=photograph.code,
            message=photograph.message,
        )
    owners = shoot.owners.get(id(frame), ())
    return SortedFile(
        number=photograph.number,
        filename=photograph.filename,
        role="unassigned" if not owners else "card" if id(frame) in shoot.cards else "photo",
        people=[_person(subject, shoot, known) for subject in owners],
        reasons=list(shoot.reasons.get(id(frame), ())),
        file_id=photograph.file_id,
    )


def _person(subject: Subject, shoot: _Shoot, known: Mapping[str, Known]) -> Person:
    kind, name, class_name = _CARD_KINDS[subject.kind], shoot.names.get(subject, ""), ""
    if subject.kind is Kind.GROUP:
        name = subject.id
    elif subject.kind is Kind.EXTRA:
        name = extra_name(subject.id)
    elif printed := known.get(subject.id):
        name, class_name = printed.name, printed.class_name
    return Person(kind=kind, student_id=subject.id, name=name, class_name=class_name)
