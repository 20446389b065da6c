"""Server-sent events: what has happened to a job, as it happens, resumable.

The events of a job are its items in the order in which they ended, and its end: they stand in the
job book and have numbers, so a client that comes back says which it heard last. That something has
ended is whispered over the bus; whoever misses a whisper looks after a few seconds anyway.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from kit.bus import Bus
from proto.ids import AccountId, JobId
from proto.jobs import progress_subject
from services.gateway.problems import Problem

_LOOK_SECONDS = 5.0


class Streams:
    """The streams that are open, and the word that ends them all."""

    def __init__(self, bus: Bus, most_per_account: int) -> None:
        self._bus = bus
        self._most = most_per_account
        self._open: Counter[AccountId] = Counter()
        self._listeners: set[asyncio.Event] = set()
        self._ending = False

    @asynccontextmanager
    async def of(self, account: AccountId, job: JobId) -> AsyncIterator["Stream"]:
        """Listen to a job. Raises Problem 429 when the account listens to too many."""
        if self._open[account] >= self._most:
            sentence = f"at most {self._most} streams of events may be open at a time"
            raise Problem(429, "TOO_MANY_STREAMS", sentence)
        self._open[account] += 1
        woken = asyncio.Event()
        self._listeners.add(woken)

        async def wake(_: Msg) -> None:
            woken.set()

        try:
            whispers = await self._bus.client.subscribe(progress_subject(job), cb=wake)
            try:
                yield Stream(self, woken)
            finally:
                with suppress(NatsError):
                    await whispers.unsubscribe()
        finally:
            self._listeners.discard(woken)
            self._open[account] -= 1
            if not self._open[account]:
                del self._open[account]

    @property
    def ending(self) -> bool:
        """Whether the gateway is stopping; clients come back to another."""
        return self._ending

    def end(self) -> None:
        """Let every stream end."""
        self._ending = True
        for woken in self._listeners:
            woken.set()


class Stream:
    """One client's place."""

    def __init__(self, streams: Streams, woken: asyncio.Event) -> None:
        self._streams = streams
        self._woken = woken

    async def wait(self) -> bool:
        """Wait until something may have happened. Returns whether to go on."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_SECONDS):
                await self._woken.wait()
        self._woken.clear()
        return not self._streams.ending
