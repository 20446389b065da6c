"""Ending tasks that would run for ever."""

import asyncio
from typing import Any

_AGAIN_SECONDS = 1.0


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and return when every one of them has ended, whatever it raised.

    Once is not enough: `asyncio.wait_for` of Python 3.11, with which nats-py waits for messages,
    returns what came in the same moment and forgets that it was cancelled. So a task that goes on
    is cancelled again, every second.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_AGAIN_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)
