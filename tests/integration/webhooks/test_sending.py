"""Senders over one database, against a receiver that listens here: crashes, replicas, giving up."""

import asyncio
import base64
from datetime import timedelta

import pytest

from kit.database import Pool
from kit.fetching import Fetcher
from kit.sealing import Vault
from proto.ids import AccountId
from proto.webhooks import CreateEndpoint, Endpoint, NewEndpoint, UpdateEndpoint
from services.webhooks import deliveries
from services.webhooks.claims import Claims, Outcome
from services.webhooks.registry import Registry
from services.webhooks.sending import LEASE, PER_ENDPOINT, Sender
from tests.integration.webhooks.moving import (
    REFUSED,
    TAKEN,
    VAULT,
    attempted_once,
    ended,
    grow_old,
    note,
    sending,
    shown,
    the_one,
)
from tests.integration.webhooks.receiving import Receiver


async def test_an_attempt_that_dies_in_the_middle_is_made_again(
    pool: Pool, account: AccountId, endpoint: Endpoint, receiver: Receiver, fetcher: Fetcher
) -> None:
    receiver.open.clear()
    await note(pool, account, endpoint)
    dying = asyncio.create_task(Sender(pool, fetcher, VAULT).run())
    await receiver.wait_for(1)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    receiver.open.set()

    left = await the_one(pool, account, endpoint)
    assert (left.state, left.attempts, left.last_status) == ("pending", 1, None)
    assert await Claims(pool, PER_ENDPOINT, LEASE).take(10) == []
    await pool.execute("UPDATE webhooks.deliveries SET leased_until = now()")
    async with sending(Sender(pool, fetcher, VAULT)):
        (delivery,) = await ended(pool, account, endpoint)
    assert (delivery.state, delivery.attempts, delivery.last_status) == ("delivered", 2, 200)
    first, second = receiver.told
    assert (first.id, first.body) == (second.id, second.body)


async def test_a_sender_that_stops_finishes_what_is_under_way(
    pool: Pool, account: AccountId, endpoint: Endpoint, receiver: Receiver, fetcher: Fetcher
) -> None:
    receiver.open.clear()
    await note(pool, account, endpoint)
    sender = Sender(pool, fetcher, VAULT)
    task = asyncio.create_task(sender.run())
    await receiver.wait_for(1)
    sender.stop()
    await note(pool, account, endpoint)
    receiver.open.set()
    await task
    states = [delivery.state for delivery in await shown(pool, account, endpoint)]
    assert states == ["pending", "delivered"]
    assert len(receiver.told) == 1


async def test_many_senders_attempt_each_delivery_once(
    pool: Pool, account: AccountId, registry: Registry, receiver: Receiver, fetcher: Fetcher
) -> None:
    endpoints = []
    for number in range(4):
        asked = CreateEndpoint(account=account, url=receiver.url_of(f"hook/{number}"))
        endpoints.append((await registry.create(asked)).endpoint)
        await note(pool, account, endpoints[-1], count=25)
    senders = [Sender(pool, fetcher, VAULT, at_once=8) for _ in range(3)]
    async with sending(senders[0]), sending(senders[1]), sending(senders[2]):
        for endpoint in endpoints:
            await ended(pool, account, endpoint)
    assert len(receiver.told) == len({told.id for told in receiver.told}) == 100


async def test_a_slow_endpoint_has_few_under_way_and_holds_up_no_other(
    pool: Pool, account: AccountId, registry: Registry, receiver: Receiver, fetcher: Fetcher
) -> None:
    slow, quick = [
        (await registry.create(CreateEndpoint(account=account, url=receiver.url_of(path)))).endpoint
        for path in ("slow", "quick")
    ]
    receiver.open.clear()
    await note(pool, account, slow, count=30)
    senders = [Sender(pool, fetcher, VAULT, at_once=8) for _ in range(4)]
    async with sending(senders[0]), sending(senders[1]), sending(senders[2]), sending(senders[3]):
        await receiver.wait_for(PER_ENDPOINT)
        await note(pool, account, quick, count=30)
        await ended(pool, account, quick)
        assert [told.path for told in receiver.told].count("/slow") == PER_ENDPOINT
        receiver.most_under_way = 0
        receiver.open.set()
        await ended(pool, account, slow)
    assert receiver.most_under_way <= PER_ENDPOINT


