"""The service as it runs: events in through the stream, signed requests out, words over the bus."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from uuid import UUID, uuid4

import msgspec
import pytest
import structlog
from aiohttp import web

from kit import events
from kit.bus import Bus
from kit.database import Pool
from kit.lifecycle import CHECKS
from proto.errors import InvalidRequest, NotFound
from proto.events import Event, LowBalance
from proto.ids import AccountId
from proto.webhooks import (
    CreateEndpoint,
    Delivery,
    GetDeliveries,
    NewEndpoint,
    RotateSecret,
    SendTest,
    UpdateEndpoint,
)
from tests.integration.webhooks.receiving import Receiver, until


@pytest.fixture
async def created(
    service: web.Application, bus: Bus, account: AccountId, receiver: Receiver
) -> NewEndpoint:
    return await bus.request(CreateEndpoint(account=account, url=receiver.url))


def low_balance(account: AccountId) -> LowBalance:
    happened_at = datetime.now(UTC).replace(microsecond=0)
    return LowBalance(id=uuid4(), account=account, happened_at=happened_at, balance=7, threshold=10)


async def shown(bus: Bus, account: AccountId, created: NewEndpoint) -> list[Delivery]:
    asked = GetDeliveries(account=account, endpoint=created.endpoint.id)
    return (await bus.request(asked)).deliveries


async def ended(bus: Bus, account: AccountId, created: NewEndpoint, *which: UUID) -> list[Delivery]:
    """Wait until the deliveries of these events have ended, and return them in this order."""
    found: dict[UUID, Delivery] = {}

    async def all_have() -> bool:
        found.update({each.event: each for each in await shown(bus, account, created)})
        return all(event in found and found[event].ended_at for event in which)

    await until(all_have)
    return [found[event] for event in which]


async def failed_once(bus: Bus, account: AccountId, created: NewEndpoint) -> Delivery:
    """Wait until the only delivery has failed and waits for the next time."""

    async def has() -> bool:
        return any(each.last_error for each in await shown(bus, account, created))

    await until(has)
    (delivery,) = await shown(bus, account, created)
    return delivery


async def test_an_event_is_told_signed_as_the_standard_has_it(
    bus: Bus, account: AccountId, created: NewEndpoint, receiver: Receiver
) -> None:
    event = low_balance(account)
    before = int(time.time())
    await events.publish(bus, event)
    (delivery,) = await ended(bus, account, created, event.id)
    (told,) = receiver.told
    assert told.verifies_with(created.secret)
    assert told.id == str(event.id)
    assert before <= int(told.headers["webhook-timestamp"]) <= int(time.time())
    assert len(told.headers["webhook-signature"].split(" ")) == 1
    assert told.headers["content-type"] == "application/json"
    assert told.json == {
        "type": "wallet.low_balance",
        "timestamp": f"{event.happened_at:%Y-%m-%dT%H:%M:%SZ}",
        "data": {
            "account": str(account),
            "happened_at": f"{event.happened_at:%Y-%m-%dT%H:%M:%SZ}",
            "balance": 7,
            "threshold": 10,
        },
    }
    assert (delivery.type, delivery.state) == ("wallet.low_balance", "delivered")
    assert (delivery.attempts, delivery.last_status, delivery.last_error) == (1, 200, None)


async def test_what_failed_is_told_again_the_same(
    bus: Bus, account: AccountId, created: NewEndpoint, receiver: Receiver, pool: Pool
) -> None:
    receiver.statuses = [500]
    event = low_balance(account)
    await events.publish(bus, event)
    waiting = await failed_once(bus, account, created)
    assert (waiting.state, waiting.attempts) == ("pending", 1)
    assert (waiting.last_status, waiting.last_error) == (500, "BAD_STATUS")
    assert waiting.next_attempt is not None
    assert waiting.last_attempt_at is not None
    wait = (waiting.next_attempt - waiting.last_attempt_at).total_seconds()
    assert wait >= 4
    await pool.execute("UPDATE webhooks.deliveries SET next_attempt = now()")
    (delivery,) = await ended(bus, account, created, event.id)
    assert (delivery.state, delivery.attempts, delivery.last_status) == ("delivered", 2, 200)
    first, second = receiver.told
    assert (first.id, first.body) == (second.id, second.body)
    assert second.verifies_with(created.secret)


async def test_an_event_that_is_read_twice_is_told_once(
    bus: Bus, account: AccountId, created: NewEndpoint, receiver: Receiver
) -> None:
    event, last = low_balance(account), low_balance(account)
    jetstream = bus.client.jetstream()
    # without the id that the stream itself knows duplicates by
    for _ in range(3):
        await jetstream.publish(event.subject(), msgspec.msgpack.encode(event))
    await events.publish(bus, last)
    await ended(bus, account, created, event.id, last.id)
    assert sorted(told.id for told in receiver.told) == sorted([str(event.id), str(last.id)])


class ShootArchived(Event):
    """A kind of event that webhooks do not tell."""

    type: ClassVar[str] = "test.archived"


async def test_an_endpoint_is_told_what_it_asked_for_and_what_is_its_accounts(
    bus: Bus, account: AccountId, created: NewEndpoint, receiver: Receiver
) -> None:
    jobs = await bus.request(
        CreateEndpoint(account=account, url=receiver.url_of("jobs"), events=["job.failed"])
    )
    disabled = await bus.request(CreateEndpoint(account=account, url=receiver.url_of("off")))
    await bus.request(UpdateEndpoint(account=account, endpoint=disabled.endpoint.id, enabled=False))
    unknown = ShootArchived(id=uuid4(), account=account, happened_at=datetime.now(UTC))
    last = low_balance(account)
    for event in (low_balance(AccountId(uuid4())), unknown, last):
        await events.publish(bus, event)
    await ended(bus, account, created, last.id)
    assert [(told.path, told.id) for told in receiver.told] == [("/hook", str(last.id))]
    assert await shown(bus, account, jobs) == []
    assert await shown(bus, account, disabled) == []


@pytest.mark.parametrize("since", ["made", "enabled again", "asks for more"])
async def test_what_happened_before_an_endpoint_asked_for_it_is_not_told_when_it_comes_again(
    bus: Bus, account: AccountId, created: NewEndpoint, receiver: Receiver, pool: Pool, since: str
) -> None:
    later = await bus.request(
        CreateEndpoint(
            account=account,
            url=receiver.url_of("later"),
            events=["job.failed"] if since == "asks for more" else None,
        )
    )
    endpoint = later.endpoint.id
    # both are a day old
    await pool.execute(
        "UPDATE webhooks.endpoints SET tells_since = now() - interval '1 day' "
        "WHERE id = $1 OR $2 AND id = $3",
        created.endpoint.id,
        since != "made",
        endpoint,
    )
    if since == "enabled again":
        for enabled in (False, True):
            await bus.request(UpdateEndpoint(account=account, endpoint=endpoint, enabled=enabled))
    if since == "asks for more":
        await bus.request(UpdateEndpoint(account=account, endpoint=endpoint, events=None))
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    again = msgspec.structs.replace(low_balance(account), happened_at=an_hour_ago)
    news = low_balance(account)
    for event in (again, news):
        await events.publish(bus, event)
    await ended(bus, account, created, again.id, news.id)
    await ended(bus, account, later, news.id)
    assert {each.event for each in await shown(bus, account, later)} == {news.id}


async def test_an_endpoint_that_asks_for_less_or_moves_hears_what_comes_again(
    bus: Bus, account: AccountId, created: NewEndpoint, receiver: Receiver, pool: Pool
) -> None:
    await pool.execute("UPDATE webhooks.endpoints SET tells_since = now() - interval '1 day'")
    changed = UpdateEndpoint(
        account=account,
        endpoint=created.endpoint.id,
        url=receiver.url_of("moved"),
        events=["job.failed", "wallet.low_balance"],
        enabled=True,
    )
    await bus.request(changed)
    await bus.request(msgspec.structs.replace(changed, events=["wallet.low_balance"]))
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    again = msgspec.structs.replace(low_balance(account), happened_at=an_hour_ago)
    await events.publish(bus, again)
    await ended(bus, account, created, again.id)


async def test_every_endpoint_is_told_under_a_secret_of_its_own(
    bus: Bus, account: AccountId, created: NewEndpoint, receiver: Receiver
) -> None:
    other = await bus.request(CreateEndpoint(account=account, url=receiver.url_of("other")))
    event = low_balance(account)
    await events.publish(bus, event)
    for each in (created, other):
        await ended(bus, account, each, event.id)
    by_path = {told.path: told for told in receiver.told}
    assert by_path["/hook"].verifies_with(created.secret)
    assert by_path["/other"].verifies_with(other.secret)
    assert not by_path["/other"].verifies_with(created.secret)
    assert by_path["/other"].id == by_path["/hook"].id


async def test_in_the_overlap_both_secrets_verify(
    bus: Bus, account: AccountId, created: NewEndpoint, receiver: Receiver, pool: Pool
) -> None:
    async def which_verify(*secrets: str) -> list[bool]:
        sent = await bus.request(SendTest(account=account, endpoint=created.endpoint.id))
        await ended(bus, account, created, sent.event)
        told = receiver.told[-1]
        assert len(told.headers["webhook-signature"].split(" ")) == sum(
            map(told.verifies_with, secrets)
        )
        return [told.verifies_with(secret) for secret in secrets]

    rotate = RotateSecret(account=account, endpoint=created.endpoint.id)
    rotated = await bus.request(rotate)
    assert rotated.secret != created.secret
    assert await which_verify(created.secret, rotated.secret) == [True, True]
    await pool.execute(
        "UPDATE webhooks.secrets SET expires_at = now() WHERE expires_at IS NOT NULL"
    )
    assert await which_verify(created.secret, rotated.secret) == [False, True]
    at_once = await bus.request(msgspec.structs.replace(rotate, overlap_seconds=0))
    assert await which_verify(rotated.secret, at_once.secret) == [False, True]


async def test_a_test_is_told_to_one_endpoint_whatever_it_asked_for(
    bus: Bus, account: AccountId, created: NewEndpoint, receiver: Receiver
) -> None:
    jobs = await bus.request(
        CreateEndpoint(account=account, url=receiver.url_of("jobs"), events=["job.failed"])
    )
    sent = await bus.request(SendTest(account=account, endpoint=jobs.endpoint.id))
    assert (sent.type, sent.state, sent.attempts) == ("webhook.test", "pending", 0)
    await ended(bus, account, jobs, sent.event)
    (told,) = receiver.told
    assert (told.path, told.json["type"]) == ("/jobs", "webhook.test")
    assert told.json["data"]["endpoint"] == str(jobs.endpoint.id)
    assert told.verifies_with(jobs.secret)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_no_delivery_and_is_not_followed(
    bus: Bus, account: AccountId, created: NewEndpoint, receiver: Receiver, status: int
) -> None:
    receiver.statuses = [status]
    receiver.headers = {"Location": "http://169.254.169.254/latest/meta-data/"}
    await events.publish(bus, low_balance(account))
    delivery = await failed_once(bus, account, created)
    assert (delivery.state, delivery.last_error) == ("pending", "REDIRECTED")
    assert delivery.last_status == status
    assert len(receiver.told) == 1


async def test_a_receiver_that_is_gone_is_told_nothing_more(
    bus: Bus, account: AccountId, created: NewEndpoint, receiver: Receiver
) -> None:
    receiver.statuses = [410]
    event = low_balance(account)
    await events.publish(bus, event)
    (delivery,) = await ended(bus, account, created, event.id)
    assert (delivery.state, delivery.last_error) == ("failed", "GONE")
    with pytest.raises(InvalidRequest, match="disabled"):
        await bus.request(SendTest(account=account, endpoint=created.endpoint.id))


async def test_refusals_keep_their_class_over_the_bus(
    bus: Bus, account: AccountId, created: NewEndpoint
) -> None:
    with pytest.raises(NotFound):
        await bus.request(SendTest(account=AccountId(uuid4()), endpoint=created.endpoint.id))
    with pytest.raises(InvalidRequest, match="public"):
        await bus.request(CreateEndpoint(account=account, url="http://169.254.169.254/"))


async def test_the_log_names_no_address_and_no_secret(
    bus: Bus, account: AccountId, created: NewEndpoint, receiver: Receiver
) -> None:
    receiver.statuses = [200, 500, 410]
    with structlog.testing.capture_logs() as lines:
        for count in (1, 2, 3):
            event = low_balance(account)
            await events.publish(bus, event)
            await receiver.wait_for(count)
        await ended(bus, account, created, event.id)
    written = repr(lines)
    assert {"delivered", "not delivered"} <= {line["event"] for line in lines}
    for hidden in ("hush", receiver.origin, created.secret, created.secret[6:]):
        assert hidden not in written


async def test_the_service_is_ready_while_its_tasks_run(service: web.Application) -> None:
    checks = service[CHECKS]
    assert set(checks) == {"nats", "postgresql", "deliveries"}
    assert all(await asyncio.gather(*(check() for check in checks.values())))
