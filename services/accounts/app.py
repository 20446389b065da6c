"""Accounts, put together."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import structlog
from aiohttp import web

from kit import database
from kit.database import Pool
from kit.ending import end
from kit.fetching import Fetcher
from kit.lifecycle import BUS, CHECKS, answering, bus_context, operator_app
from kit.sealing import Vault
from services.accounts.admission import Admission
from services.accounts.apikeys import Keyring
from services.accounts.callers import CallerEndpoints
from services.accounts.endpoints import PeopleEndpoints
from services.accounts.issuers import Issuers
from services.accounts.members import Membership
from services.accounts.people import People
from services.accounts.plans import Plans
from services.accounts.servicekeys import ServiceKeys
from services.accounts.sessions import Sessions
from services.accounts.settings import Settings
from services.accounts.signing import Signer
from services.accounts.throttling import Throttle
from services.accounts.tokens import Tokens

log = structlog.get_logger(__name__)

SCHEMA = Path(__file__).parent / "schema"

_SWEEP_SECONDS = 300.0
_DAY_SECONDS = 86_400.0
_AT_ONCE = 256

Chore = Callable[[], Awaitable[object]]


class Accounts:
    """Everything behind the endpoints, over one database."""

    def __init__(self, pool: Pool, fetcher: Fetcher, settings: Settings) -> None:
        self.plans = Plans(settings.plan_book)
        self.signer = Signer(
            pool,
            Vault(settings.secret_key, "signing keys"),
            settings.jwt_issuer,
            settings.jwt_audience,
            settings.access_token_seconds,
        )
        throttle = Throttle(pool)
        sessions = Sessions(pool, self.signer, settings.refresh_token_seconds)
        people = People(pool, sessions, throttle, settings.default_plan)
        membership = Membership(pool, sessions, throttle, self.plans)
        self.issuers = Issuers(pool, fetcher, settings.jwt_issuer)
        keyring = Keyring(pool, self.plans)
        admission = Admission(pool, Tokens(self.signer, self.issuers), self.plans)
        service_keys = ServiceKeys(pool, Vault(settings.secret_key, "outbound keys"))
        self.people = PeopleEndpoints(people, membership, sessions, self.signer, self.plans)
        self.callers = CallerEndpoints(admission, keyring, self.issuers, service_keys, people)
        self.chores: Sequence[Chore] = (
            sessions.forget_old,
            throttle.forget_old,
            membership.forget_old,
            keyring.forget_old,
            admission.forget_old,
        )
        if settings.signing_key_days:
            old = settings.signing_key_days * _DAY_SECONDS
            self.chores = (*self.chores, lambda: self.signer.rotate(old))


def build(settings: Settings) -> web.Application:
    """Return the service, ready to run."""

    async def accounts(app: web.Application) -> AsyncIterator[None]:
        await database.migrate(settings.database_url, "accounts", SCHEMA)
        if not settings.secret_key:
            log.warning("SECRET_KEY is not set, so signing keys are stored in clear")
        async with (
            database.connect(settings.database_url) as pool,
            Fetcher(allow=settings.fetch_allow) as fetcher,
        ):

            async def check() -> bool:
                return bool(await pool.fetchval("SELECT true"))

            app[CHECKS]["postgresql"] = check
            parts = Accounts(pool, fetcher, settings)
            await parts.signer.make_first_key()
            sweep = asyncio.create_task(_sweep(parts.chores))
            listening = [
                await answering(app[BUS], "accounts", endpoints, at_once=_AT_ONCE)
                for endpoints in (parts.people, parts.callers)
            ]
            yield
            for each in listening:
                await each.stop()
            await end(sweep)

    app = operator_app()
    app.cleanup_ctx.append(bus_context(settings.nats_url, "accounts"))
    app.cleanup_ctx.append(accounts)
    return app


async def _sweep(chores: Sequence[Chore]) -> None:
    """Remove what is over, and change the signing key when it is time; any replica may do it."""
    while True:
        for chore in chores:
            try:
                await chore()
            except Exception as error:  # noqa: BLE001 - the next round tries again, whatever it was
                log.warning("sweep failed", error=str(error))
        await asyncio.sleep(_SWEEP_SECONDS)
