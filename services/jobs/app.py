"""Jobs, put together."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import structlog
from aiohttp import web

from kit import database
from kit.ending import end
from kit.lifecycle import BUS, CHECKS, answering, bus_context, operator_app
from kit.storage import Storage
from kit.surveying import surveying
from services.jobs import counting, kinds
from services.jobs.closing import Closing
from services.jobs.endpoints import Endpoints
from services.jobs.handing_out import HandingOut
from services.jobs.settings import Settings
from services.jobs.sweeping import Sweeping

log = structlog.get_logger(__name__)

SCHEMA = Path(__file__).parent / "schema"

_STORAGE_SECONDS = 600.0


def build(settings: Settings) -> web.Application:
    """Return the service, ready to run."""

    async def book(app: web.Application) -> AsyncIterator[None]:
        await database.migrate(settings.database_url, "jobs", SCHEMA)
        bus = app[BUS]
        async with (
            database.connect(settings.database_url, at_most=16) as pool,
            Storage.open(settings.storage_url) as storage,
        ):
            closing = Closing(pool, bus, storage)
            handing_out = HandingOut(pool, bus, settings.queue_depth)
            sweeping = Sweeping(pool, bus, storage, closing, settings)
            await kinds.declare_queues(bus, await kinds.names(pool))
            endpoints = Endpoints(pool, bus, closing, settings, handing_out.wake)
            tasks = [
                asyncio.create_task(task)
                for task in (
                    handing_out.run(),
                    _every(settings.sweep_seconds, sweeping.bring_to_an_end),
                    _every(settings.sweep_seconds, sweeping.look_for_lost),
                    _every(_STORAGE_SECONDS, sweeping.clear_storage),
                )
            ]

            async def database_answers() -> bool:
                return bool(await pool.fetchval("SELECT true"))

            async def all_run() -> bool:
                return not any(task.done() for task in tasks)

            app[CHECKS]["postgresql"] = database_answers
            app[CHECKS]["sweeps"] = all_run
            listening = await answering(bus, "jobs", endpoints, at_once=256)
            async with surveying("jobs", partial(counting.survey, pool)):
                yield
            await listening.stop()
            await endpoints.settled()
            await end(*tasks)

    app = operator_app()
    app.cleanup_ctx.append(bus_context(settings.nats_url, "jobs"))
    app.cleanup_ctx.append(book)
    return app


async def _every(seconds: float, step: Callable[[], Awaitable[object]]) -> None:
    """Do a step again and again; the first time at once, for what the last stop left behind."""
    while True:
        try:
            await step()
        except Exception as error:  # noqa: BLE001 - the next round tries again, whatever it was
            log.warning("sweep failed", error=str(error) or type(error).__name__)
        await asyncio.sleep(seconds)
