"""What is lost, late or left behind comes to its end, once."""

import os
import time
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import web
from nats.js import JetStreamContext

from kit.bus import Bus
from kit.database import Pool
from kit.storage import Storage
from proto.errors import NotFound
from proto.ids import AccountId, StorageKey
from proto.jobs import STREAM
from services.jobs import kinds, sweeping
from tests.integration.jobs.book import (
    BROKEN,
    DONE,
    KIND,
    Book,
    balance,
    kind,
    tickets,
    told,
    until,
)

DAYS = 86_400.0


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever could be lost or overdue is taken for it at once."""
    monkeypatch.setattr(sweeping, "_LOST_AFTER", timedelta())
    monkeypatch.setattr(sweeping, "_GRACE_SECONDS", 0.0)
    monkeypatch.setattr(kinds, "GONE_SECONDS", 0.0)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("loss", ["purged", "deleted", "without its consumer"])
async def test_items_whose_tickets_are_lost_are_handed_out_again(
    book: Book, account: AccountId, loss: str
) -> None:
    job = await book.start(account, 6)
    await book.hand_out()
    await book.work(account, job, [0, 1])
    jetstream = book.bus.client.jetstream()
    if loss == "purged":
        await jetstream.purge_stream(STREAM)
    elif loss == "deleted":
        await jetstream.delete_stream(STREAM)
    else:
        await jetstream.purge_stream(STREAM)
        await jetstream.delete_consumer(STREAM, KIND)
    assert await book.states(account, job) == ["succeeded"] * 2 + ["queued"] * 4
    assert await book.sweeping.look_for_lost() == 4
    assert await book.states(account, job) == ["succeeded"] * 2 + ["waiting"] * 4

    assert await book.hand_out() == 4
    assert await tickets(book.bus) == 4
    await book.work(account, job, [2, 3, 4, 5])
    assert (await book.job(account, job)).consumed == 12
    assert await balance(book.bus, account) == (9_988, 0)


@pytest.mark.usefixtures("at_once")
async def test_a_queue_that_is_ahead_of_its_stream_is_made_anew(
    book: Book, account: AccountId, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As nats-server may leave it when a stream is removed and made again at once.

    It does so once in many times, so here the stream only seems to be a new one.
    """
    job = await book.start(account, 6)
    await book.hand_out()
    await book.work(account, job, [0, 1])
    jetstream = book.bus.client.jetstream()
    before = await jetstream.consumer_info(STREAM, KIND)
    await jetstream.purge_stream(STREAM)

    async def of_a_new_stream(_: JetStreamContext) -> int:
        return 0

    with monkeypatch.context() as patch:
        patch.setattr(sweeping, "_last_of", of_a_new_stream)
        assert await book.sweeping.look_for_lost() == 4
    assert (await jetstream.consumer_info(STREAM, KIND)).created != before.created
    assert await book.hand_out() == 4
    await book.work(account, job, [2, 3, 4, 5])
    assert (await book.job(account, job)).consumed == 12


@pytest.mark.usefixtures("at_once")
async def test_tickets_that_lie_in_the_queue_are_not_lost(book: Book, account: AccountId) -> None:
    await book.start(account, 6)
    await book.hand_out()
    assert await book.sweeping.look_for_lost() == 0


async def test_a_ticket_is_given_time_to_come_up(book: Book, account: AccountId) -> None:
    await book.start(account, 1)
    await book.hand_out()
    await book.bus.client.jetstream().purge_stream(STREAM)
    assert await book.sweeping.look_for_lost() == 0


async def test_a_ticket_that_comes_up_twice_is_worked_on_once(
    book: Book, pool: Pool, account: AccountId
) -> None:
    job = await book.start(account, 1)
    await book.hand_out()
    await pool.execute("UPDATE jobs.items SET state = 'waiting' WHERE job_id = $1", job)
    await book.hand_out()
    assert await tickets(book.bus) == 2
    assert await book.take(account, job, 0)
    assert await book.take(account, job, 0) is None


