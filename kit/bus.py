"""Asking: typed requests over core NATS, with deadlines and errors that keep their class.

All requests of a process share one inbox subscription and are told apart by a counter. nats-py's
own `request` draws random bytes and starts a waiter for each call, which is a third of its cost.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from kit import context, metrics, tracing
from kit.tls import EncryptedClient, trusting
from proto.errors import DeadlineExceeded, Internal, Refusal, Unavailable, every_refusal
from proto.message import Request

Reply = TypeVar("Reply")

Handler = Callable[[Any], Awaitable[Any]]
"""What answers a request: takes the message, returns the reply."""

ERROR_CODE_HEADER = "Nats-Service-Error-Code"
ERROR_HEADER = "Nats-Service-Error"
"""The two headers by which the NATS service API marks an answer as an error."""

API_KEY_HEADER = "X-API-Key"
"""What an internal caller shows to an engine whose operator asks for it."""

_NO_RESPONDERS = "503"
_ASKING = {"rpc.system": "nats"}

_decoders: dict[Any, msgspec.msgpack.Decoder[Any]] = {}

log = structlog.get_logger(__name__)


class Bus:
    """A connection to NATS that speaks messages."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._inbox = client.new_inbox()
        self._waiting: dict[str, asyncio.Future[Msg]] = {}
        self._sent = 0

    @classmethod
    async def connect(cls, url: str, name: str, authority: str = "") -> "Bus":
        """Connect, for as long as it takes, and reconnect for ever; `name` shows in NATS' lists.

        A `tls://` URL is spoken to only over TLS, with a certificate that `authority` signed: a
        PEM file, or one of the machine's own authorities where none is named.
        """

        async def report(error: Exception) -> None:
            log.warning("nats", error=str(error) or type(error).__name__)

        encrypted = url.startswith("tls://")
        client = EncryptedClient() if encrypted else Client()
        await client.connect(
            url,
            name=name,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.5,  # type: ignore[arg-type] # only slept for, so half a second is fine
            error_cb=report,
            inbox_prefix=_inbox_of(url),
            tls=trusting(authority) if encrypted else None,
        )
        bus = cls(client)
        await client.subscribe(f"{bus._inbox}.*", cb=bus._take_reply)
        return bus

    @property
    def connected(self) -> bool:
        """Whether the server can be reached at this moment."""
        return self.client.is_connected

    async def request(
        self, request: Request[Reply], timeout_seconds: float = 5.0, api_key: str = ""
    ) -> Reply:
        """Ask, wait and return the typed reply; `api_key` is for an engine that wants one.

        The wait ends earlier when the caller of the current call has less time left.
        Raises the Refusal that came back, Unavailable when nobody listens or NATS is away, and
        DeadlineExceeded when no answer came in time (the work may have been done all the same).
        """
        with _noted(request.subject):
            return await self._request(request, timeout_seconds, api_key)

    async def _request(
        self, request: Request[Reply], timeout_seconds: float, api_key: str
    ) -> Reply:
        timeout = min(timeout_seconds, context.seconds_left(timeout_seconds))
        if not self.connected:
            raise Unavailable(f"{request.subject}: the message bus is not connected")
        self._sent += 1
        inbox = f"{self._inbox}.{self._sent}"
        loop = asyncio.get_running_loop()
        waiting = self._waiting[inbox] = loop.create_future()
        alarm = loop.call_later(timeout, _give_up, waiting, request.subject)
        try:
            await self.client.publish(
                request.subject,
                msgspec.msgpack.encode(request),
                reply=inbox,
                headers=context.headers(timeout) | ({API_KEY_HEADER: api_key} if api_key else {}),
            )
            reply = await waiting
        except NatsError as error:
            raise Unavailable(f"{request.subject}: {error}") from error
        finally:
            alarm.cancel()
            del self._waiting[inbox]
        return _read(request, reply)

    async def close(self) -> None:
        """Send what is buffered and disconnect."""
        await self.client.drain()

    async def _take_reply(self, message: Msg) -> None:
        waiting = self._waiting.get(message.subject)
        if waiting is not None and not waiting.done():
            waiting.set_result(message)


@contextmanager
def _noted(subject: str) -> Iterator[None]:
    """Count, time and trace a question that is asked inside."""
    started = perf_counter()
    code = "INTERNAL"
    with tracing.span(subject, "client", _ASKING):
        try:
            yield
            code = "OK"
        except Refusal as error:
            code = error.code
            raise
        except asyncio.CancelledError:
            code = "CANCELLED"
            raise
        finally:
            metrics.called(subject, code, perf_counter() - started)


def _inbox_of(url: str) -> str:
    """Return where answers to a user go: below a subject that no other user may listen to."""
    user = urlsplit(url).username
    return f"_INBOX.{user}" if user else "_INBOX"


def _give_up(waiting: asyncio.Future[Msg], subject: str) -> None:
    if not waiting.done():
        waiting.set_exception(DeadlineExceeded(f"{subject}: no answer in time"))


def _read(request: Request[Reply], message: Msg) -> Reply:
    headers = message.headers or {}
    if headers.get("Status") == _NO_RESPONDERS:
        raise Unavailable(f"{request.subject}: nobody answers")
    if code := headers.get(ERROR_CODE_HEADER):
        raise _refusal(code, message.data)
    reply: Reply = decoder(request.reply).decode(message.data)
    return reply


def _refusal(code: str, body: bytes) -> Refusal:
    kind = every_refusal().get(code, Internal)
    refusal: Refusal = decoder(kind).decode(body)
    return refusal


def decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:  # noqa: ANN401 - a type or a union
    """Return the decoder of a message type; making one costs far more than using it."""
    found = _decoders.get(kind)
    if found is None:
        found = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    return found
