"""One face crop request: hold the tokens, ask the engine for each photo, settle what worked."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

from aiohttp import web

from kit import context
from kit.bus import Bus
from proto.errors import Internal
from proto.facecrop import CropFace, IcpType, Portrait, Rejected, RemotePhoto, StoredPhoto
from proto.ids import AccountId, StorageKey
from services.gateway import names
from services.gateway.resources import BILLING, BUS, PRICES, SETTINGS, STORAGE

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo to crop, and what its sender calls it."""

    filename: str
    source: StoredPhoto | RemotePhoto


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request went, photo by photo in the order they were sent."""

    photos: Sequence[Photo]
    results: Sequence[Portrait | Rejected]
    transaction_id: str
    deducted: int
    refunded: int

    @property
    def succeeded(self) -> int:
        """How many photos became portraits."""
        return sum(isinstance(result, Portrait) for result in self.results)


async def crop(
    app: web.Application,
    account: AccountId,
    photos: Sequence[Photo],
    icp_type: IcpType,
    enhance: bool,
) -> Outcome:
    """Crop every photo; those that cannot be cropped are not charged.

    Raises InsufficientTokens before any work; Unavailable, with everything given back and no file
    left, when the engine is down or too slow.
    """
    settings = app[SETTINGS]
    operation = "face_crop_enhanced" if enhance else "face_crop"
    price = app[PRICES][operation].tokens
    seconds = settings.engine_seconds + (len(photos) - 1) * settings.engine_seconds_per_image
    outputs = StorageKey(f"outputs/{account}/{uuid4()}")
    requests = [
        CropFace(
            account=account,
            photo=photo.source,
            icp_type=icp_type,
            enhance=enhance,
            outputs=outputs,
            stem=stem,
        )
        for photo, stem in zip(photos, names.stems(p.filename for p in photos), strict=True)
    ]
    async with app[BILLING].charge(account, operation, len(photos), price, seconds) as charge:
        try:
            with context.within(seconds):
                results = await _ask(app[BUS], requests, seconds, settings.engine_calls)
        except BaseException:
            await app[STORAGE].delete_folder(outputs)
            raise
        charge.consumed = price * sum(isinstance(result, Portrait) for result in results)
    return Outcome(
        photos=photos,
        results=results,
        transaction_id=charge.hold.transaction_id,
        deducted=charge.hold.reserved,
        refunded=charge.refunded,
    )


async def _ask(
    bus: Bus, requests: Sequence[CropFace], seconds: float, at_once: int
) -> list[Portrait | Rejected]:
    slots = asyncio.Semaphore(at_once)

    async def ask(request: CropFace) -> Portrait | Rejected:
        async with slots:
            try:
                return await bus.request(request, seconds)
            except Internal:
                # a picture that trips a fault of ours must not cost the others of its batch
                sentence = "this photo could not be processed because of a fault on our side"
                return Rejected(code="PROCESSING_FAILED", message=sentence)

    return await _all([ask(request) for request in requests])


async def _all(calls: Sequence[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Return every result in order; when one fails, stop the others and raise its error."""
    tasks = [asyncio.create_task(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
