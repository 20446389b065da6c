"""Presets, put together."""

from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from kit import database
from kit.lifecycle import BUS, CHECKS, answering, bus_context, operator_app
from services.presets.endpoints import Endpoints
from services.presets.settings import Settings
from services.presets.store import Store

SCHEMA = Path(__file__).parent / "schema"


def build(settings: Settings) -> web.Application:
    """Return the service, ready to run."""

    async def presets(app: web.Application) -> AsyncIterator[None]:
        await database.migrate(settings.database_url, "presets", SCHEMA)
        async with database.connect(settings.database_url) as pool:

            async def database_answers() -> bool:
                return bool(await pool.fetchval("SELECT true"))

            app[CHECKS]["postgresql"] = database_answers
            listening = await answering(app[BUS], "presets", Endpoints(Store(pool)))
            yield
            await listening.stop()

    app = operator_app()
    app.cleanup_ctx.append(bus_context(settings.nats_url, "presets"))
    app.cleanup_ctx.append(presets)
    return app
