"""The card reader, put together."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import structlog
from aiohttp import web

from kit import machine
from kit.aside import Aside
from kit.fetching import Fetcher
from kit.guarding import key_required
from kit.inference import MODELS, watch
from kit.lifecycle import BUS, CHECKS, answering, bus_context, operator_app
from kit.storage import Storage
from kit.work import working
from proto.cardreader import KIND
from proto.jobs import RegisterKind
from services.cardreader.endpoints import Endpoints
from services.cardreader.items import work
from services.cardreader.settings import Settings
from vision.connect import connect
from vision.limits import Limits
from vision.models import ModelName

_MOST_ATTEMPTS = 3
"""Of an item of a job whose worker dies or breaks."""

log = structlog.get_logger(__name__)


def build(settings: Settings) -> web.Application:
    """Return the engine, ready to run."""
    cores = settings.threads or machine.cores()

    async def engine(app: web.Application) -> AsyncIterator[None]:
        limits = Limits(
            most_bytes=settings.max_picture_bytes, most_pixels=settings.max_picture_pixels
        )
        # pictures are worked on side by side in our own threads; OpenCV's would be in their way
        cv2.setNumThreads(1)
        models = connect(settings.triton_url or None, Path(settings.model_repository), watch)

        async def check() -> bool:
            return await models.ready([ModelName.FACE_DETECTOR])

        app[CHECKS]["models"] = check
        log.info("models", served_by=models.kind, description=models.description)
        MODELS.labels(models.kind).set(1)
        async with (
            Storage.open(settings.storage_url) as storage,
            Fetcher(allow=settings.fetch_allow) as fetcher,
        ):
            with ThreadPoolExecutor(cores, "pictures") as threads:
                asyncio.get_running_loop().set_default_executor(threads)
                async with Aside.open(cores) as aside:
                    endpoints = Endpoints(storage, fetcher, models, limits, threads, aside)
                    # two photos for each thread: while models look at one, the next is decoded
                    guard = key_required(app[BUS]) if settings.require_api_key else None
                    listening = await answering(app[BUS], "cardreader", endpoints, 2 * cores, guard)
                    kind = RegisterKind(
                        kind=KIND, most_seconds=settings.item_seconds, most_attempts=_MOST_ATTEMPTS
                    )
                    slots = settings.batch_slots or 2 * cores
                    async with working(app, kind, partial(work, endpoints), slots):
                        yield
                        await listening.stop()
        await models.close()

    app = operator_app()
    app.cleanup_ctx.append(bus_context(settings.nats_url, "cardreader"))
    app.cleanup_ctx.append(engine)
    return app
