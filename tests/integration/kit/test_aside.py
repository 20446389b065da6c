"""Processes that work aside: what they return and raise, and how they end."""

import asyncio
import hashlib
import os
import signal
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import psutil
import pytest

from kit.aside import Aside, Overrun
from proto.errors import InvalidRequest
from tests.integration.jobs.book import until

PROJECT = Path(__file__).parents[3]

HOLDS_ON = """
import asyncio, os, time
from kit.aside import Aside

async def main():
    aside = Aside(1)
    print(await aside.run(30, os.getpid), flush=True)
    await aside.run(30, time.sleep, 25)

asyncio.run(main())
"""


MINUTES = (hashlib.pbkdf2_hmac, "sha256", b"", b"", 10**9)
"""A single step of the interpreter."""


def refuse(why: str) -> None:
    raise InvalidRequest(why)


async def test_results_and_refusals_come_back() -> None:
    async with Aside.open(1) as aside:
        other = await aside.run(10, os.getpid)
        assert other != os.getpid()
        with pytest.raises(InvalidRequest, match="no such thing"):
            await aside.run(10, refuse, "no such thing")
        assert await aside.run(10, os.getpid) == other


async def test_what_takes_too_long_is_ended_and_its_process_goes_on() -> None:
    async with Aside.open(1) as aside:
        other = await aside.run(10, os.getpid)
        with pytest.raises(Overrun):
            await aside.run(0.05, time.sleep, 20)
        assert await aside.run(10, os.getpid) == other


async def test_a_process_that_dies_is_replaced() -> None:
    async with Aside.open(1) as aside:
        other = await aside.run(10, os.getpid)
        with pytest.raises(BrokenProcessPool):
            await aside.run(10, os._exit, 3)
        assert await aside.run(10, os.getpid) != other


async def test_a_process_outlives_what_is_said_to_its_group_and_not_who_started_it() -> None:
    asker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDS_ON, cwd=PROJECT, stdout=asyncio.subprocess.PIPE
    )
    assert asker.stdout is not None
    worker = psutil.Process(int(await asker.stdout.readline()))
    worker.send_signal(signal.SIGTERM)
    worker.send_signal(signal.SIGINT)
    assert worker.status() != psutil.STATUS_ZOMBIE
    asker.kill()
    await asker.wait()

    async def is_gone() -> bool:
        return not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE

    await until(is_gone)


async def test_what_does_not_come_back_to_the_interpreter_ends_with_its_process() -> None:
    async with Aside.open(1) as aside:
        other = await aside.run(10, os.getpid)
        with pytest.raises(Overrun):
            await aside.run(0.2, *MINUTES)
        assert await aside.run(10, os.getpid) != other


def stand_still() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


async def test_a_process_that_neither_works_nor_answers_is_ended_too() -> None:
    async with Aside.open(1) as aside:
        other = await aside.run(10, os.getpid)
        with pytest.raises(Overrun):
            await aside.run(0.2, stand_still)
        assert await aside.run(10, os.getpid) != other


async def test_who_is_ended_takes_no_other_with_it() -> None:
    async with Aside.open(2) as aside:
        ended = asyncio.create_task(aside.run(0.2, *MINUTES))
        beside = [asyncio.create_task(aside.run(30, time.sleep, 0.1)) for _ in range(30)]
        with pytest.raises(Overrun):
            await ended
        assert await asyncio.gather(*beside) == [None] * 30


async def test_who_stops_waiting_leaves_the_process_to_the_next() -> None:
    async with Aside.open(1) as aside:
        other = await aside.run(10, os.getpid)
        left = asyncio.create_task(aside.run(0.2, *MINUTES))
        await asyncio.sleep(0)
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        assert await aside.run(10, os.getpid) != other


async def test_a_process_that_died_while_it_had_nothing_to_do_is_replaced() -> None:
    async with Aside.open(1) as aside:
        other = await aside.run(10, os.getpid)
        os.kill(other, signal.SIGKILL)

        async def is_gone() -> bool:
            return not psutil.pid_exists(other)

        await until(is_gone)
        assert await aside.run(10, os.getpid) != other
