"""A balance that falls below its threshold is told to the account's webhook, signed."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from aiohttp import web

from tests.contract.conftest import Client, Newcomer
from tests.contract.test_errors import is_error
from tests.running import RunningStack


class Receiver:
    """Where the account is told of events."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.told: asyncio.Queue[web.Request] = asyncio.Queue()

    async def next(self) -> tuple[dict[str, str], bytes]:
        request = await asyncio.wait_for(self.told.get(), 60)
        return dict(request.headers), await request.read()


@pytest.fixture
async def receiver(stack: RunningStack) -> AsyncIterator[Receiver]:
    receiver = Receiver(f"http://127.0.0.1:{stack.fetch_port}/events")

    async def take(request: web.Request) -> web.Response:
        await request.read()
        await receiver.told.put(request)
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/events", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", stack.fetch_port).start()
    yield receiver
    await runner.cleanup()


def signed(secret: str, headers: dict[str, str], body: bytes) -> str:
    """The signature as Standard Webhooks 1.0 has it."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()


async def test_a_low_balance_is_told_once_and_signed(
    newcomer: Newcomer, receiver: Receiver, astronaut: bytes
) -> None:
    client = await newcomer(tokens=10)
    body = {"url": receiver.url, "events": ["wallet.low_balance"]}
    made = await client.send("POST", "/v1/webhooks", json=body)
    assert made.status == 201, made.body
    await client.send("PUT", "/v1/wallet/threshold", json={"tokens": 8})
    assert (await client.upload(("a.png", astronaut))).status == 200
    assert (await client.upload(("a.png", astronaut))).status == 200
    headers, told = await receiver.next()
    lowered = {name.lower(): value for name, value in headers.items()}
    assert lowered["webhook-signature"] == signed(made.body["secret"], lowered, told)
    assert b"wallet.low_balance" in told
    assert (await client.upload(("a.png", astronaut))).status == 200
    path = f"/v1/webhooks/{made.body['webhook']['id']}/deliveries"
    listed = (await client.send("GET", path)).body["deliveries"]
    assert [line["type"] for line in listed] == ["wallet.low_balance"]


async def test_a_delivery_is_sent_again_under_the_same_id(
    client: Client, receiver: Receiver
) -> None:
    made = await client.send("POST", "/v1/webhooks", json={"url": receiver.url})
    path = f"/v1/webhooks/{made.body['webhook']['id']}"
    assert (await client.send("GET", path)).body == made.body["webhook"]
    sent = await client.send("POST", f"{path}/test")
    first, body = await receiver.next()
    event = sent.body["event_id"]
    resent = await client.send("POST", f"{path}/deliveries/{event}/resend")
    assert resent.status == 202, resent.body
    second, again = await receiver.next()
    assert {name.lower(): value for name, value in second.items()}["webhook-id"] == event
    assert (again, len(first)) == (body, len(second))
    assert (await client.send("DELETE", path)).status == 204


async def test_the_webhooks_of_another_account_are_not_there(
    client: Client, newcomer: Newcomer, receiver: Receiver
) -> None:
    made = await client.send("POST", "/v1/webhooks", json={"url": receiver.url})
    path = f"/v1/webhooks/{made.body['webhook']['id']}"
    stranger = await newcomer()
    for method, tail in (
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/deliveries"),
        ("POST", f"/deliveries/{uuid4()}/resend"),
        ("POST", "/test"),
    ):
        is_error(await stranger.send(method, path + tail, json={}), 404, "NOT_FOUND")


async def test_a_webhook_inside_our_own_network_is_refused(client: Client) -> None:
    body = {"url": "http://169.254.169.254/latest"}
    assert (await client.send("POST", "/v1/webhooks", json=body)).status == 422
