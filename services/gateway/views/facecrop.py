"""Face crop over HTTP, as the Printcart Studio dialect has it."""

import hashlib
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID, uuid4

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.accounts import Caller
from proto.facecrop import FaceBox, Flag, IcpType, Portrait, Rejected, RemotePhoto, StoredPhoto
from proto.ids import StorageKey
from services.gateway import names
from services.gateway.billing import Order
from services.gateway.cropping import Outcome, Photo, crop, operation_of, seconds_for
from services.gateway.idempotency import QUOTE_HEADER, once
from services.gateway.identity import ACCOUNT, CALLER
from services.gateway.operations import Operations, read_json
from services.gateway.problems import Problem, answer, json_response
from services.gateway.resources import PRICES, QUOTES, SETTINGS, STORAGE
from services.gateway.uploads import receive
from services.gateway.views.shapes import (
    ERROR_ANSWERS,
    ErrorBody,
    InsufficientTokensBody,
    SpendCapBody,
)

operations = Operations("Face Crop")

Url = Annotated[str, Meta(min_length=1, max_length=4096)]


class CropByUrl(msgspec.Struct, frozen=True, kw_only=True):
    """Photos to fetch and crop: `image_url` or `image_urls`, not both."""

    icp_type: IcpType
    image_url: Url | None = None
    image_urls: list[Url] | None = None
    enhance: bool = False
    """true to sharpen with Real-ESRGAN."""


class CropForm(msgspec.Struct, frozen=True, kw_only=True):
    """Photos to crop, as one or more `file[]` parts."""

    file: list[bytes] = msgspec.field(name="file[]")
    icp_type: IcpType
    enhance: bool = False


class OutputUrls(msgspec.Struct, frozen=True, kw_only=True):
    """Signed links, good for a day unless the operator set another time."""

    original: str
    medium: str


class ErrorOfOne(msgspec.Struct, frozen=True, kw_only=True):
    """Why one photo could not be cropped; it is not charged."""

    code: str
    message: str


class Cropped(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One photo: a face box and two links, or an error."""

    filename: str
    icp_type: IcpType
    face_box: FaceBox | None = None
    """In pixels of the upright original."""
    output_urls: OutputUrls | None = None
    flags: list[Flag] = []
    """What a print lab wants to know: `shrunk`, `padded`, `upscaled`."""
    error: ErrorOfOne | None = None


class CropAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Every photo in the order sent, and what it cost: `tokens_deducted - tokens_refunded`."""

    results: list[Cropped]
    tokens_deducted: int
    tokens_refunded: int
    wallet_transaction_id: str


ANSWERS = {
    200: CropAnswer,
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
    body = await read_json(request, CropByUrl)
    urls = urls_of(body)
    check_count(len(urls), request.app[SETTINGS].max_files)
    photos = [Photo(names.of_url(url), RemotePhoto(url=url)) for url in urls]
    sent = hashlib.sha256(await request.read()).digest()
    return await _once(request, sent, photos, body.icp_type, body.enhance)


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
    try:
        upload = await receive(request, storage, folder, settings)
        check_count(len(upload.files), settings.max_files)
        icp_type, enhance = _fields(upload.fields)
        photos = [Photo(file.filename, StoredPhoto(key=file.key)) for file in upload.files]
        return await _once(request, upload.sha256, photos, icp_type, enhance)
    finally:
        await storage.delete_folder(folder)


async def _once(
    request: web.Request, sent: bytes, photos: Sequence[Photo], icp_type: IcpType, enhance: bool
) -> web.Response:
    """Crop the photos, or answer as the request was answered before."""
    caller: Caller = request[CALLER]
    app, operation = request.app, operation_of(enhance)
    seconds = seconds_for(app[SETTINGS], len(photos))

    async def work(call: UUID | None) -> web.Response:
        quote = request.headers.get(QUOTE_HEADER, "")
        price = app[PRICES][operation].tokens
        order = Order(
            operation=operation,
            units=len(photos),
            unit_price=app[QUOTES].price(caller.account, quote, operation, len(photos), price),
            work_seconds=seconds,
            call=call,
        )
        return await _answer(request, await crop(app, caller, photos, icp_type, order), icp_type)

    return await once(request, sent, seconds, work)


def urls_of(body: CropByUrl) -> list[str]:
    """Return the photos that a request names. Raises Problem unless it names them one way."""
    if (body.image_url is None) == (body.image_urls is None):
        raise Problem(422, "INVALID_REQUEST", "send either image_url or image_urls")
    return [body.image_url] if body.image_url is not None else body.image_urls or []


def check_count(count: int, at_most: int) -> None:
    """Raise Problem unless so many photos go into one request."""
    if count == 0:
        raise Problem(422, "INVALID_REQUEST", "send at least one photo")
    if count > at_most:
        raise Problem(422, "TOO_MANY_FILES", f"send at most {at_most} photos in one request")


def _fields(fields: dict[str, str]) -> tuple[IcpType, bool]:
    enhance = {"": False, "false": False, "0": False, "true": True, "1": True}.get(
        fields.get("enhance", "").lower()
    )
    if enhance is None:
        raise Problem(422, "INVALID_REQUEST", "enhance must be true or false")
    try:
        return msgspec.convert(fields.get("icp_type", ""), IcpType), enhance
    except msgspec.ValidationError as error:
        message = "icp_type must be one of school, corporate, sports, childcare"
        raise Problem(422, "INVALID_REQUEST", message) from error


async def _answer(request: web.Request, outcome: Outcome, icp_type: IcpType) -> web.Response:
    body = CropAnswer(
        results=[
            await _cropped(request, photo, result, icp_type)
            for photo, result in zip(outcome.photos, outcome.results, strict=True)
        ],
        tokens_deducted=outcome.deducted,
        tokens_refunded=outcome.refunded,
        wallet_transaction_id=outcome.transaction_id,
    )
    if outcome.succeeded:
        return json_response(body)
    facts = msgspec.to_builtins(body)
    sentence = "none of the photos could be cropped; all tokens were given back"
    return answer(request, 422, "NO_PHOTO_CROPPED", sentence, facts)


async def _cropped(
    request: web.Request, photo: Photo, result: Portrait | Rejected, icp_type: IcpType
) -> Cropped:
    if isinstance(result, Rejected):
        error = ErrorOfOne(code=result.code, message=result.message)
        return Cropped(filename=photo.filename, icp_type=icp_type, error=error)
    storage, seconds = request.app[STORAGE], request.app[SETTINGS].link_seconds
    urls = OutputUrls(
        original=await storage.link_to_get(result.original, seconds),
        medium=await storage.link_to_get(result.medium, seconds),
    )
    return Cropped(
        filename=photo.filename,
        icp_type=icp_type,
        face_box=result.face_box,
        output_urls=urls,
        flags=result.flags,
    )
