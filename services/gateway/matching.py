"""Match jobs: draft a match, begin the job that carries it out, and drop the draft if that fails.

A match and its job are made under an id that this attempt chooses, so that whatever happens to one
of them, the other can be found: matching answers the same match to another attempt of the same
call, and forgets one whose job never began.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import msgspec
from aiohttp import web

from kit.bus import Bus
from proto.accounts.calling import Caller
from proto.agencies import AgencyId, FileId, MatchId, Mode, ShootId
from proto.errors import Refusal, Unavailable
from proto.ids import JobId, StorageKey
from proto.jobs import GetJob, Job, NewItem
from proto.matching.agencies import GetAgency
from proto.matching.matches import (
    MATCH_KIND,
    DropMatch,
    GetMatchFiles,
    Match,
    MatchFile,
    MatchOptions,
    PrepareMatch,
    Threshold,
)
from services.gateway.batches import BEGIN_SECONDS, Batch, PerhapsBegun, begin
from services.gateway.identity import ACCOUNT, CALLER
from services.gateway.orders import order
from services.gateway.resources import BUS
from services.gateway.whose import OfMatch, asking

OPERATION = "face_match"
"""As the price book names it."""

_PREPARING_SECONDS = 60.0
"""Cards are read page by page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be matched, and how."""

    agency: AgencyId
    shoot: ShootId | None
    files: Sequence[FileId] | None
    """Either these or all of the shoot."""
    threshold: Threshold
    options: MatchOptions


@dataclass(frozen=True, slots=True)
class MatchBegun:
    """A match, and the job that carries it out."""

    match: MatchId
    job: Job


async def begin_match(request: web.Request, wish: Wish, call: UUID | None) -> MatchBegun:
    """Begin a match, or find the one that an earlier attempt of the same call has begun.

    Raises what PrepareMatch refuses, InsufficientTokens, SpendCapReached, QueueFull, Unavailable.
    """
    bus, account = request.app[BUS], request[ACCOUNT]
    agency = await bus.request(GetAgency(**asking(request), agency=wish.agency))
    job = JobId(uuid4())
    match = await bus.request(
        PrepareMatch(
            **asking(request),
            agency=wish.agency,
            shoot=wish.shoot,
            files=None if wish.files is None else list(wish.files),
            threshold=wish.threshold,
            options=wish.options,
            job=job,
            call=call,
        ),
        _PREPARING_SECONDS,
    )
    if match.job not in (None, job):
        return MatchBegun(match.id, await bus.request(GetJob(account=account, job=match.job)))
    about: OfMatch = {**asking(request), "match": match.id}
    try:
        return await _begin(request, about, match, agency.mode, job, call)
    except PerhapsBegun as error:
        # the next attempt of the same call finds it; without one, a match whose job is not there
        # is forgotten by itself
        raise Unavailable(str(error)) from error
    except BaseException:
        await _drop(bus, about, job)
        raise


async def _begin(
    request: web.Request, about: OfMatch, match: Match, mode: Mode, job: JobId, call: UUID | None
) -> MatchBegun:
    """Begin the job of a match that was drafted."""
    caller: Caller = request[CALLER]
    items = await _items(request.app[BUS], about)
    batch = Batch(
        kind=MATCH_KIND,
        items=items,
        details={"operation": OPERATION, "match": str(match.id), "agency": str(match.agency)},
        outputs=StorageKey(f"outputs/{caller.account}/{uuid4()}"),
        job=job,
    )
    asked = order(request, OPERATION, len(items), BEGIN_SECONDS, call)
    # cards were paid for when they were read
    begun = await begin(
        request.app, caller, replace(asked, unit_price=0) if mode == "cards" else asked, batch
    )
    if begun.job.id != job:
        # an earlier attempt of the same call began one under the same hold
        await _drop(request.app[BUS], about, job)
    return MatchBegun(MatchId(int(begun.job.details["match"])), begun.job)


async def _items(bus: Bus, about: OfMatch) -> list[NewItem]:
    """Return the photographs of a match as the items of its job."""
    items: list[NewItem] = []
    after: int | None = 0
    while after is not None:
        page = await bus.request(GetMatchFiles(**about, after=after))
        for file, filename in page.files:
            work = MatchFile(account=about["account"], match=about["match"], file=file)
            items.append(
                NewItem(number=len(items), name=filename, work=msgspec.msgpack.encode(work))
            )
        after = page.next_after
    return items


async def _drop(bus: Bus, about: OfMatch, job: JobId) -> None:
    """Forget that a job was to carry out a match; what is not told, matching finds out itself."""
    with suppress(Refusal):
        await bus.request(DropMatch(**about, job=job))