@pytest.mark.usefixtures("at_once")
async def test_an_item_whose_worker_takes_too_long_goes_to_another(
    book: Book, account: AccountId
) -> None:
    await book.endpoints.register_kind(kind(seconds=1e-6))
    job = await book.start(account, 1)
    await book.hand_out()
    first = await book.take(account, job, 0)
    assert await book.sweeping.look_for_lost() == 1
    await book.hand_out()
    second = await book.take(account, job, 0)
    assert second is not None
    assert not await book.finish(account, job, 0, first)
    assert await book.finish(account, job, 0, second)
    assert (await book.job(account, job)).consumed == 2


async def test_an_item_that_is_being_worked_on_is_left_alone(
    book: Book, account: AccountId
) -> None:
    job = await book.start(account, 1)
    await book.hand_out()
    attempt = await book.take(account, job, 0)
    assert await book.sweeping.look_for_lost() == 0
    assert await book.finish(account, job, 0, attempt)


async def test_what_is_left_of_an_old_job_fails_and_is_given_back(
    book: Book, account: AccountId
) -> None:
    job = await book.start(account, 5, same_as={4: 3})
    await book.hand_out()
    begun = await book.take(account, job, 1)
    await book.work(account, job, {0: DONE})
    old = book.set(job_hours=1e-9)
    await old.sweeping.bring_to_an_end()
    states = ["succeeded", "running", "failed", "failed", "failed"]
    assert await book.states(account, job) == states
    assert not (await book.job(account, job)).closed

    await book.finish(account, job, 1, begun, BROKEN)

    assert {item.code for item in await book.items(account, job)} == {
        "",
        "BAD_PICTURE",
        "TIMED_OUT",
    }
    shown = await book.job(account, job)
    assert (shown.state, shown.succeeded, shown.failed, shown.consumed) == ("completed", 1, 4, 2)
    assert await balance(book.bus, account) == (9_998, 0)


async def test_an_old_job_of_which_nothing_was_done_fails(book: Book, account: AccountId) -> None:
    job = await book.start(account, 3)
    old = book.set(job_hours=1e-9)
    await old.sweeping.bring_to_an_end()
    shown = await book.job(account, job)
    assert (shown.state, shown.code) == ("failed", "TIMED_OUT")
    assert await balance(book.bus, account) == (10_000, 0)
    assert [event["type"] for event in await told(book.bus, job)] == ["job.failed"]


async def test_a_job_that_is_not_old_goes_on(book: Book, account: AccountId) -> None:
    job = await book.start(account, 1)
    draft = await book.draft(account, 1)
    await book.sweeping.bring_to_an_end()
    assert (await book.job(account, job)).state == "queued"
    assert (await book.job(account, draft)).state == "draft"


async def test_a_job_that_cannot_be_ended_does_not_keep_the_others(
    book: Book, pool: Pool, account: AccountId
) -> None:
    wrong, right = await book.start(account, 1), await book.start(account, 1)
    # more than was held: the wallet refuses that
    await pool.execute("UPDATE jobs.jobs SET unit_tokens = 100 WHERE id = $1", wrong)
    await book.work(account, wrong, [0])
    await book.work(account, right, [0])
    await book.sweeping.bring_to_an_end()
    assert not (await book.job(account, wrong)).closed
    assert (await book.job(account, right)).closed
    await pool.execute("UPDATE jobs.jobs SET unit_tokens = 2 WHERE id = $1", wrong)
    await book.sweeping.bring_to_an_end()
    assert (await book.job(account, wrong)).consumed == 2


async def keys(storage: Storage, folder: str) -> list[str]:
    return sorted([key async for key, _ in storage.list(StorageKey(folder))])


async def put(storage: Storage, *keys: str) -> None:
    for key in keys:
        await storage.put(StorageKey(key), b"a picture", "image/png")


def grow_old(root: Path) -> None:
    """Let everything in storage have been written a year ago."""
    then = time.time() - 365 * DAYS
    for path in root.rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


