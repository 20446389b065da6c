"""One item of a job: the same work as for a caller who waits, told in the job book's words."""

import msgspec

from kit.bus import decoder
from proto.errors import InvalidRequest
from proto.facecrop import CropFace, Portrait
from proto.jobs import Failed, Succeeded
from proto.photos import Rejected
from services.facecrop.endpoints import Endpoints

_LENGTHS = ("eye_line", "head", "eye_distance", "roll")
_FLAGS = ("oversized", "padded", "upscaled")


async def work(endpoints: Endpoints, data: bytes) -> Succeeded | Failed:
    """Crop the photograph that a CropFace in MessagePack asks for.

    Raises InvalidRequest when it is no CropFace or its photo is gone, Unavailable when models or
    storage are away, and Broken when models answer what cannot be.
    """
    try:
        request = decoder(CropFace).decode(data)
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"this is no photo to crop: {error}") from error
    answer = await endpoints.crop_face(request)
    if isinstance(answer, Rejected):
        return Failed(code=answer.code, message=answer.message)
    return Succeeded(result=msgspec.msgpack.encode(answer), measures=_measures(answer))


def _measures(portrait: Portrait) -> dict[str, float]:
    """Return what is told of a whole job as mean and spread; of flags the mean is their share.

    What was planned and not measured has no place in a spread, and wants a look.
    """
    told = portrait.receipt
    lengths = {name: getattr(told, name) for name in _LENGTHS} if told.measured else {}
    return {
        **lengths,
        **{flag: float(flag in portrait.flags) for flag in _FLAGS},
        "warned": float(bool(portrait.warnings) or not told.measured),
    }
