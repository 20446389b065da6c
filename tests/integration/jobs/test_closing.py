"""Closing a job: paid for once and told once, wherever whoever closes it is stopped."""

import asyncio
from uuid import uuid4

import pytest
from asyncpg import Record
from nats.js.api import StreamConfig

from kit import events
from kit.bus import Bus
from kit.database import Pool
from kit.streams import declare_stream
from proto.events import STREAM as EVENTS
from proto.ids import AccountId, JobId, StorageKey
from proto.jobs import CancelJob, Failed, FinishItem
from proto.wallet import GetStatement, Reconcile, Refund
from services.jobs.closing import CLOSING
from tests.integration.jobs.book import BROKEN, DONE, Book, balance, held, told


async def ended(book: Book, account: AccountId) -> JobId:
    """A job of three whose items have ended, one of them badly, and that nobody has closed."""
    job = await book.start(account, 3)
    await book.work(account, job, {0: DONE, 1: BROKEN})
    await book.hand_out()
    attempt = await book.take(account, job, 2)
    assert attempt is not None
    replica = Book.of(book.pool, _NoWallet(book.bus), book.storage, book.settings)
    await replica.finish(account, job, 2, attempt)
    assert (await book.job(account, job)).state == "running"
    return job


class _NoWallet(Bus):
    """A connection that is lost whenever something is asked."""

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus.client)

    @property
    def connected(self) -> bool:
        return False


async def closing(pool: Pool, account: AccountId, job: JobId) -> Record:
    row = await pool.fetchrow(CLOSING, account, job)
    assert row is not None
    return row


async def is_closed_once(book: Book, account: AccountId, job: JobId) -> None:
    """Assert that sweeping ends the job of `ended`, and that more sweeping changes nothing."""
    for _ in range(3):
        await book.sweeping.bring_to_an_end()
    shown = await book.job(account, job)
    assert (shown.state, shown.succeeded, shown.failed) == ("completed", 2, 1)
    assert shown.consumed == 4
    assert [event["type"] for event in await told(book.bus, job)] == ["job.completed"]
    assert await balance(book.bus, account) == (9_996, 0)
    (line,) = (await book.bus.request(GetStatement(account=account, kind="charge"))).lines
    assert (line.state, line.consumed, line.refunded) == ("settled", 4, 2)


async def test_the_sweep_closes_what_nobody_closed(book: Book, account: AccountId) -> None:
    job = await ended(book, account)
    assert await balance(book.bus, account) == (9_994, 6)
    await is_closed_once(book, account, job)


async def test_a_job_that_was_settled_and_not_written_down_is_charged_once(
    book: Book, pool: Pool, account: AccountId
) -> None:
    job = await ended(book, account)
    await book.closing._settle(account, await closing(pool, account, job))
    assert await balance(book.bus, account) == (9_996, 0)
    assert (await book.job(account, job)).state == "running"
    await is_closed_once(book, account, job)


async def test_a_job_that_was_written_down_and_not_told_is_told(
    book: Book, pool: Pool, account: AccountId
) -> None:
    job = await ended(book, account)
    row = await closing(pool, account, job)
    await book.closing._write_down(account, job, row, await book.closing._settle(account, row))
    assert await told(book.bus, job) == []
    await is_closed_once(book, account, job)


async def test_a_job_that_was_told_and_not_noted_is_told_under_the_same_id(
    book: Book, pool: Pool, account: AccountId
) -> None:
    job = await ended(book, account)
    await book.closing.close(account, job)
    (first,) = await told(book.bus, job)
    await pool.execute("UPDATE jobs.jobs SET told_at = NULL WHERE id = $1", job)
    await is_closed_once(book, account, job)
    assert await told(book.bus, job) == [first]


async def test_closing_from_many_sides_closes_once(book: Book, account: AccountId) -> None:
    job = await ended(book, account)
    await asyncio.gather(*(book.closing.close(account, job) for _ in range(10)))
    await is_closed_once(book, account, job)


async def test_an_event_that_is_not_kept_is_told_later(book: Book, account: AccountId) -> None:
    job = await ended(book, account)
    jetstream = book.bus.client.jetstream()
    await jetstream.delete_stream(EVENTS)
    refusing = StreamConfig(name=EVENTS, subjects=["nothing.of.the.kind"])
    await jetstream.add_stream(refusing)
    await book.sweeping.bring_to_an_end()
    assert (await book.job(account, job)).state == "completed"

    await jetstream.delete_stream(EVENTS)
    await declare_stream(jetstream, events.EVENTS)
    await is_closed_once(book, account, job)


