"""Files behind signed links: whoever holds the link may use it, until it expires."""

import time

from aiohttp import web

from kit.signing import Grant, LinkExpired, LinkForged
from kit.storage import ObjectNotFound, ObjectTooLarge
from services.gateway.operations import Operations, Parameter
from services.gateway.problems import Problem, broken_off
from services.gateway.receiving import receiving
from services.gateway.resources import STORAGE
from services.gateway.views.shapes import ErrorBody

operations = Operations("Files")

_KEY = (
    Parameter("key", "path", "What the link names"),
    Parameter("expires", "query", "From the link", int),
    Parameter("signature", "query", "From the link"),
)
_PUT = (
    Parameter("type", "query", "From the link: the Content-Type that the upload must have"),
    Parameter("max", "query", "From the link: how many bytes it may have", int),
)
_ANSWERS = {403: ErrorBody, 404: ErrorBody}
_TYPES = {
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".pdf": "application/pdf",
}


@operations.add("GET", "/files/{key:.+}", {200: None, **_ANSWERS}, parameters=_KEY, secured=False)
async def download(request: web.Request) -> web.StreamResponse:
    """Give out a file."""
    grant = _grant(request)
    try:
        size, pieces = await request.app[STORAGE].stream(grant.key)
    except ObjectNotFound as error:
        raise Problem(404, "NOT_FOUND", "this file is not there any more") from error
    name = grant.key.rpartition("/")[2]
    response = web.StreamResponse(
        headers={
            "Content-Type": _TYPES.get(name[name.rfind(".") :], "application/octet-stream"),
            "Content-Length": str(size),
            "Content-Disposition": f'inline; filename="{name}"',
            "Cache-Control": "private, max-age=3600",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox",
            "X-Request-Id": request["request_id"],
        }
    )
    await response.prepare(request)
    async with broken_off(request):
        if request.method != "HEAD":
            async for piece in pieces:
                await response.write(piece)
        await response.write_eof()
    return response


@operations.add(
    "PUT",
    "/files/{key:.+}",
    {204: None, 413: ErrorBody, 415: ErrorBody, **_ANSWERS},
    parameters=_KEY + _PUT,
    secured=False,
)
async def upload(request: web.Request) -> web.Response:
    """Take a file whose link was given out for uploading; its Content-Type must be the link's."""
    grant = _grant(request)
    if request.content_type != grant.content_type:
        raise Problem(415, "UNSUPPORTED_MEDIA_TYPE", f"this link takes {grant.content_type}")
    too_large = Problem(413, "BODY_TOO_LARGE", f"this link takes {grant.max_bytes:,} bytes")
    if (request.content_length or 0) > grant.max_bytes:
        raise too_large
    try:
        with receiving(request):
            await request.app[STORAGE].put_stream(
                grant.key,
                request.content.iter_chunked(256 * 1024),
                max_bytes=grant.max_bytes,
                content_type=grant.content_type,
            )
    except ObjectTooLarge as error:
        raise too_large from error
    return web.Response(status=204)


def _grant(request: web.Request) -> Grant:
    """Return what the link in this request allows."""
    signer = request.app[STORAGE].signer
    if signer is None:
        raise Problem(404, "NOT_FOUND", "files are not served here")
    try:
        return signer.verify(request.method, request.match_info["key"], request.query, time.time())
    except LinkExpired as error:
        raise Problem(403, "LINK_EXPIRED", str(error)) from error
    except LinkForged as error:
        raise Problem(403, "LINK_NOT_VALID", str(error)) from error
