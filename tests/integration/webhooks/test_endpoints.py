"""Registering endpoints over a real PostgreSQL: what is refused, and who may see what."""

import asyncio
import base64
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from msgspec import UNSET

from kit.database import Pool
from kit.fetching import Fetcher
from kit.sealing import Vault
from proto.errors import InvalidRequest, NotFound
from proto.ids import AccountId
from proto.webhooks import (
    CreateEndpoint,
    DeleteEndpoint,
    Endpoint,
    EndpointId,
    GetDeliveries,
    GetEndpoint,
    GetEndpoints,
    NewEndpoint,
    Resend,
    RotateSecret,
    SendTest,
    UpdateEndpoint,
)
from services.webhooks.endpoints import Endpoints
from services.webhooks.registry import Registry
from tests.integration.webhooks.receiving import PATIENT

URL = "https://hooks.example/darkroom?token=hush"
KEY = "k" * 32

REFUSED = [
    "http://127.0.0.1/",
    "https://127.0.0.1/hook",
    "http://169.254.169.254/latest/meta-data/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://localhost/",
    "http://2130706433/",
    "http://inside.example/",
    "http://mixed.example/",
    "http://nowhere.example/",
    "https://hooks.example:8443/",
    "https://user:pw@hooks.example/",
    "ftp://hooks.example/",
    "file:///etc/passwd",
    "hooks.example",
    "https://hooks.example/\x00",
    "https://hooks.example/a b",
]


async def resolve(host: str) -> list[str]:
    known = {
        "hooks.example": ["93.184.216.34", "2606:2800:220:1::1"],
        "mixed.example": ["93.184.216.34", "10.0.0.1"],
        "inside.example": ["10.0.0.1"],
        "localhost": ["127.0.0.1"],
    }
    return known.get(host, [])


@pytest.fixture
async def fetcher() -> AsyncIterator[Fetcher]:
    async with Fetcher(resolve=resolve, seconds=PATIENT) as fetcher:
        yield fetcher


@pytest.fixture
def webhooks(pool: Pool, fetcher: Fetcher) -> Endpoints:
    return Endpoints(pool, Registry(pool, Vault([KEY], "tests")), fetcher, lambda: None)


@pytest.fixture
async def created(webhooks: Endpoints, account: AccountId) -> NewEndpoint:
    return await webhooks.create(CreateEndpoint(account=account, url=URL))


async def listed(webhooks: Endpoints, account: AccountId) -> list[Endpoint]:
    return (await webhooks.endpoints(GetEndpoints(account=account))).endpoints


async def test_an_endpoint_is_made_with_a_secret_of_the_standards_form(
    webhooks: Endpoints, account: AccountId, created: NewEndpoint
) -> None:
    endpoint = created.endpoint
    assert (endpoint.url, endpoint.events, endpoint.enabled) == (URL, None, True)
    assert await listed(webhooks, account) == [endpoint]
    assert await webhooks.endpoint(GetEndpoint(account=account, endpoint=endpoint.id)) == endpoint
    prefix, _, rest = created.secret.partition("_")
    assert prefix == "whsec"
    assert 24 <= len(base64.b64decode(rest, validate=True)) <= 32


async def test_with_a_key_secrets_do_not_lie_in_the_database(
    pool: Pool, account: AccountId, created: NewEndpoint, fetcher: Fetcher
) -> None:
    secret = base64.b64decode(created.secret.removeprefix("whsec_"))
    sealed = "SELECT sealed FROM webhooks.secrets WHERE endpoint = $1"
    assert secret not in await pool.fetchval(sealed, created.endpoint.id)
    keyless = Endpoints(pool, Registry(pool, Vault([], "tests")), fetcher, lambda: None)
    clear = await keyless.create(CreateEndpoint(account=account, url=URL))
    secret = base64.b64decode(clear.secret.removeprefix("whsec_"))
    assert secret in await pool.fetchval(sealed, clear.endpoint.id)


