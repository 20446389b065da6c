"""The gateway's numbers about requests, over real HTTP: whose time counts, and whose does not."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web

from services.gateway import measuring, resources
from services.gateway.operations import Handler, Operation, read_json
from services.gateway.problems import Problem, broken_off, json_response
from tests.counted import Growth, growing

READ = "/v1/services/studio/read"
STREAM = "/v1/stream"
BODY = b'{"a": 1}'
PAUSE = 0.4


@dataclass
class Gateway:
    """A few operations behind the meters."""

    session: aiohttp.ClientSession
    url: str
    gate: asyncio.Event

    async def send(self, method: str, path: str, **more: object) -> int:
        async with self.session.request(method, self.url + path, **more) as answer:  # type: ignore[arg-type]
            await answer.read()
            return answer.status


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    gate = asyncio.Event()

    async def read(request: web.Request) -> web.StreamResponse:
        how = request.query.get("how", "")
        if how == "break":
            return json_response({}, 503)
        if how == "refuse":
            return json_response({}, 404)
        if how == "late":
            await asyncio.sleep(PAUSE)
        return json_response({})

    async def write(request: web.Request) -> web.StreamResponse:
        await read_json(request, dict[str, int])
        return json_response({})

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        async with broken_off(request):
            await response.prepare(request)
            await response.write(b"begun")
            if "cut" in request.query:
                raise Problem(500, "GONE", "what was to be sent is gone")
            await gate.wait()
        return response

    listed = [
        Operation("GET", READ, read, "Test", {200: None, 404: None}),
        Operation("POST", "/v1/write", write, "Test", {200: None}),
        Operation("GET", STREAM, stream, "Test", {200: None}),
    ]
    public = web.Application(middlewares=[measuring.counted, translated])
    public[resources.BY_HANDLER] = {each.handler: each for each in listed}
    measuring.install(public)
    for each in listed:
        if each.method == "GET":
            public.router.add_get(each.path, each.handler)
        else:
            public.router.add_route(each.method, each.path, each.handler)
    runner = web.AppRunner(public)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with aiohttp.ClientSession() as session:
        yield Gateway(session, site.name, gate)
    await runner.cleanup()


def requests(grown: Growth, operation: str, code: str, dialect: str = "darkroom") -> float:
    name = "darkroom_http_requests_total"
    return grown(name, dialect=dialect, operation=operation, code=code)


def seconds(grown: Growth, operation: str, dialect: str = "darkroom") -> float:
    name = "darkroom_http_request_duration_seconds_sum"
    return grown(name, dialect=dialect, operation=operation)


async def test_requests_are_counted_by_dialect_operation_and_status(gateway: Gateway) -> None:
    operation = f"GET {READ}"
    with growing() as grown:
        for how in ("", "", "refuse", "break"):
            await gateway.send("GET", f"{READ}?how={how}")
        await gateway.send("HEAD", READ)
        assert requests(grown, operation, "200", "studio") == 3
        assert requests(grown, operation, "404", "studio") == 1
        assert requests(grown, operation, "503", "studio") == 1


async def test_what_we_do_not_offer_is_counted_together(gateway: Gateway) -> None:
    with growing() as grown:
        for number in range(3):
            assert await gateway.send("GET", f"/nothing/{number}") == 404
        assert await gateway.send("DELETE", READ) == 405
        assert requests(grown, "unknown", "404") == 3
        assert requests(grown, "unknown", "405") == 1


async def test_a_late_answer_is_slow_and_a_failure_is_not(gateway: Gateway) -> None:
    meter = measuring.Meter(("studio", f"GET {READ}"), ("200",), 0.0)
    name, labels = "darkroom_http_slow_requests_total", {"dialect": "studio"}
    labels["operation"] = meter.name
    request = _Request()
    with growing() as grown:
        with meter.once(request) as answered:  # type: ignore[arg-type] # only asked for its items
            answered(200)
        assert grown(name, **labels) == 1
        with meter.once(request) as answered:  # type: ignore[arg-type] # as above
            answered(503)
        assert grown(name, **labels) == 1
        assert await gateway.send("GET", READ) == 200
        assert grown(name, **labels) == 1


async def test_a_client_that_sends_slowly_makes_nothing_slow(gateway: Gateway) -> None:
    async def slowly() -> AsyncIterator[bytes]:
        for letter in BODY:
            yield bytes([letter])
            await asyncio.sleep(PAUSE / len(BODY))

    with growing() as grown:
        headers = {"Content-Type": "application/json"}
        assert await gateway.send("POST", "/v1/write", data=slowly(), headers=headers) == 200
        assert requests(grown, "POST /v1/write", "200") == 1
        assert seconds(grown, "POST /v1/write") < PAUSE / 2
        assert await gateway.send("GET", f"{READ}?how=late") == 200
        assert seconds(grown, f"GET {READ}", "studio") >= PAUSE


async def test_an_answer_in_pieces_has_been_given_when_it_begins(gateway: Gateway) -> None:
    with growing() as grown:
        async with gateway.session.get(gateway.url + STREAM) as answer:
            assert await answer.content.readexactly(5) == b"begun"
            labels = {"dialect": "darkroom", "operation": f"GET {STREAM}"}
            assert grown("darkroom_http_requests_in_flight", **labels) == 1
            await asyncio.sleep(PAUSE)
            gateway.gate.set()
            await answer.read()
        assert await gateway.send("GET", READ) == 200
        assert requests(grown, f"GET {STREAM}", "200") == 1
        assert seconds(grown, f"GET {STREAM}") < PAUSE / 2
        assert grown("darkroom_http_requests_in_flight", **labels) == 0
        assert grown("darkroom_http_answers_cut_total", **labels) == 0


async def test_an_answer_that_breaks_off_is_counted(gateway: Gateway) -> None:
    labels = {"dialect": "darkroom", "operation": f"GET {STREAM}"}
    with growing() as grown:
        with pytest.raises(aiohttp.ClientError):
            await gateway.send("GET", f"{STREAM}?cut=1")
        assert await gateway.send("GET", READ) == 200
        assert grown("darkroom_http_answers_cut_total", **labels) == 1


@web.middleware
async def translated(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let errors be answers before they are counted, as the gateway does."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return json_response({}, error.status)


class _Request(dict[object, object]):
    """What a meter asks of a request."""