async def test_a_job_of_which_nothing_succeeded_has_failed_and_costs_nothing(
    book: Book, account: AccountId
) -> None:
    job = await book.start(account, 5)
    other = Failed(code="A_RARE_ONE", message="rare")
    await book.work(account, job, {0: other, 1: BROKEN, 2: BROKEN, 3: other, 4: BROKEN})
    shown = await book.job(account, job)
    assert (shown.state, shown.failed, shown.consumed) == ("failed", 5, 0)
    assert (shown.code, shown.message) == ("BAD_PICTURE", "this is no picture")
    (event,) = await told(book.bus, job)
    assert (event["type"], event["status"], event["code"]) == (
        "job.failed",
        "failed",
        "BAD_PICTURE",
    )
    assert (event["tokens_deducted"], event["tokens_refunded"]) == (10, 10)
    assert await balance(book.bus, account) == (10_000, 0)


async def test_the_code_that_most_items_failed_with_is_told_whatever_they_said(
    book: Book, account: AccountId
) -> None:
    job = await book.start(account, 5)
    same = Failed(code="A_RARE_ONE", message="the same")
    outcomes = {n: Failed(code="NO_FACE", message=f"no face in {n}.jpg") for n in range(3)}
    await book.work(account, job, outcomes | {3: same, 4: same})
    assert (await book.job(account, job)).code == "NO_FACE"


async def test_seven_of_a_hundred_and_twenty_are_given_back_once(
    book: Book, account: AccountId
) -> None:
    job = await book.start(account, 120)
    await book.work(
        account, job, {n: BROKEN if n % 17 == 0 and n < 119 else DONE for n in range(120)}
    )
    shown = await book.job(account, job)
    assert (shown.state, shown.succeeded, shown.failed) == ("completed", 113, 7)
    assert shown.deducted - shown.consumed == 7 * 2
    for _ in range(3):
        await book.closing.close(account, job)
        await book.sweeping.bring_to_an_end()
    assert await balance(book.bus, account) == (10_000 - 113 * 2, 0)
    (line,) = (await book.bus.request(GetStatement(account=account, kind="charge"))).lines
    assert (line.state, line.consumed, line.refunded) == ("settled", 226, 14)
    assert (await book.bus.request(Reconcile())).discrepancies == []


async def test_a_cancelled_job_is_told_as_failed(book: Book, account: AccountId) -> None:
    job = await book.start(account, 2)
    await book.endpoints.cancel(CancelJob(account=account, job=job))
    (event,) = await told(book.bus, job)
    assert (event["type"], event["status"], event["code"]) == (
        "job.failed",
        "cancelled",
        "CANCELLED",
    )


async def test_a_hold_that_somebody_ended_does_not_keep_its_job_open(
    book: Book, account: AccountId
) -> None:
    hold = await held(book.bus, account, 1)
    job = await book.start(account, 1, hold=hold)
    await book.bus.request(Refund(account=account, number=hold.number))
    await book.work(account, job, [0])
    shown = await book.job(account, job)
    assert (shown.state, shown.consumed) == ("completed", 0)


async def test_work_that_costs_nothing_closes_without_a_wallet(
    book: Book, account: AccountId
) -> None:
    job = await book.start(account, 1, paid=False)
    await book.work(account, job, [0])
    shown = await book.job(account, job)
    assert (shown.state, shown.consumed) == ("completed", 0)


async def test_the_inputs_of_a_job_go_when_it_closes_and_its_results_stay(
    book: Book, account: AccountId
) -> None:
    inputs = StorageKey(f"uploads/{account}/{uuid4()}")
    outputs = StorageKey(f"outputs/{account}/{uuid4()}")
    for key in (f"{inputs}/0", f"{inputs}/1", f"{outputs}/0.png"):
        await book.storage.put(StorageKey(key), b"a picture", "image/png")
    job = await book.start(account, 2, inputs=inputs, outputs=outputs)
    await book.work(account, job, [0])
    assert len([key async for key, _ in book.storage.list(StorageKey("uploads"))]) == 2
    await book.work(account, job, [1])
    assert [key async for key, _ in book.storage.list(StorageKey("uploads"))] == []
    assert [key async for key, _ in book.storage.list(StorageKey("outputs"))] == [
        f"{outputs}/0.png"
    ]


@pytest.mark.parametrize("outcome", [DONE, BROKEN])
async def test_what_is_finished_after_the_end_changes_nothing(
    book: Book, account: AccountId, outcome: Failed
) -> None:
    job = await book.start(account, 1)
    await book.work(account, job, [0])
    before = await book.job(account, job)
    late = FinishItem(account=account, job=job, number=0, attempt=uuid4(), outcome=outcome)
    assert not (await book.endpoints.finish_item(late)).counted
    assert await book.job(account, job) == before
