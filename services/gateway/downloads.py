"""Files that are made while they are being sent."""

from collections.abc import AsyncIterator

from aiohttp import web

from services.gateway.problems import broken_off


async def send(
    request: web.Request, pieces: AsyncIterator[bytes], content_type: str, filename: str
) -> web.StreamResponse:
    """Send a file as its pieces come; what cannot go on is broken off, not ended.

    Whatever can be refused must have been: from here on it is 200.
    """
    response = web.StreamResponse(
        headers={
            "Content-Type": content_type,
            "Content-Disposition": f'attachment; filename="{filename}"',
            "Cache-Control": "private, no-store",
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
