"""Closed-loop load: so many callers, each sending its next request when the last is answered."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Rate:
    """What a run gave."""

    callers: int
    per_second: float
    p50_ms: float
    p99_ms: float

    def __str__(self) -> str:
        return (
            f"{self.callers:3d} callers {self.per_second:8.2f}/s "
            f"p50 {self.p50_ms:8.1f} ms  p99 {self.p99_ms:8.1f} ms"
        )


async def measure(call: Callable[[], Awaitable[object]], callers: int, calls: int) -> Rate:
    """Make `calls` calls with `callers` callers, after one warm-up call each."""
    await asyncio.gather(*(call() for _ in range(min(callers, 4))))
    left = iter(range(calls))
    times: list[float] = []

    async def caller() -> None:
        for _ in left:
            started = time.perf_counter()
            await call()
            times.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    seconds = time.perf_counter() - started
    p50, p99 = np.percentile(times, [50, 99]) * 1000
    return Rate(callers, calls / seconds, float(p50), float(p99))
