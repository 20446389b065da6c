"""Before a job runs: what may be started, and that nothing is held for what is not."""

import asyncio
from uuid import uuid4

import pytest

from kit.database import Pool
from proto.errors import (
    IdempotencyConflict,
    InvalidRequest,
    NotFound,
    QueueFull,
    ReservationEnded,
    Unavailable,
)
from proto.ids import AccountId, JobId, StorageKey
from proto.jobs import AddItems, CancelJob, NewItem, StartJob
from proto.wallet import Attach
from tests.integration.jobs.book import (
    TOKENS,
    Book,
    account_with,
    balance,
    drafted,
    held,
    item,
    told,
)
from tests.integration.wallet.books import lapse


async def draft_of(book: Book, account: AccountId, total: int, *items: NewItem) -> JobId:
    """A paid draft with just these items."""
    hold = await held(book.bus, account, total)
    asked = drafted(account, total, hold.number)
    await book.endpoints.create(asked)
    await book.endpoints.add_items(AddItems(account=account, job=asked.job, items=list(items)))
    return asked.job


async def all_is_given_back(book: Book, account: AccountId) -> None:
    """Let drafts grow old, and assert that they leave nothing behind."""
    await book.set(draft_seconds=1e-6).sweeping.bring_to_an_end()
    assert await balance(book.bus, account) == (10_000, 0)
    assert await book.pool.fetchval("SELECT count(*) FROM jobs.jobs") == 0


async def test_a_job_without_all_its_items_is_not_started(book: Book, account: AccountId) -> None:
    job = await draft_of(book, account, 3, item(0), item(2))
    with pytest.raises(InvalidRequest):
        await book.endpoints.start(StartJob(account=account, job=job))
    await all_is_given_back(book, account)


@pytest.mark.parametrize(
    "items",
    [
        pytest.param((item(0), item(1), item(2, same_as=1), item(3, same_as=2)), id="of a copy"),
        pytest.param((item(0), item(1), item(2), item(3, same_as=-1)), id="of nothing"),
    ],
)
async def test_a_copy_is_of_an_item_that_is_worked_on(
    book: Book, account: AccountId, items: tuple[NewItem, ...]
) -> None:
    job = await draft_of(book, account, 4, *items)
    with pytest.raises(InvalidRequest):
        await book.endpoints.start(StartJob(account=account, job=job))
    await all_is_given_back(book, account)


@pytest.mark.parametrize("original", [1, 2], ids=["itself", "a later one"])
async def test_a_copy_comes_after_its_original(
    book: Book, account: AccountId, original: int
) -> None:
    with pytest.raises(InvalidRequest):
        await draft_of(book, account, 3, item(0), item(1, same_as=original), item(2))
    await all_is_given_back(book, account)


async def test_there_is_no_item_beyond_the_total(book: Book, account: AccountId) -> None:
    with pytest.raises(InvalidRequest):
        await draft_of(book, account, 2, item(0), item(2))


async def test_a_job_whose_hold_has_lapsed_is_not_started(
    book: Book, pool: Pool, account: AccountId
) -> None:
    hold = await held(book.bus, account, 1)
    job = await book.draft(account, 1, hold=hold)
    await lapse(pool, hold)
    with pytest.raises(ReservationEnded):
        await book.endpoints.start(StartJob(account=account, job=job))
    assert (await book.job(account, job)).state == "draft"
    await all_is_given_back(book, account)


async def test_a_job_that_its_hold_does_not_cover_is_not_started(
    book: Book, account: AccountId
) -> None:
    job = await book.draft(account, 3, hold=await held(book.bus, account, 2))
    with pytest.raises(InvalidRequest):
        await book.endpoints.start(StartJob(account=account, job=job))
    await all_is_given_back(book, account)


async def test_another_accounts_draft_is_not_there(book: Book, account: AccountId) -> None:
    job = await book.draft(account, 1)
    stranger = AccountId(uuid4())
    for refused in (
        book.endpoints.start(StartJob(account=stranger, job=job)),
        book.endpoints.add_items(AddItems(account=stranger, job=job, items=[item(0)])),
        book.endpoints.cancel(CancelJob(account=stranger, job=job)),
    ):
        with pytest.raises(NotFound):
            await refused
    with pytest.raises(IdempotencyConflict):
        await book.endpoints.create(drafted(stranger, 1, job=job))
    assert (await book.job(account, job)).state == "draft"
    assert await balance(book.bus, account) == (9_998, 2)


async def test_a_started_job_takes_no_more_items(book: Book, account: AccountId) -> None:
    job = await book.start(account, 1)
    with pytest.raises(NotFound):
        await book.endpoints.add_items(AddItems(account=account, job=job, items=[item(1)]))


async def test_a_job_started_or_drafted_again_is_answered_as_it_is(
    book: Book, account: AccountId
) -> None:
    job = await book.start(account, 2)
    await book.work(account, job, [0])
    again = await book.endpoints.start(StartJob(account=account, job=job))
    assert (again.state, again.succeeded) == ("running", 1)
    drafted_again = await book.endpoints.create(drafted(account, 5, job=job))
    assert (drafted_again.state, drafted_again.total) == ("running", 2)


async def test_a_draft_that_is_asked_for_again_is_the_same(book: Book, account: AccountId) -> None:
    job = await book.draft(account, 3, paid=False)
    again = await book.endpoints.create(drafted(account, 3, job=job))
    assert (again.id, again.state) == (job, "draft")
    assert len(await book.items(account, job)) == 3


