"""The engine with the real models and a folder for storage."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from PIL import Image

from kit.fetching import Fetcher
from kit.storage import Storage
from proto.facecrop import CropFace, Portrait
from proto.ids import AccountId, StorageKey
from proto.photos import Rejected, StoredPhoto
from proto.presets import Preset
from services.facecrop.endpoints import Endpoints
from vision.connect import connect
from vision.limits import Limits
from vision.models import ModelName, Models

REPOSITORY = Path(__file__).parents[3] / "triton_models" / "repository"
ACCOUNT = AccountId(UUID(int=7))

SCHOOL = Preset(
    name="school", aspect=(4, 5), head=0.54, eye_line=0.40, full=(2400, 3000), medium=(800, 1000)
)
SPORTS = Preset(
    name="sports", aspect=(4, 5), head=0.32, eye_line=0.30, full=(2400, 3000), medium=(800, 1000)
)


@dataclass
class Engine:
    """The engine's own answer to its message, and the storage it reads from and writes to."""

    endpoints: Endpoints
    storage: Storage

    async def request(self, photo: bytes, preset: Preset, **more: Any) -> CropFace:
        """Store a photo and return the request to crop it."""
        key = StorageKey(f"uploads/{ACCOUNT}/photo")
        await self.storage.put(key, photo, "image/jpeg")
        return CropFace(
            account=ACCOUNT,
            photo=StoredPhoto(key=key),
            preset=preset,
            outputs=StorageKey(f"outputs/{ACCOUNT}/call"),
            stem="photo",
            **more,
        )

    async def crop(self, photo: bytes, preset: Preset, **more: Any) -> Portrait:
        """Crop a photo that has a face."""
        answer = await self.endpoints.crop_face(await self.request(photo, preset, **more))
        assert not isinstance(answer, Rejected), answer.message
        return answer

    async def read(self, key: StorageKey) -> Image.Image:
        """Return a picture that the engine wrote."""
        return Image.open(BytesIO(await self.storage.get(key, 100_000_000)))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The model repository, built."""
    if not (REPOSITORY / ModelName.FACE_DETECTOR / "1" / "model.onnx").exists():
        pytest.skip("the models are not built: run ./just models")
    return REPOSITORY


@pytest.fixture(scope="session")
async def engine(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Engine]:
    """The engine, its models running in this process."""
    folder = tmp_path_factory.mktemp("storage")
    async with engine_with(connect(None, repository), folder) as engine:
        yield engine


@asynccontextmanager
async def engine_with(models: Models, folder: Path) -> AsyncIterator[Engine]:
    """The engine with models of the test's choice, which are closed afterwards."""
    with ThreadPoolExecutor(2) as threads:
        async with Storage.open(f"file://{folder}") as storage, Fetcher() as fetcher:
            endpoints = Endpoints(
                storage, fetcher, models, ModelName.UPSCALER_FAST, Limits(), threads
            )
            yield Engine(endpoints, storage)
    await models.close()
