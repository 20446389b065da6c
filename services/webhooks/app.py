"""Webhooks, put together."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import structlog
from aiohttp import web

from kit import database
from kit.database import Pool
from kit.ending import end
from kit.events import Happened, Reader
from kit.fetching import Fetcher
from kit.lifecycle import BUS, CHECKS, answering, bus_context, operator_app
from kit.sealing import Vault
from kit.surveying import surveying
from services.webhooks import deliveries, sending
from services.webhooks.endpoints import Endpoints
from services.webhooks.registry import Registry
from services.webhooks.sending import Sender
from services.webhooks.settings import Settings

log = structlog.get_logger(__name__)

SCHEMA = Path(__file__).parent / "schema"

ATTEMPT_SECONDS = 15.0
"""A receiver that has not answered by then has not taken it."""

_SWEEP_SECONDS = 3600.0


def build(settings: Settings) -> web.Application:
    """Return the service, ready to run."""
    vault = Vault(settings.secret_key, "webhook secrets")

    async def webhooks(app: web.Application) -> AsyncIterator[None]:
        await database.migrate(settings.database_url, "webhooks", SCHEMA)
        if not vault.seals:
            log.warning("SECRET_KEY is not set, so the secrets of endpoints are stored in clear")
        async with (
            database.connect(settings.database_url) as pool,
            Fetcher(allow=settings.fetch_allow, seconds=ATTEMPT_SECONDS) as fetcher,
        ):
            registry = Registry(pool, vault)
            sender = Sender(pool, fetcher, vault)
            reader = Reader(app[BUS], "webhooks")
            await reader.declare()

            async def act(happened: Happened) -> None:
                if await deliveries.record(pool, happened):
                    sender.wake()

            sends = asyncio.create_task(sender.run())
            others = [
                asyncio.create_task(reader.run(act)),
                asyncio.create_task(_sweep(pool, registry)),
            ]

            async def database_answers() -> bool:
                return bool(await pool.fetchval("SELECT true"))

            async def all_run() -> bool:
                return not any(task.done() for task in (sends, *others))

            app[CHECKS]["postgresql"] = database_answers
            app[CHECKS]["deliveries"] = all_run
            endpoints = Endpoints(pool, registry, fetcher, sender.wake)
            listening = await answering(app[BUS], "webhooks", endpoints)
            async with surveying("deliveries", partial(sending.survey, pool)):
                yield
            await listening.stop()
            sender.stop()
            await end(*others)
            await asyncio.gather(sends, return_exceptions=True)

    app = operator_app()
    app.cleanup_ctx.append(bus_context(settings.nats_url, "webhooks"))
    app.cleanup_ctx.append(webhooks)
    return app


async def _sweep(pool: Pool, registry: Registry) -> None:
    """Remove what has had its time."""
    while True:
        try:
            await registry.remove_expired_secrets()
            if removed := await deliveries.remove_old(pool):
                log.info("removed old deliveries", count=removed)
        except Exception as error:  # noqa: BLE001 - the next round tries again, whatever it was
            log.warning("sweep failed", error=str(error))
        await asyncio.sleep(_SWEEP_SECONDS)
