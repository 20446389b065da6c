"""The log of attempts, and telling once more what somebody asks for."""

from datetime import timedelta
from uuid import uuid4

import pytest

from kit.database import Pool
from kit.fetching import Fetcher
from proto.errors import InvalidRequest, NotFound
from proto.ids import AccountId
from proto.webhooks import Endpoint, Resend, UpdateEndpoint
from services.webhooks import deliveries
from services.webhooks.claims import Claims
from services.webhooks.registry import Registry
from services.webhooks.sending import LEASE, PER_ENDPOINT, Sender
from tests.integration.webhooks.moving import (
    REFUSED,
    TAKEN,
    VAULT,
    ended,
    grow_old,
    note,
    sending,
    the_one,
)
from tests.integration.webhooks.receiving import PATIENT, Receiver, until


async def test_every_attempt_is_written_down(
    pool: Pool, account: AccountId, endpoint: Endpoint, receiver: Receiver, fetcher: Fetcher
) -> None:
    receiver.statuses = [500, 302]
    await note(pool, account, endpoint)
    async with sending(Sender(pool, fetcher, VAULT)):
        for attempts in (1, 2, 3):

            async def made(attempts: int = attempts) -> bool:
                delivery = await the_one(pool, account, endpoint)
                return len(delivery.attempts_log) == attempts

            await until(made)
            await pool.execute(
                "UPDATE webhooks.deliveries SET next_attempt = now() WHERE state = 'pending'"
            )
    log = (await the_one(pool, account, endpoint)).attempts_log
    assert [(each.number, each.status, each.error) for each in log] == [
        (1, 500, "BAD_STATUS"),
        (2, 302, "REDIRECTED"),
        (3, 200, None),
    ]
    assert all(0 <= each.milliseconds < PATIENT * 1000 for each in log)
    assert log[0].began_at < log[1].began_at < log[2].began_at


async def test_an_attempt_whose_lease_had_lapsed_is_written_down_beside_the_one_that_counts(
    pool: Pool, account: AccountId, endpoint: Endpoint
) -> None:
    claims = Claims(pool, PER_ENDPOINT, LEASE)
    await note(pool, account, endpoint)
    (first,) = await claims.take(10)
    await pool.execute("UPDATE webhooks.deliveries SET leased_until = now()")
    (second,) = await claims.take(10)
    await claims.delivered(second, TAKEN)
    await claims.failed(first, REFUSED, None)
    delivery = await the_one(pool, account, endpoint)
    assert (delivery.state, delivery.last_status) == ("delivered", 200)
    assert [each.status for each in delivery.attempts_log] == [500, 200]


async def test_of_many_attempts_the_last_fifty_are_kept(
    pool: Pool, account: AccountId, endpoint: Endpoint
) -> None:
    claims = Claims(pool, PER_ENDPOINT, LEASE)
    await note(pool, account, endpoint)
    for _ in range(53):
        (claim,) = await claims.take(10)
        await claims.failed(claim, REFUSED, timedelta())
    delivery = await the_one(pool, account, endpoint)
    assert [each.number for each in delivery.attempts_log] == list(range(4, 54))


async def test_attempts_go_with_their_delivery(
    pool: Pool, account: AccountId, endpoint: Endpoint, fetcher: Fetcher
) -> None:
    await note(pool, account, endpoint)
    async with sending(Sender(pool, fetcher, VAULT)):
        (delivery,) = await ended(pool, account, endpoint)
    await grow_old(pool, delivery.event, timedelta(days=30))
    assert await pool.fetchval("SELECT count(*) FROM webhooks.attempts") == 1
    assert await deliveries.remove_old(pool) == 1
    assert await pool.fetchval("SELECT count(*) FROM webhooks.attempts") == 0


async def test_an_attempt_at_what_was_deleted_meanwhile_leaves_nothing(
    pool: Pool, account: AccountId, endpoint: Endpoint
) -> None:
    claims = Claims(pool, PER_ENDPOINT, LEASE)
    await note(pool, account, endpoint, count=2)
    one, two = await claims.take(10)
    await pool.execute("DELETE FROM webhooks.endpoints WHERE id = $1", endpoint.id)
    await claims.delivered(one, TAKEN)
    await claims.failed(two, REFUSED, timedelta(seconds=5))
    assert await pool.fetchval("SELECT count(*) FROM webhooks.attempts") == 0


