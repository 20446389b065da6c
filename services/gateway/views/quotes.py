"""What a request would cost, and the promise that it will."""

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from services.gateway.cropping import operation_of
from services.gateway.identity import ACCOUNT
from services.gateway.operations import Operations, read_json
from services.gateway.photos import Url, check_count, check_urls
from services.gateway.problems import Problem, json_response
from services.gateway.quotes import GOOD_FOR_SECONDS
from services.gateway.resources import PRICES, QUOTES, SETTINGS
from services.gateway.views.facecrop import CropByUrl, IcpType, preset_of, urls_of
from services.gateway.views.shapes import ERROR_ANSWERS

operations = Operations("Quotes")


class CropToQuote(msgspec.Struct, frozen=True, kw_only=True):
    """What would be sent to a face crop endpoint: URLs, or how many files will be uploaded."""

    icp_type: IcpType
    image_url: Url | None = None
    image_urls: list[Url] | None = None
    files: Annotated[int, Meta(ge=1)] | None = None
    enhance: bool = False


class QuoteRequestBody(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be priced."""

    operation: Literal["face_crop"]
    input: CropToQuote


class QuoteBody(msgspec.Struct, frozen=True, kw_only=True):
    """What it will cost if everything succeeds; what fails is given back."""

    quote_id: str
    operation: str
    """As in the price book."""
    units: int
    unit_tokens: int
    tokens: int
    expires_at: datetime


@operations.add(
    "POST",
    "/v1/quotes",
    {200: QuoteBody, **ERROR_ANSWERS},
    body=QuoteRequestBody,
    scope="facecrop",
    role="read_only",
)
async def quote(request: web.Request) -> web.Response:
    """Price a request without carrying it out.

    The input is checked as the request itself would be; send the quote_id with the request.
    """
    body = await read_json(request, QuoteRequestBody)
    units = _photos(body.input)
    await preset_of(request, body.input.icp_type)
    check_count(units, request.app[SETTINGS].max_files)
    operation = operation_of(body.input.enhance)
    price = request.app[PRICES][operation].tokens
    quote_id, found = request.app[QUOTES].make(request[ACCOUNT], operation, units, price)
    response = json_response(
        QuoteBody(
            quote_id=quote_id,
            operation=operation,
            units=units,
            unit_tokens=price,
            tokens=found.tokens,
            expires_at=datetime.fromtimestamp(found.expires_at, UTC),
        )
    )
    response.headers["Cache-Control"] = f"private, max-age={GOOD_FOR_SECONDS}"
    return response


def _photos(body: CropToQuote) -> int:
    if body.files is None:
        asked = CropByUrl(
            icp_type=body.icp_type, image_url=body.image_url, image_urls=body.image_urls
        )
        urls = urls_of(asked)
        check_urls(urls)
        return len(urls)
    if body.image_url is not None or body.image_urls is not None:
        raise Problem(422, "INVALID_REQUEST", "send image_url, image_urls or files, one of them")
    return body.files
