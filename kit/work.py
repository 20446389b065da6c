"""Working through the items of jobs: take a ticket from the queue, do the work, say how it went.

An item is the worker's from the ticket to the word that it is written down; meanwhile the queue is
told every few seconds that somebody is at it. A worker that dies says nothing, and the queue gives
the ticket to another. While the job book cannot be reached, the worker holds on to what it has.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from time import perf_counter
from typing import TypeVar
from uuid import uuid4

import msgspec
import structlog
from aiohttp import web
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from prometheus_client import Counter, Histogram

from kit import context, metrics, tracing
from kit.bus import Bus, decoder
from kit.ending import end
from kit.lifecycle import BUS, CHECKS, HURRY, STOPPING
from proto.errors import Broken, Internal, InvalidRequest, Refusal, Unavailable
from proto.jobs import (
    STREAM,
    Failed,
    FinishItem,
    PutBack,
    RegisterKind,
    Succeeded,
    TakeItem,
    Taken,
    Ticket,
)
from proto.message import Request

log = structlog.get_logger(__name__)

Reply = TypeVar("Reply")

Work = Callable[[bytes], Awaitable[Succeeded | Failed]]
"""Does the work of one item, given as the engine's own request in MessagePack.

Raises Unavailable when it should be tried again later, InvalidRequest when it makes no sense;
anything else, Broken too, is a fault, and is tried again a few times.
"""

ITEMS = Counter(
    "darkroom_items",
    "Items of jobs that were worked on, by how the attempt went",
    ("kind", "outcome"),
)
ITEM_SECONDS = Histogram(
    "darkroom_item_duration_seconds",
    "Work on one item, from having it to having its outcome",
    ("kind",),
    buckets=metrics.SECONDS,
)
REDELIVERED = Counter(
    "darkroom_item_redeliveries",
    "Tickets that the queue gave out again, because whoever had them before was silent",
    ("kind",),
)

_FETCH_SECONDS = 5.0
_HEARTBEAT_SECONDS = 4.0
"""A third of what the queue waits for, or less."""
_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_PUT_BACK_SECONDS = 3.0
_REGISTER_SECONDS = 60.0
_HURRY_SECONDS = 20.0
"""Within what a supervisor waits for, 30."""
_MOST_FAULTS = 20
"""Of the job book at one question; then the ticket goes back to the queue."""
_MOST_LETTERS = 1_000
"""Of the message of a failure."""


@asynccontextmanager
async def working(
    app: web.Application, kind: RegisterKind, work: Work, at_once: int, *, check: str = "worker"
) -> AsyncIterator[None]:
    """Work through the items of jobs while the body runs; afterwards finish what is under way.

    Nothing is taken any more from the moment in which the service is told to stop.

    A service whose worker has ended is not ready; `check` names that, where it has several. Without
    a job book it is ready all the same, for whoever asks it directly.
    """
    worker = Worker(app[BUS], kind, work, at_once, app[HURRY])
    task = asyncio.create_task(worker.run())

    async def heed() -> None:
        await app[STOPPING].wait()
        worker.stop()

    heeding = asyncio.create_task(heed())

    async def runs() -> bool:
        return not task.done()

    app[CHECKS][check] = runs
    try:
        yield
    finally:
        worker.stop()
        await end(heeding)
        await task


class Worker:
    """Works on one kind of item, several at a time."""

    def __init__(
        self,
        bus: Bus,
        kind: RegisterKind,
        work: Work,
        at_once: int,
        hurry: asyncio.Event | None = None,
    ) -> None:
        """Prepare to work.

        Args:
            bus: The connection.
            kind: Of the items.
            work: Does one.
            at_once: How many are worked on side by side.
            hurry: Says that what is under way at the stop has no time to be finished.
        """
        self._bus = bus
        self._hurry = hurry or asyncio.Event()
        self._kind = kind
        self._work = work
        self._at_once = at_once
        self._registered = asyncio.Event()
        self._stopping = asyncio.Event()
        self._room = _Room()
        self._seconds = ITEM_SECONDS.labels(kind.kind)
        self._redelivered = REDELIVERED.labels(kind.kind)
        for outcome in (Succeeded, Failed, PutBack):
            ITEMS.labels(kind.kind, outcome.__name__.lower())
        self._busy: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Work until `stop`; who cancels this instead leaves what is under way to others."""
        tasks = [asyncio.create_task(self._register())]
        tasks += [asyncio.create_task(self._pull()) for _ in range(self._at_once)]
        try:
            await self._stopping.wait()
        except asyncio.CancelledError:
            for task in self._busy:
                task.cancel()
            await end(*tasks)
            # what was taken in the very last moment
            await end(*self._busy)
            raise
        await end(*tasks)
        # nothing new is taken; what was taken is finished, or put back in a hurry
        if self._busy:
            await self._finished_or_hurried()
        if self._busy:
            _, late = await asyncio.wait(self._busy, timeout=_HURRY_SECONDS)
            for task in late:
                task.cancel()
        while self._busy:
            await asyncio.gather(*self._busy, return_exceptions=True)

    async def _finished_or_hurried(self) -> None:
        """Return when everything has ended, each item in its own time, or when there is a hurry."""
        hurried = asyncio.create_task(self._hurry.wait())
        finished = asyncio.create_task(asyncio.wait(self._busy))
        await asyncio.wait({hurried, finished}, return_when=asyncio.FIRST_COMPLETED)
        await end(hurried, finished)

    def stop(self) -> None:
        """Take nothing more, finish what is under way, and return from `run`.

        What is not finished within 20 seconds of a hurry is put back, and does not count as an
        attempt.
        """
        self._stopping.set()

    async def _register(self) -> None:
        """Say what is worked on, again from time to time: a job book restored is told too."""
        while True:
            try:
                await self._bus.request(self._kind)
            except Refusal as error:
                log.info("kind not registered yet", kind=self._kind.kind, error=str(error))
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                self._registered.set()
                await asyncio.sleep(_REGISTER_SECONDS)

    async def _pull(self) -> None:
        # before that there may be no queue, and a server says nothing to who asks for one
        await self._registered.wait()
        while True:
            try:
                await self._pull_from_queue()
            except (NatsError, TimeoutError) as error:
                log.info("queue not there", kind=self._kind.kind, error=type(error).__name__)
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _pull_from_queue(self) -> None:
        jetstream = self._bus.client.jetstream()
        queue = await jetstream.pull_subscribe_bind(self._kind.kind, STREAM)
        try:
            while True:
                try:
                    (message,) = await queue.fetch(1, _FETCH_SECONDS)
                except TimeoutError:
                    # a server that lost the consumer says nothing either
                    await jetstream.consumer_info(STREAM, self._kind.kind)
                    continue
                task = asyncio.create_task(self._attend(message))
                self._busy.add(task)
                task.add_done_callback(self._busy.discard)
                # whoever cancels the pulling lets the item end
                await asyncio.shield(task)
        finally:
            with suppress(NatsError):
                await queue.unsubscribe()

    async def _attend(self, message: Msg) -> None:
        heart = asyncio.create_task(_beat(message))
        try:
            await self._carry_out(message)
        except _NotBegun:
            with suppress(NatsError):
                await message.nak()
        except msgspec.DecodeError as error:
            log.warning("no ticket", kind=self._kind.kind, error=str(error))
            with suppress(NatsError):
                await message.term()
        except Exception:
            log.exception("item left to another", kind=self._kind.kind)
            with suppress(NatsError):
                await message.nak(_PUT_BACK_SECONDS)
        else:
            with suppress(NatsError):
                await message.ack()
        finally:
            heart.cancel()

    async def _carry_out(self, message: Msg) -> None:
        """Carry a ticket out; alone, if whoever had it before is gone.

        An item that kills its worker takes those beside it along. Alone it can only harm itself,
        and the others do not use up their attempts.
        """
        again = message.metadata.num_delivered > 1
        self._redelivered.inc(again)
        async with self._room.entered(alone=again):
            if self._stopping.is_set():
                # it waited for its turn until there was none
                raise _NotBegun
            ticket = decoder(Ticket).decode(message.data)
            facts = {"darkroom.job": str(ticket.job), "darkroom.item": ticket.number}
            with tracing.span(f"item {self._kind.kind}", "consumer", facts) as span:
                await self._take_and_finish(ticket, again, span)

    async def _take_and_finish(self, ticket: Ticket, again: bool, span: tracing.AnySpan) -> None:
        attempt = uuid4()
        take = TakeItem(
            account=ticket.account,
            job=ticket.job,
            number=ticket.number,
            attempt=attempt,
            again=again,
        )
        taken = await self._insist(take, self._stopping)
        if not isinstance(taken, Taken):
            return
        context.correlation_id.set(taken.correlation_id)
        outcome = await self._timed(taken)
        if isinstance(outcome, Failed):
            span.note("darkroom.code", outcome.code)
        elif isinstance(outcome, PutBack):
            span.fail(outcome.code)
        finish = FinishItem(
            account=ticket.account,
            job=ticket.job,
            number=ticket.number,
            attempt=attempt,
            outcome=outcome,
        )
        # what is done is worth waiting for
        finished = await self._insist(finish, self._hurry)
        ITEMS.labels(self._kind.kind, type(outcome).__name__.lower()).inc()
        if not finished.counted:
            log.info("item was no longer ours", job=str(ticket.job), number=ticket.number)

    async def _timed(self, taken: Taken) -> Succeeded | Failed | PutBack:
        started = perf_counter()
        try:
            return await self._outcome(taken)
        except asyncio.CancelledError:
            if not self._stopping.is_set():
                raise
            return PutBack(seconds=0, counts=False)
        finally:
            self._seconds.observe(perf_counter() - started, metrics.exemplar())

    async def _outcome(self, taken: Taken) -> Succeeded | Failed | PutBack:
        try:
            with context.within(self._kind.most_seconds):
                async with asyncio.timeout(self._kind.most_seconds):
                    return await self._work(taken.work)
        except InvalidRequest as error:
            return Failed(code=error.code, message=_written(error))
        except Exception as error:
            # what is away comes back; what is broken would keep the job open for nothing
            if isinstance(error, Unavailable) and not isinstance(error, Broken):
                log.warning("item put back", error=str(error))
                return PutBack(seconds=_PUT_BACK_SECONDS, counts=False)
            log.exception("item failed for a fault of ours", last=taken.last)
            sentence = "this item could not be processed because of a fault on our side"
            return PutBack(
                seconds=_PUT_BACK_SECONDS, counts=True, code="PROCESSING_FAILED", message=sentence
            )

    async def _insist(self, request: Request[Reply], give_up: asyncio.Event) -> Reply:
        """Ask the job book until it answers: it, or its database, may be starting again.

        Once `give_up` is set, what it does not answer at the first question is raised.
        """
        pause, faults = _PAUSE_SECONDS, 0
        while True:
            try:
                return await self._bus.request(request)
            except (Unavailable, Internal) as error:
                log.warning("job book does not answer", error=str(error))
                faults += isinstance(error, Internal)
                if give_up.is_set() or faults == _MOST_FAULTS:
                    raise
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


