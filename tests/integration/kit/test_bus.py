"""Typed requests over a real NATS server."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from kit import context
from kit.bus import Bus
from kit.endpoints import Answering, answers
from proto.errors import (
    DeadlineExceeded,
    InsufficientTokens,
    Internal,
    InvalidRequest,
    Unavailable,
)
from proto.message import Message, Request


class Echoed(Message):
    text: str
    correlation_id: str
    seconds_left: float


class Echo(Request[Echoed], subject="echo.say"):
    text: str
    wait_for: str = ""


class Fail(Request[Echoed], subject="echo.fail"):
    how: str


class Number(Message):
    value: int


class Misshapen(Request[Number], subject="echo.say"):
    """Sent where an Echo is expected."""

    number: int = 1


class Double(Request[Number], subject="echo.double"):
    number: int


class Endpoints:
    def __init__(self) -> None:
        self.started = asyncio.Semaphore(0)
        self.gates: dict[str, asyncio.Event] = {}

    @answers
    async def say(self, request: Echo) -> Echoed:
        self.started.release()
        if request.wait_for:
            await self.gates.setdefault(request.wait_for, asyncio.Event()).wait()
        return Echoed(
            text=request.text,
            correlation_id=context.correlation_id.get(),
            seconds_left=context.seconds_left(-1),
        )

    @answers
    async def fail(self, request: Fail) -> Echoed:
        if request.how == "refusal":
            raise InsufficientTokens("not enough", balance=4, shortfall=2)
        raise RuntimeError("password=hunter2")

    def open(self, gate: str) -> None:
        self.gates.setdefault(gate, asyncio.Event()).set()


Serving = Callable[..., AbstractAsyncContextManager[tuple[Bus, Endpoints, Answering]]]


@pytest.fixture
def serving(nats_url: str) -> Serving:
    @asynccontextmanager
    async def serve(at_once: int = 16) -> AsyncIterator[tuple[Bus, Endpoints, Answering]]:
        server, client = (
            await Bus.connect(nats_url, "server"),
            await Bus.connect(nats_url, "client"),
        )
        endpoints = Endpoints()
        answering = Answering(server, at_once)
        await answering.listen("echo", endpoints)
        yield client, endpoints, answering
        await answering.stop()
        await client.close()
        await server.close()

    return serve


async def test_a_reply_comes_back_typed_with_the_callers_context(serving: Serving) -> None:
    async with serving() as (bus, _, _):
        context.correlation_id.set("request-7")
        reply = await bus.request(Echo(text="hello"), timeout_seconds=3)
    assert (reply.text, reply.correlation_id) == ("hello", "request-7")
    assert 2 < reply.seconds_left <= 3


class Further:
    """Another object of the same service."""

    @answers
    async def double(self, request: Double) -> Number:
        return Number(value=2 * request.number)


async def test_a_service_may_answer_with_several_objects(nats_url: str) -> None:
    server, client = await Bus.connect(nats_url, "server"), await Bus.connect(nats_url, "client")
    answering = Answering(server, 16)
    await answering.listen("echo", Endpoints(), Further())
    assert (await client.request(Double(number=21))).value == 42
    assert (await client.request(Echo(text="hello"))).text == "hello"
    await answering.stop()
    for bus in (client, server):
        await bus.close()


async def test_a_refusal_is_raised_again_as_its_own_class(serving: Serving) -> None:
    async with serving() as (bus, _, _):
        with pytest.raises(InsufficientTokens) as caught:
            await bus.request(Fail(how="refusal"))
    assert (caught.value.balance, caught.value.shortfall) == (4, 2)


async def test_a_fault_tells_the_caller_nothing_of_its_cause(serving: Serving) -> None:
    async with serving() as (bus, _, _):
        with pytest.raises(Internal) as caught:
            await bus.request(Fail(how="fault"))
    assert "hunter2" not in str(caught.value)


async def test_a_message_of_the_wrong_shape_is_refused(serving: Serving) -> None:
    async with serving() as (bus, _, _):
        with pytest.raises(InvalidRequest):
            await bus.request(Misshapen())


async def test_nobody_listening_is_known_at_once(nats_url: str) -> None:
    bus = await Bus.connect(nats_url, "lonely")
    with pytest.raises(Unavailable) as caught:
        await bus.request(Echo(text="anyone?"), timeout_seconds=30)
    assert not isinstance(caught.value, DeadlineExceeded)
    await bus.close()


async def test_a_late_answer_is_a_deadline_exceeded_and_leaves_nothing_behind(
    serving: Serving,
) -> None:
    async with serving() as (bus, endpoints, _):
        with pytest.raises(DeadlineExceeded):
            await bus.request(Echo(text="late", wait_for="never"), timeout_seconds=0.05)
        assert bus._waiting == {}
        endpoints.open("never")
        assert (await bus.request(Echo(text="next"))).text == "next"


async def test_a_callers_deadline_shortens_every_wait_below_it(serving: Serving) -> None:
    async with serving() as (bus, _, _):
        with context.within(1.0):
            reply = await bus.request(Echo(text="x"), timeout_seconds=60)
    assert reply.seconds_left <= 1.0


async def test_handlers_of_one_endpoint_run_side_by_side(serving: Serving) -> None:
    async with serving() as (bus, endpoints, _):
        asked = [
            asyncio.create_task(bus.request(Echo(text=str(i), wait_for="go"))) for i in range(8)
        ]
        for _ in asked:
            await asyncio.wait_for(endpoints.started.acquire(), 5)
        endpoints.open("go")
        assert [reply.text for reply in await asyncio.gather(*asked)] == [str(i) for i in range(8)]


async def test_no_more_than_the_allowed_handlers_run_at_once(serving: Serving) -> None:
    async with serving(at_once=2) as (bus, endpoints, answering):
        asked = [asyncio.create_task(bus.request(Echo(text="x", wait_for="go"))) for _ in range(5)]
        for _ in range(2):
            await asyncio.wait_for(endpoints.started.acquire(), 5)
        await bus.client.flush()
        assert len(answering._tasks) == 2
        endpoints.open("go")
        await asyncio.gather(*asked)


async def test_stopping_answers_what_is_under_way(serving: Serving) -> None:
    async with serving() as (bus, endpoints, answering):
        asked = [asyncio.create_task(bus.request(Echo(text="x", wait_for="go"))) for _ in range(5)]
        for _ in asked:
            await asyncio.wait_for(endpoints.started.acquire(), 5)
        stopping = asyncio.create_task(answering.stop())
        await asyncio.sleep(0)
        endpoints.open("go")
        assert len(await asyncio.gather(*asked)) == 5
        await stopping


async def test_the_service_is_found_by_the_nats_service_api(serving: Serving) -> None:
    async with serving() as (bus, _, _):
        await bus.request(Echo(text="counted"))
        with pytest.raises(Internal):
            await bus.request(Fail(how="fault"))
        answers = {}
        for verb in ("PING", "INFO", "STATS"):
            message = await bus.client.request(f"$SRV.{verb}.echo", b"", timeout=2)
            answers[verb] = json.loads(message.data)
    assert answers["PING"]["name"] == "echo"
    assert {e["subject"] for e in answers["INFO"]["endpoints"]} == {"echo.say", "echo.fail"}
    counted = {e["subject"]: e for e in answers["STATS"]["endpoints"]}
    assert (counted["echo.say"]["num_requests"], counted["echo.fail"]["num_errors"]) == (1, 1)
    assert counted["echo.say"]["processing_time"] > 0


async def test_an_endpoint_that_answers_with_another_type_is_refused_at_start(
    nats_url: str,
) -> None:
    class Wrong:
        @answers
        async def say(self, request: Echo) -> Number:
            return Number(value=len(request.text))

    bus = await Bus.connect(nats_url, "wrong")
    with pytest.raises(TypeError, match="Echo is answered with"):
        await Answering(bus, 1).listen("wrong", Wrong())
    await bus.close()


async def test_an_unknown_kind_of_refusal_is_an_internal_error(nats_url: str) -> None:
    server, client = await Bus.connect(nats_url, "newer"), await Bus.connect(nats_url, "older")

    async def answer(message: object) -> None:
        await server.client.publish(
            message.reply,  # type: ignore[attr-defined]
            b"\x81\xa7message\xa3new",
            headers={"Nats-Service-Error-Code": "INVENTED_LATER"},
        )

    await server.client.subscribe("echo.say", cb=answer)
    for _ in range(2):  # nats-py sends the ping of a flush ahead of what waits to be sent
        await server.client.flush()
    with pytest.raises(Internal, match="new"):
        await client.request(Echo(text="?"))
    await client.close()
    await server.close()
