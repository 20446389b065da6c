"""One item of a job: a sheet that is too large to wait for, told in the job book's words."""

import msgspec

from kit.bus import decoder
from proto.errors import InvalidRequest, NotFound
from proto.jobs import Failed, Succeeded
from proto.qr import DrawSheet
from services.qr.sheets import Sheets


async def work(sheets: Sheets, data: bytes) -> Succeeded | Failed:
    """Draw the sheet that a DrawSheet in MessagePack asks for.

    Raises InvalidRequest when it is no DrawSheet, its sheet is gone or cannot be drawn, and
    Unavailable when storage is away.
    """
    try:
        request = decoder(DrawSheet).decode(data)
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"this is no sheet to draw: {error}") from error
    try:
        drawn = await sheets.draw(request)
    except NotFound as error:
        raise InvalidRequest("the sheet is not there any more") from error
    return Succeeded(result=msgspec.msgpack.encode(drawn))
