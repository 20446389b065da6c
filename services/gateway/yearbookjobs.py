"""Portraits for a yearbook: cut out of the best photograph of each person as a job, then packed.

The portraits are those of a face crop, framed by one preset, so that all have one aspect ratio;
they cost what a face crop costs. Only photographs of which it is beyond doubt whom a portrait would
show are used.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Literal
from uuid import UUID, uuid4

import msgspec
from aiohttp import web

from proto.agencies import AgencyId, FileId, Subject, SubjectId
from proto.facecrop import KIND, CropFace, Portrait
from proto.ids import AccountId, StorageKey
from proto.jobs import MOST_ITEMS, Job
from proto.matching.exports import Assignment
from proto.matching.results import GetResults
from proto.matching.subjects import GetSubjects
from proto.photos import StoredPhoto
from proto.presets import Preset
from services.gateway.batches import BEGIN_SECONDS
from services.gateway.cropping import operation_of
from services.gateway.ended import all_items
from services.gateway.exports import assignments
from services.gateway.orders import order
from services.gateway.photos import Photo, Sent, begin_job
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
_MEDIUM = "_md.jpg"
"""How the engine ends the names of medium files."""


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
    photos = [
        Photo(each.student_id, StoredPhoto(key=StorageKey(each.key)), str(each.file).encode())
        for each in best
    ]
    asked = order(request, operation_of(False), len(photos), BEGIN_SECONDS, call)
    outputs = StorageKey(f"outputs/{account}/{uuid4()}")
    return await begin_job(
        request,
        Sent(photos, b""),
        asked,
        kind=KIND,
        work=_crops(account, photos, preset, outputs),
        details={
            "operation": asked.operation,
            "icp_type": icp_type,
            "match": str(about["match"]),
        },
        outputs=outputs,
    )


async def package(
    request: web.Request,
    job: Job,
    agency: AgencyId,
    volume: str,
    delimiter: Literal["tab", "comma"],
    names: NameOrder,
) -> AsyncIterator[bytes]:
    """Yield the package of a job's portraits as a ZIP: those of people who are still known."""
    known = await _subjects(request, asking(request), agency)
    entries: list[Entry] = []
    with Zip() as archive:
        async for item in all_items(request, job):
            outcome, person = outcome_of(item) if item.order else None, known.get(item.name)
            if person is None or not isinstance(outcome, Portrait):
                continue
            image = f"{outcome.medium.rpartition('/')[2].removesuffix(_MEDIUM)}.jpg"
            entries.append(Entry(image, person.name, person.class_name))
            stored = archive.add_stored(f"{FOLDER}/{image}", request.app[STORAGE], outcome.medium)
            async with aclosing(stored) as pieces:
                async for piece in pieces:
                    yield piece
        archive.add(INDEX, index(entries, volume, delimiter, names))
    yield archive.take()


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
    account: AccountId, photos: Sequence[Photo], preset: Preset, outputs: StorageKey
) -> list[bytes]:
    images = image_names(photo.filename for photo in photos)
    return [
        msgspec.msgpack.encode(
            CropFace(
                account=account,
                photo=photo.source,
                preset=preset,
                outputs=outputs,
                stem=images[photo.filename],
            )
        )
        for photo in photos
    ]


async def _subjects(request: web.Request, who: Asking, agency: AgencyId) -> Mapping[str, Subject]:
    """Return everybody in an agency, by student_id."""
    known: dict[str, Subject] = {}
    after: str | None = ""
    while after is not None:
        ask = GetSubjects(**who, agency=agency, after=after, limit=_IN_MESSAGE)
        page = await request.app[BUS].request(ask, _ASKING_SECONDS)
        known |= {each.student_id: each for each in page.subjects}
        after = page.next_after
    return known
