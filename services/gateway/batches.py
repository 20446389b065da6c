"""Beginning a job: hold the tokens, write the items into the job book, let the work begin.

Whatever goes wrong on the way is undone: the draft is discarded and the tokens go back. If this
process dies in between, the hold lapses or the job book discards the draft by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

from aiohttp import web

from proto.accounts import Caller
from proto.ids import JobId, StorageKey
from proto.jobs import MOST_ADDED, AddItems, CreateJob, Job, NewItem, StartJob
from proto.wallet import Reservation
from services.gateway.billing import Order
from services.gateway.resources import BILLING, BUS

BEGIN_SECONDS = 120.0
"""How long it may take until a job with thousands of items has begun."""

_MOST_BYTES = 500_000
"""Of work in one message."""
_JOBS = UUID("0a5d3c4e-7a40-4c8e-9d6c-2f9a5b1c7e61")
"""Names jobs by their holds: an attempt that is repeated under the same hold is the same job."""


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


@dataclass(frozen=True, slots=True)
class Begun:
    """A job, and whether it is this request that began it."""

    job: Job
    anew: bool
    """If not, an earlier attempt of the same call did, with inputs of its own."""


async def begin(app: web.Application, caller: Caller, order: Order, batch: Batch) -> Begun:
    """Begin a job. Raises InsufficientTokens, SpendCapReached, QueueFull, Unavailable."""
    hold = await app[BILLING].hold(caller, order)
    job = JobId(uuid5(_JOBS, f"{caller.account}:{hold.number}"))
    try:
        return await _begin(app, caller, order, batch, hold, job)
    except BaseException:
        await app[BILLING].give_up(hold, caller.account, job)
        raise


async def _begin(
    app: web.Application,
    caller: Caller,
    order: Order,
    batch: Batch,
    hold: Reservation,
    job: JobId,
) -> Begun:
    bus = app[BUS]
    draft = await bus.request(
        CreateJob(
            account=caller.account,
            job=job,
            kind=batch.kind,
            hold=hold.number,
            unit_tokens=order.unit_price,
            total=len(batch.items),
            details=batch.details,
            inputs=batch.inputs,
            outputs=batch.outputs,
        )
    )
    if draft.state != "draft":
        return Begun(draft, anew=False)
    for items in _pages(batch.items):
        await bus.request(AddItems(account=caller.account, job=job, items=items))
    started = await bus.request(StartJob(account=caller.account, job=job), 15.0)
    return Begun(started, anew=True)


def _pages(items: Sequence[NewItem]) -> list[list[NewItem]]:
    """Cut items into lists that fit into messages."""
    pages: list[list[NewItem]] = []
    size = _MOST_BYTES
    for item in items:
        # a name takes up to four bytes a letter, an item's own fields some more
        weight = len(item.work) + len(item.name.encode()) + 50
        if size + weight > _MOST_BYTES or len(pages[-1]) == MOST_ADDED:
            pages.append([])
            size = 0
        pages[-1].append(item)
        size += weight
    return pages