async def test_an_endpoint_with_some_under_way_has_room_for_the_rest(
    pool: Pool, account: AccountId, endpoint: Endpoint
) -> None:
    claims = Claims(pool, 3, LEASE)
    taken = []
    for count in (1, 10, 0):
        await note(pool, account, endpoint, count)
        taken.append(await claims.take(10))
    assert [len(claimed) for claimed in taken] == [1, 2, 0]
    await claims.delivered(taken[1][0], TAKEN)
    assert [claim.attempts for claim in await claims.take(10)] == [1]


async def test_a_failure_that_comes_after_the_lease_does_not_end_a_later_attempt(
    pool: Pool, account: AccountId, endpoint: Endpoint
) -> None:
    claims = Claims(pool, PER_ENDPOINT, LEASE)
    await note(pool, account, endpoint)
    (first,) = await claims.take(10)
    await pool.execute("UPDATE webhooks.deliveries SET leased_until = now()")
    (second,) = await claims.take(10)
    assert (first.attempts, second.attempts) == (1, 2)
    await claims.failed(first, REFUSED, None)
    assert (await the_one(pool, account, endpoint)).state == "pending"
    assert await claims.take(10) == []
    await claims.delivered(first, TAKEN)
    await claims.failed(second, REFUSED, None)
    assert (await the_one(pool, account, endpoint)).state == "delivered"


async def test_what_failed_for_the_tenth_time_within_a_day_is_told_again(
    pool: Pool, account: AccountId, endpoint: Endpoint, receiver: Receiver, fetcher: Fetcher
) -> None:
    receiver.statuses = [503]
    await note(pool, account, endpoint)
    await pool.execute("UPDATE webhooks.deliveries SET attempts = 9")
    async with sending(Sender(pool, fetcher, VAULT)):
        delivery = await attempted_once(pool, account, endpoint)
    assert (delivery.state, delivery.attempts) == ("pending", 10)
    assert (delivery.last_status, delivery.last_error) == (503, "BAD_STATUS")
    assert delivery.next_attempt is not None
    assert timedelta(hours=4) < delivery.next_attempt - delivery.created_at < timedelta(hours=7)


async def test_what_fails_a_day_later_is_given_up(
    pool: Pool, account: AccountId, endpoint: Endpoint, receiver: Receiver, fetcher: Fetcher
) -> None:
    receiver.statuses = [500]
    await note(pool, account, endpoint)
    await pool.execute("UPDATE webhooks.deliveries SET created_at = now() - interval '24 hours'")
    async with sending(Sender(pool, fetcher, VAULT)):
        (delivery,) = await ended(pool, account, endpoint)
    assert (delivery.state, delivery.attempts) == ("failed", 1)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://inside.example/",
    ],
)
async def test_an_address_is_checked_at_every_attempt(
    pool: Pool, account: AccountId, registry: Registry, receiver: Receiver, url: str
) -> None:
    # as if the name had led elsewhere when the endpoint was made
    created = await registry.create(CreateEndpoint(account=account, url=url))

    async def resolve(_: str) -> list[str]:
        return ["10.0.0.1"]

    await note(pool, account, created.endpoint)
    async with (
        Fetcher([receiver.origin], resolve=resolve) as fetcher,
        sending(Sender(pool, fetcher, VAULT)),
    ):
        delivery = await attempted_once(pool, account, created.endpoint)
    assert (delivery.state, delivery.last_error) == ("pending", "URL_NOT_ALLOWED")
    assert delivery.last_status is None


