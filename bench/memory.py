"""How much memory the processes of a stack take while something is measured."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import psutil


class Watch:
    """The largest resident set of each process seen so far, in megabytes."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self.peak_mb: dict[str, float] = dict.fromkeys(pids, 0.0)

    def sample(self) -> dict[str, float]:
        """Look once; the children of a process count as part of it."""
        now = {name: _resident_mb(pid) for name, pid in self._pids.items()}
        for name, megabytes in now.items():
            self.peak_mb[name] = max(self.peak_mb[name], megabytes)
        return now


@asynccontextmanager
async def watched(pids: dict[str, int], every_seconds: float = 0.25) -> AsyncIterator[Watch]:
    """Sample the processes while the body runs."""
    watch = Watch(pids)

    async def look() -> None:
        while True:
            watch.sample()
            await asyncio.sleep(every_seconds)

    looking = asyncio.create_task(look())
    yield watch
    looking.cancel()
    with suppress(asyncio.CancelledError):
        await looking


def _resident_mb(pid: int) -> float:
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        return sum(member.memory_info().rss for member in family) / 1e6
    return 0.0
