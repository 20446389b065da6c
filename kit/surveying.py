"""Numbers that stand in tables, not in what a process did: read every few seconds, as gauges."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
from prometheus_client import Gauge

from kit.ending import end

log = structlog.get_logger(__name__)

SURVEYED = Gauge(
    "darkroom_surveyed_timestamp_seconds",
    "When the gauges that are read out of tables were last read",
    ("survey",),
)

SURVEY_SECONDS = 5.0


@asynccontextmanager
async def surveying(
    name: str, survey: Callable[[], Awaitable[None]], seconds: float = SURVEY_SECONDS
) -> AsyncIterator[None]:
    """Survey again and again while the body runs; every replica does, and all see the same.

    While a survey fails, the gauges keep what they said last, and SURVEYED tells how old that is.
    """
    task = asyncio.create_task(_run(name, survey, seconds))
    try:
        yield
    finally:
        await end(task)


async def _run(name: str, survey: Callable[[], Awaitable[None]], seconds: float) -> None:
    while True:
        try:
            await survey()
        except Exception as error:  # noqa: BLE001 - the next one tries again, whatever it was
            log.warning("survey failed", of=name, error=str(error) or type(error).__name__)
        else:
            SURVEYED.labels(name).set(time.time())
        await asyncio.sleep(seconds)
