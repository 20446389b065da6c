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
    left = iter(range(calls))
    return await _measure(call, callers, lambda: next(left, None) is not None)


async def measure_for(call: Callable[[], Awaitable[object]], callers: int, seconds: float) -> Rate:
    """Call with `callers` callers for as long as told, after one warm-up call each."""
    until = time.perf_counter() + seconds
    return await _measure(call, callers, lambda: time.perf_counter() < until)


async def _measure(
    call: Callable[[], Awaitable[object]], callers: int, goes_on: Callable[[], bool]
) -> Rate:
    await asyncio.gather(*(call() for _ in range(min(callers, 4))))
    times: list[float] = []

    async def caller() -> None:
        while goes_on():
            started = time.perf_counter()
            await call()
            times.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    seconds = time.perf_counter() - started
    p50, p99 = np.percentile(times, [50, 99]) * 1000
    return Rate(callers, len(times) / seconds, float(p50), float(p99))
