"""The gateway, put together."""

from collections.abc import AsyncIterator

from aiohttp import web

from kit.lifecycle import BUS as KIT_BUS
from kit.lifecycle import HURRY, bus_context, operator_app
from kit.storage import Storage
from services.gateway import measuring, middlewares, prices, resources
from services.gateway.billing import Billing
from services.gateway.cardpages import CardPages
from services.gateway.identity import Identity
from services.gateway.operations import Operation
from services.gateway.outbound import Outbound
from services.gateway.quotes import Quotes
from services.gateway.serving import serving
from services.gateway.settings import Settings
from services.gateway.streaming import Streams
from services.gateway.views import (
    account,
    agencies,
    apikeys,
    cards,
    docs,
    facecrop,
    files,
    jobs,
    matchexports,
    matching,
    members,
    missing,
    payments,
    presets,
    qr,
    qrsort,
    quotes,
    references,
    reprints,
    review,
    rosters,
    shootfiles,
    shoots,
    subjects,
    wallet,
    webhooks,
)


def operations() -> list[Operation]:
    """Return everything the gateway offers, in the order of the documentation."""
    modules = (
        facecrop,
        jobs,
        qr,
        reprints,
        rosters,
        cards,
        qrsort,
        references,
        matching,
        review,
        matchexports,
        agencies,
        shoots,
        shootfiles,
        subjects,
        missing,
        presets,
        quotes,
        wallet,
        payments,
        account,
        members,
        apikeys,
        webhooks,
        files,
        docs,
    )
    return [operation for module in modules for operation in module.operations.all]


def build(settings: Settings) -> web.Application:
    """Return the gateway, ready to run: the operator's side, which carries the clients' side."""
    app = operator_app()
    app.cleanup_ctx.append(bus_context(settings.nats_url, "gateway"))

    async def public_side(app: web.Application) -> AsyncIterator[None]:
        async with Storage.open(
            settings.storage_url,
            public_url=settings.public_url,
            secrets=settings.files_secrets,
        ) as storage:
            public = _public(app, settings, storage)
            async with serving(public, settings, app[HURRY]):
                yield
                # their clients come back to another gateway, and hear the rest there
                public[resources.STREAMS].end()
            await public[resources.BILLING].close()

    app.cleanup_ctx.append(public_side)
    return app


def _public(app: web.Application, settings: Settings, storage: Storage) -> web.Application:
    """Return the application that clients reach."""
    bus = app[KIT_BUS]
    public = web.Application(middlewares=middlewares.ALL, client_max_size=settings.max_json_bytes)
    public[resources.SETTINGS] = settings
    public[resources.BUS] = bus
    public[resources.STORAGE] = storage
    public[resources.IDENTITY] = Identity(
        bus,
        default_user_id=settings.default_user_id,
        require_api_key=settings.require_api_key,
    )
    public[resources.BILLING] = Billing(bus, settings.lease_margin_seconds)
    public[resources.PRICES] = prices.read(settings.price_book)
    public[resources.QUOTES] = Quotes(settings.files_secrets)
    public[resources.OUTBOUND] = Outbound(bus)
    public[resources.CARD_PAGES] = CardPages(
        settings.files_secrets, settings.public_url, settings.link_seconds
    )
    public[resources.STREAMS] = Streams(bus, settings.streams_per_account)
    public[resources.OPERATIONS] = operations()
    public[resources.BY_HANDLER] = {
        operation.handler: operation for operation in public[resources.OPERATIONS]
    }
    measuring.install(public)
    for operation in public[resources.OPERATIONS]:
        if operation.method == "GET":
            public.router.add_get(operation.path, operation.handler)  # and HEAD
        else:
            public.router.add_route(operation.method, operation.path, operation.handler)
    return public