@pytest.mark.parametrize("status", [200, 500])
async def test_what_has_ended_is_told_again_when_somebody_asks(
    pool: Pool,
    account: AccountId,
    endpoint: Endpoint,
    receiver: Receiver,
    fetcher: Fetcher,
    status: int,
) -> None:
    receiver.statuses = [status]
    await note(pool, account, endpoint)
    await pool.execute("UPDATE webhooks.deliveries SET created_at = now() - interval '2 days'")
    sender = Sender(pool, fetcher, VAULT)
    async with sending(sender):
        (before,) = await ended(pool, account, endpoint)
        ask = Resend(account=account, endpoint=endpoint.id, event=before.event)
        again = await deliveries.resend(pool, ask)
        sender.wake()
        assert (again.event, again.state, again.ended_at) == (before.event, "pending", None)
        assert [each.status for each in again.attempts_log] == [status]
        (after,) = await ended(pool, account, endpoint)
    assert (after.state, after.attempts) == ("delivered", 2)
    assert [each.status for each in after.attempts_log] == [status, 200]
    first, second = receiver.told
    assert (first.id, first.body) == (second.id, second.body)


async def test_what_waits_for_a_retry_is_told_at_once_when_somebody_asks(
    pool: Pool, account: AccountId, endpoint: Endpoint
) -> None:
    claims = Claims(pool, PER_ENDPOINT, LEASE)
    await note(pool, account, endpoint)
    (claim,) = await claims.take(10)
    await claims.failed(claim, REFUSED, timedelta(hours=6))
    assert await claims.take(10) == []
    await deliveries.resend(pool, Resend(account=account, endpoint=endpoint.id, event=claim.event))
    (again,) = await claims.take(10)
    assert (again.number, again.attempts) == (claim.number, 2)


@pytest.mark.parametrize("wait", [None, timedelta(hours=6)], ids=["the last", "one of many"])
async def test_what_somebody_asks_for_during_an_attempt_that_fails_is_told_at_once_after_it(
    pool: Pool, account: AccountId, endpoint: Endpoint, wait: timedelta | None
) -> None:
    claims = Claims(pool, PER_ENDPOINT, LEASE)
    await note(pool, account, endpoint)
    (claim,) = await claims.take(10)
    await deliveries.resend(pool, Resend(account=account, endpoint=endpoint.id, event=claim.event))
    assert await claims.take(10) == []
    await claims.failed(claim, REFUSED, wait)
    (again,) = await claims.take(10)
    assert (again.number, again.attempts) == (claim.number, 2)
    await claims.failed(again, REFUSED, wait)
    assert await claims.take(10) == []
    assert (await the_one(pool, account, endpoint)).state == ("pending" if wait else "failed")


async def test_a_resend_that_fails_days_later_is_given_up_at_once(
    pool: Pool, account: AccountId, endpoint: Endpoint, receiver: Receiver, fetcher: Fetcher
) -> None:
    receiver.statuses = [500, 500]
    await note(pool, account, endpoint)
    await pool.execute("UPDATE webhooks.deliveries SET created_at = now() - interval '2 days'")
    async with sending(Sender(pool, fetcher, VAULT)):
        (before,) = await ended(pool, account, endpoint)
        ask = Resend(account=account, endpoint=endpoint.id, event=before.event)
        await deliveries.resend(pool, ask)
        (after,) = await ended(pool, account, endpoint)
    assert (after.state, after.attempts) == ("failed", 2)


async def test_what_was_never_told_or_to_a_disabled_endpoint_is_not_told_again(
    pool: Pool, account: AccountId, registry: Registry, endpoint: Endpoint
) -> None:
    await note(pool, account, endpoint)
    event = (await the_one(pool, account, endpoint)).event
    stranger = AccountId(uuid4())
    for asked in (
        Resend(account=account, endpoint=endpoint.id, event=uuid4()),
        Resend(account=stranger, endpoint=endpoint.id, event=event),
    ):
        with pytest.raises(NotFound):
            await deliveries.resend(pool, asked)
    await registry.update(UpdateEndpoint(account=account, endpoint=endpoint.id, enabled=False))
    with pytest.raises(InvalidRequest, match="disabled"):
        await deliveries.resend(pool, Resend(account=account, endpoint=endpoint.id, event=event))
    assert (await the_one(pool, account, endpoint)).state == "failed"