async def test_a_receiver_that_never_answers_has_not_taken_it(
    pool: Pool, account: AccountId, endpoint: Endpoint, receiver: Receiver
) -> None:
    receiver.open.clear()
    await note(pool, account, endpoint)
    async with (
        Fetcher([receiver.origin], seconds=0.3) as fetcher,
        sending(Sender(pool, fetcher, VAULT)),
    ):
        delivery = await attempted_once(pool, account, endpoint)
    assert (delivery.state, delivery.last_error) == ("pending", "URL_TOO_SLOW")


async def test_without_the_key_nothing_is_sent_unsigned(
    pool: Pool, account: AccountId, endpoint: Endpoint, receiver: Receiver, fetcher: Fetcher
) -> None:
    await note(pool, account, endpoint)
    async with sending(Sender(pool, fetcher, Vault([], "tests"))):
        delivery = await attempted_once(pool, account, endpoint)
    assert (delivery.state, delivery.last_error) == ("pending", "SECRET_UNREADABLE")
    assert receiver.told == []


async def test_a_receiver_that_is_gone_ends_all_that_waits_for_it(
    pool: Pool,
    account: AccountId,
    registry: Registry,
    endpoint: Endpoint,
    receiver: Receiver,
    fetcher: Fetcher,
) -> None:
    receiver.statuses = [410]
    await note(pool, account, endpoint, count=5)
    async with sending(Sender(pool, fetcher, VAULT, at_once=1)):
        told = await ended(pool, account, endpoint)
        assert [each.state for each in told] == ["failed"] * 5
        assert [each.last_error for each in told].count("GONE") == 1
        assert [each.last_error for each in told].count("ENDPOINT_DISABLED") == 4
        assert len(receiver.told) == 1
        (disabled,) = (await registry.all(account)).endpoints
        assert not disabled.enabled
        assert disabled.gone_at is not None
        enabled = await registry.update(
            UpdateEndpoint(account=account, endpoint=endpoint.id, enabled=True)
        )
        assert (enabled.enabled, enabled.gone_at) == (True, None)
        await note(pool, account, endpoint)
        assert (await ended(pool, account, endpoint))[0].state == "delivered"


async def test_what_an_old_address_says_does_not_disable_a_new_one(
    pool: Pool, account: AccountId, registry: Registry, endpoint: Endpoint, receiver: Receiver
) -> None:
    claims = Claims(pool, PER_ENDPOINT, LEASE)
    await note(pool, account, endpoint)
    (claim,) = await claims.take(10)
    elsewhere = receiver.url_of("elsewhere")
    await registry.update(UpdateEndpoint(account=account, endpoint=endpoint.id, url=elsewhere))
    assert not await claims.gone(claim, Outcome(410, "GONE", 3))
    (kept,) = (await registry.all(account)).endpoints
    assert kept.enabled


async def test_a_claim_shows_no_address_and_no_secret(
    pool: Pool, account: AccountId, created: NewEndpoint
) -> None:
    await note(pool, account, created.endpoint)
    (claim,) = await Claims(pool, PER_ENDPOINT, LEASE).take(10)
    assert "hush" not in repr(claim)
    secret = base64.b64decode(created.secret.removeprefix("whsec_"))
    assert [VAULT.open(sealed, claim.endpoint) for sealed in claim.secrets] == [secret]


async def test_deliveries_are_kept_for_thirty_days(
    pool: Pool, account: AccountId, endpoint: Endpoint
) -> None:
    await note(pool, account, endpoint, count=3)
    old, young, _ = [delivery.event for delivery in await shown(pool, account, endpoint)]
    for event, age in ((old, timedelta(days=30)), (young, timedelta(days=29, hours=23))):
        await grow_old(pool, event, age)
    assert await deliveries.remove_old(pool) == 1
    left = [delivery.event for delivery in await shown(pool, account, endpoint)]
    assert old not in left
    assert young in left
    assert len(left) == 2
