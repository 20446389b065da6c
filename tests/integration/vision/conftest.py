"""The built models, on a real Triton and in this process."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from vision.connect import connect
from vision.decode import decode
from vision.models import ModelName, Models
from vision.picture import Pixels

REPOSITORY = Path(__file__).parents[3] / "triton_models" / "repository"


@pytest.fixture(scope="session")
def repository() -> Path:
    """The model repository, built."""
    if not (REPOSITORY / ModelName.FACE_DETECTOR / "1" / "model.onnx").exists():
        pytest.skip("the models are not built: run ./just models")
    return REPOSITORY


@pytest.fixture(scope="session")
async def models_on_triton(triton_url: str, repository: Path) -> AsyncIterator[Models]:
    """Models on a real Triton server."""
    connected = connect(triton_url, repository)
    yield connected
    await connected.close()


@pytest.fixture(scope="session")
async def models_in_process(repository: Path) -> AsyncIterator[Models]:
    """Models in this process."""
    connected = connect(None, repository)
    yield connected
    await connected.close()


@pytest.fixture(scope="session", params=["models_on_triton", "models_in_process"])
def models(request: pytest.FixtureRequest) -> Models:
    """Both places where models run; every test holds for either."""
    found: Models = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def portrait(astronaut: bytes) -> Pixels:
    """One person, 512 x 512: head upright, eyes level, looking into the camera."""
    return decode(astronaut).pixels
