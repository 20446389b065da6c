"""Events: telling everybody what has happened, and reading it, each at least once.

The stream EVENTS keeps them for three days. Who publishes waits until it has the event; who reads
acknowledges an event once it has been acted on, and gets it again otherwise.

The stream may be lost with what nobody has read yet. So who publishes keeps what it told for as
long in its database, looks now and then how far the stream is, and tells everything again when it
is not what it was.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    Header,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import NoStreamResponseError, NotFoundError

from kit import context
from kit.bus import Bus, decoder
from kit.streams import declare_consumer, declare_stream
from proto.errors import Unavailable
from proto.events import STREAM, SUBJECTS, Event
from proto.ids import AccountId

log = structlog.get_logger(__name__)

KEPT = timedelta(days=3)

EVENTS = StreamConfig(
    name=STREAM,
    subjects=[SUBJECTS],
    retention=RetentionPolicy.LIMITS,
    discard=DiscardPolicy.OLD,
    storage=StorageType.FILE,
    max_age=int(KEPT.total_seconds()),
    max_bytes=256 * 1024 * 1024,
    duplicate_window=120,
)

_WAIT_SECONDS = 5.0
"""For the next event; then it is made sure that the server still knows who is waiting."""
_PAUSE_SECONDS = 1.0
_LONGEST_DELAY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Happened:
    """An event as it was read, of a kind that the reader need not know."""

    type: str
    """As in `Event.type`: `wallet.low_balance`."""
    id: UUID
    account: AccountId
    happened_at: datetime
    fields: dict[str, Any]
    """Everything that the event says, these included, as plain values."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the stream is."""

    made_at: datetime
    """When the stream that is there now was made; a restart of the server does not change it."""
    last: int
    """How many events it was ever given."""

    def lost_since(self, made_at: datetime, last: int) -> bool:
        """Whether events are gone that were there: it is another stream, or set back.

        One that was set back and has come as far again before anybody looks is not noticed.
        """
        return self.made_at != made_at or self.last < last


Act = Callable[[Happened], Awaitable[None]]
"""Acts on an event. It may come again, so whoever acts goes by its id."""


async def publish(bus: Bus, event: Event, timeout_seconds: float = _WAIT_SECONDS) -> int:
    """Put an event into the stream, which is made if it is not there, and wait until it is kept.

    The same event published again within two minutes is kept once. Returns its place in the stream,
    as `Standing.last` counts them. Raises Unavailable when nobody said that it is kept; it may be
    all the same. Raises StreamMismatch for a stream with other settings.
    """
    if not bus.connected:
        raise Unavailable(f"{event.subject()}: the message bus is not connected")
    timeout = min(timeout_seconds, context.seconds_left(timeout_seconds))
    jetstream = bus.client.jetstream()
    try:
        async with asyncio.timeout(timeout):
            try:
                return await _put(jetstream, event, timeout)
            except NoStreamResponseError:
                await declare_stream(jetstream, EVENTS)
                return await _put(jetstream, event, timeout)
    except (NatsError, TimeoutError) as error:
        reason = str(error) or "no acknowledgement in time"
        raise Unavailable(f"{event.subject()}: {reason}") from error


async def standing(bus: Bus, timeout_seconds: float = _WAIT_SECONDS) -> Standing:
    """Look how far the stream is; it is made if it is not there. Raises Unavailable."""
    if not bus.connected:
        raise Unavailable(f"{STREAM}: the message bus is not connected")
    jetstream = bus.client.jetstream()
    try:
        async with asyncio.timeout(timeout_seconds):
            try:
                found = await jetstream.stream_info(STREAM)
            except NotFoundError:
                await declare_stream(jetstream, EVENTS)
                found = await jetstream.stream_info(STREAM)
    except (NatsError, TimeoutError) as error:
        raise Unavailable(f"{STREAM}: {str(error) or 'no answer in time'}") from error
    if found.created is None:
        raise Unavailable(f"{STREAM}: the server does not say when it was made")
    return Standing(found.created, found.state.last_seq)


async def _put(jetstream: JetStreamContext, event: Event, timeout: float) -> int:
    carried = context.headers(timeout)
    # an event has no caller who waits for it
    del carried[context.TIMEOUT_HEADER]
    kept = await jetstream.publish(
        event.subject(),
        msgspec.msgpack.encode(event),
        timeout=timeout,
        stream=STREAM,
        headers={Header.MSG_ID.value: str(event.id), **carried},
    )
    return kept.seq


class Reader:
    """A place in the stream that is kept under a name; replicas that share it share the events."""

    def __init__(self, bus: Bus, name: str, *, ack_seconds: float = 30.0) -> None:
        """Prepare to read.

        Args:
            bus: The connection.
            name: Of the durable consumer; a new one starts with the oldest event there is.
            ack_seconds: After how long an event that nobody acknowledged is handed out again.
        """
        self._jetstream = bus.client.jetstream()
        self._config = ConsumerConfig(
            durable_name=name,
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ack_seconds,
            max_deliver=-1,
            max_ack_pending=1000,
            filter_subject=SUBJECTS,
        )

    async def declare(self) -> None:
        """Make stream and consumer as far as they are not there. Raises StreamMismatch."""
        await declare_stream(self._jetstream, EVENTS)
        await declare_consumer(self._jetstream, STREAM, self._config)

    async def run(self, act: Act) -> None:
        """Act on every event, one after the other, until this is cancelled.

        What `act` raises is logged, and the event comes again, ever later, up to a minute.
        """
        while True:
            try:
                await self._read(act)
            except Exception as error:  # noqa: BLE001 - the stream may be back the next time
                log.warning("events cannot be read", error=str(error) or type(error).__name__)
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _read(self, act: Act) -> None:
        await self.declare()
        waiting = await self._jetstream.pull_subscribe_bind(self._config.durable_name, STREAM)
        try:
            while True:
                try:
                    (message,) = await waiting.fetch(1, _WAIT_SECONDS)
                except TimeoutError:
                    # a server that lost the consumer says nothing either
                    await self.declare()
                else:
                    await _hand_over(message, act)
        finally:
            with suppress(NatsError):
                await waiting.unsubscribe()


async def _hand_over(message: Msg, act: Act) -> None:
    headers = message.headers or {}
    context.correlation_id.set(headers.get(context.CORRELATION_HEADER, ""))
    context.traceparent.set(headers.get(context.TRACE_HEADER, ""))
    try:
        happened = _decoded(message)
    except msgspec.DecodeError as error:
        log.warning("no event", subject=message.subject, error=str(error))
        await message.term()
        return
    try:
        await act(happened)
    except Exception as error:
        log.warning("event not acted on", type=happened.type, id=str(happened.id), exc_info=error)
        await message.nak(min(_LONGEST_DELAY_SECONDS, 2.0**message.metadata.num_delivered))
    else:
        await message.ack()


def _decoded(message: Msg) -> Happened:
    event: Event = decoder(Event).decode(message.data)
    return Happened(
        type=message.subject.removeprefix("events."),
        id=event.id,
        account=event.account,
        happened_at=event.happened_at,
        fields=decoder(dict[str, Any]).decode(message.data),
    )
