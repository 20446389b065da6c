"""The face reader, put together."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import structlog
from aiohttp import web

from kit import machine
from kit.fetching import Fetcher
from kit.guarding import key_required
from kit.inference import MODELS, watch
from kit.lifecycle import BUS, CHECKS, answering, bus_context, operator_app
from kit.storage import Storage
from services.facereader.endpoints import Endpoints
from services.facereader.reading import FaceReader
from services.facereader.settings import Settings
from vision.connect import connect
from vision.limits import Limits
from vision.modelcard import embedder_card
from vision.models import ModelName

log = structlog.get_logger(__name__)


def build(settings: Settings) -> web.Application:
    """Return the engine, ready to run. Raises CardBroken when the embedder's card is no good."""
    cores = settings.threads or machine.cores()
    repository = Path(settings.model_repository)
    card = embedder_card(repository)

    async def engine(app: web.Application) -> AsyncIterator[None]:
        limits = Limits(
            most_bytes=settings.max_picture_bytes, most_pixels=settings.max_picture_pixels
        )
        # pictures are worked on side by side in our own threads; OpenCV's would be in their way
        cv2.setNumThreads(1)
        models = connect(settings.triton_url or None, repository, watch)

        async def check() -> bool:
            return await models.ready([ModelName.FACE_DETECTOR, ModelName.FACE_EMBEDDER])

        app[CHECKS]["models"] = check
        log.info("models", served_by=models.kind, description=models.description)
        log.info("embedder", version=card.version)
        MODELS.labels(models.kind).set(1)
        async with (
            Storage.open(settings.storage_url) as storage,
            Fetcher(allow=settings.fetch_allow) as fetcher,
        ):
            with ThreadPoolExecutor(cores, "pictures") as threads:
                asyncio.get_running_loop().set_default_executor(threads)
                endpoints = Endpoints(storage, fetcher, FaceReader(models, card, limits))
                # two photos for each thread: while models look at one, the next is decoded
                guard = key_required(app[BUS]) if settings.require_api_key else None
                listening = await answering(app[BUS], "facereader", endpoints, 2 * cores, guard)
                yield
                await listening.stop()
        await models.close()

    app = operator_app()
    app.cleanup_ctx.append(bus_context(settings.nats_url, "facereader"))
    app.cleanup_ctx.append(engine)
    return app
