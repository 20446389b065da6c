"""Heavy work in processes of their own: calls are answered while it goes on, and it can be ended.

What holds the interpreter lock would take turns with the event loop at five milliseconds each, and
at some steps keep it for a tenth of a second. And a thread that a stranger's file keeps busy for
minutes cannot be stopped; a process can.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager, suppress
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import TypeVar

import structlog

Result = TypeVar("Result")

_GRACE_SECONDS = 1.0
"""For coming back to the interpreter after the limit; then the process is ended."""

log = structlog.get_logger(__name__)


class Overrun(Exception):
    """The work took longer than it may, and was ended."""


class Aside:
    """A few processes that take work in turn; started when they are needed, and then kept.

    Each has one piece of work at a time, so that one that must be ended takes no other with it.
    """

    def __init__(self, processes: int) -> None:
        # the last one to come back is the next to go: more are only started where work waits
        self._free: asyncio.LifoQueue[ProcessPoolExecutor] = asyncio.LifoQueue()
        self._pools = {_pool() for _ in range(processes)}
        for pool in self._pools:
            self._free.put_nowait(pool)

    @classmethod
    @asynccontextmanager
    async def open(cls, processes: int) -> AsyncIterator["Aside"]:
        """Have so many processes at most; they are gone when this ends."""
        aside = cls(processes)
        try:
            yield aside
        finally:
            for pool in set(aside._pools):
                await asyncio.to_thread(pool.shutdown, cancel_futures=True)

    async def run(self, seconds: float, step: Callable[..., Result], *arguments: object) -> Result:
        """Call a function of a module in one of the processes.

        Arguments, result and what it raises must pickle. The seconds count from when it begins, not
        while it waits for its turn. Who stops waiting does not stop it before they are over.

        Raises Overrun, BrokenProcessPool when its process died, and what the function raises.
        """
        loop = asyncio.get_running_loop()
        pool = await self._free.get()
        try:
            started = pool.submit(os.getpid)
        except BrokenProcessPool:
            # it died while it had nothing to do
            pool = self._replaced(pool)
            started = pool.submit(os.getpid)
        work = pool.submit(_timed, seconds, step, *arguments)
        work.add_done_callback(lambda done: loop.call_soon_threadsafe(self._put_back, pool, done))
        latest = None
        try:
            process = await asyncio.wrap_future(started)
            latest = loop.time() + seconds
            end = loop.call_later(seconds + _GRACE_SECONDS, _end, process)
            work.add_done_callback(lambda _: loop.call_soon_threadsafe(end.cancel))
            return await asyncio.wrap_future(work)
        except BrokenProcessPool as error:
            if latest is not None and loop.time() > latest:
                raise Overrun from error
            log.warning("a process died", step=step.__name__)
            raise

    def _put_back(self, pool: ProcessPoolExecutor, done: "Future[Result]") -> None:
        broken = not done.cancelled() and isinstance(done.exception(), BrokenProcessPool)
        self._free.put_nowait(self._replaced(pool) if broken else pool)

    def _replaced(self, pool: ProcessPoolExecutor) -> ProcessPoolExecutor:
        pool.shutdown(wait=False)
        self._pools.remove(pool)
        fresh = _pool()
        self._pools.add(fresh)
        return fresh


def _pool() -> ProcessPoolExecutor:
    """Return a pool of one process, which it starts with its first work."""
    # a fork would copy locks that other threads hold
    return ProcessPoolExecutor(1, get_context("spawn"), _begin)


def _end(process: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def _begin() -> None:
    """Live as long as the service does, whoever is told to stop and however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, _overrun)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _overrun(_: int, __: object) -> None:
    raise Overrun


def _timed(seconds: float, step: Callable[..., Result], *arguments: object) -> Result:
    # for what does not come back to the interpreter when nobody waits for it any more: counts the
    # processor's time, and nothing handles its signal, so it ends the process
    signal.setitimer(signal.ITIMER_PROF, seconds + _GRACE_SECONDS)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return step(*arguments)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)