@pytest.mark.parametrize("url", REFUSED)
async def test_an_address_that_is_not_public_is_refused(
    webhooks: Endpoints, account: AccountId, created: NewEndpoint, url: str
) -> None:
    with pytest.raises(InvalidRequest):
        await webhooks.create(CreateEndpoint(account=account, url=url))
    with pytest.raises(InvalidRequest):
        await webhooks.update(
            UpdateEndpoint(account=account, endpoint=created.endpoint.id, url=url)
        )
    assert await listed(webhooks, account) == [created.endpoint]


async def test_a_port_that_is_not_told_is_named_as_the_reason(
    webhooks: Endpoints, account: AccountId
) -> None:
    with pytest.raises(InvalidRequest, match="80 for http and 443 for https"):
        await webhooks.create(CreateEndpoint(account=account, url="https://hooks.example:8443/"))


async def test_of_many_that_are_made_at_once_ten_are(
    webhooks: Endpoints, account: AccountId
) -> None:
    outcomes = await asyncio.gather(
        *(webhooks.create(CreateEndpoint(account=account, url=URL)) for _ in range(25)),
        return_exceptions=True,
    )
    made = [outcome for outcome in outcomes if isinstance(outcome, NewEndpoint)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, InvalidRequest)]
    assert (len(made), len(refused)) == (10, 15)
    assert "at most 10" in str(refused[0])
    assert len(await listed(webhooks, account)) == 10
    # another account has its own ten, and one that is deleted makes room
    await webhooks.create(CreateEndpoint(account=AccountId(uuid4()), url=URL))
    await webhooks.delete(DeleteEndpoint(account=account, endpoint=made[0].endpoint.id))
    await webhooks.create(CreateEndpoint(account=account, url=URL))


async def test_only_what_is_given_is_changed(
    webhooks: Endpoints, account: AccountId, created: NewEndpoint
) -> None:
    async def changed(**what: object) -> Endpoint:
        given = {"url": UNSET, "events": UNSET, "enabled": UNSET} | what
        return await webhooks.update(
            UpdateEndpoint(account=account, endpoint=created.endpoint.id, **given)  # type: ignore[arg-type]
        )

    assert await changed() == created.endpoint
    first = await changed(events=["job.failed"], enabled=False)
    assert (first.url, first.events, first.enabled) == (URL, ["job.failed"], False)
    second = await changed(url=URL + "2")
    assert (second.url, second.events, second.enabled) == (URL + "2", ["job.failed"], False)
    third = await changed(events=None, enabled=True)
    assert (third.url, third.events, third.enabled) == (URL + "2", None, True)
    assert await listed(webhooks, account) == [third]


async def test_an_endpoint_of_another_account_is_not_found(
    webhooks: Endpoints, account: AccountId, created: NewEndpoint, pool: Pool
) -> None:
    stranger, endpoint = AccountId(uuid4()), created.endpoint.id
    for asking in (
        webhooks.endpoint(GetEndpoint(account=stranger, endpoint=endpoint)),
        webhooks.update(UpdateEndpoint(account=stranger, endpoint=endpoint, enabled=False)),
        webhooks.delete(DeleteEndpoint(account=stranger, endpoint=endpoint)),
        webhooks.rotate_secret(RotateSecret(account=stranger, endpoint=endpoint)),
        webhooks.deliveries(GetDeliveries(account=stranger, endpoint=endpoint)),
        webhooks.send_test(SendTest(account=stranger, endpoint=endpoint)),
        webhooks.resend(Resend(account=stranger, endpoint=endpoint, event=uuid4())),
    ):
        with pytest.raises(NotFound):
            await asking
    assert await listed(webhooks, stranger) == []
    assert await listed(webhooks, account) == [created.endpoint]
    assert await pool.fetchval("SELECT count(*) FROM webhooks.secrets") == 1
    assert await pool.fetchval("SELECT count(*) FROM webhooks.deliveries") == 0


