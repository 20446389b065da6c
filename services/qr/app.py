"""QR cards, put together."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog
from aiohttp import web

from kit import database, machine
from kit.aside import Aside
from kit.ending import end
from kit.lifecycle import BUS, CHECKS, answering, bus_context, operator_app
from kit.storage import Storage
from kit.work import working
from proto.jobs import RegisterKind
from proto.qr import KIND
from services.qr.endpoints import Endpoints
from services.qr.items import work
from services.qr.payload import Cards
from services.qr.printed import Roster
from services.qr.printing import get_ready
from services.qr.rosterfiles import RosterFiles
from services.qr.settings import Settings
from services.qr.sheets import DRAWING_SECONDS, Sheets
from services.qr.shoots import Shoots

SCHEMA = Path(__file__).parent / "schema"

_ITEM_SECONDS = 2 * DRAWING_SECONDS
"""As long as others may be drawn first."""
_MOST_ATTEMPTS = 3

log = structlog.get_logger(__name__)


def build(settings: Settings) -> web.Application:
    """Return the service, ready to run."""
    cards = Cards(settings.secret_key)
    cores = machine.cores()

    async def qr(app: web.Application) -> AsyncIterator[None]:
        await database.migrate(settings.database_url, "qr", SCHEMA)
        async with (
            database.connect(settings.database_url) as pool,
            Storage.open(settings.storage_url) as storage,
            Aside.open(cores) as drawing,
            # apart from the other: who makes a file that is slow to read delays no sheet
            Aside.open(cores) as reading,
        ):
            roster = Roster(pool)
            sheets = Sheets(pool, storage, cards, drawing)
            files, shoots = RosterFiles(storage, reading), Shoots(app[BUS], cards, roster)
            listening = await answering(
                app[BUS], "qr", Endpoints(sheets, roster, files, shoots, cards)
            )
            kind = RegisterKind(kind=KIND, most_seconds=_ITEM_SECONDS, most_attempts=_MOST_ATTEMPTS)
            slots = settings.batch_slots or max(1, cores // 2)
            sweeping = asyncio.create_task(_sweep(sheets, roster, settings))
            ready = asyncio.create_task(drawing.run(DRAWING_SECONDS, get_ready))

            async def database_answers() -> bool:
                return bool(await pool.fetchval("SELECT true"))

            async def can_draw() -> bool:
                return ready.done() and ready.exception() is None

            async def sweeps() -> bool:
                return not sweeping.done()

            app[CHECKS]["postgresql"] = database_answers
            app[CHECKS]["fonts"] = can_draw
            app[CHECKS]["sweeps"] = sweeps
            async with working(app, kind, partial(work, sheets), slots):
                yield
                await listening.stop()
            await end(sweeping)
            await asyncio.gather(ready, return_exceptions=True)

    app = operator_app()
    app.cleanup_ctx.append(bus_context(settings.nats_url, "qr"))
    app.cleanup_ctx.append(qr)
    return app


async def _sweep(sheets: Sheets, roster: Roster, settings: Settings) -> None:
    """Remove what has had its time."""
    while True:
        try:
            removed = await sheets.remove_old(timedelta(days=settings.sheet_days))
            forgotten = await roster.forget_old(timedelta(days=settings.roster_days))
            if removed or forgotten:
                log.info("removed what is old", sheets=removed, subjects=forgotten)
        except Exception as error:  # noqa: BLE001 - the next round tries again, whatever it was
            log.warning("sweep failed", error=str(error) or type(error).__name__)
        await asyncio.sleep(settings.sweep_seconds)
