"""Processes killed in the middle of batches: every photo done once, every token accounted for."""

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path

import psutil
from PIL import Image

from kit.bus import Bus
from proto.jobs import STREAM
from tests.chaos.conftest import SYNC_IMAGES, Caller, eventually, started_again
from tests.running import RunningStack

ITEMS = """
SELECT number, state, ended, attempts FROM jobs.items WHERE job_id = $1::text::uuid ORDER BY number
"""

DRAFTS = """
SELECT state FROM jobs.jobs WHERE account_id = $1
"""

HOLDS = """
SELECT state, consumed FROM wallet.reservations WHERE account_id = $1
"""


async def killed(stack: RunningStack, name: str) -> None:
    """Kill a process, and wait until the supervisor has started another."""
    pid = stack.card.pids[name]
    os.kill(pid, signal.SIGKILL)
    await started_again(stack, name, pid)


async def everything_is_done_once(caller: Caller, task: str, count: int) -> None:
    """Check a job of good photographs against the book, the wallet and the storage."""
    job = await caller.closed(task)
    assert (job["status"], job["succeeded"], job["failed"]) == ("completed", count, 0)
    assert (job["tokens_deducted"], job["tokens_refunded"]) == (2 * count, 0)
    assert job["receipt"]["portraits"] == count
    items = await caller.read_book(ITEMS, task)
    assert Counter(item["state"] for item in items) == {"succeeded": count}
    assert sorted(item["ended"] for item in items) == list(range(1, count + 1))
    (hold,) = await caller.read_book(HOLDS, caller.account)
    assert (hold["state"], hold["consumed"]) == ("settled", 2 * count)
    # what a worker that was killed had half written has no key, and is swept later
    files = [path for path in caller.files("outputs") if "#" not in path.name]
    kinds = Counter(path.stem.rpartition("_")[2] for path in files)
    assert kinds == {"orig": count, "md": count}
    await asyncio.to_thread(_all_load, files)

    async def tidied() -> bool:
        return caller.files("uploads") == []

    await eventually(tidied)


def _all_load(files: list[Path]) -> None:
    for path in files:
        with Image.open(path) as picture:
            picture.load()


async def test_a_batch_survives_the_death_of_every_part_of_it(
    impatient: RunningStack, caller: Caller, pictures: list[bytes]
) -> None:
    await caller.top_up(400)
    task = await caller.begin(pictures)
    done = 0
    for name in ("facecrop", "jobs", "nats", "postgres"):
        done += 15
        await caller.until_ended(task, done)
        await killed(impatient, name)
        done = (await answered(caller, task))["progress"]["current"]
        assert done < 200, f"the job was over before {name} was missed"
    await everything_is_done_once(caller, task, 200)
    await caller.owns(100)


async def answered(caller: Caller, task: str) -> dict[str, dict[str, int]]:
    """Return a job as soon as it can be asked for."""
    found: list[dict[str, dict[str, int]]] = []

    async def asked() -> bool:
        found.append(await caller.job(task))
        return True

    await eventually(asked)
    return found[0]


async def test_a_batch_survives_the_loss_of_the_work_queue(
    impatient: RunningStack, caller: Caller, pictures: list[bytes]
) -> None:
    task = await caller.begin(pictures[:50])
    await caller.until_ended(task, 5)
    operator = await Bus.connect(impatient.nats_url, "chaos")
    assert await operator.client.jetstream().delete_stream(STREAM)
    await operator.close()
    await everything_is_done_once(caller, task, 50)
    await caller.owns(0)


async def test_photos_wait_for_models_that_are_away_and_are_done(
    impatient: RunningStack, caller: Caller, pictures: list[bytes]
) -> None:
    task = await caller.begin(pictures[:50])
    await caller.until_ended(task, 5)
    await killed(impatient, "triton")
    await everything_is_done_once(caller, task, 50)
    await caller.owns(0)


async def test_a_batch_goes_on_without_the_gateway(
    impatient: RunningStack, caller: Caller, pictures: list[bytes]
) -> None:
    task = await caller.begin(pictures[:40])
    await killed(impatient, "gateway")
    await everything_is_done_once(caller, task, 40)
    await caller.owns(20)


async def test_a_gateway_that_stops_ends_its_streams_and_the_rest_is_heard_elsewhere(
    impatient: RunningStack, caller: Caller, pictures: list[bytes]
) -> None:
    task = await caller.begin(pictures[:40])
    gateway = impatient.card.pids["gateway"]
    heard: list[tuple[str, str]] = []
    async for event in caller.events(task, "0"):
        if not heard:
            os.kill(gateway, signal.SIGTERM)
        heard.append(event)
    assert heard[0] == ("progress", "")
    last = len(heard) - 1
    assert last < 40, "the job was over before the gateway stopped"
    await started_again(impatient, "gateway", gateway)
    rest: list[tuple[str, str]] = []

    async def listened() -> bool:
        rest[:] = [event async for event in caller.events(task, f"{last}")]
        return True

    await eventually(listened)
    numbers = [int(number) for _, number in [*heard[1:], *rest[1:]]]
    assert numbers == list(range(1, 42))
    assert rest[-1] == ("completed", "41")
    await caller.owns(20)


async def test_a_gateway_killed_before_the_job_was_started_costs_nothing(
    impatient: RunningStack, caller: Caller, pictures: list[bytes]
) -> None:
    count = SYNC_IMAGES + 1
    book = psutil.Process(impatient.card.pids["jobs"])
    gateway = impatient.card.pids["gateway"]
    book.suspend()
    try:
        request = asyncio.create_task(caller.upload(pictures[:count]))
        await caller.holds(2 * count)
        os.kill(gateway, signal.SIGKILL)
        assert (await request)[0] == 0
    finally:
        book.resume()
    await started_again(impatient, "gateway", gateway)
    # what was drafted is discarded, and its tokens come back
    await caller.owns(100)

    async def nothing_is_left() -> bool:
        return await caller.tasks() == [] and not await caller.read_book(DRAFTS, caller.account)

    await eventually(nothing_is_left)
