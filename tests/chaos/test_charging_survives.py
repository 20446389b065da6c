"""A gateway killed in the middle of a request with an idempotency key: charged once at most."""

import asyncio
import os
import signal
from uuid import uuid4

import psutil

from tests.chaos.conftest import Caller, eventually, started_again
from tests.running import RunningStack


async def test_a_gateway_killed_before_the_engine_was_asked_leaves_nothing_held(
    impatient: RunningStack, caller: Caller, astronaut_jpeg: bytes
) -> None:
    engine = psutil.Process(impatient.card.pids["facecrop"])
    engine.suspend()
    try:
        request = asyncio.create_task(caller.crop(astronaut_jpeg))
        await caller.holds(2)
        gateway = impatient.card.pids["gateway"]
        os.kill(gateway, signal.SIGKILL)
        assert (await request)[0] == 0
        await started_again(impatient, "gateway", gateway)
    finally:
        engine.resume()
    await caller.owns(100)


async def test_the_same_key_after_a_killed_gateway_is_charged_once(
    impatient: RunningStack, caller: Caller, astronaut_jpeg: bytes
) -> None:
    key = str(uuid4())
    engine = psutil.Process(impatient.card.pids["facecrop"])
    engine.suspend()
    try:
        request = asyncio.create_task(caller.crop(astronaut_jpeg, key=key))
        await caller.holds(2)
        gateway = impatient.card.pids["gateway"]
        os.kill(gateway, signal.SIGKILL)
        assert (await request)[0] == 0
        await started_again(impatient, "gateway", gateway)
    finally:
        engine.resume()

    statuses = []

    async def answered() -> bool:
        status, _ = await caller.crop(astronaut_jpeg, key=key)
        statuses.append(status)
        return status == 200

    await eventually(answered)
    # until the attempt of the dead gateway is taken for dead
    assert set(statuses[:-1]) <= {0, 409, 503}
    await caller.owns(98)
    assert (await caller.crop(astronaut_jpeg, key=key))[1]["Idempotent-Replayed"] == "true"
    await caller.owns(98)


async def test_an_answer_that_was_lost_after_it_was_paid_is_made_again_for_nothing(
    impatient: RunningStack, caller: Caller, astronaut_jpeg: bytes
) -> None:
    key = str(uuid4())
    assert (await caller.crop(astronaut_jpeg, key=key))[0] == 200
    await caller.owns(98)
    await caller.forget_answers()
    status, headers = await caller.crop(astronaut_jpeg, key=key)
    assert status == 200
    assert "Idempotent-Replayed" not in headers
    await caller.owns(98)


async def test_while_postgresql_is_gone_requests_are_503_and_nothing_is_charged(
    impatient: RunningStack, caller: Caller, astronaut_jpeg: bytes
) -> None:
    server = psutil.Process(impatient.card.pids["postgres"])
    family = [server, *server.children(recursive=True)]
    for process in family:
        process.suspend()
    try:
        status, headers = await caller.crop(astronaut_jpeg, key="while it was gone")
    finally:
        for process in family:
            process.resume()
    assert status == 503
    assert int(headers["Retry-After"]) > 0
    await caller.owns(100)

    async def answered() -> bool:
        return (await caller.crop(astronaut_jpeg, key="while it was gone"))[0] == 200

    await eventually(answered)
    await caller.owns(98)
