"""Items and their workers: each ends once, whoever comes back to it."""

import asyncio
from collections import Counter
from uuid import uuid4

import numpy as np
import pytest

from kit.database import Pool
from proto.ids import AccountId, JobId
from proto.jobs import CancelJob, Failed, PutBack, Succeeded
from tests.integration.jobs.book import BROKEN, DONE, Book, balance, kind

AWAY = PutBack(seconds=0, counts=False)
FAULT = PutBack(seconds=0, counts=True, code="PROCESSING_FAILED", message="a fault")


@pytest.fixture
async def job(book: Book, account: AccountId) -> JobId:
    """A job of two items, which have been handed out."""
    job = await book.start(account, 2)
    await book.hand_out()
    return job


async def attempts(pool: Pool, job: JobId, number: int) -> int:
    found: int = await pool.fetchval(
        "SELECT attempts FROM jobs.items WHERE job_id = $1 AND number = $2", job, number
    )
    return found


async def test_taking_again_as_the_same_attempt_counts_once(
    book: Book, pool: Pool, account: AccountId, job: JobId
) -> None:
    attempt = await book.take(account, job, 0)
    assert await book.take(account, job, 0, attempt=attempt) == attempt
    assert await attempts(pool, job, 0) == 1
    assert await book.finish(account, job, 0, attempt)


async def test_an_item_that_is_being_worked_on_is_not_due(
    book: Book, account: AccountId, job: JobId
) -> None:
    attempt = await book.take(account, job, 0)
    assert await book.take(account, job, 0) is None
    assert await book.finish(account, job, 0, attempt)
    assert await book.take(account, job, 0, again=True) is None


async def test_an_item_given_to_another_is_no_longer_the_first_workers(
    book: Book, account: AccountId, job: JobId
) -> None:
    first = await book.take(account, job, 0)
    second = await book.take(account, job, 0, again=True)
    assert not await book.finish(account, job, 0, first, Succeeded(result=b"of the first"))
    assert (await book.job(account, job)).ended == 0
    assert await book.finish(account, job, 0, second, Succeeded(result=b"of the second"))
    shown = await book.job(account, job)
    assert (shown.succeeded, shown.failed) == (1, 0)
    assert (await book.items(account, job))[0].result == b"of the second"


async def test_finishing_again_counts_once(book: Book, account: AccountId, job: JobId) -> None:
    attempt = await book.take(account, job, 0)
    assert await book.finish(account, job, 0, attempt)
    assert not await book.finish(account, job, 0, attempt, BROKEN)
    shown = await book.job(account, job)
    assert (shown.succeeded, shown.failed) == (1, 0)


async def test_finishing_at_once_counts_once(book: Book, account: AccountId, job: JobId) -> None:
    attempt = await book.take(account, job, 0)
    finished = await asyncio.gather(*(book.finish(account, job, 0, attempt) for _ in range(8)))
    assert Counter(finished) == {True: 1, False: 7}
    assert (await book.job(account, job)).ended == 1


async def test_items_finished_at_once_are_all_counted(book: Book, account: AccountId) -> None:
    job = await book.start(account, 30)
    await book.hand_out()
    taken = [await book.take(account, job, number) for number in range(30)]
    outcomes = [BROKEN if number % 3 == 0 else DONE for number in range(30)]
    finished = await asyncio.gather(
        *(
            book.finish(account, job, number, taken[number], outcomes[number])
            for number in range(30)
        )
    )
    assert all(finished)
    shown = await book.job(account, job)
    assert (shown.state, shown.succeeded, shown.failed) == ("completed", 20, 10)
    assert sorted(item.order or 0 for item in await book.items(account, job)) == list(range(1, 31))


async def test_another_account_takes_and_finishes_nothing(
    book: Book, account: AccountId, job: JobId
) -> None:
    stranger = AccountId(uuid4())
    assert await book.take(stranger, job, 0) is None
    attempt = await book.take(account, job, 0)
    assert not await book.finish(stranger, job, 0, attempt)
    assert (await book.job(account, job)).ended == 0


async def test_items_end_in_an_order_of_their_own(book: Book, account: AccountId) -> None:
    job = await book.start(account, 4)
    await book.work(account, job, {2: DONE, 0: BROKEN, 3: DONE, 1: DONE})
    assert [item.order for item in await book.items(account, job)] == [2, 4, 1, 3]


async def test_what_had_been_begun_ends_after_a_cancel(
    book: Book, account: AccountId, job: JobId
) -> None:
    attempt = await book.take(account, job, 0)
    cancelled = await book.endpoints.cancel(CancelJob(account=account, job=job))
    assert (cancelled.state, cancelled.cancelled) == ("running", 1)
    assert await book.states(account, job) == ["running", "cancelled"]
    assert await book.take(account, job, 1) is None

    assert await book.finish(account, job, 0, attempt)

    shown = await book.job(account, job)
    assert (shown.state, shown.code, shown.consumed) == ("cancelled", "CANCELLED", 2)
    assert (shown.succeeded, shown.cancelled) == (1, 1)
    assert await balance(book.bus, account) == (9_998, 0)


