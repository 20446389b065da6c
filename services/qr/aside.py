"""Heavy work in processes of their own, so that calls are answered while it goes on.

Drawing and reading rosters hold the interpreter lock; in a thread they would take turns with the
event loop at five milliseconds each, and at some steps keep it for a tenth of a second.
"""

import asyncio
import os
import resource
import signal
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import TypeVar

import structlog

Result = TypeVar("Result")

log = structlog.get_logger(__name__)


class Overrun(Exception):
    """The work took longer than it may, and was ended."""


class Aside:
    """A few processes that take work in turn; started when they are needed, and then kept."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._pool = _pool(processes)

    @classmethod
    @asynccontextmanager
    async def open(cls, processes: int) -> AsyncIterator["Aside"]:
        """Have so many processes at most; they are gone when this ends."""
        aside = cls(processes)
        try:
            yield aside
        finally:
            await asyncio.to_thread(aside._pool.shutdown, cancel_futures=True)

    async def run(self, seconds: float, step: Callable[..., Result], *arguments: object) -> Result:
        """Call a function of a module in one of the processes.

        Arguments, result and what it raises must pickle. The seconds count from when it begins, not
        while it waits for its turn.

        Raises Overrun, BrokenProcessPool when its process died, and what the function raises.
        """
        pool = self._pool
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(pool, _timed, seconds, step, *arguments)
        except BrokenProcessPool:
            if self._pool is pool:
                log.warning("a process died", step=step.__name__)
                self._pool = _pool(self._processes)
            raise


def _pool(processes: int) -> ProcessPoolExecutor:
    # a fork would copy locks that other threads hold
    return ProcessPoolExecutor(processes, get_context("spawn"), _begin)


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
    # for what does not come back to the interpreter: the system ends the process
    processor_seconds = int(time.process_time() + 2 * seconds) + 1
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    if most == resource.RLIM_INFINITY or processor_seconds < most:
        resource.setrlimit(resource.RLIMIT_CPU, (processor_seconds, most))
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return step(*arguments)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