async def test_old_uploads_go_but_those_of_jobs_that_are_open(
    book: Book, account: AccountId, tmp_path: Path
) -> None:
    of_a_job, of_a_draft, left = (f"uploads/{account}/{uuid4()}" for _ in range(3))
    await put(book.storage, f"{of_a_job}/0", f"{of_a_draft}/0", f"{left}/0", f"{left}/1")
    job = await book.start(account, 1, inputs=StorageKey(of_a_job))
    await book.draft(account, 1, inputs=StorageKey(of_a_draft))
    grow_old(tmp_path)
    young = f"uploads/{account}/{uuid4()}/0"
    await put(book.storage, young)
    await book.sweeping.clear_storage()
    assert await keys(book.storage, "uploads") == sorted(
        [f"{of_a_job}/0", f"{of_a_draft}/0", young]
    )
    await book.work(account, job, [0])
    assert await keys(book.storage, "uploads") == sorted([f"{of_a_draft}/0", young])


async def test_an_upload_that_is_still_growing_stays_whole(
    book: Book, account: AccountId, tmp_path: Path
) -> None:
    folder = f"uploads/{account}/{uuid4()}"
    await put(book.storage, f"{folder}/0")
    grow_old(tmp_path)
    await put(book.storage, f"{folder}/1")
    await book.sweeping.clear_storage()
    assert await keys(book.storage, folder) == [f"{folder}/0", f"{folder}/1"]


async def test_results_go_with_their_job_when_their_time_is_over(
    book: Book, pool: Pool, account: AccountId
) -> None:
    outputs = StorageKey(f"outputs/{account}/{uuid4()}")
    await put(book.storage, f"{outputs}/0.png")
    job = await book.start(account, 1, outputs=outputs)
    open_job = await book.start(account, 1)
    await book.work(account, job, [0])
    await book.sweeping.clear_storage()
    assert await keys(book.storage, "outputs") == [f"{outputs}/0.png"]
    assert (await book.job(account, job)).closed

    await pool.execute("UPDATE jobs.jobs SET closed_at = closed_at - interval '31 days'")
    await book.sweeping.clear_storage()

    assert await keys(book.storage, "outputs") == []
    with pytest.raises(NotFound):
        await book.job(account, job)
    assert await pool.fetchval("SELECT count(*) FROM jobs.items WHERE job_id = $1", job) == 0
    assert (await book.job(account, open_job)).state == "queued"


async def test_a_job_that_was_not_told_is_kept_until_it_is(
    book: Book, pool: Pool, account: AccountId
) -> None:
    job = await book.start(account, 1)
    await book.work(account, job, [0])
    await pool.execute(
        "UPDATE jobs.jobs SET closed_at = closed_at - interval '31 days', told_at = NULL"
    )
    await book.sweeping.clear_storage()
    assert (await book.job(account, job)).closed


async def test_a_job_is_kept_for_as_long_as_it_may_have_to_be_told_again(
    book: Book, pool: Pool, account: AccountId
) -> None:
    short = book.set(job_hours=1.0, keep_days=1.0)
    job = await short.start(account, 1)
    await short.work(account, job, [0])
    for days, there in ((2, 1), (4, 0)):
        await pool.execute(
            "UPDATE jobs.jobs SET closed_at = now() - $1::interval", timedelta(days=days)
        )
        await short.sweeping.clear_storage()
        assert await pool.fetchval("SELECT count(*) FROM jobs.jobs WHERE id = $1", job) == there


async def test_finished_files_of_no_job_go_when_their_time_is_over(
    book: Book, account: AccountId, tmp_path: Path
) -> None:
    old, young = (f"outputs/{account}/{uuid4()}/0.png" for _ in range(2))
    await put(book.storage, old)
    grow_old(tmp_path)
    await put(book.storage, young)
    await book.sweeping.clear_storage()
    assert await keys(book.storage, "outputs") == [young]


@pytest.mark.usefixtures("at_once")
async def test_a_queue_lost_while_the_service_runs_is_filled_again(
    service: web.Application, book: Book, bus: Bus, account: AccountId
) -> None:
    job = await book.start(account, 4)

    async def all_lie_there() -> bool:
        return await tickets(bus) == 4

    await until(all_lie_there)
    await bus.client.jetstream().delete_stream(STREAM)
    await until(all_lie_there)
    assert await book.states(account, job) == ["queued"] * 4
