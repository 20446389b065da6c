"""The card reader with the real models, a folder for storage and a web server to fetch from."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from aiohttp import web

from kit.aside import Aside
from kit.fetching import Fetcher
from kit.storage import Storage
from proto.cardreader import CardsRead, ReadCards, ReadLogo
from proto.ids import AccountId, StorageKey
from proto.photos import Rejected, RemotePhoto, StoredPhoto
from services.cardreader.endpoints import Endpoints
from vision.connect import connect
from vision.limits import Limits
from vision.models import ModelName

REPOSITORY = Path(__file__).parents[3] / "triton_models" / "repository"
ACCOUNT = AccountId(UUID(int=7))
OTHER_ACCOUNT = AccountId(UUID(int=8))
LIMITS = Limits(most_bytes=20_000_000)


@dataclass
class Website:
    """Serves one file after another, whatever path is asked for."""

    port: int
    body: bytes = b""

    async def answer(self, _: web.Request) -> web.Response:
        return web.Response(body=self.body)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/file"


@dataclass
class Reader:
    """The reader's own answers to its messages, and what it reads from and writes to."""

    endpoints: Endpoints
    storage: Storage
    website: Website

    async def stored(self, photo: bytes, folder: str = "uploads") -> ReadCards:
        """Store a photo and return the request to read it."""
        key = StorageKey(f"{folder}/{ACCOUNT}/call/photo")
        await self.storage.put(key, photo, "image/jpeg")
        return ReadCards(account=ACCOUNT, photo=StoredPhoto(key=key))

    def remote(self, photo: bytes) -> ReadCards:
        """Serve a photo and return the request to read it."""
        self.website.body = photo
        return ReadCards(account=ACCOUNT, photo=RemotePhoto(url=self.website.url))

    async def read(self, photo: bytes) -> CardsRead:
        """Read a photo that is one."""
        answer = await self.endpoints.read_cards(await self.stored(photo))
        assert not isinstance(answer, Rejected), answer.message
        return answer

    def logo(self, file: bytes) -> ReadLogo:
        """Serve a logo and return the request to make it safe."""
        self.website.body = file
        output = StorageKey(f"outputs/{ACCOUNT}/call/logo.png")
        return ReadLogo(account=ACCOUNT, url=self.website.url, output=output)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The model repository, built."""
    if not (REPOSITORY / ModelName.FACE_DETECTOR / "1" / "model.onnx").exists():
        pytest.skip("the models are not built: run ./just models")
    return REPOSITORY


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
async def reader(
    repository: Path, website: Website, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Reader]:
    """The reader, its models running in this process."""
    models = connect(None, repository)
    folder = tmp_path_factory.mktemp("storage")
    allowed = [f"127.0.0.1:{website.port}"]
    with ThreadPoolExecutor(2) as threads:
        async with (
            Storage.open(f"file://{folder}") as storage,
            Fetcher(allowed) as fetcher,
            Aside.open(2) as aside,
        ):
            endpoints = Endpoints(storage, fetcher, models, LIMITS, threads, aside)
            yield Reader(endpoints, storage, website)
    await models.close()
