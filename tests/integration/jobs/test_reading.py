"""Looking into the book: page by page, and never into another account's."""

import asyncio
from uuid import uuid4

import msgspec
import pytest
from aiohttp import web

from kit.bus import Bus
from proto.errors import NotFound
from proto.ids import AccountId, JobId
from proto.jobs import (
    CancelJob,
    Failed,
    GetEnded,
    GetItems,
    GetJob,
    GetJobs,
    Item,
    JobState,
    Succeeded,
    progress_subject,
)
from tests.integration.jobs.book import BROKEN, DONE, Book, kind

MOST_BYTES_OF_A_MESSAGE = 1024 * 1024


async def listed(book: Book, account: AccountId, **asked: object) -> list[JobId]:
    request = msgspec.structs.replace(GetJobs(account=account), **asked)
    return [job.id for job in (await book.endpoints.jobs(request)).jobs]


async def test_jobs_are_listed_page_by_page_newest_first(book: Book, account: AccountId) -> None:
    made = [await book.start(account, 1, paid=False) for _ in range(5)]
    await book.draft(account, 1, paid=False)
    await book.start(AccountId(uuid4()), 1, paid=False)
    seen: list[list[JobId]] = []
    before = None
    for _ in range(3):
        page = await book.endpoints.jobs(GetJobs(account=account, limit=2, before=before))
        seen.append([job.id for job in page.jobs])
        before = page.next_before
    assert seen == [[made[4], made[3]], [made[2], made[1]], [made[0]]]
    assert before is None


async def test_a_last_page_that_is_full_names_no_next_one(book: Book, account: AccountId) -> None:
    for _ in range(2):
        await book.start(account, 1, paid=False)
    page = await book.endpoints.jobs(GetJobs(account=account, limit=2))
    assert (len(page.jobs), page.next_before) == (2, None)


async def test_jobs_are_listed_by_state(book: Book, account: AccountId) -> None:
    jobs = {}
    for state in ("queued", "running", "completed", "failed", "cancelled"):
        jobs[state] = await book.start(account, 2, paid=False)
    await book.work(account, jobs["running"], [0])
    await book.work(account, jobs["completed"], {0: DONE, 1: BROKEN})
    await book.work(account, jobs["failed"], {0: BROKEN, 1: BROKEN})
    await book.endpoints.cancel(CancelJob(account=account, job=jobs["cancelled"]))
    await book.draft(account, 1, paid=False)
    states: list[JobState] = ["draft", "queued", "running", "completed", "failed", "cancelled"]
    found = {state: await listed(book, account, state=state) for state in states}
    assert found == {"draft": []} | {state: [job] for state, job in jobs.items()}
    assert len(await listed(book, account)) == 5


async def test_a_job_that_is_closing_is_shown_as_running(book: Book, account: AccountId) -> None:
    job = await book.start(account, 1, paid=False)
    await book.pool.execute(
        "UPDATE jobs.jobs SET state = 'closing', succeeded = 1 WHERE id = $1", job
    )
    assert await listed(book, account, state="running") == [job]
    shown = await book.job(account, job)
    assert (shown.state, shown.closed) == ("running", False)


async def test_another_accounts_jobs_are_not_there(book: Book, account: AccountId) -> None:
    job = await book.start(account, 2, paid=False)
    await book.work(account, job, [0])
    stranger = AccountId(uuid4())
    assert await listed(book, stranger) == []
    for asked in (
        book.endpoints.job(GetJob(account=stranger, job=job)),
        book.endpoints.items(GetItems(account=stranger, job=job)),
        book.endpoints.ended_items(GetEnded(account=stranger, job=job)),
        book.endpoints.cancel(CancelJob(account=stranger, job=job)),
    ):
        with pytest.raises(NotFound):
            await asked
    assert (await book.job(account, job)).ended == 1


async def test_items_are_shown_page_by_page(book: Book, account: AccountId) -> None:
    job = await book.start(account, 7, paid=False)
    await book.work(account, job, {4: DONE, 1: BROKEN})
    pages = [
        await book.endpoints.items(GetItems(account=account, job=job, after=after, limit=3))
        for after in (-1, 2, 5, 6)
    ]
    numbers = [[item.number for item in page.items] for page in pages]
    assert numbers == [[0, 1, 2], [3, 4, 5], [6], []]
    assert [page.more for page in pages] == [True, True, False, False]
    (_, broken, _), (_, done, _) = pages[0].items, pages[1].items
    assert broken == Item(
        number=1,
        name="1.jpg",
        state="failed",
        order=2,
        code="BAD_PICTURE",
        message="this is no picture",
    )
    assert done == Item(number=4, name="4.jpg", state="succeeded", order=1, result=b"done")


async def test_items_that_have_ended_are_shown_in_that_order(
    book: Book, account: AccountId
) -> None:
    job = await book.start(account, 5, paid=False)
    first = await book.endpoints.ended_items(GetEnded(account=account, job=job))
    assert (first.items, first.more) == ([], False)
    await book.work(account, job, {3: DONE, 0: BROKEN, 4: DONE})
    page = await book.endpoints.ended_items(GetEnded(account=account, job=job, limit=2))
    assert [item.number for item in page.items] == [3, 0]
    assert page.more
    rest = await book.endpoints.ended_items(GetEnded(account=account, job=job, after=2))
    assert [(item.number, item.order) for item in rest.items] == [(4, 3)]
    assert not rest.more


@pytest.mark.parametrize(
    "outcome",
    [
        Succeeded(result=bytes(16_384)),
        Failed(code="BAD_PICTURE", message="\N{CRYING FACE}" * 1_000),
    ],
    ids=["results", "messages"],
)
async def test_a_page_ends_early_where_it_would_not_fit_into_a_message(
    book: Book,
    service: web.Application,
    bus: Bus,
    account: AccountId,
    outcome: Succeeded | Failed,
) -> None:
    job = await book.start(account, 300, paid=False)
    await book.pool.execute(
        "UPDATE jobs.items SET state = $2, result = $3, code = $4, message = $5, "
        "ended = number + 1 WHERE job_id = $1",
        job,
        "succeeded" if isinstance(outcome, Succeeded) else "failed",
        outcome.result if isinstance(outcome, Succeeded) else None,
        *(("", "") if isinstance(outcome, Succeeded) else (outcome.code, outcome.message)),
    )
    seen: list[int] = []
    more = True
    while more:
        after = seen[-1] if seen else -1
        page = await bus.request(GetItems(account=account, job=job, after=after, limit=500))
        assert len(msgspec.msgpack.encode(page)) < MOST_BYTES_OF_A_MESSAGE
        assert page.items
        seen += [item.number for item in page.items]
        more = page.more
    assert seen == list(range(300))


async def test_who_listens_hears_of_every_step(book: Book, account: AccountId) -> None:
    job = await book.start(account, 2, paid=False)
    heard = await book.bus.client.subscribe(progress_subject(job))
    await book.work(account, job, [0, 1])
    # one for each item, and one when the job has closed
    for _ in range(3):
        await heard.next_msg(5)
    await heard.unsubscribe()
    assert (await book.job(account, job)).closed


async def test_the_same_kind_registered_at_once_is_one_kind(book: Book) -> None:
    await asyncio.gather(*(book.endpoints.register_kind(kind("frame")) for _ in range(6)))
    assert await book.pool.fetchval("SELECT count(*) FROM jobs.kinds") == 2
