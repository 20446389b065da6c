"""The wallet, put together."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import structlog
from aiohttp import web

from kit import database
from kit.bus import Bus
from kit.database import Pool
from kit.ending import end
from kit.lifecycle import BUS, CHECKS, answering, bus_context, operator_app
from kit.surveying import surveying
from services.wallet import calls, counting, thresholds
from services.wallet.batches import Batches
from services.wallet.endpoints import Endpoints
from services.wallet.ledger import Ledger
from services.wallet.settings import Settings

log = structlog.get_logger(__name__)

SCHEMA = Path(__file__).parent / "schema"

_AT_ONCE = 1024
"""Requests under way: enough that a batch is full while the one before it is in flight."""


def build(settings: Settings) -> web.Application:
    """Return the wallet, ready to run."""

    async def ledger(app: web.Application) -> AsyncIterator[None]:
        await database.migrate(settings.database_url, "wallet", SCHEMA)
        async with (
            database.connect(settings.database_url) as pool,
            # all holds and their ends go through this one connection: a second gains nothing, and
            # many would only wait for each other at the row of a busy account
            database.connect(settings.database_url, at_most=1) as writer,
        ):

            async def check() -> bool:
                return bool(await pool.fetchval("SELECT true"))

            app[CHECKS]["postgresql"] = check
            books = Ledger(pool, Batches(writer))
            sweep = asyncio.create_task(_sweep(books, pool, app[BUS], settings.sweep_seconds))
            endpoints = Endpoints(pool, books)
            listening = await answering(app[BUS], "wallet", endpoints, at_once=_AT_ONCE)
            async with (
                surveying("holds", partial(counting.survey, pool)),
                surveying("balances", partial(counting.compare, pool), counting.COMPARE_SECONDS),
            ):
                yield
            await listening.stop()
            await end(sweep)

    app = operator_app()
    app.cleanup_ctx.append(bus_context(settings.nats_url, "wallet"))
    app.cleanup_ctx.append(ledger)
    return app


async def _sweep(ledger: Ledger, pool: Pool, bus: Bus, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            while released := await ledger.expire():
                log.info("released what had lapsed", count=released)
            await calls.forget(pool)
            await thresholds.forget(pool)
            await thresholds.tell_again(pool, bus)
            await thresholds.publish(pool, bus)
        except Exception as error:  # noqa: BLE001 - the next round tries again, whatever it was
            log.warning("sweep failed", error=str(error))
