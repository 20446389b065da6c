"""Portraits for a yearbook: cut out of the best photograph of each person as a job, then packed.

The portraits are those of a face crop, framed by one preset, so that all have one aspect ratio;
they cost what a face crop costs. Only photographs of which it is beyond doubt whom a portrait would
show are used. They lie under the ids of people, and matching is told before there are any, so that
a portrait goes with whom it shows.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID, uuid4

import msgspec
from aiohttp import web

from kit.storage import ObjectNotFound, Storage
from proto.accounts.calling import Caller
from proto.agencies import AgencyId, FileId, Subject, SubjectId
from proto.errors import Unavailable
from proto.facecrop import KIND, CropFace, Portrait
from proto.ids import AccountId, JobId, StorageKey
from proto.jobs import MOST_ITEMS, Item, Job, NewItem
from proto.matching.exports import Assignment
from proto.matching.portraits import NewPortrait, NotePortraits, stem_of
from proto.matching.results import GetResults
from proto.matching.subjects import GetSubjects
from proto.photos import StoredPhoto
from proto.presets import Preset
from services.gateway.batches import BEGIN_SECONDS, Batch, PerhapsBegun, begin
from services.gateway.cropping import operation_of
from services.gateway.ended import all_items
from services.gateway.exports import assignments
from services.gateway.identity import CALLER
from services.gateway.orders import order
from services.gateway.portraits import outcome_of
from services.gateway.problems import Problem
from services.gateway.resources import BUS, STORAGE
from services.gateway.whose import Asking, OfMatch, asking
from services.gateway.yearbooks import (
    FOLDER,
    INDEX,
    Entry,
    NameOrder,
    chosen,
    image_names,
    index,
    main_person,
)
from services.gateway.zips import Zip

_ASKING_SECONDS = 30.0
_IN_MESSAGE = 500
_ENDING = "jpg"
"""Of every file of a portrait, as its preset is told."""


@dataclass(frozen=True, slots=True)
class People:
    """The people of an agency, as items of jobs name them."""

    by_id: dict[str, Subject] = field(default_factory=dict)
    by_student_id: dict[str, Subject] = field(default_factory=dict)

    def add(self, subjects: Iterable[Subject]) -> None:
        """Add some of them."""
        for each in subjects:
            self.by_id[str(each.id)] = each
            self.by_student_id[each.student_id] = each

    def shown(self, name: str, medium: str, outputs: str) -> Subject | None:
        """Return whom a portrait shows; None where nobody is known by that any more.

        Args:
            name: Of its item: the subject's id, or the student_id in jobs of older versions.
            medium: Where a file of it lies: under the subject's id, where the name is one.
            outputs: Of the job.
        """
        if name.isdecimal() and medium.startswith(f"{outputs}/{stem_of(SubjectId(int(name)))}_"):
            return self.by_id.get(name)
        return self.by_student_id.get(name)


async def begin_portraits(
    request: web.Request, about: OfMatch, icp_type: str, preset: Preset, call: UUID | None
) -> Job:
    """Cut a portrait of each person out of the best photograph of a match.

    Raises Problem when there is none or too many, InsufficientTokens, QueueFull, Unavailable.
    """
    account = about["account"]
    best = await _best(request, about)
    if not best:
        sentence = "nobody is the only or by far the largest person of a photograph"
        raise Problem(409, "NOTHING_TO_EXPORT", sentence)
    if len(best) > MOST_ITEMS:
        raise Problem(422, "TOO_MANY_FILES", f"a yearbook may have {MOST_ITEMS:,} portraits")
    asked = order(request, operation_of(False), len(best), BEGIN_SECONDS, call)
    told = NotePortraits(
        **about,
        job=JobId(uuid4()),
        outputs=StorageKey(f"outputs/{account}/{uuid4()}"),
        endings=[f"{name}.{_ENDING}" for name in ("orig", "md", *preset.sizes)],
        portraits=[NewPortrait(subject=each.subject, file=each.file) for each in best],
    )

    async def tell() -> None:
        await request.app[BUS].request(told, _ASKING_SECONDS)

    batch = Batch(
        kind=KIND,
        items=_crops(account, best, preset, told.outputs),
        details={
            "operation": asked.operation,
            "icp_type": icp_type,
            "match": str(about["match"]),
        },
        outputs=told.outputs,
        hand_over=tell,
        job=told.job,
    )
    caller: Caller = request[CALLER]
    try:
        return (await begin(request.app, caller, asked, batch)).job
    except PerhapsBegun as error:
        raise Unavailable(str(error)) from error


async def package(
    request: web.Request,
    job: Job,
    agency: AgencyId,
    volume: str,
    delimiter: Literal["tab", "comma"],
    names: NameOrder,
) -> AsyncIterator[bytes]:
    """Yield the package of a job's portraits as a ZIP.

    Left out are people who are not known any more, and portraits whose photograph was erased.
    """
    people = await _people(request, asking(request), agency)
    portraits: list[tuple[Subject, Portrait]] = []
    async for item in all_items(request, job):
        outcome = outcome_of(item) if item.order else None
        if isinstance(outcome, Portrait):
            person = people.shown(item.name, outcome.medium, job.outputs)
            if person is not None:
                portraits.append((person, outcome))
    images = image_names(person.student_id for person, _ in portraits)
    entries: list[Entry] = []
    storage = request.app[STORAGE]
    with Zip() as archive:
        for person, portrait in portraits:
            if not await _is_there(storage, portrait):
                continue
            image = f"{images[person.student_id]}.jpg"
            entries.append(Entry(image, person.name, person.class_name))
            stored = archive.add_stored(f"{FOLDER}/{image}", storage, portrait.medium)
            async with aclosing(stored) as pieces:
                async for piece in pieces:
                    yield piece
        archive.add(INDEX, index(entries, volume, delimiter, names))
    yield archive.take()


async def still_there(storage: Storage, items: AsyncIterator[Item]) -> AsyncIterator[Item]:
    """Leave out the portraits that went with whom they show, or with their photograph."""
    async for item in items:
        outcome = outcome_of(item) if item.order else None
        if not isinstance(outcome, Portrait) or await _is_there(storage, outcome):
            yield item


async def _is_there(storage: Storage, portrait: Portrait) -> bool:
    try:
        await storage.size_of(portrait.medium)
    except ObjectNotFound:
        return False
    return True


async def _best(request: web.Request, about: OfMatch) -> list[Assignment]:
    """Return the photograph to use for each person, by class and student_id."""
    bus = request.app[BUS]
    main: dict[FileId, SubjectId] = {}
    after: int | None = 0
    while after is not None:
        ask = GetResults(**about, after=after, limit=_IN_MESSAGE)
        page = await bus.request(ask, _ASKING_SECONDS)
        for result in page.results:
            if result.key and (person := main_person(result)) is not None:
                main[result.file] = person
        after = page.next_after
    found = [each async for each in assignments(bus, about)]
    return list(chosen(found, main).values())


def _crops(
    account: AccountId, best: Sequence[Assignment], preset: Preset, outputs: StorageKey
) -> list[NewItem]:
    """Return a portrait of each person as an item, called by the subject's id."""
    return [
        NewItem(
            number=number,
            name=str(each.subject),
            work=msgspec.msgpack.encode(
                CropFace(
                    account=account,
                    photo=StoredPhoto(key=StorageKey(each.key)),
                    preset=preset,
                    outputs=outputs,
                    stem=stem_of(each.subject),
                )
            ),
        )
        for number, each in enumerate(best)
    ]


async def _people(request: web.Request, who: Asking, agency: AgencyId) -> People:
    """Return everybody in an agency."""
    people = People()
    after: str | None = ""
    while after is not None:
        ask = GetSubjects(**who, agency=agency, after=after, limit=_IN_MESSAGE)
        page = await request.app[BUS].request(ask, _ASKING_SECONDS)
        people.add(page.subjects)
        after = page.next_after
    return people
