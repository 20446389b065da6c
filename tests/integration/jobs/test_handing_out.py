"""What goes into the work queue: a few at a time, in turn by account and by job, nothing lost."""

import asyncio
from uuid import uuid4

import msgspec
import pytest
from nats.js.errors import NotFoundError

from proto.errors import Unavailable
from proto.ids import AccountId, JobId
from proto.jobs import STREAM, CancelJob, Ticket
from services.jobs import kinds
from tests.integration.jobs.book import (
    KIND,
    Book,
    kind,
    next_ticket,
    tickets,
)

DEPTH = 16


@pytest.fixture
def shallow(book: Book) -> Book:
    """A replica whose queue is as deep as it comes."""
    return book.set(queue_depth=DEPTH)


async def done_in_order(book: Book, count: int) -> list[JobId]:
    """Finish so many items one after the other, in the order of the queue. Returns their jobs."""
    order = []
    for _ in range(count):
        await book.hand_out()
        ticket = await next_ticket(book.bus)
        attempt = await book.take(ticket.account, ticket.job, ticket.number)
        await book.hand_out()
        await book.finish(ticket.account, ticket.job, ticket.number, attempt)
        order.append(ticket.job)
    return order


def places(order: list[JobId], job: JobId) -> list[int]:
    """The places in the order, from 1, that the items of a job came to."""
    return [place for place, each in enumerate(order, 1) if each == job]


async def test_the_queue_is_kept_short(shallow: Book, account: AccountId) -> None:
    await shallow.start(account, 40, paid=False)
    assert [await shallow.hand_out() for _ in range(3)] == [DEPTH, 0, 0]
    assert await tickets(shallow.bus) == DEPTH
    ticket = await next_ticket(shallow.bus)
    await shallow.take(account, ticket.job, ticket.number)
    assert [await shallow.hand_out() for _ in range(2)] == [1, 0]


async def test_items_are_done_in_their_order(shallow: Book, account: AccountId) -> None:
    job = await shallow.start(account, 30, paid=False)
    await done_in_order(shallow, 30)
    items = await shallow.items(account, job)
    assert [item.order for item in items] == list(range(1, 31))


async def test_a_newcomer_waits_behind_the_queue_and_not_behind_a_batch(
    shallow: Book, account: AccountId
) -> None:
    large = await shallow.start(account, 2_000, paid=False)
    await shallow.hand_out()
    small = await shallow.start(AccountId(uuid4()), 5, paid=False)
    order = await done_in_order(shallow, 65)
    assert places(order, small) == [17, 18, 19, 20, 21]
    assert places(order, large)[59] == 65


async def test_an_account_gains_nothing_by_many_jobs(shallow: Book, account: AccountId) -> None:
    many = [await shallow.start(account, 50, paid=False) for _ in range(10)]
    one = await shallow.start(AccountId(uuid4()), 50, paid=False)
    order = await done_in_order(shallow, 80)
    assert 36 <= len(places(order, one)) <= 44
    assert all(len(places(order, job)) >= 2 for job in many)


async def test_two_jobs_of_one_account_take_turns(shallow: Book, account: AccountId) -> None:
    first = await shallow.start(account, 60, paid=False)
    await shallow.start(account, 60, paid=False)
    order = await done_in_order(shallow, 80)
    for start in range(80 - DEPTH):
        assert 6 <= len(places(order[start : start + DEPTH], first)) <= 10


async def test_nobody_waits_for_ever_when_more_are_busy_than_the_queue_is_deep(
    shallow: Book,
) -> None:
    jobs = [await shallow.start(AccountId(uuid4()), 40, paid=False) for _ in range(DEPTH + 8)]
    order = await done_in_order(shallow, 10 * len(jobs))
    assert all(len(places(order, job)) >= 4 for job in jobs)


async def test_a_second_job_of_an_account_does_not_wait_for_the_first(
    shallow: Book, account: AccountId
) -> None:
    await shallow.start(account, 500, paid=False)
    await shallow.hand_out()
    second = await shallow.start(account, 5, paid=False)
    order = await done_in_order(shallow, 40)
    assert places(order, second) == [17, 18, 19, 20, 21]


