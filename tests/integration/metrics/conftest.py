"""A stack that runs, Prometheus beside it, and traffic that touches everything that is measured."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web

from cli import ports
from kit.bus import Bus
from proto.ids import AccountId
from proto.wallet import TopUp
from tests.contract.conftest import Client, photographs
from tests.contract.schools import portraits, school
from tests.contract.shoots import owners, shoot_of, sorted_
from tests.prometheus import GET, Prometheus, program
from tests.running import RunningStack

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
"""The trace that the traffic belongs to; whoever sends it keeps it."""

_PHOTOGRAPHS = 9
"""One more than are worked on while the caller waits."""
_MATCHED = 3


@pytest.fixture(scope="session")
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture(scope="session")
async def client(stack: RunningStack, session: aiohttp.ClientSession) -> Client:
    """The demo account, with tokens."""
    card = stack.card
    account = AccountId(card.account_id)
    bus = await Bus.connect(stack.nats_url, "metrics tests")
    await bus.request(TopUp(account=account, tokens=1_000, key=f"metrics {uuid4()}"))
    await bus.close()
    anonymous = Client(session, stack.url, account, card.email, {})
    credentials = {"email": card.email, "password": card.password}
    answer = await anonymous.send("POST", "/v1/account/login", json=credentials)
    headers = {
        "Authorization": f"Bearer {answer.body['access_token']}",
        "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01",
    }
    return anonymous.instead(**headers)


@pytest.fixture(scope="session")
async def prometheus(
    stack: RunningStack,
    session: aiohttp.ClientSession,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Prometheus]:
    """Prometheus, which has seen every part of the stack before there was traffic."""
    if program("prometheus") is None:
        pytest.skip(f"there is no prometheus here; {GET}")
    (port,) = ports.free(1)
    folder = tmp_path_factory.mktemp("prometheus")
    server = Prometheus.begin(folder, stack.at.targets, port, session)
    # two scrapes of everything: what grows from then on has a rate
    await server.until("min(count_over_time(up[1m])) > 2 and min(up) == 1", 60)
    yield server
    server.stop()


@pytest.fixture(scope="session")
async def traffic(
    stack: RunningStack,
    client: Client,
    prometheus: Prometheus,
    astronaut_jpeg: bytes,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A face crop, cards printed and read, a match, a job, and the webhook that tells of its end.

    Twice: what was never counted before has no rate after the first time.
    """
    told = asyncio.Event()

    async def take(_: web.Request) -> web.Response:
        told.set()
        return web.Response(status=204)

    receiver = web.Application()
    receiver.router.add_post("/events", take)
    runner = web.AppRunner(receiver)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", stack.fetch_port).start()
    hook = {"url": f"http://127.0.0.1:{stack.fetch_port}/events"}
    endpoint = await client.send("POST", "/v1/webhooks", json=hook)
    assert endpoint.status == 201, endpoint.body
    try:
        made = await school(client)
        await made.person("S1", astronaut_jpeg)
        await made.build()
        shoot = await shoot_of(client, astronaut_jpeg, tmp_path_factory.mktemp("cards"))
        for _ in range(2):
            answer = await client.upload(("a.jpg", astronaut_jpeg))
            assert answer.status == 200, answer.body
            files = [shoot.card("S0000"), shoot.person()]
            assert owners(await sorted_(client, *files)) == ["S0000", "S0000"]
            match = await made.match(await made.job(*portraits(astronaut_jpeg, _MATCHED)))
            assert (match.body["status"], match.body["matched"]) == ("completed", _MATCHED)
            task = await client.begin(*photographs(astronaut_jpeg, _PHOTOGRAPHS))
            assert (await client.ended(task))["status"] == "completed"
        await asyncio.wait_for(told.wait(), 30)
    finally:
        await client.send("DELETE", f"/v1/webhooks/{endpoint.body['webhook']['id']}")
        await runner.cleanup()
