"""The wallet, put together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import structlog
from aiohttp import web

from kit import database
from kit.lifecycle import BUS, CHECKS, answering, bus_context, operator_app
from services.wallet.endpoints import Endpoints
from services.wallet.ledger import Ledger
from services.wallet.settings import Settings

log = structlog.get_logger(__name__)

SCHEMA = Path(__file__).parent / "schema"


def build(settings: Settings) -> web.Application:
    """Return the wallet, ready to run."""

    async def ledger(app: web.Application) -> AsyncIterator[None]:
        await database.migrate(settings.database_url, "wallet", SCHEMA)
        async with database.connect(settings.database_url) as pool:

            async def check() -> bool:
                return bool(await pool.fetchval("SELECT true"))

            app[CHECKS]["postgresql"] = check
            sweep = asyncio.create_task(_sweep(Ledger(pool), settings.sweep_seconds))
            listening = await answering(app[BUS], "wallet", Endpoints(pool))
            yield
            await listening.stop()
            sweep.cancel()
            with suppress(asyncio.CancelledError):
                await sweep

    app = operator_app()
    app.cleanup_ctx.append(bus_context(settings.nats_url, "wallet"))
    app.cleanup_ctx.append(ledger)
    return app


async def _sweep(ledger: Ledger, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            while released := await ledger.expire():
                log.info("released lapsed reservations", count=released)
        except Exception as error:  # noqa: BLE001 - the next round tries again, whatever it was
            log.warning("sweep failed", error=str(error))
