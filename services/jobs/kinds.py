"""The kinds of work that engines have said they do, and the queue of each."""

import time
from weakref import WeakKeyDictionary

from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import NotFoundError

from kit.bus import Bus
from kit.database import Pool
from kit.streams import declare_consumer, declare_stream
from proto.errors import Unavailable
from proto.jobs import STREAM, SUBJECTS, RegisterKind, work_subject

REGISTER = """
INSERT INTO jobs.kinds (name, most_seconds, most_attempts) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET
    most_seconds = excluded.most_seconds, most_attempts = excluded.most_attempts,
    registered_at = now()
"""

NAMES = """
SELECT name FROM jobs.kinds ORDER BY name
"""

WORK = StreamConfig(
    name=STREAM,
    subjects=[SUBJECTS],
    retention=RetentionPolicy.WORK_QUEUE,
    # a queue that is full says so, and what it did not take stays in the book
    discard=DiscardPolicy.NEW,
    storage=StorageType.FILE,
    max_msgs=100_000,
    max_bytes=64 * 1024 * 1024,
    duplicate_window=120,
)

ACK_SECONDS = 15.0
"""A worker that is silent for so long is gone, and its ticket is given to another."""


GONE_SECONDS = 3.0
"""For which a stream that was there must be gone before it is made again. nats-server 2.9 removes
the files of a stream after it has said that the stream is removed, those of a new one with them."""

_missing: WeakKeyDictionary[Bus, float | None] = WeakKeyDictionary()
"""Since when the stream that a connection has seen is gone; None while it is there."""


async def register(pool: Pool, bus: Bus, request: RegisterKind) -> None:
    """Note a kind and make its queue. Raises Unavailable while that has to wait."""
    await pool.execute(REGISTER, request.kind, request.most_seconds, request.most_attempts)
    await declare_queues(bus, [request.kind])


async def names(pool: Pool) -> list[str]:
    """Return the kinds that engines have registered."""
    return [row["name"] for row in await pool.fetch(NAMES)]


async def declare_queues(bus: Bus, kinds: list[str]) -> None:
    """Make the queues that are not there, which is after a server lost them.

    Raises Unavailable where the stream was lost a moment ago.
    """
    jetstream = bus.client.jetstream()
    if bus in _missing:
        await _must_have_been_gone(bus, jetstream)
    await declare_stream(jetstream, WORK)
    _missing[bus] = None
    for kind in kinds:
        await declare_consumer(jetstream, STREAM, consumer(kind))


async def _must_have_been_gone(bus: Bus, jetstream: JetStreamContext) -> None:
    """Raise Unavailable for a stream that is missing, but was there a moment ago."""
    try:
        await jetstream.stream_info(STREAM)
    except NotFoundError:
        now = time.monotonic()
        since = _missing[bus]
        if since is None:
            since = _missing[bus] = now
        if now - since < GONE_SECONDS:
            raise Unavailable("the work queue was lost, and is made again in a moment") from None


def consumer(kind: str) -> ConsumerConfig:
    """Return what workers of a kind share."""
    return ConsumerConfig(
        durable_name=kind,
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ACK_SECONDS,
        # attempts are counted in the book, which also knows why each came to nothing
        max_deliver=-1,
        max_ack_pending=10_000,
        filter_subject=work_subject(kind),
    )
