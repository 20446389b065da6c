"""Face crop over HTTP, as the Printcart Studio dialect has it."""

from functools import partial
from typing import Annotated
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.errors import NotFound
from proto.facecrop import Portrait
from proto.presets import Format, GetPreset, Preset, PresetName
from services.gateway import misspelt, photos
from services.gateway.batches import BEGIN_SECONDS
from services.gateway.cropping import Outcome, Wish, begin_crops, crop, operation_of
from services.gateway.ended import JobBegunBody, begun_body
from services.gateway.idempotency import once
from services.gateway.identity import ACCOUNT, CALLER
from services.gateway.operations import Operations, read_long_json
from services.gateway.orders import order
from services.gateway.patience import seconds_for
from services.gateway.photos import Sent, Url
from services.gateway.portraits import Cropped, Links, ReceiptOfAll, cropped, receipt_of
from services.gateway.problems import Problem, answer, json_response
from services.gateway.resources import BUS, SETTINGS, STORAGE
from services.gateway.views.shapes import (
    ERROR_ANSWERS,
    ErrorBody,
    InsufficientTokensBody,
    SpendCapBody,
)

operations = Operations("Face Crop")

IcpType = Annotated[str, Meta(min_length=1, max_length=40)]
"""school, corporate, sports, childcare, or the name of a preset of the account's own."""

NO_BACKGROUND = "none"
"""Leaves the photograph's own background, whatever the preset says; so does an empty text."""
Background = Annotated[
    str, Meta(pattern=rf"^(#[0-9a-fA-F]{{6}}|transparent|{NO_BACKGROUND})?$(?!\n)")
]


class CropOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be made of the photos, however they are sent."""

    icp_type: IcpType
    """school, corporate, sports, childcare, or the name of a preset of your own."""
    enhance: bool = False
    """true to sharpen with Real-ESRGAN."""
    auto_rotate: bool = True
    """false to leave tilted heads tilted; otherwise more than 3 degrees are levelled."""
    background: Background | None = None
    """#RRGGBB or transparent, instead of what the preset says; the person is cut out for it. none,
    or an empty text, leaves the photograph's own."""
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
    body, sha256 = await read_long_json(
        request,
        CropByUrl,
        request.app[SETTINGS].max_url_list_bytes,
        partial(misspelt.check, kind=CropByUrl),
    )
    sent = photos.by_url(request, urls_of(body), sha256)
    return await _worked_on(request, sent, await _wish(request, body))


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
    async with photos.uploaded(request) as sent:
        return await _worked_on(request, sent, await _wish(request, _options(sent.fields)))


async def _worked_on(request: web.Request, sent: Sent, wish: Wish) -> web.Response:
    """Crop the photos, or answer as the request was answered before."""
    app, units = request.app, len(sent.photos)
    small = units <= app[SETTINGS].sync_images
    seconds = seconds_for(app[SETTINGS], units) if small else BEGIN_SECONDS

    async def work(call: UUID | None) -> web.Response:
        asked = order(request, operation_of(wish.enhance), units, seconds, call)
        if small:
            outcome = await crop(app, request[CALLER], sent.photos, wish, asked)
            return await _answer(request, outcome, wish.icp_type)
        job = await begin_crops(request, sent, wish, asked)
        return json_response(begun_body(job), 202)

    return await once(request, sent.sha256, seconds, work)


def urls_of(body: CropByUrl) -> list[str]:
    """Return the photos that a request names. Raises Problem unless it names them one way."""
    if (body.image_url is None) == (body.image_urls is None):
        raise Problem(422, "INVALID_REQUEST", "send either image_url or image_urls")
    return [body.image_url] if body.image_url is not None else body.image_urls or []


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
    background = "" if background == NO_BACKGROUND else background
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
    misspelt.check(fields, CropOptions)
    given = {
        name: fields[name]
        for name in ("icp_type", "enhance", "auto_rotate", "format")
        if fields.get(name)
    }
    told: dict[str, object] = {**given}
    if "background" in fields:
        told["background"] = fields["background"]
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