async def test_a_hold_pays_for_one_job(book: Book, account: AccountId) -> None:
    hold = await held(book.bus, account, 2)
    first = await book.draft(account, 2, hold=hold)
    second = await book.draft(account, 2, hold=hold)
    started = await book.endpoints.start(StartJob(account=account, job=first))
    assert started.state == "queued"
    with pytest.raises(IdempotencyConflict):
        await book.endpoints.start(StartJob(account=account, job=second))
    # whoever repeats the call is answered with the job that was started
    found = await book.endpoints.create(drafted(account, 2, hold=hold.number))
    assert (found.id, found.state) == (first, "queued")


async def test_discarding_a_draft_leaves_the_hold_to_the_job_that_has_it(
    book: Book, account: AccountId
) -> None:
    hold = await held(book.bus, account, 2)
    late = await book.draft(account, 2, hold=hold)
    job = await book.draft(account, 2, hold=hold)
    await book.endpoints.start(StartJob(account=account, job=job))
    await book.endpoints.cancel(CancelJob(account=account, job=late))
    await book.work(account, job, [0, 1])
    closed = await book.closed(account, job)
    assert (closed.state, closed.consumed) == ("completed", 2 * TOKENS)


async def test_starting_and_discarding_at_once_end_one_way(
    book: Book, pool: Pool, account: AccountId
) -> None:
    sweeping = book.set(draft_seconds=1e-6).sweeping
    for _ in range(10):
        job = await book.draft(account, 1)
        answer, _ = await asyncio.gather(
            book.endpoints.start(StartJob(account=account, job=job)),
            sweeping.bring_to_an_end(),
            return_exceptions=True,
        )
        await sweeping.bring_to_an_end()
        if isinstance(answer, BaseException):
            assert isinstance(answer, NotFound | ReservationEnded)
            assert await balance(book.bus, account) == (10_000, 0)
        else:
            await book.endpoints.cancel(CancelJob(account=account, job=job))
            await book.endpoints.settled()
            assert (await book.job(account, job)).state == "cancelled"
            assert await balance(book.bus, account) == (10_000, 0)


async def test_a_draft_whose_start_broke_off_is_given_back(book: Book, account: AccountId) -> None:
    hold = await held(book.bus, account, 2)
    job = await book.draft(account, 2, hold=hold)
    await book.bus.request(Attach(account=account, number=hold.number, job=job))
    await book.sweeping.bring_to_an_end()
    assert (await book.job(account, job)).state == "draft"
    await all_is_given_back(book, account)
    assert await told(book.bus, job) == []


async def test_a_draft_that_grew_old_takes_its_inputs_along(book: Book, account: AccountId) -> None:
    inputs = StorageKey(f"uploads/{account}/{uuid4()}")
    await book.storage.put(StorageKey(f"{inputs}/0"), b"a picture", "image/png")
    await book.draft(account, 1, inputs=inputs)
    await all_is_given_back(book, account)
    assert [key async for key, _ in book.storage.list(StorageKey("uploads"))] == []


async def test_a_cancelled_draft_gives_its_hold_back(book: Book, account: AccountId) -> None:
    job = await book.draft(account, 4)
    assert await balance(book.bus, account) == (9_992, 8)
    await book.endpoints.cancel(CancelJob(account=account, job=job))
    assert await balance(book.bus, account) == (10_000, 0)
    with pytest.raises(NotFound):
        await book.job(account, job)
    assert await told(book.bus, job) == []


async def test_work_that_no_engine_does_is_not_drafted(book: Book, account: AccountId) -> None:
    with pytest.raises(Unavailable):
        await book.endpoints.create(drafted(account, 1, kind="sculpt"))


async def test_an_account_has_a_limit_of_open_items(book: Book, account: AccountId) -> None:
    limited = book.set(most_open_items=10)
    first = await limited.start(account, 6)
    await limited.draft(account, 4)
    with pytest.raises(QueueFull):
        await limited.draft(account, 1)
    await limited.start(await account_with(book.bus), 10)

    await limited.work(account, first, [0, 1])
    with pytest.raises(QueueFull):
        await limited.endpoints.create(drafted(account, 3))
    assert (await limited.endpoints.create(drafted(account, 2))).state == "draft"


async def test_a_draft_that_is_asked_for_again_does_not_count_twice(
    book: Book, account: AccountId
) -> None:
    limited = book.set(most_open_items=10)
    asked = drafted(account, 10)
    for _ in range(3):
        assert (await limited.endpoints.create(asked)).total == 10


async def test_an_account_has_a_limit_of_open_jobs(book: Book, account: AccountId) -> None:
    limited = book.set(most_open_jobs=2)
    for _ in range(2):
        await limited.endpoints.create(drafted(account, 1))
    with pytest.raises(QueueFull, match="2 jobs"):
        await limited.endpoints.create(drafted(account, 1))


async def test_drafting_at_once_does_not_pass_the_limit(book: Book, account: AccountId) -> None:
    limited = book.set(most_open_items=10)
    answers = await asyncio.gather(
        *(limited.endpoints.create(drafted(account, 3)) for _ in range(12)), return_exceptions=True
    )
    refused = [answer for answer in answers if isinstance(answer, QueueFull)]
    assert len(refused) == 9
    assert len(answers) - len(refused) == 3