async def test_a_deleted_endpoint_leaves_nothing_behind(
    webhooks: Endpoints, account: AccountId, created: NewEndpoint, pool: Pool
) -> None:
    endpoint = created.endpoint.id
    await webhooks.send_test(SendTest(account=account, endpoint=endpoint))
    await webhooks.delete(DeleteEndpoint(account=account, endpoint=endpoint))
    for table in ("endpoints", "secrets", "deliveries", "attempts"):
        assert await pool.fetchval(f"SELECT count(*) FROM webhooks.{table}") == 0  # noqa: S608
    with pytest.raises(NotFound):
        await webhooks.delete(DeleteEndpoint(account=account, endpoint=endpoint))


async def test_rotating_again_and_again_keeps_a_few_secrets(
    webhooks: Endpoints, account: AccountId, created: NewEndpoint, pool: Pool
) -> None:
    for _ in range(8):
        await webhooks.rotate_secret(RotateSecret(account=account, endpoint=created.endpoint.id))
    kept = await pool.fetch("SELECT expires_at FROM webhooks.secrets ORDER BY number DESC")
    assert len(kept) == 5
    assert [row["expires_at"] is None for row in kept] == [True, False, False, False, False]


async def test_an_overlap_never_grows_and_ends_for_all_at_once(
    webhooks: Endpoints, account: AccountId, created: NewEndpoint, pool: Pool
) -> None:
    left = """
    SELECT round(extract(epoch FROM expires_at - now()))::int AS seconds FROM webhooks.secrets
    WHERE expires_at IS NULL OR expires_at > now() ORDER BY number
    """
    seconds = []
    for overlap in (600, 7200, 0):
        await webhooks.rotate_secret(
            RotateSecret(account=account, endpoint=created.endpoint.id, overlap_seconds=overlap)
        )
        seconds.append([row["seconds"] for row in await pool.fetch(left)])
    first, second, third = seconds
    assert (len(first), len(second), third) == (2, 3, [None])
    assert second[0] <= 600 < second[1] <= 7200


async def test_secrets_that_have_expired_are_forgotten(
    webhooks: Endpoints, account: AccountId, created: NewEndpoint, pool: Pool
) -> None:
    for overlap in (3600, 0):
        await webhooks.rotate_secret(
            RotateSecret(account=account, endpoint=created.endpoint.id, overlap_seconds=overlap)
        )
    await Registry(pool, Vault([KEY], "tests")).remove_expired_secrets()
    assert await pool.fetchval("SELECT count(*) FROM webhooks.secrets") == 1


async def test_deliveries_are_shown_a_page_at_a_time_newest_first(
    webhooks: Endpoints, account: AccountId, created: NewEndpoint
) -> None:
    endpoint = created.endpoint.id
    made = [
        (await webhooks.send_test(SendTest(account=account, endpoint=endpoint))).event
        for _ in range(5)
    ]
    shown, before = [], None
    for size in (2, 2, 1):
        page = await webhooks.deliveries(
            GetDeliveries(account=account, endpoint=endpoint, limit=2, before=before)
        )
        assert len(page.deliveries) == size
        shown += [delivery.event for delivery in page.deliveries]
        before = page.next_before
    assert before is None
    assert shown == made[::-1]


async def test_an_endpoint_that_is_not_there_has_no_deliveries_to_show(
    webhooks: Endpoints, account: AccountId
) -> None:
    with pytest.raises(NotFound):
        await webhooks.deliveries(GetDeliveries(account=account, endpoint=EndpointId(uuid4())))


async def test_a_disabled_endpoint_is_told_nothing_and_what_waited_is_given_up(
    webhooks: Endpoints, account: AccountId, created: NewEndpoint
) -> None:
    endpoint = created.endpoint.id
    await webhooks.send_test(SendTest(account=account, endpoint=endpoint))
    await webhooks.update(UpdateEndpoint(account=account, endpoint=endpoint, enabled=False))
    with pytest.raises(InvalidRequest, match="disabled"):
        await webhooks.send_test(SendTest(account=account, endpoint=endpoint))
    page = await webhooks.deliveries(GetDeliveries(account=account, endpoint=endpoint))
    (waited,) = page.deliveries
    assert (waited.state, waited.last_error) == ("failed", "ENDPOINT_DISABLED")
    assert waited.next_attempt is None
    assert waited.ended_at is not None
