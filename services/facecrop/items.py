"""One item of a job: the same work as for a caller who waits, told in the job book's words."""

import msgspec

from kit.bus import decoder
from proto.errors import InvalidRequest
from proto.facecrop import CropFace, Portrait
from proto.jobs import Failed, Succeeded
from proto.photos import Rejected
from services.facecrop.endpoints import Endpoints

_FLAGS = ("oversized", "padded", "upscaled")


async def work(endpoints: Endpoints, data: bytes) -> Succeeded | Failed:
    """Crop the photograph that a CropFace in MessagePack asks for.

    Raises InvalidRequest when it is no CropFace or its photo is gone, and Unavailable when models
    or storage are away.
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
    """Return what is told of a whole job as mean and spread; of flags the mean is their share."""
    measured = portrait.receipt
    return {
        "eye_line": measured.eye_line,
        "head": measured.head,
        "eye_distance": measured.eye_distance,
        "roll": measured.roll,
        **{flag: float(flag in portrait.flags) for flag in _FLAGS},
        "warned": float(bool(portrait.warnings)),
    }
