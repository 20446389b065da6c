"""The life of a job: drafted, started, worked on and paid for, over the bus as it runs."""

import asyncio
from uuid import uuid4

from aiohttp import web

from kit.bus import Bus
from kit.database import Pool
from proto.ids import AccountId, JobId
from proto.jobs import (
    AddItems,
    CancelJob,
    FinishItem,
    GetJob,
    Job,
    Outcome,
    StartJob,
    TakeItem,
    Taken,
)
from proto.wallet import Reconcile
from tests.integration.jobs.book import (
    BROKEN,
    DONE,
    Book,
    balance,
    drafted,
    held,
    item,
    next_ticket,
    started,
    tickets,
    told,
    until,
)


async def work(bus: Bus, outcome: Outcome = DONE) -> int:
    """Do the first item in the queue, as an engine does. Returns its number."""
    ticket = await next_ticket(bus)
    take = TakeItem(account=ticket.account, job=ticket.job, number=ticket.number, attempt=uuid4())
    assert isinstance(await bus.request(take), Taken)
    finish = FinishItem(
        account=take.account,
        job=take.job,
        number=take.number,
        attempt=take.attempt,
        outcome=outcome,
    )
    assert (await bus.request(finish)).counted
    return ticket.number


async def closed(bus: Bus, account: AccountId, job: JobId) -> Job:
    async def has_closed() -> bool:
        return (await bus.request(GetJob(account=account, job=job))).closed

    await until(has_closed)
    return await bus.request(GetJob(account=account, job=job))


async def test_a_job_is_charged_for_what_succeeded(
    service: web.Application, bus: Bus, pool: Pool, account: AccountId
) -> None:
    hold = await held(bus, account, 3)
    asked = drafted(account, 3, hold.number, details={"preset": "passport"})
    draft = await bus.request(asked)
    assert (draft.state, draft.total, draft.details) == ("draft", 3, {"preset": "passport"})
    first = AddItems(account=account, job=asked.job, items=[item(0), item(1)])
    for page in (first, AddItems(account=account, job=asked.job, items=[item(2)]), first):
        await bus.request(page)
    queued = await bus.request(StartJob(account=account, job=asked.job))
    assert queued.state == "queued"
    assert await pool.fetchval(
        "SELECT state = 'held' AND expires_at IS NULL FROM wallet.reservations WHERE number = $1",
        hold.number,
    )
    assert await balance(bus, account) == (9_994, 6)

    assert [await work(bus), await work(bus, BROKEN), await work(bus)] == [0, 1, 2]

    job = await closed(bus, account, asked.job)
    assert (job.state, job.succeeded, job.failed, job.consumed) == ("completed", 2, 1, 4)
    assert await balance(bus, account) == (9_996, 0)
    books = await bus.request(Reconcile())
    assert (books.discrepancies, books.sum_of_all_places) == ([], 0)


async def test_a_job_that_closed_is_told_with_its_price(
    service: web.Application, bus: Bus, account: AccountId
) -> None:
    job = await started(bus, account, 2)
    await work(bus)
    await work(bus, BROKEN)
    shown = await closed(bus, account, job)

    async def has_been_told() -> bool:
        return bool(await told(bus, job))

    await until(has_been_told)
    (event,) = await told(bus, job)
    assert event["type"] == "job.completed"
    assert event["account"] == str(account)
    assert event["wallet_transaction_id"] == shown.transaction_id
    assert [event[name] for name in ("total", "succeeded", "failed", "cancelled")] == [2, 1, 1, 0]
    assert (event["tokens_deducted"], event["tokens_refunded"]) == (4, 2)


async def test_no_item_is_begun_after_a_cancel(
    service: web.Application, bus: Bus, account: AccountId
) -> None:
    job = await started(bus, account, 40)
    await work(bus)
    cancelled = await bus.request(CancelJob(account=account, job=job))
    assert (cancelled.state, cancelled.succeeded, cancelled.cancelled) == ("cancelled", 1, 39)
    assert cancelled.consumed == 2
    assert await balance(bus, account) == (9_998, 0)
    while await tickets(bus):
        ticket = await next_ticket(bus)
        take = TakeItem(account=account, job=job, number=ticket.number, attempt=uuid4())
        assert not isinstance(await bus.request(take), Taken)


async def test_two_replicas_close_a_job_once(
    book: Book, service: web.Application, bus: Bus, account: AccountId
) -> None:
    job = await started(bus, account, 8)
    while (await bus.request(GetJob(account=account, job=job))).ended < 8:
        await asyncio.gather(work(bus), book.closing.close(account, job))
    assert (await closed(bus, account, job)).consumed == 16
    await asyncio.gather(*(book.closing.close(account, job) for _ in range(5)))
    assert len(await told(bus, job)) == 1
    assert await balance(bus, account) == (9_984, 0)
