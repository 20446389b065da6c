"""Items of jobs, worked on by the engine with the real models."""

import msgspec
import numpy as np
import pytest

from proto.errors import InvalidRequest
from proto.facecrop import Portrait
from proto.ids import StorageKey
from proto.jobs import Failed, Succeeded
from services.facecrop.items import work
from tests.integration.facecrop.conftest import SCHOOL, Engine
from vision.encode import encode_png


async def test_a_photo_becomes_a_portrait_and_its_measures(
    engine: Engine, astronaut: bytes
) -> None:
    request = await engine.request(astronaut, SCHOOL)
    outcome = await work(engine.endpoints, msgspec.msgpack.encode(request))
    assert isinstance(outcome, Succeeded)
    portrait = msgspec.msgpack.decode(outcome.result, type=Portrait)
    assert (await engine.read(portrait.medium)).size == (800, 1000)
    assert outcome.measures == {
        "eye_line": portrait.receipt.eye_line,
        "head": portrait.receipt.head,
        "eye_distance": portrait.receipt.eye_distance,
        "roll": portrait.receipt.roll,
        "oversized": float("oversized" in portrait.flags),
        "padded": float("padded" in portrait.flags),
        "upscaled": 1.0,
        "warned": 1.0,
    }


@pytest.mark.parametrize(
    ("photo", "code"),
    [
        (b"%PDF-1.7 and so on" * 20, "NOT_A_PICTURE"),
        (encode_png(np.full((300, 300, 3), 90, np.uint8)), "NO_FACE"),
    ],
    ids=["no picture", "no face"],
)
async def test_a_photo_that_cannot_be_cropped_has_failed(
    engine: Engine, photo: bytes, code: str
) -> None:
    request = await engine.request(photo, SCHOOL)
    outcome = await work(engine.endpoints, msgspec.msgpack.encode(request))
    assert isinstance(outcome, Failed)
    assert outcome.code == code
    assert outcome.message


async def test_an_upload_that_is_gone_or_no_request_at_all_makes_no_sense(
    engine: Engine, astronaut: bytes
) -> None:
    request = await engine.request(astronaut, SCHOOL)
    gone = msgspec.structs.replace(request, photo=StorageKey("x"))
    with pytest.raises(InvalidRequest):
        await work(engine.endpoints, msgspec.msgpack.encode(gone))
    await engine.storage.delete(request.photo.key)  # type: ignore[union-attr]
    with pytest.raises(InvalidRequest):
        await work(engine.endpoints, msgspec.msgpack.encode(request))
