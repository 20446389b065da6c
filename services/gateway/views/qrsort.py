"""Reading cards back: the photographs of a shoot, each given to whoever's card came before it."""

from contextlib import suppress
from typing import Annotated
from uuid import UUID, uuid4

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.agencies import AgencyId, ShootId
from proto.cardreader import KIND, ReadCards
from proto.errors import Unavailable
from proto.ids import StorageKey
from proto.jobs import GetJob, Job
from proto.qr import Reference, SortOptions
from services.gateway import photos
from services.gateway.batches import BEGIN_SECONDS
from services.gateway.billing import Order
from services.gateway.ended import JobBegunBody, SortJobBody, begun_body, of_shoot
from services.gateway.idempotency import once
from services.gateway.identity import ACCOUNT
from services.gateway.operations import Operations, read_long_json
from services.gateway.orders import order
from services.gateway.photos import Sent, Url
from services.gateway.problems import Problem, json_response
from services.gateway.resources import BUS, SETTINGS, STREAMS
from services.gateway.views.shapes import (
    ERROR_ANSWERS,
    ErrorBody,
    InsufficientTokensBody,
    SpendCapBody,
)
from services.gateway.whose import OfShoot, asking

operations = Operations("QR cards")

OPERATION = "qr_sort"
"""As the price book names it."""

_WAITS = 10
"""Times that a small shoot is waited for, up to 5 seconds each."""
_RESULTS = 500


class SortWish(msgspec.Struct, frozen=True, kw_only=True):
    """How the shoot was photographed."""

    job_id: Reference
    """The job_id that the cards were made for; cards of other jobs are told apart."""
    order: Annotated[str, Meta(pattern="^(captured|sent|name)$(?!\n)")] = "captured"
    """By capture time (each camera for itself), as sent, or by file name (9999 is followed by
    0001)."""
    card: Annotated[str, Meta(pattern="^(first|last)$(?!\n)")] = "first"
    """Whether the card comes before its photographs or after them."""
    cameras_apart: bool = True
    """false if only one of several cameras with equal clocks photographs the cards."""


class SortByReference(SortWish, frozen=True, kw_only=True):
    """Photographs to fetch, in the order of the shoot; or those of an agency's job."""

    image_urls: list[Url] | None = None
    files_of_job: ShootId | None = None
    """Instead: the id of an agency's job, all of whose photographs are sorted. A match may then go
    by the answer, as its `sort_task_id`."""
    agency_id: AgencyId | None = None
    """Whose job that is."""


class SortForm(SortWish, frozen=True, kw_only=True):
    """Photographs as one or more `file[]` parts, in the order of the shoot."""

    file: list[bytes] = msgspec.field(name="file[]")


@operations.add(
    "POST",
    "/v1/services/studio/qr/sort",
    {
        200: SortJobBody,
        202: JobBegunBody,
        402: (InsufficientTokensBody, SpendCapBody),
        409: ErrorBody,
        **ERROR_ANSWERS,
    },
    body=SortByReference,
    form=SortForm,
    scope="qr",
    charges=True,
)
async def sort(request: web.Request) -> web.Response:
    """Read the cards in the photographs of a shoot and give each photograph to its subject.

    Send a form with `file[]` parts, JSON with `image_urls`, or JSON with `files_of_job` and
    `agency_id`.
    """
    if request.content_type == "application/json":
        body, sha256 = await read_long_json(
            request, SortByReference, request.app[SETTINGS].max_url_list_bytes
        )
        if body.image_urls is not None and body.files_of_job is None and body.agency_id is None:
            return await _sorted(request, photos.by_url(request, body.image_urls, sha256), body)
        if body.image_urls is None and body.files_of_job is not None and body.agency_id is not None:
            about: OfShoot = {
                **asking(request),
                "agency": body.agency_id,
                "shoot": body.files_of_job,
            }
            return await _sorted(request, await photos.of_shoot(request, about, sha256), body)
        sentence = "send image_urls, or files_of_job with its agency_id"
        raise Problem(422, "INVALID_REQUEST", sentence)
    async with photos.uploaded(request) as sent:
        return await _sorted(request, sent, _wish(sent.fields))


async def _sorted(request: web.Request, sent: Sent, wish: SortWish) -> web.Response:
    """Read the shoot, or answer as the request was answered before."""
    app, units = request.app, len(sent.photos)

    async def work(call: UUID | None) -> web.Response:
        asked = order(request, OPERATION, units, BEGIN_SECONDS, call)
        job = await _begun(request, sent, wish, asked)
        if units <= app[SETTINGS].sync_images:
            job = await _waited_for(request, job)
        if job.closed:
            with suppress(Unavailable):
                return json_response(await of_shoot(request, job, 0, _RESULTS))
        return json_response(begun_body(job), 202)

    return await once(request, sent.sha256, BEGIN_SECONDS, work)


async def _begun(request: web.Request, sent: Sent, wish: SortWish, asked: Order) -> Job:
    account = request[ACCOUNT]
    options = msgspec.convert(msgspec.structs.asdict(wish), SortOptions)
    return await photos.begin_job(
        request,
        sent,
        asked,
        kind=KIND,
        work=[
            msgspec.msgpack.encode(
                ReadCards(account=account, photo=photo.source, file_id=photo.file)
            )
            for photo in sent.photos
        ],
        details={"operation": OPERATION, "options": msgspec.json.encode(options).decode()},
        outputs=StorageKey(f"outputs/{account}/{uuid4()}"),
    )


def _wish(fields: dict[str, str]) -> SortWish:
    told: dict[str, object] = {
        name: fields[name] for name in ("job_id", "order", "card") if fields.get(name)
    }
    apart = fields.get("cameras_apart", "").lower()
    if apart:
        told["cameras_apart"] = {"true": True, "1": True, "false": False, "0": False}.get(
            apart, apart
        )
    try:
        return msgspec.convert(told, SortWish)
    except msgspec.ValidationError as error:
        raise Problem(422, "INVALID_REQUEST", str(error)) from error


async def _waited_for(request: web.Request, job: Job) -> Job:
    """Return a job once it has closed, or as it stands when that takes too long."""
    ask = GetJob(account=request[ACCOUNT], job=job.id)
    # it has begun and is paid for: whatever keeps us from waiting must not look like a refusal
    with suppress(Problem, Unavailable):
        async with request.app[STREAMS].of(request[ACCOUNT], job.id) as stream:
            for _ in range(_WAITS + job.total):
                job = await request.app[BUS].request(ask)
                if job.closed or not await stream.wait():
                    break
    return job