async def test_kinds_have_queues_of_their_own(shallow: Book, account: AccountId) -> None:
    await shallow.endpoints.register_kind(kind("frame"))
    await shallow.start(account, 100, paid=False)
    await shallow.start(account, 20, paid=False, kind="frame")
    assert await shallow.hand_out() == DEPTH
    assert await shallow.hand_out("frame") == DEPTH
    assert (await tickets(shallow.bus), await tickets(shallow.bus, "frame")) == (DEPTH, DEPTH)


async def test_two_replicas_hand_no_item_out_twice(shallow: Book, account: AccountId) -> None:
    job = await shallow.start(account, 100, paid=False)
    other = Book.of(shallow.pool, shallow.bus, shallow.storage, shallow.settings)
    seen: list[int] = []
    while len(seen) < 100:
        await asyncio.gather(*(each.hand_out() for each in (shallow, other) * 3))
        assert await tickets(shallow.bus) <= DEPTH
        while await tickets(shallow.bus):
            ticket = await next_ticket(shallow.bus)
            await shallow.take(account, job, ticket.number)
            seen.append(ticket.number)
    assert sorted(seen) == list(range(100))


async def test_handing_out_and_cancelling_at_once_leave_nothing_open(
    shallow: Book, account: AccountId
) -> None:
    for _ in range(10):
        job = await shallow.start(account, 40, paid=False)
        cancel = CancelJob(account=account, job=job)
        await asyncio.gather(shallow.hand_out(), shallow.endpoints.cancel(cancel))
        shown = await shallow.job(account, job)
        assert (shown.state, shown.cancelled) == ("cancelled", 40)


async def test_the_queue_carries_nothing_but_where_to_look(
    shallow: Book, account: AccountId
) -> None:
    job = await shallow.start(account, 1, paid=False)
    await shallow.hand_out()
    message = await shallow.bus.client.jetstream().get_last_msg(STREAM, f"work.{KIND}")
    ticket = msgspec.msgpack.decode(message.data or b"", type=Ticket)
    assert ticket == Ticket(account=account, job=job, number=0)


async def test_what_a_full_queue_does_not_take_stays_in_the_book(
    shallow: Book, account: AccountId, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shallow.bus.client.jetstream().delete_stream(STREAM)
    monkeypatch.setattr(kinds, "GONE_SECONDS", 0.0)
    monkeypatch.setattr(kinds, "WORK", kinds.WORK.evolve(max_msgs=3))
    await shallow.endpoints.register_kind(kind())
    job = await shallow.start(account, 10)
    await shallow.hand_out()
    assert await tickets(shallow.bus) == 3
    states = await shallow.states(account, job)
    assert (states.count("queued"), states.count("waiting")) == (3, 7)

    while any(state in ("queued", "waiting") for state in await shallow.states(account, job)):
        await done_in_order(shallow, 1)

    shown = await shallow.job(account, job)
    assert (shown.state, shown.succeeded, shown.consumed) == ("completed", 10, 20)


async def test_a_queue_that_is_gone_is_made_again(
    shallow: Book, account: AccountId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds, "GONE_SECONDS", 0.0)
    await shallow.bus.client.jetstream().delete_stream(STREAM)
    job = await shallow.start(account, 3)
    await shallow.hand_out()
    assert await shallow.states(account, job) == ["waiting"] * 3
    await done_in_order(shallow, 3)
    assert (await shallow.job(account, job)).state == "completed"


async def test_a_queue_that_was_there_a_moment_ago_is_not_made_again_at_once(
    shallow: Book, account: AccountId
) -> None:
    job = await shallow.start(account, 3)
    jetstream = shallow.bus.client.jetstream()
    await jetstream.delete_stream(STREAM)
    for _ in range(2):
        with pytest.raises(Unavailable, match="in a moment"):
            await shallow.endpoints.register_kind(kind())
    with pytest.raises(NotFoundError):
        await jetstream.stream_info(STREAM)
    await asyncio.sleep(kinds.GONE_SECONDS)
    await shallow.endpoints.register_kind(kind())
    await shallow.hand_out()
    assert await shallow.states(account, job) == ["queued"] * 3
