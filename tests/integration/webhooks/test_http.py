"""Webhooks as HTTP has them, over the running service; who is calling is told by the test."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from aiohttp import ClientSession, web

from kit.bus import Bus
from proto.ids import AccountId
from services.gateway.views.webhooks import operations
from tests.calling import calling
from tests.integration.webhooks.receiving import Receiver, until

# the gateway names what a request carries by plain strings
pytestmark = pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning")

NOWHERE = uuid4()


@pytest.fixture
async def client(
    service: web.Application, bus: Bus, account: AccountId
) -> AsyncIterator[ClientSession]:
    async with calling(operations, bus, account) as client:
        yield client


@pytest.fixture
async def webhook(client: ClientSession, receiver: Receiver) -> str:
    async with client.post("/v1/webhooks", json={"url": receiver.url}) as answer:
        return str((await answer.json())["webhook"]["id"])


async def test_a_webhook_is_made_listed_changed_and_removed(
    client: ClientSession, receiver: Receiver
) -> None:
    asked = {"url": receiver.url, "events": ["job.completed", "job.failed"]}
    async with client.post("/v1/webhooks", json=asked) as answer:
        made = await answer.json()
        assert answer.status == 201
        assert answer.headers["Cache-Control"] == "no-store"
    assert made["secret"].startswith("whsec_")
    assert made["webhook"].items() >= asked.items()
    assert made["webhook"]["enabled"] is True
    async with client.get("/v1/webhooks") as answer:
        assert await answer.json() == {"webhooks": [made["webhook"]]}
    path = f"/v1/webhooks/{made['webhook']['id']}"
    async with client.get(path) as answer:
        assert answer.status == 200
        assert await answer.json() == made["webhook"]
    async with client.patch(path, json={"events": None, "enabled": False}) as answer:
        assert answer.status == 200
        assert await answer.json() == made["webhook"] | {"events": None, "enabled": False}
    async with client.delete(path) as answer:
        assert (answer.status, await answer.text()) == (204, "")
    async with client.get("/v1/webhooks") as answer:
        assert await answer.json() == {"webhooks": []}


@pytest.mark.parametrize("body", [None, {}, {"overlap_seconds": 0}])
async def test_a_secret_is_rotated_with_and_without_a_body(
    client: ClientSession, webhook: str, body: object
) -> None:
    async with client.post(f"/v1/webhooks/{webhook}/rotate-secret", json=body) as answer:
        rotated = await answer.json()
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-store"
    assert rotated["webhook"]["id"] == webhook
    assert rotated["secret"].startswith("whsec_")


async def test_a_test_shows_among_the_deliveries_a_page_at_a_time(
    client: ClientSession, webhook: str
) -> None:
    sent = []
    for _ in range(3):
        async with client.post(f"/v1/webhooks/{webhook}/test") as answer:
            assert answer.status == 202
            sent.append((await answer.json())["event_id"])
    path, shown = f"/v1/webhooks/{webhook}/deliveries", []
    query: dict[str, str | int] = {"limit": 2}
    for size in (2, 1):
        async with client.get(path, params=query) as answer:
            page = await answer.json()
            assert answer.status == 200
        assert len(page["deliveries"]) == size
        shown += [each["event_id"] for each in page["deliveries"]]
        query["cursor"] = str(page["next_cursor"])
    assert page["next_cursor"] is None
    assert shown == sent[::-1]


async def test_a_delivery_is_sent_again_with_its_attempts_listed(
    client: ClientSession, webhook: str, receiver: Receiver
) -> None:
    path = f"/v1/webhooks/{webhook}/deliveries"

    async def attempts() -> list[dict[str, object]]:
        async with client.get(path) as answer:
            (delivery,) = (await answer.json())["deliveries"]
        log: list[dict[str, object]] = delivery["attempts_log"]
        return log

    async with client.post(f"/v1/webhooks/{webhook}/test") as answer:
        event = (await answer.json())["event_id"]
    for count in (1, 2):

        async def logged(count: int = count) -> bool:
            return len(await attempts()) == count

        await until(logged)
        if count == 1:
            async with client.post(f"{path}/{event}/resend") as answer:
                assert answer.status == 202
                assert (await answer.json())["event_id"] == event
    assert [told.id for told in receiver.told] == [event, event]
    log = await attempts()
    assert [(each["number"], each["status"], each["error"]) for each in log] == [
        (1, 200, None),
        (2, 200, None),
    ]
    assert set(log[0]) == {"number", "began_at", "milliseconds", "status", "error"}


@pytest.mark.parametrize("event", [str(NOWHERE), "no-id"])
async def test_what_was_never_told_cannot_be_sent_again(
    client: ClientSession, webhook: str, event: str
) -> None:
    async with client.post(f"/v1/webhooks/{webhook}/deliveries/{event}/resend") as answer:
        assert answer.status == 404
        assert (await answer.json())["error"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/rotate-secret"),
        ("POST", "/test"),
        ("GET", "/deliveries"),
        ("POST", f"/deliveries/{NOWHERE}/resend"),
    ],
)
async def test_a_webhook_that_is_not_the_callers_is_not_found(
    client: ClientSession, webhook: str, method: str, path: str
) -> None:
    stranger = {"Test-Account": str(uuid4())}
    body: object = {} if method == "PATCH" else None
    for which, headers in ((webhook, stranger), (str(NOWHERE), {}), ("no-id", {})):
        target = f"/v1/webhooks/{which}{path}"
        async with client.request(method, target, json=body, headers=headers) as answer:
            assert answer.status == 404
            assert (await answer.json())["error"] == "NOT_FOUND"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": ""},
        {"url": "http://169.254.169.254/"},
        {"url": "http://[::1]/"},
        {"url": "x" * 3000},
        {"url": "https://93.184.216.34/", "events": []},
        {"url": "https://93.184.216.34/", "events": ["account.closed"]},
    ],
    ids=str,
)
async def test_what_makes_no_webhook_is_refused(client: ClientSession, body: object) -> None:
    async with client.post("/v1/webhooks", json=body) as answer:
        assert answer.status == 422
        assert (await answer.json())["error"] == "INVALID_REQUEST"


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "cursor=-1", "cursor=" + "9" * 19]
)
async def test_a_page_that_does_not_exist_is_refused(
    client: ClientSession, webhook: str, query: str
) -> None:
    async with client.get(f"/v1/webhooks/{webhook}/deliveries?{query}") as answer:
        assert answer.status == 422
