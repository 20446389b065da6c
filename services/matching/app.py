"""Matching, put together."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import structlog
from aiohttp import web

from kit import database, machine
from kit.ending import end
from kit.endpoints import Answering
from kit.lifecycle import BUS, CHECKS, bus_context, operator_app
from kit.sealing import Vault
from kit.storage import Storage
from kit.work import working
from proto.jobs import RegisterKind
from proto.matching.matches import MATCH_KIND
from proto.matching.references import REFERENCE_KIND
from services.matching.discarding import Discarding
from services.matching.matchendpoints import MatchEndpoints
from services.matching.peopleendpoints import PeopleEndpoints
from services.matching.retention import Retention
from services.matching.settings import Settings

SCHEMA = Path(__file__).parent / "schema"

_AT_ONCE = 64
_CONNECTIONS = 16
_MOST_ATTEMPTS = 3

log = structlog.get_logger(__name__)


def build(settings: Settings) -> web.Application:
    """Return the service, ready to run."""
    vault = Vault(settings.secret_key, "embeddings")
    # they wait for the face reader most of the time
    slots = settings.batch_slots or 2 * machine.cores()

    async def matching(app: web.Application) -> AsyncIterator[None]:
        await database.migrate(settings.database_url, "matching", SCHEMA)
        async with (
            database.connect(settings.database_url, at_most=_CONNECTIONS) as pool,
            Storage.open(settings.storage_url) as storage,
        ):
            matches = MatchEndpoints(
                pool,
                app[BUS],
                storage,
                vault,
                gallery_bytes=settings.gallery_bytes,
                api_key=settings.facereader_key,
            )
            discarding = Discarding(pool, storage)
            forgetting = matches.forgetting
            people = PeopleEndpoints(
                pool, storage, discarding, matches.version_if_known, forgetting.forget
            )
            retention = Retention(pool, storage, discarding)
            sweeping = asyncio.create_task(_sweep(retention, settings.sweep_seconds))

            async def database_answers() -> bool:
                return bool(await pool.fetchval("SELECT true"))

            async def sweeps() -> bool:
                return not sweeping.done()

            app[CHECKS]["postgresql"] = database_answers
            app[CHECKS]["sweeps"] = sweeps
            listening = Answering(app[BUS], _AT_ONCE)
            await forgetting.listen()
            await listening.listen("matching", people, matches)
            photographs = _works_on(MATCH_KIND, settings)
            references = _works_on(REFERENCE_KIND, settings)
            async with (
                working(app, photographs, matches.match_file, slots, check="match worker"),
                working(app, references, matches.embed_reference, slots, check="reference worker"),
            ):
                yield
                await listening.stop()
            await end(sweeping)
            await discarding.stop()
            await matches.close()

    app = operator_app()
    app.cleanup_ctx.append(bus_context(settings.nats_url, "matching"))
    app.cleanup_ctx.append(matching)
    return app


def _works_on(kind: str, settings: Settings) -> RegisterKind:
    return RegisterKind(kind=kind, most_seconds=settings.item_seconds, most_attempts=_MOST_ATTEMPTS)


async def _sweep(retention: Retention, every_seconds: float) -> None:
    while True:
        try:
            await retention.sweep()
        except Exception as error:  # noqa: BLE001 - the next round tries again, whatever it was
            log.warning("sweep failed", error=str(error) or type(error).__name__)
        await asyncio.sleep(every_seconds)
