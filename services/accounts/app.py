"""Accounts, put together."""

from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from kit import database
from kit.lifecycle import BUS, CHECKS, answering, bus_context, operator_app
from services.accounts.endpoints import Endpoints
from services.accounts.settings import Settings
from services.accounts.signing import Signer

SCHEMA = Path(__file__).parent / "schema"


def build(settings: Settings) -> web.Application:
    """Return the service, ready to run."""

    async def accounts(app: web.Application) -> AsyncIterator[None]:
        await database.migrate(settings.database_url, "accounts", SCHEMA)
        async with database.connect(settings.database_url) as pool:

            async def check() -> bool:
                return bool(await pool.fetchval("SELECT true"))

            app[CHECKS]["postgresql"] = check
            signer = Signer(
                pool, settings.jwt_issuer, settings.jwt_audience, settings.access_token_seconds
            )
            await signer.make_first_key()
            listening = await answering(app[BUS], "accounts", Endpoints(pool, signer))
            yield
            await listening.stop()

    app = operator_app()
    app.cleanup_ctx.append(bus_context(settings.nats_url, "accounts"))
    app.cleanup_ctx.append(accounts)
    return app
