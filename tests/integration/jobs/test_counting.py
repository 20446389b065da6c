"""Items and jobs are counted when they end, by how; and what stands open is read from the book."""

from datetime import timedelta

import pytest

from kit.bus import Bus
from proto.ids import AccountId
from proto.jobs import CancelJob, PutBack
from services.jobs import counting, sweeping
from tests.counted import growing, number
from tests.integration.jobs.book import BROKEN, KIND, Book

ENDED = "darkroom_jobs_items_ended_total"
FAULT = PutBack(seconds=0, counts=True, code="PROCESSING_FAILED", message="a fault")


async def test_items_are_counted_by_how_they_ended(book: Book, account: AccountId) -> None:
    with growing() as grown:
        job = await book.start(account, 4)
        await book.work(account, job, {0: BROKEN, 1: FAULT})
        for _ in range(2):
            await book.work(account, job, {1: FAULT})
        await book.work(account, job, [2])
        await book.endpoints.cancel(CancelJob(account=account, job=job))
        await book.endpoints.settled()
        assert grown(ENDED, kind=KIND, outcome="failed") == 1
        assert grown(ENDED, kind=KIND, outcome="dead") == 1
        assert grown(ENDED, kind=KIND, outcome="succeeded") == 1
        assert grown(ENDED, kind=KIND, outcome="cancelled") == 1
        assert grown("darkroom_jobs_closed_total", kind=KIND, state="cancelled") == 1
        assert grown("darkroom_job_duration_seconds_count", kind=KIND) == 1


async def test_a_job_that_closes_again_is_counted_once(book: Book, account: AccountId) -> None:
    with growing() as grown:
        job = await book.start(account, 1)
        await book.work(account, job, [0])
        await book.closing.close(account, job)
        assert grown("darkroom_jobs_closed_total", kind=KIND, state="completed") == 1


async def test_what_took_too_long_is_overdue(book: Book, account: AccountId) -> None:
    with growing() as grown:
        await book.start(account, 3)
        await book.set(job_hours=0.0000001, keep_days=1.0).sweeping.bring_to_an_end()
        assert grown(ENDED, kind=KIND, outcome="overdue") == 3


async def test_what_stands_open_is_read_from_the_book(book: Book, account: AccountId) -> None:
    def items(state: str) -> float:
        return number("darkroom_jobs_items", kind=KIND, state=state)

    job = await book.start(account, 5, same_as={4: 3})
    await counting.survey(book.pool)
    # a copy is no work of its own
    assert (items("waiting"), items("queued"), items("running")) == (4, 0, 0)
    assert number("darkroom_jobs_open", kind=KIND) == 1
    assert number("darkroom_jobs_oldest_waiting_item_age_seconds", kind=KIND) > 0
    every = {sample.labels["outcome"] for sample in counting.ITEMS_ENDED.collect()[0].samples}
    assert every >= {"succeeded", "failed", "cancelled", "dead", "overdue"}
    await book.set(queue_depth=2).hand_out()
    await book.take(account, job, 0)
    await counting.survey(book.pool)
    assert (items("waiting"), items("queued"), items("running")) == (2, 1, 1)
    await book.endpoints.cancel(CancelJob(account=account, job=job))


async def test_jobs_that_do_not_close_or_are_not_told_grow_old(
    book: Book, account: AccountId
) -> None:
    job = await book.start(account, 1)
    await book.work(account, job, [0])
    old = "UPDATE jobs.jobs SET closed_at = now() - interval '1 hour', told_at = NULL WHERE id = $1"
    await book.pool.execute(old, job)
    await counting.survey(book.pool)
    assert number("darkroom_jobs_untold") == 1
    assert number("darkroom_jobs_oldest_untold_age_seconds") == pytest.approx(3600, abs=60)
    again = "UPDATE jobs.jobs SET state = 'closing', closed_at = NULL WHERE id = $1"
    await book.pool.execute(again, job)
    await book.pool.execute(
        "UPDATE jobs.items SET ended_at = now() - interval '5 minutes' WHERE job_id = $1", job
    )
    await counting.survey(book.pool)
    assert number("darkroom_jobs_closing") == 1
    assert number("darkroom_jobs_untold") == 0
    assert number("darkroom_jobs_oldest_closing_age_seconds") == pytest.approx(300, abs=60)
    await book.closing.close(account, job)
    await counting.survey(book.pool)
    assert number("darkroom_jobs_closing") == 0
    assert number("darkroom_jobs_oldest_closing_age_seconds") == 0


async def test_the_queue_is_told_as_it_stands_and_lost_tickets_are_counted(
    book: Book, account: AccountId, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "_LOST_AFTER", timedelta(0))
    await book.start(account, 3)
    await book.hand_out()
    await book.sweeping.look_for_lost()
    assert number("darkroom_jobs_queue_tickets", kind=KIND, state="waiting") == 3
    with growing() as grown:
        await bus.client.jetstream().purge_stream("WORK")
        await book.sweeping.look_for_lost()
        assert grown("darkroom_jobs_items_recovered_total") == 3
