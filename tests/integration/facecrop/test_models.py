"""What becomes of photographs when models are away, not there, or answer what cannot be."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from cli import ports
from proto.errors import Broken, Unavailable
from proto.facecrop import Portrait
from proto.ids import StorageKey
from proto.jobs import Succeeded
from services.facecrop.items import work
from tests.integration.facecrop.conftest import SCHOOL, Engine, engine_with
from tests.integration.facereader.answering import answering
from tests.unit.vision.test_inprocess import build
from vision.connect import connect
from vision.models import ModelName, Tensor


async def tried(engine: Engine, photo: bytes) -> None:
    """Work on an item; whatever comes of it, nothing is left."""
    request = await engine.request(photo, SCHOOL)
    try:
        await work(engine.endpoints, msgspec.msgpack.encode(request))
    finally:
        assert [key async for key, _ in engine.storage.list(StorageKey("outputs"))] == []


@pytest.mark.parametrize(
    ("value", "faces"), [(float("nan"), 64), (0.5, 63)], ids=["not a number", "wrong shape"]
)
async def test_models_that_answer_what_cannot_be_are_broken(
    tmp_path: Path, astronaut: bytes, value: float, faces: int
) -> None:
    build(tmp_path / "models", value, faces)
    async with engine_with(connect(None, tmp_path / "models"), tmp_path) as engine:
        with pytest.raises(Broken):
            await tried(engine, astronaut)


async def test_a_model_that_is_not_there_is_broken(tmp_path: Path, astronaut: bytes) -> None:
    async with engine_with(connect(None, tmp_path / "models"), tmp_path) as engine:
        with pytest.raises(Broken):
            await tried(engine, astronaut)


async def test_models_that_are_away_are_waited_for(tmp_path: Path, astronaut: bytes) -> None:
    (port,) = ports.free(1)
    models = connect(f"127.0.0.1:{port}", Path("nowhere"))
    async with engine_with(models, tmp_path) as engine:
        with pytest.raises(Unavailable) as caught:
            await tried(engine, astronaut)
    assert not isinstance(caught.value, Broken)


class Blind:
    """Sees no face at its last request of so many."""

    def __init__(self, requests: int) -> None:
        self.left = requests

    def __call__(self, answer: Tensor) -> Tensor:
        self.left -= 1
        return answer if self.left else np.zeros_like(answer)


async def test_a_portrait_on_which_no_face_is_seen_again_tells_what_was_planned(
    repository: Path, tmp_path: Path, astronaut: bytes
) -> None:
    models = connect(None, repository)
    async with answering(models) as (server, url):
        server.spoilt = ModelName.FACE_DETECTOR
        async with engine_with(connect(url, Path("nowhere")), tmp_path) as engine:
            seen = await engine.crop(astronaut, SCHOOL)
            # the finished portrait is what it looks at last
            server.spoil = Blind(len(server.batches))
            request = await engine.request(astronaut, SCHOOL)
            outcome = await work(engine.endpoints, msgspec.msgpack.encode(request))
    await models.close()
    assert isinstance(outcome, Succeeded)
    made = msgspec.msgpack.decode(outcome.result, type=Portrait)
    assert (seen.receipt.measured, made.receipt.measured) == (True, False)
    assert made.receipt.eye_line == pytest.approx(SCHOOL.eye_line, abs=0.001)
    assert (made.flags, made.receipt.files) == (seen.flags, seen.receipt.files)
    assert "eye_line" not in outcome.measures
    assert outcome.measures["warned"] == 1.0