class _NotBegun(Exception):
    """The worker stops, and this ticket is for another."""


class _Room:
    """Lets several in at a time, or one alone, who then goes before the others."""

    def __init__(self) -> None:
        self._inside = 0
        self._alone = False
        self._wanting_to_be_alone = 0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def entered(self, *, alone: bool) -> AsyncIterator[None]:
        async with self._changed:
            if alone:
                self._wanting_to_be_alone += 1
                try:
                    await self._changed.wait_for(lambda: not self._inside)
                finally:
                    self._wanting_to_be_alone -= 1
                    self._changed.notify_all()
            else:
                await self._changed.wait_for(
                    lambda: not self._alone and not self._wanting_to_be_alone
                )
            self._inside += 1
            self._alone = alone
        try:
            yield
        finally:
            async with self._changed:
                self._inside -= 1
                self._alone = False
                self._changed.notify_all()


def _written(error: Refusal) -> str:
    """Return what an error says as the job book takes it: it must not refuse what has failed."""
    return str(error).replace("\0", "")[:_MOST_LETTERS]


async def _beat(message: Msg) -> None:
    """Tell the queue that somebody is at it."""
    while True:
        await asyncio.sleep(_HEARTBEAT_SECONDS)
        with suppress(NatsError):
            await message.in_progress()
