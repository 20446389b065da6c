"""Reading cards back: the photographs of a shoot, each given to whoever's card came before it."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated
from uuid import UUID, uuid4

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.accounts import Caller
from proto.cardreader import KIND, ReadCards
from proto.errors import Unavailable
from proto.facecrop import StoredPhoto
from proto.ids import JobId, StorageKey
from proto.jobs import GetJob, Job, JobState, NewItem
from proto.qr import Reference, SortOptions
from services.gateway.batches import BEGIN_SECONDS, Batch, PerhapsBegun, begin
from services.gateway.billing import Order
from services.gateway.cropping import Photo, first_of_each, remote
from services.gateway.ended import SortJobBody, of_shoot
from services.gateway.idempotency import QUOTE_HEADER, once
from services.gateway.identity import ACCOUNT, CALLER
from services.gateway.operations import Operations, read_json
from services.gateway.problems import Problem, json_response
from services.gateway.resources import BUS, PRICES, QUOTES, SETTINGS, STORAGE, STREAMS
from services.gateway.uploads import receive
from services.gateway.views.facecrop import Url, check_count
from services.gateway.views.shapes import (
    ERROR_ANSWERS,
    ErrorBody,
    InsufficientTokensBody,
    SpendCapBody,
)

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


class SortByUrl(SortWish, frozen=True, kw_only=True):
    """Photographs to fetch, in the order of the shoot."""

    image_urls: list[Url]


class SortForm(SortWish, frozen=True, kw_only=True):
    """Photographs as one or more `file[]` parts, in the order of the shoot."""

    file: list[bytes] = msgspec.field(name="file[]")


class SortBegunBody(msgspec.Struct, frozen=True, kw_only=True):
    """A shoot that is being read; ask `GET /v1/services/studio/jobs/{task_id}`."""

    task_id: JobId
    status: JobState
    total_files: int
    tokens_deducted: int
    wallet_transaction_id: str


@operations.add(
    "POST",
    "/v1/services/studio/qr/sort",
    {
        200: SortJobBody,
        202: SortBegunBody,
        402: (InsufficientTokensBody, SpendCapBody),
        409: ErrorBody,
        **ERROR_ANSWERS,
    },
    body=SortByUrl,
    form=SortForm,
    scope="qr",
    charges=True,
)
async def sort(request: web.Request) -> web.Response:
    """Read the cards in the photographs of a shoot and give each photograph to its subject.

    Send a form with `file[]` parts, or JSON with `image_urls`.
    """
    if request.content_type == "application/json":
        return await _by_url(request)
    return await _by_upload(request)


async def _by_url(request: web.Request) -> web.Response:
    settings = request.app[SETTINGS]
    long = request.clone(client_max_size=settings.max_url_list_bytes)
    body = await read_json(long, SortByUrl)
    check_count(len(body.image_urls), settings.max_files)
    sent = hashlib.sha256(await long.read()).digest()
    photos = [remote(url) for url in body.image_urls]
    return await once(request, sent, BEGIN_SECONDS, _Work(request, photos, body, None))


async def _by_upload(request: web.Request) -> web.Response:
    storage, settings = request.app[STORAGE], request.app[SETTINGS]
    folder = StorageKey(f"uploads/{request[ACCOUNT]}/{uuid4()}")
    work: _Work | None = None
    try:
        upload = await receive(request, storage, folder, settings)
        check_count(len(upload.files), settings.max_files)
        photos = [
            Photo(file.filename, StoredPhoto(key=file.key), file.sha256) for file in upload.files
        ]
        work = _Work(request, photos, _wish(upload.fields), folder)
        return await once(request, upload.sha256, BEGIN_SECONDS, work)
    finally:
        if work is None or not work.keeps_inputs:
            await storage.delete_folder(folder)


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


class _Work:
    """What a request comes to, once it is certain that it is not a repetition."""

    def __init__(
        self,
        request: web.Request,
        photos: Sequence[Photo],
        wish: SortWish,
        inputs: StorageKey | None,
    ) -> None:
        self._request = request
        self._photos = photos
        self._wish = wish
        self._inputs = inputs
        self.keeps_inputs = False
        """Whether a job needs what was uploaded."""

    async def __call__(self, call: UUID | None) -> web.Response:
        request, app = self._request, self._request.app
        caller: Caller = request[CALLER]
        quote, units = request.headers.get(QUOTE_HEADER, ""), len(self._photos)
        price = app[PRICES][OPERATION].tokens
        order = Order(
            operation=OPERATION,
            units=units,
            unit_price=app[QUOTES].price(caller.account, quote, OPERATION, units, price),
            work_seconds=BEGIN_SECONDS,
            call=call,
        )
        try:
            begun = await begin(app, caller, order, self._batch(caller))
        except PerhapsBegun as error:
            self.keeps_inputs = True
            raise Unavailable(str(error)) from error
        self.keeps_inputs = begun.anew
        job = begun.job
        if units <= app[SETTINGS].sync_images:
            job = await _waited_for(request, job)
        if job.closed:
            with suppress(Unavailable):
                return json_response(await of_shoot(request, job, 0, _RESULTS))
        body = SortBegunBody(
            task_id=job.id,
            status="queued",
            total_files=job.total,
            tokens_deducted=job.deducted,
            wallet_transaction_id=job.transaction_id,
        )
        return json_response(body, 202)

    def _batch(self, caller: Caller) -> Batch:
        items = [
            NewItem(
                number=number,
                name=photo.filename,
                work=msgspec.msgpack.encode(ReadCards(account=caller.account, photo=photo.source)),
                same_as=None if first == number else first,
            )
            for number, (photo, first) in enumerate(
                zip(self._photos, first_of_each(self._photos), strict=True)
            )
        ]
        wish = self._wish
        options = msgspec.convert(msgspec.structs.asdict(wish), SortOptions)
        details = {"operation": OPERATION, "options": msgspec.json.encode(options).decode()}
        outputs = StorageKey(f"outputs/{caller.account}/{uuid4()}")
        return Batch(kind=KIND, items=items, details=details, inputs=self._inputs, outputs=outputs)


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
