"""Face crop requests: a few photos while the caller waits, many as a job."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

import msgspec
import structlog
from aiohttp import web

from kit import context
from kit.bus import Bus
from proto.accounts.calling import Caller
from proto.errors import Internal, NotAuthenticated, Unavailable
from proto.facecrop import KIND, CropFace, Portrait
from proto.ids import StorageKey
from proto.jobs import Job
from proto.photos import Rejected
from proto.presets import Preset
from services.gateway import names
from services.gateway.billing import Order
from services.gateway.identity import CALLER
from services.gateway.photos import Photo, Sent, begin_job, first_of_each
from services.gateway.resources import BILLING, BUS, OUTBOUND, SETTINGS, STORAGE

log = structlog.get_logger(__name__)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be made of the photos."""

    icp_type: str
    """As the caller named the preset."""
    preset: Preset
    enhance: bool
    auto_rotate: bool


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


def operation_of(enhance: bool) -> str:
    """Return what the price book calls it."""
    return "face_crop_enhanced" if enhance else "face_crop"


async def crop(
    app: web.Application, caller: Caller, photos: Sequence[Photo], wish: Wish, order: Order
) -> Outcome:
    """Crop every photo; those that cannot be cropped are not charged.

    Raises InsufficientTokens before any work; Unavailable, with everything given back and no file
    left, when the engine is down or too slow.
    """
    outputs = StorageKey(f"outputs/{caller.account}/{uuid4()}")
    requests = _requests(caller, photos, wish, outputs)
    first = first_of_each(photos)
    key = await app[OUTBOUND].key("facecrop")
    at_once = app[SETTINGS].engine_calls
    async with app[BILLING].charge(caller, order) as charge:
        try:
            with context.within(order.work_seconds):
                distinct = sorted(set(first))
                answers = await _ask(
                    app[BUS], [requests[n] for n in distinct], order.work_seconds, at_once, key
                )
        except BaseException as error:
            if isinstance(error.__cause__, NotAuthenticated):
                app[OUTBOUND].forget("facecrop")
            await app[STORAGE].delete_folder(outputs)
            raise
        by_number = dict(zip(distinct, answers, strict=True))
        results = [by_number[n] for n in first]
        succeeded = sum(isinstance(result, Portrait) for result in results)
        charge.consumed = order.unit_price * succeeded
    return Outcome(
        photos=photos,
        results=results,
        transaction_id=charge.hold.transaction_id,
        deducted=charge.hold.reserved,
        refunded=charge.refunded,
    )


async def begin_crops(request: web.Request, sent: Sent, wish: Wish, order: Order) -> Job:
    """Crop every photo as a job. Raises InsufficientTokens, QueueFull, Unavailable."""
    caller: Caller = request[CALLER]
    outputs = StorageKey(f"outputs/{caller.account}/{uuid4()}")
    asked = _requests(caller, sent.photos, wish, outputs)
    return await begin_job(
        request,
        sent,
        order,
        kind=KIND,
        work=[msgspec.msgpack.encode(each) for each in asked],
        details={"icp_type": wish.icp_type, "operation": order.operation},
        outputs=outputs,
    )


def _requests(
    caller: Caller, photos: Sequence[Photo], wish: Wish, outputs: StorageKey
) -> list[CropFace]:
    return [
        CropFace(
            account=caller.account,
            photo=photo.source,
            preset=wish.preset,
            enhance=wish.enhance,
            auto_rotate=wish.auto_rotate,
            outputs=outputs,
            stem=stem,
        )
        for photo, stem in zip(photos, names.stems(p.filename for p in photos), strict=True)
    ]


async def _ask(
    bus: Bus, requests: Sequence[CropFace], seconds: float, at_once: int, key: str
) -> list[Portrait | Rejected]:
    slots = asyncio.Semaphore(at_once)

    async def ask(request: CropFace) -> Portrait | Rejected:
        async with slots:
            try:
                return await bus.request(request, seconds, key)
            except NotAuthenticated as error:
                # it is our key that the engine does not take, not the caller's
                log.exception("the engine refuses the key of `service set-outbound`")
                raise Unavailable("the engine does not take our key") from error
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
