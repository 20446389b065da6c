"""Processes stopped and killed in the middle of a face crop: no token lost, none taken twice."""

import asyncio
import os
import signal

import psutil
import pytest

from proto.wallet import GetBalance
from tests.chaos.conftest import Caller, eventually, started_again, works_again
from tests.running import RunningStack


async def test_an_engine_that_is_too_slow_is_503_and_everything_is_given_back(
    impatient: RunningStack, caller: Caller, astronaut_jpeg: bytes
) -> None:
    engine = psutil.Process(impatient.card.pids["facecrop"])
    engine.suspend()
    try:
        status, headers = await caller.crop(astronaut_jpeg, 3)
    finally:
        engine.resume()
    assert status == 503
    assert int(headers["Retry-After"]) > 0
    await caller.owns(100)
    assert caller.files("uploads") == []
    await works_again(caller, astronaut_jpeg)


async def test_models_that_do_not_answer_are_503_and_everything_is_given_back(
    impatient: RunningStack, caller: Caller, astronaut_jpeg: bytes
) -> None:
    server = psutil.Process(impatient.card.pids["triton"])
    family = [server, *server.children(recursive=True)]
    for process in family:
        process.suspend()
    try:
        status, headers = await caller.crop(astronaut_jpeg)
    finally:
        for process in family:
            process.resume()
    assert status == 503
    assert "Retry-After" in headers
    await caller.owns(100)
    assert caller.files("outputs") == []
    await works_again(caller, astronaut_jpeg)


@pytest.mark.parametrize("name", ["facecrop", "triton", "nats", "postgres", "wallet", "gateway"])
async def test_a_process_killed_in_the_middle_costs_nothing_but_time(
    impatient: RunningStack, caller: Caller, astronaut_jpeg: bytes, name: str
) -> None:
    crop = asyncio.create_task(caller.crop(astronaut_jpeg, 12))
    # a dozen portraits take but a moment
    await eventually(lambda: _is_held(caller), pause=0.005)
    pid = impatient.card.pids[name]
    os.kill(pid, signal.SIGKILL)
    status, _ = await crop
    await started_again(impatient, name, pid)
    # answered with portraits: charged for them; not answered, or 503: nothing
    assert status in (0, 200, 503)
    await eventually(lambda: _is_settled(caller))
    balance = await caller._bus.request(GetBalance(account=caller.account))
    allowed = {200: {76}, 503: {100}, 0: {76, 100}}
    assert balance.available in allowed[status]
    await works_again(caller, astronaut_jpeg)


async def _is_held(caller: Caller) -> bool:
    return (await caller._bus.request(GetBalance(account=caller.account))).held == 24


async def _is_settled(caller: Caller) -> bool:
    return (await caller._bus.request(GetBalance(account=caller.account))).held == 0
