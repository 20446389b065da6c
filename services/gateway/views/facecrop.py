"""Face crop over HTTP, as the Printcart Studio dialect has it."""

import hashlib
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID, uuid4

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.accounts import Caller
from proto.errors import NotFound, Unavailable
from proto.facecrop import Portrait, StoredPhoto
from proto.ids import JobId, StorageKey
from proto.jobs import JobState
from proto.presets import Background, Format, GetPreset, Preset, PresetName
from services.gateway.batches import BEGIN_SECONDS, PerhapsBegun
from services.gateway.billing import Order
from services.gateway.cropping import (
    Outcome,
    Photo,
    Wish,
    begin_job,
    crop,
    operation_of,
    remote,
    seconds_for,
)
from services.gateway.idempotency import QUOTE_HEADER, once
from services.gateway.identity import ACCOUNT, CALLER
from services.gateway.operations import Operations, read_json
from services.gateway.portraits import Cropped, Links, ReceiptOfAll, cropped, receipt_of
from services.gateway.problems import Problem, answer, json_response
from services.gateway.resources import BUS, PRICES, QUOTES, SETTINGS, STORAGE
from services.gateway.uploads import receive
from services.gateway.views.shapes import (
    ERROR_ANSWERS,
    ErrorBody,
    InsufficientTokensBody,
    SpendCapBody,
)

operations = Operations("Face Crop")

_MOST_URL_BYTES = 4096
"""An item of a job has no room for many more."""

Url = Annotated[str, Meta(min_length=1, max_length=_MOST_URL_BYTES)]
IcpType = Annotated[str, Meta(min_length=1, max_length=40)]
"""school, corporate, sports, childcare, or the name of a preset of the account's own."""


class CropOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be made of the photos, however they are sent."""

    icp_type: IcpType
    """school, corporate, sports, childcare, or the name of a preset of your own."""
    enhance: bool = False
    """true to sharpen with Real-ESRGAN."""
    auto_rotate: bool = True
    """false to leave tilted heads tilted; otherwise more than 3 degrees are levelled."""
    background: Background | None = None
    """#RRGGBB or transparent, instead of what the preset says; the person is cut out for it."""
    format: Format | None = None
    """Instead of what the preset says; png where the background is transparent."""


class CropByUrl(CropOptions, frozen=True, kw_only=True):
    """Photos to fetch and crop: `image_url` or `image_urls`, not both."""

    image_url: Url | None = None
    image_urls: list[Url] | None = None


class CropForm(CropOptions, frozen=True, kw_only=True):
    """Photos to crop, as one or more `file[]` parts."""

    file: list[bytes] = msgspec.field(name="file[]")


class CropAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Every photo in the order sent, and what it cost: `tokens_deducted - tokens_refunded`."""

    results: list[Cropped]
    tokens_deducted: int
    tokens_refunded: int
    wallet_transaction_id: str
    receipt: ReceiptOfAll | None = None


class JobBegunBody(msgspec.Struct, frozen=True, kw_only=True):
    """A batch that goes on by itself; ask `GET /v1/services/studio/jobs/{task_id}`."""

    task_id: JobId
    status: JobState
    total_files: int
    tokens_deducted: int
    wallet_transaction_id: str


ANSWERS = {
    200: CropAnswer,
    202: JobBegunBody,
    402: (InsufficientTokensBody, SpendCapBody),
    409: ErrorBody,
    **ERROR_ANSWERS,
}


@operations.add(
    "POST",
    "/v1/services/studio/face-crop",
    ANSWERS,
    body=CropByUrl,
    scope="facecrop",
    charges=True,
)
async def by_url(request: web.Request) -> web.Response:
    """Fetch one or more photos, crop the face in each to a preset."""
    settings = request.app[SETTINGS]
    # thousands of signed URLs are longer than what other endpoints take
    long = request.clone(client_max_size=settings.max_url_list_bytes)
    body = await read_json(long, CropByUrl)
    urls = urls_of(body)
    check_count(len(urls), settings.max_files)
    sent = hashlib.sha256(await long.read()).digest()
    wish = await _wish(request, body)
    photos = [remote(url) for url in urls]
    return await once(request, sent, _seconds(request, photos), _Work(request, photos, wish))


@operations.add(
    "POST",
    "/v1/services/studio/face-crop/upload",
    ANSWERS,
    form=CropForm,
    scope="facecrop",
    charges=True,
)
async def by_upload(request: web.Request) -> web.Response:
    """Crop the face in each uploaded photo to a preset."""
    storage, settings = request.app[STORAGE], request.app[SETTINGS]
    folder = StorageKey(f"uploads/{request[ACCOUNT]}/{uuid4()}")
    work: _Work | None = None
    try:
        upload = await receive(request, storage, folder, settings)
        check_count(len(upload.files), settings.max_files)
        wish = await _wish(request, _options(upload.fields))
        photos = [
            Photo(file.filename, StoredPhoto(key=file.key), file.sha256) for file in upload.files
        ]
        work = _Work(request, photos, wish, folder)
        return await once(request, upload.sha256, _seconds(request, photos), work)
    finally:
        if work is None or not work.keeps_inputs:
            await storage.delete_folder(folder)


class _Work:
    """What a request comes to, once it is certain that it is not a repetition."""

    def __init__(
        self,
        request: web.Request,
        photos: Sequence[Photo],
        wish: Wish,
        inputs: StorageKey | None = None,
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
        operation, units = operation_of(self._wish.enhance), len(self._photos)
        quote = request.headers.get(QUOTE_HEADER, "")
        price = app[PRICES][operation].tokens
        order = Order(
            operation=operation,
            units=units,
            unit_price=app[QUOTES].price(caller.account, quote, operation, units, price),
            work_seconds=_seconds(request, self._photos),
            call=call,
        )
        if _is_small(request, self._photos):
            outcome = await crop(app, caller, self._photos, self._wish, order)
            return await _answer(request, outcome, self._wish.icp_type)
        try:
            begun = await begin_job(app, caller, self._photos, self._wish, order, self._inputs)
        except PerhapsBegun as error:
            self.keeps_inputs = True
            raise Unavailable(str(error)) from error
        self.keeps_inputs = begun.anew
        body = JobBegunBody(
            task_id=begun.job.id,
            status="queued",
            total_files=begun.job.total,
            tokens_deducted=begun.job.deducted,
            wallet_transaction_id=begun.job.transaction_id,
        )
        return json_response(body, 202)


def _is_small(request: web.Request, photos: Sequence[Photo]) -> bool:
    return len(photos) <= request.app[SETTINGS].sync_images


def _seconds(request: web.Request, photos: Sequence[Photo]) -> float:
    """Return how long the answer may take."""
    if _is_small(request, photos):
        return seconds_for(request.app[SETTINGS], len(photos))
    return BEGIN_SECONDS


def urls_of(body: CropByUrl) -> list[str]:
    """Return the photos that a request names. Raises Problem unless it names them one way."""
    if (body.image_url is None) == (body.image_urls is None):
        raise Problem(422, "INVALID_REQUEST", "send either image_url or image_urls")
    urls = [body.image_url] if body.image_url is not None else body.image_urls or []
    if any(len(url.encode("utf-8", "replace")) > _MOST_URL_BYTES for url in urls):
        sentence = f"a URL may be at most {_MOST_URL_BYTES:,} bytes long"
        raise Problem(422, "INVALID_REQUEST", sentence)
    return urls


def check_count(count: int, at_most: int) -> None:
    """Raise Problem unless so many photos go into one request."""
    if count == 0:
        raise Problem(422, "INVALID_REQUEST", "send at least one photo")
    if count > at_most:
        raise Problem(422, "TOO_MANY_FILES", f"send at most {at_most} photos in one request")


async def preset_of(request: web.Request, name: str) -> Preset:
    """Return the preset that an icp_type names. Raises Problem."""
    try:
        known = msgspec.convert(name, PresetName)
        return await request.app[BUS].request(GetPreset(account=request[ACCOUNT], name=known))
    except (msgspec.ValidationError, NotFound) as error:
        message = (
            "icp_type must be one of school, corporate, sports, childcare, "
            "or the name of a preset of your own"
        )
        raise Problem(422, "INVALID_REQUEST", message) from error


async def _wish(request: web.Request, options: CropOptions) -> Wish:
    preset = await preset_of(request, options.icp_type)
    background = preset.background if options.background is None else options.background
    transparent = background == "transparent"
    form = options.format or ("png" if transparent and preset.format == "jpeg" else preset.format)
    if transparent and form == "jpeg":
        sentence = "a JPEG cannot be transparent; ask for format png or webp"
        raise Problem(422, "INVALID_REQUEST", sentence)
    return Wish(
        icp_type=options.icp_type,
        preset=msgspec.structs.replace(preset, background=background, format=form),
        enhance=options.enhance,
        auto_rotate=options.auto_rotate,
    )


_YES_OR_NO = {"false": False, "0": False, "true": True, "1": True}


def _options(fields: dict[str, str]) -> CropOptions:
    """Return what a form says. Raises Problem."""
    given = {
        name: fields[name]
        for name in ("icp_type", "enhance", "auto_rotate", "background", "format")
        if fields.get(name)
    }
    told: dict[str, object] = {**given}
    for name in ("enhance", "auto_rotate"):
        if name in given:
            told[name] = _YES_OR_NO.get(given[name].lower(), given[name])
    try:
        return msgspec.convert(told, CropOptions)
    except msgspec.ValidationError as error:
        raise Problem(422, "INVALID_REQUEST", str(error)) from error


async def _answer(request: web.Request, outcome: Outcome, icp_type: str) -> web.Response:
    links = Links(request.app[STORAGE], request.app[SETTINGS].link_seconds)
    body = CropAnswer(
        results=[
            await cropped(links, photo.filename, icp_type, result)
            for photo, result in zip(outcome.photos, outcome.results, strict=True)
        ],
        tokens_deducted=outcome.deducted,
        tokens_refunded=outcome.refunded,
        wallet_transaction_id=outcome.transaction_id,
        receipt=receipt_of([each for each in outcome.results if isinstance(each, Portrait)]),
    )
    if outcome.succeeded:
        return json_response(body)
    facts = msgspec.to_builtins(body)
    sentence = "none of the photos could be cropped; all tokens were given back"
    return answer(request, 422, "NO_PHOTO_CROPPED", sentence, facts)
