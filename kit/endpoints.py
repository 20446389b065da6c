"""Answering: methods marked with `@answers`, run as bounded tasks behind NATS subjects.

nats-py's own service API awaits one handler at a time per endpoint and sends the text of any
exception to the caller; so its wire format is kept (`kit.discovery`) and the running is done here.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import perf_counter_ns
from typing import Any, TypeVar, get_type_hints

import msgspec
import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from kit import context, metrics, tracing
from kit.bus import API_KEY_HEADER, ERROR_CODE_HEADER, ERROR_HEADER, Bus, Handler, decoder
from kit.database import AWAY
from kit.discovery import Endpoint, announce
from proto.errors import Broken, DeadlineExceeded, Internal, InvalidRequest, Refusal, Unavailable
from proto.message import Request

log = structlog.get_logger(__name__)

Method = TypeVar("Method", bound=Callable[..., Any])

Guard = Callable[[str], Awaitable[None]]
"""Takes the X-API-Key of a message; raises NotAuthenticated to turn it away."""

_MARK = "__answers_request__"
_ANSWERING = {"rpc.system": "nats"}
_DEFAULT_TIMEOUT_SECONDS = 30.0


def answers(method: Method) -> Method:
    """Mark `async def name(self, request: Message) -> Reply` as the answer to that message."""
    setattr(method, _MARK, True)
    return method


class Answering:
    """The endpoints of one service, listening until they are stopped."""

    def __init__(self, bus: Bus, at_once: int, guard: "Guard | None" = None) -> None:
        self._bus = bus
        self._guard = guard
        self._slots = asyncio.Semaphore(at_once)
        self._subscriptions: list[Subscription] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self, service: str, *endpoints: object) -> None:
        """Subscribe every marked method of these objects; replicas share the queue group."""
        found = [_endpoint(method) for each in endpoints for method in _marked(each)]
        for endpoint, request, handler in found:
            self._subscriptions.append(
                await self._bus.client.subscribe(
                    endpoint.subject, queue=service, cb=self._taker(endpoint, request, handler)
                )
            )
        listed = [endpoint for endpoint, _, _ in found]
        self._subscriptions += await announce(self._bus.client, service, listed)
        # nats-py sends a flush's ping ahead of what waits to be sent; the second comes after it
        for _ in range(2):
            await self._bus.client.flush()

    async def stop(self) -> None:
        """Take no more messages, then let those under way be answered.

        In this order, because draining the connection alone loses the replies of running tasks.
        """
        subscriptions, self._subscriptions = self._subscriptions, []
        await self._unsubscribe(subscriptions)
        for subscription in subscriptions:
            await subscription.drain()  # type: ignore[no-untyped-call] # nats-py left it bare
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def _unsubscribe(self, subscriptions: list[Subscription]) -> None:
        """Tell the server that nothing more is wanted, and wait until it has sent what it has.

        `drain` alone sends its ping ahead of that word, and throws away what the server sends
        between the two.
        """
        if not self._bus.connected:
            return
        client = self._bus.client
        for subscription in subscriptions:
            await client._send_unsubscribe(subscription._id)  # noqa: SLF001 - as `drain` does it
        with suppress(NatsError):
            for _ in range(2):
                await client.flush()

    def _taker(
        self, endpoint: Endpoint, request: type[Request[Any]], handler: Handler
    ) -> Callable[[Msg], Any]:
        measured = metrics.Answered(endpoint.subject)

        async def take(message: Msg) -> None:
            await self._slots.acquire()
            task = asyncio.create_task(
                _answer(message, endpoint, request, handler, self._guard, measured)
            )
            self._tasks.add(task)
            task.add_done_callback(self._done)

        return take

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._slots.release()


async def _answer(
    message: Msg,
    endpoint: Endpoint,
    request: type[Request[Any]],
    handler: Handler,
    guard: "Guard | None",
    measured: metrics.Answered,
) -> None:
    headers = message.headers or {}
    context.correlation_id.set(headers.get(context.CORRELATION_HEADER, ""))
    context.traceparent.set(headers.get(context.TRACE_HEADER, ""))
    started = perf_counter_ns()
    with (
        tracing.span(endpoint.subject, "server", _ANSWERING) as span,
        measured.once() as outcome,
    ):
        try:
            seconds = _timeout_seconds(headers)
            with context.within(seconds):
                async with asyncio.timeout(seconds):
                    if guard is not None:
                        await guard(headers.get(API_KEY_HEADER, ""))
                    reply = await handler(decoder(request).decode(message.data))
        except Exception as error:  # noqa: BLE001 - the one place where a fault becomes an answer
            refusal = _translate(error, endpoint.subject)
            outcome.code = refusal.code
            span.refuse(refusal.code)
            endpoint.count(perf_counter_ns() - started, error=refusal.code)
            await message._client.publish(  # noqa: SLF001 - Msg.respond cannot send headers
                message.reply,
                msgspec.msgpack.encode(refusal),
                headers={ERROR_CODE_HEADER: refusal.code, ERROR_HEADER: refusal.code},
            )
        else:
            outcome.code = "OK"
            endpoint.count(perf_counter_ns() - started)
            await message.respond(msgspec.msgpack.encode(reply))


def _translate(error: Exception, subject: str) -> Refusal:
    """Return what the caller may know: refusals as they are, everything else as our fault."""
    match error:
        case Broken():
            # nobody else gets to see what it comes from
            log.error("a dependency is broken", subject=subject, exc_info=error)
            return error
        case Refusal():
            return error
        case msgspec.DecodeError():
            return InvalidRequest(f"{subject}: {error}")
        case TimeoutError():
            return DeadlineExceeded(f"{subject}: not done in time")
        case _ if isinstance(error, AWAY):
            log.warning("database away", subject=subject, error=type(error).__name__)
            return Unavailable(f"{subject}: the database is not available")
        case _:
            log.error("unhandled error", subject=subject, exc_info=error)
            return Internal("something went wrong on our side")


def _timeout_seconds(headers: dict[str, str]) -> float:
    told = headers.get(context.TIMEOUT_HEADER, "")
    return int(told) / 1000 if told.isdigit() else _DEFAULT_TIMEOUT_SECONDS


def _marked(endpoints: object) -> list[Handler]:
    names = [name for name, member in vars(type(endpoints)).items() if hasattr(member, _MARK)]
    return [getattr(endpoints, name) for name in names]


def _endpoint(method: Handler) -> tuple[Endpoint, type[Request[Any]], Handler]:
    hints = get_type_hints(method)
    reply = hints.pop("return")
    (request,) = hints.values()
    if reply != request.reply:
        raise TypeError(f"{request.__name__} is answered with {request.reply}, not with {reply}")
    return Endpoint(subject=request.subject), request, method