@pytest.mark.parametrize("outcome", ["away", "fault"])
async def test_what_is_put_back_after_a_cancel_is_cancelled(
    book: Book, account: AccountId, job: JobId, outcome: str
) -> None:
    await book.hand_out()
    attempt = await book.take(account, job, 0)
    await book.endpoints.cancel(CancelJob(account=account, job=job))
    put_back = AWAY if outcome == "away" else FAULT
    assert await book.finish(account, job, 0, attempt, put_back)
    closed = await book.closed(account, job)
    assert (closed.state, closed.cancelled, closed.consumed) == ("cancelled", 2, 0)


async def test_what_a_lost_worker_held_after_a_cancel_is_cancelled_by_the_sweep(
    book: Book, pool: Pool, account: AccountId, job: JobId
) -> None:
    await book.hand_out()
    await book.take(account, job, 0)
    await book.endpoints.cancel(CancelJob(account=account, job=job))
    await pool.execute(
        "UPDATE jobs.items SET state = 'waiting', attempt = NULL "
        "WHERE job_id = $1 AND state = 'running'",
        job,
    )
    await book.sweeping.bring_to_an_end()
    closed = await book.closed(account, job)
    assert (closed.state, closed.cancelled, closed.consumed) == ("cancelled", 2, 0)


async def test_cancelling_again_changes_nothing(book: Book, account: AccountId, job: JobId) -> None:
    cancel = CancelJob(account=account, job=job)
    first = await book.endpoints.cancel(cancel)
    assert (first.state, first.cancelled, first.consumed) == ("cancelled", 2, 0)
    assert await book.endpoints.cancel(cancel) == first
    assert await balance(book.bus, account) == (10_000, 0)


async def test_a_job_that_has_closed_cannot_be_cancelled(
    book: Book, account: AccountId, job: JobId
) -> None:
    await book.work(account, job, [0, 1])
    before = await book.job(account, job)
    assert before.state == "completed"
    assert await book.endpoints.cancel(CancelJob(account=account, job=job)) == before
    assert await balance(book.bus, account) == (9_996, 0)


async def test_taking_and_cancelling_at_once_end_every_item_once(
    book: Book, account: AccountId
) -> None:
    for _ in range(5):
        job = await book.start(account, 12)
        await book.hand_out()
        cancel = CancelJob(account=account, job=job)
        cancelling = asyncio.create_task(book.endpoints.cancel(cancel))
        taken = await asyncio.gather(*(book.take(account, job, number) for number in range(12)))
        begun = [number for number, attempt in enumerate(taken) if attempt is not None]
        for number in begun:
            assert await book.finish(account, job, number, taken[number])
        await cancelling
        await book.endpoints.settled()
        shown = await book.job(account, job)
        assert (shown.succeeded, shown.cancelled) == (len(begun), 12 - len(begun))
        assert shown.closed
        assert shown.consumed == 2 * len(begun)


async def test_copies_end_with_their_original_and_are_charged(
    book: Book, account: AccountId
) -> None:
    job = await book.start(account, 6, same_as={1: 0, 4: 0, 3: 2})
    assert await book.hand_out() == 3
    first = await book.take(account, job, 0)
    await book.finish(account, job, 0, first, Succeeded(result=b"one face", measures={"s": 4.0}))
    assert (await book.job(account, job)).succeeded == 3
    second = await book.take(account, job, 2)
    await book.finish(account, job, 2, second, BROKEN)
    third = await book.take(account, job, 5)
    await book.finish(account, job, 5, third)

    shown = await book.job(account, job)
    assert (shown.succeeded, shown.failed, shown.consumed) == (4, 2, 8)
    items = await book.items(account, job)
    assert [item.result for item in items] == [b"one face"] * 2 + [None] * 2 + [
        b"one face",
        b"done",
    ]
    assert [item.code for item in items] == ["", "", "BAD_PICTURE", "BAD_PICTURE", "", ""]
    assert [item.order for item in items] == [1, 2, 4, 5, 3, 6]
    assert shown.measures["s"].count == 1
    assert await balance(book.bus, account) == (9_992, 0)


async def test_copies_are_cancelled_with_an_original_that_was_not_begun(
    book: Book, account: AccountId
) -> None:
    job = await book.start(account, 4, same_as={1: 0, 3: 2})
    await book.hand_out()
    attempt = await book.take(account, job, 0)
    await book.endpoints.cancel(CancelJob(account=account, job=job))
    assert await book.states(account, job) == ["running", "waiting", "cancelled", "cancelled"]
    await book.finish(account, job, 0, attempt)
    shown = await book.job(account, job)
    assert (shown.succeeded, shown.cancelled, shown.consumed) == (2, 2, 4)


