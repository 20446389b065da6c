"""The face reader with the real models, a folder for storage and a web server to fetch from."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from aiohttp import web

from kit.fetching import Fetcher
from kit.storage import Storage
from proto.facereader import FacesRead, ReadFaces
from proto.ids import AccountId, StorageKey
from proto.photos import RemotePhoto, StoredPhoto
from services.facereader.endpoints import Endpoints
from services.facereader.reading import FaceReader
from vision.connect import connect
from vision.decode import decode
from vision.limits import Limits
from vision.modelcard import EmbedderCard, embedder_card
from vision.models import ModelName
from vision.picture import Pixels

REPOSITORY = Path(__file__).parents[3] / "triton_models" / "repository"
ACCOUNT = AccountId(UUID(int=7))
OTHER_ACCOUNT = AccountId(UUID(int=8))
LIMITS = Limits(most_bytes=20_000_000)
PHOTO = StorageKey(f"photos/{ACCOUNT}/3/call/0")
KEPT = StorageKey(f"photos/{ACCOUNT}/3/fetched/0")


@dataclass
class Website:
    """Serves one file after another, whatever path is asked for."""

    port: int
    body: bytes = b""
    asked: int = 0

    async def answer(self, _: web.Request) -> web.Response:
        self.asked += 1
        return web.Response(body=self.body, content_type="text/html")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/file"


@dataclass
class Desk:
    """The reader's own answers to its messages, and what it reads from and writes to."""

    endpoints: Endpoints
    reader: FaceReader
    storage: Storage
    website: Website

    async def stored(self, photo: bytes, key: StorageKey = PHOTO) -> ReadFaces:
        """Store a photo and return the request to read it."""
        await self.storage.put(key, photo, "image/jpeg")
        return ReadFaces(account=ACCOUNT, photo=StoredPhoto(key=key))

    def remote(self, photo: bytes, keep: StorageKey | None = None) -> ReadFaces:
        """Serve a photo and return the request to read it."""
        self.website.body = photo
        return ReadFaces(account=ACCOUNT, photo=RemotePhoto(url=self.website.url), keep=keep)

    async def read(self, photo: bytes) -> FacesRead:
        """Read a photo that is one."""
        answer = await self.endpoints.read_faces(await self.stored(photo))
        assert isinstance(answer, FacesRead), answer.message
        return answer

    async def keys(self) -> set[StorageKey]:
        """What lies in storage."""
        return {key async for key, _ in self.storage.list(StorageKey("photos"))}


@pytest.fixture(scope="session")
def repository() -> Path:
    """The model repository, built."""
    for model in (ModelName.FACE_DETECTOR, ModelName.FACE_EMBEDDER):
        if not (REPOSITORY / model / "1" / "model.onnx").exists():
            pytest.skip("the models are not built: run ./just models")
    return REPOSITORY


@pytest.fixture(scope="session")
def card(repository: Path) -> EmbedderCard:
    return embedder_card(repository)


@pytest.fixture(scope="session")
async def website() -> AsyncIterator[Website]:
    site = Website(port=0)
    app = web.Application()
    app.router.add_get("/{path:.*}", site.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site.port = runner.addresses[0][1]
    yield site
    await runner.cleanup()


@pytest.fixture(scope="session")
async def reader(repository: Path, card: EmbedderCard) -> AsyncIterator[FaceReader]:
    """The chain alone, its models running in this process."""
    models = connect(None, repository)
    yield FaceReader(models, card, LIMITS)
    await models.close()


@pytest.fixture
async def desk(reader: FaceReader, website: Website, tmp_path: Path) -> AsyncIterator[Desk]:
    """The reader over an empty storage."""
    allowed = [f"127.0.0.1:{website.port}"]
    async with Storage.open(f"file://{tmp_path}") as storage, Fetcher(allowed) as fetcher:
        yield Desk(Endpoints(storage, fetcher, reader), reader, storage, website)


@pytest.fixture(scope="session")
def portrait(astronaut: bytes) -> Pixels:
    """One person, 512 x 512."""
    return decode(astronaut).pixels
