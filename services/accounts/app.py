"""Accounts, put together."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from kit import database
from kit.lifecycle import BUS, CHECKS, answering, bus_context, operator_app
from services.accounts.endpoints import Endpoints
from services.accounts.signing import Signer

SCHEMA = Path(__file__).parent / "schema"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What accounts is told by its environment."""

    nats_url: Annotated[str, Meta(description="Where the message bus is: nats://user:pw@host:4222")]
    database_url: Annotated[str, Meta(description="PostgreSQL for accounts and signing keys")]
    jwt_issuer: Annotated[str, Meta(description="Who signs access tokens (iss)")] = "darkroom"
    jwt_audience: Annotated[str, Meta(description="Whom access tokens are for (aud)")] = "darkroom"
    access_token_seconds: Annotated[
        int, Meta(ge=60, le=86_400, description="How long an access token is good")
    ] = 3600


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
