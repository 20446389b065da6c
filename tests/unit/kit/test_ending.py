"""Tasks end, also those that a cancellation missed."""

import asyncio

import pytest

from kit.ending import end


async def _reads(messages: "asyncio.Queue[str]", read: list[str]) -> None:
    while True:
        read.append(await asyncio.wait_for(messages.get(), 60))


async def test_a_reader_ends_although_a_message_came_in_the_moment_of_its_cancellation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kit.ending._AGAIN_SECONDS", 0.01)
    for ticks in range(6):
        messages, read = asyncio.Queue[str](), list[str]()
        reader = asyncio.create_task(_reads(messages, read))
        await asyncio.sleep(0.01)
        messages.put_nowait("a message")
        for _ in range(ticks):
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await end(reader)
        assert reader.cancelled()


async def test_what_a_task_raises_at_its_end_is_its_own_affair() -> None:
    async def fails() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("while it cleaned up")

    failing = asyncio.create_task(fails())
    await asyncio.sleep(0)
    await end(failing)
    assert isinstance(failing.exception(), RuntimeError)


async def test_nothing_ends_at_once() -> None:
    await end()
