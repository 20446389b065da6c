"""Whom the cards of a shoot give its photographs to, as the service `qr` sorts them."""

from collections import defaultdict

import msgspec

from kit.bus import Bus
from proto.agencies import FileId
from proto.cardreader import KIND
from proto.errors import InvalidRequest, NotFound
from proto.ids import AccountId, JobId
from proto.jobs import GetJob, Job
from proto.qr import GetSorted, SortedFile, SortOptions

_SECONDS = 30.0
_AT_ONCE = 500

Named = dict[FileId, list[str]]
"""The student_ids that a photograph is given to; none for one that shows a card."""


async def named_by_cards(bus: Bus, account: AccountId, job: JobId) -> Named:
    """Return whom the cards name that a job has read, for each file of an agency's it could read.

    Raises NotFound, InvalidRequest, Unavailable.
    """
    options = _options(await _job(bus, account, job))
    named: Named = defaultdict(list)
    after, more = -1, True
    while more:
        page = await bus.request(
            GetSorted(account=account, job=job, options=options, after=after, limit=_AT_ONCE),
            _SECONDS,
        )
        for file in page.files:
            _note(named, file)
        after, more = page.files[-1].number if page.files else after, page.more
    return named


async def _job(bus: Bus, account: AccountId, job: JobId) -> Job:
    try:
        return await bus.request(GetJob(account=account, job=job))
    except NotFound as error:
        raise NotFound("there is no such job that read cards") from error


def _options(job: Job) -> SortOptions:
    """Return how the shoot was photographed, as whoever began the job told it."""
    if job.kind != KIND:
        raise InvalidRequest("this is no job that reads cards")
    try:
        return msgspec.json.decode(job.details.get("options", ""), type=SortOptions)
    except msgspec.DecodeError as error:
        raise InvalidRequest("this job does not say how the shoot was photographed") from error


def _note(named: Named, file: SortedFile) -> None:
    if file.file_id is None:
        return
    of_file = named[FileId(file.file_id)]
    if file.role != "photo":
        return  # what shows a card is no photograph of anybody
    for person in file.people:
        if person.kind == "subject" and person.student_id not in of_file:
            of_file.append(person.student_id)