async def test_an_item_whose_workers_die_fails_after_its_attempts(
    book: Book, account: AccountId, job: JobId
) -> None:
    for _ in range(3):
        assert await book.take(account, job, 0, again=True)
    assert await book.take(account, job, 0, again=True) is None
    await book.work(account, job, [1])
    poisoned, other = await book.items(account, job)
    assert (poisoned.state, poisoned.code) == ("failed", "PROCESSING_FAILED")
    assert other.state == "succeeded"
    assert (await book.job(account, job)).consumed == 2
    assert await balance(book.bus, account) == (9_998, 0)


async def test_an_item_that_breaks_is_tried_until_its_last_attempt(
    book: Book, account: AccountId, job: JobId
) -> None:
    for tried in range(1, 4):
        await book.hand_out()
        attempt = await book.take(account, job, 0)
        assert await book.finish(account, job, 0, attempt, FAULT)
        (state, _) = await book.states(account, job)
        assert state == ("waiting" if tried < 3 else "failed")
    (broken, _) = await book.items(account, job)
    assert (broken.code, broken.message) == ("PROCESSING_FAILED", "a fault")


async def test_models_that_are_away_use_up_no_attempts(
    book: Book, pool: Pool, account: AccountId, job: JobId
) -> None:
    for _ in range(7):
        await book.hand_out()
        attempt = await book.take(account, job, 0)
        assert await book.finish(account, job, 0, attempt, AWAY)
    assert await attempts(pool, job, 0) == 0
    await book.work(account, job, [0])


async def test_models_that_are_away_for_too_long_fail_the_item(
    book: Book, account: AccountId, job: JobId
) -> None:
    impatient = book.set(patience_seconds=1e-6)
    attempt = await impatient.take(account, job, 0)
    assert await impatient.finish(account, job, 0, attempt, AWAY)
    (item, _) = await book.items(account, job)
    assert (item.state, item.code) == ("failed", "ENGINE_UNAVAILABLE")


async def test_an_item_put_back_waits_as_long_as_was_said(
    book: Book, pool: Pool, account: AccountId, job: JobId
) -> None:
    attempt = await book.take(account, job, 0)
    await book.finish(account, job, 0, attempt, PutBack(seconds=600, counts=False))
    assert await book.hand_out() == 0
    await pool.execute("UPDATE jobs.items SET not_before = now() WHERE job_id = $1", job)
    assert await book.hand_out() == 1


async def test_an_item_put_back_is_no_longer_the_workers(
    book: Book, account: AccountId, job: JobId
) -> None:
    attempt = await book.take(account, job, 0)
    assert await book.finish(account, job, 0, attempt, AWAY)
    assert not await book.finish(account, job, 0, attempt, AWAY)
    assert not await book.finish(account, job, 0, attempt)
    assert (await book.job(account, job)).ended == 0


async def test_a_kind_says_how_often_it_tries(book: Book, account: AccountId) -> None:
    await book.endpoints.register_kind(kind(attempts=1))
    job = await book.start(account, 1)
    await book.hand_out()
    attempt = await book.take(account, job, 0)
    await book.finish(account, job, 0, attempt, FAULT)
    assert (await book.job(account, job)).state == "failed"


async def test_measures_are_told_as_mean_and_deviation(book: Book, account: AccountId) -> None:
    random = np.random.default_rng(7)
    values = random.normal(1e6, 3.0, 40)
    job = await book.start(account, 42, paid=False)
    outcomes = {
        number: Succeeded(result=b"", measures={"sharpness": float(value)})
        for number, value in enumerate(values)
    }
    await book.work(account, job, outcomes | {40: BROKEN, 41: DONE})
    (told,) = (await book.job(account, job)).measures.values()
    assert told.count == 40
    assert told.mean == pytest.approx(np.mean(values), rel=1e-12)
    assert told.deviation == pytest.approx(np.std(values), rel=1e-6)


async def test_a_measure_that_is_no_number_spoils_nothing(
    book: Book, account: AccountId, job: JobId
) -> None:
    wrong = Succeeded(result=b"", measures={"a": float("nan"), "b": float("inf"), "c": 1.0})
    await book.work(account, job, {0: wrong, 1: Succeeded(result=b"", measures={"a": 5.0})})
    shown = await book.job(account, job)
    assert {name: told.mean for name, told in shown.measures.items()} == {"a": 5.0, "c": 1.0}


async def test_a_failure_says_what_its_worker_said(
    book: Book, account: AccountId, job: JobId
) -> None:
    await book.work(account, job, {0: Failed(code="NO_FACE", message="no face – nowhere")})
    (item, _) = await book.items(account, job)
    assert (item.code, item.message, item.result) == ("NO_FACE", "no face – nowhere", None)
