"""Beginning a job: hold the tokens, write the items into the job book, let the work begin.

Whatever goes wrong on the way is undone: the draft is discarded and the tokens go back. If this
process dies in between, the hold lapses or the job book discards the draft by itself. Each attempt
drafts a job of its own; attempts of one call under an idempotency key share a hold, which pays for
one job: the job book answers with the one that was started under it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import uuid4

from aiohttp import web

from kit.bus import Bus
from proto.accounts.calling import Caller
from proto.errors import IdempotencyConflict, Internal, ReservationEnded, Unavailable
from proto.ids import JobId, StorageKey
from proto.jobs import MOST_ADDED, AddItems, CreateJob, Job, NewItem, StartJob
from proto.wallet import Reservation
from services.gateway.billing import Order
from services.gateway.paging import parts
from services.gateway.resources import BILLING, BUS

BEGIN_SECONDS = 120.0
"""How long it may take until a job with thousands of items has begun."""

_MOST_BYTES = 500_000
"""Of work in one message."""
_START_SECONDS = 20.0
_PAUSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What is to be done."""

    kind: str
    items: Sequence[NewItem]
    details: dict[str, str]
    """What to show of it again."""
    outputs: StorageKey
    """The folder of the results."""
    inputs: StorageKey | None = None
    """A folder that the job needs, and that is removed when it closes."""
    hand_over: Callable[[], Awaitable[None]] | None = None
    """What is still to be done for the work to be possible, once the tokens are held."""
    job: JobId | None = None
    """Its id, where somebody has to know it before; one that nobody has used."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A job, and whether it is this request that began it."""

    job: Job
    anew: bool
    """If not, an earlier attempt of the same call did, with inputs of its own."""


class PerhapsBegun(Exception):
    """Nobody said whether the job has begun; it may need its inputs."""


async def begin(app: web.Application, caller: Caller, order: Order, batch: Batch) -> Begun:
    """Begin a job, or find the one that an earlier attempt of the same call has begun.

    What costs nothing has no hold, by which an earlier attempt could be found: it begins again.
    Raises InsufficientTokens, SpendCapReached, QueueFull, Unavailable, PerhapsBegun.
    """
    hold = await app[BILLING].hold(caller, order) if order.tokens else None
    job = batch.job or JobId(uuid4())
    try:
        if batch.hand_over is not None:
            await batch.hand_over()
        return await _begin(app[BUS], caller, order, batch, hold, job)
    except PerhapsBegun:
        # the next attempt of the same call will find it; for one that cannot be repeated, undo it
        if order.call is None:
            await app[BILLING].give_up(hold, caller.account, job)
        raise
    except BaseException:
        await app[BILLING].give_up(hold, caller.account, job)
        raise


async def _begin(
    bus: Bus, caller: Caller, order: Order, batch: Batch, hold: Reservation | None, job: JobId
) -> Begun:
    draft = await bus.request(
        CreateJob(
            account=caller.account,
            job=job,
            kind=batch.kind,
            hold=hold.number if hold is not None else 0,
            unit_tokens=order.unit_price,
            total=sum(item.units for item in batch.items),
            details=batch.details,
            inputs=batch.inputs,
            outputs=batch.outputs,
        )
    )
    if draft.id != job:
        return Begun(draft, anew=False)
    for items in _pages(batch.items):
        await bus.request(AddItems(account=caller.account, job=job, items=items))
    return Begun(await _start(bus, StartJob(account=caller.account, job=job)), anew=True)


async def _start(bus: Bus, start: StartJob) -> Job:
    """Start a job, asking again while nobody says whether it has started.

    Raises PerhapsBegun when nobody says, Unavailable when another attempt has the hold.
    """
    give_up = asyncio.get_running_loop().time() + _START_SECONDS
    while True:
        try:
            return await bus.request(start, _START_SECONDS)
        except (ReservationEnded, IdempotencyConflict) as error:
            raise Unavailable(f"another attempt of this call is ahead: {error}") from error
        except (Unavailable, Internal) as error:
            if asyncio.get_running_loop().time() > give_up:
                raise PerhapsBegun("nobody says whether the job has begun") from error
            await asyncio.sleep(_PAUSE_SECONDS)


def _pages(items: Sequence[NewItem]) -> list[list[NewItem]]:
    """Cut items into lists that fit into messages."""
    # a name takes up to four bytes a letter, an item's own fields some more
    return parts(
        items,
        lambda item: len(item.work) + len(item.name.encode()) + 50,
        most=MOST_ADDED,
        most_bytes=_MOST_BYTES,
    )
