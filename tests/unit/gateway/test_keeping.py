"""Photographs that are written down some at a time, and what becomes of those that are not."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from kit.storage import Storage
from proto.agencies import NewFile
from proto.errors import DeadlineExceeded, Internal, InvalidRequest, NotFound, Unavailable
from proto.ids import StorageKey
from services.gateway.keeping import add, must_be_urls
from services.gateway.problems import Problem
from services.gateway.resources import STORAGE

FOLDER = StorageKey("photos/x/1/call")
COUNT = 1_100
"""Three messages of at most 500."""


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    async with Storage.open(tmp_path.as_uri()) as storage:
        yield storage


@pytest.fixture
def request_(storage: Storage) -> web.Request:
    app = web.Application()
    app[STORAGE] = storage
    return make_mocked_request("POST", "/x", app=app)


@pytest.fixture
async def photos(storage: Storage) -> list[NewFile]:
    """Photographs of which every hundredth lies in storage."""
    made = []
    for number in range(COUNT):
        key = f"{FOLDER}/{number}"
        if number % 100 == 0:
            await storage.put(StorageKey(key), b"picture", "image/jpeg")
        made.append(NewFile(filename=f"{number}.jpg", key=key, sha256=bytes(32)))
    return made


async def kept(storage: Storage) -> list[int]:
    return sorted([int(key.rpartition("/")[2]) async for key, _ in storage.list(FOLDER)])


async def test_everything_is_written_down_in_order(
    request_: web.Request, photos: list[NewFile], storage: Storage
) -> None:
    async def ask(part: list[NewFile]) -> list[str]:
        return [photo.filename for photo in part]

    answers = await add(request_, photos, ask)
    assert [len(each) for each in answers] == [500, 500, 100]
    assert [name for each in answers for name in each] == [f"{n}.jpg" for n in range(COUNT)]
    assert await kept(storage) == list(range(0, COUNT, 100))


@pytest.mark.parametrize(
    ("error", "left"),
    [
        # refused: it, and what follows, is nobody's
        (InvalidRequest("full"), [0, 100, 200, 300, 400]),
        (NotFound("gone"), [0, 100, 200, 300, 400]),
        # perhaps written down: left, and what follows was not sent
        (Unavailable("away"), list(range(0, 1000, 100))),
        (DeadlineExceeded("late"), list(range(0, 1000, 100))),
        (Internal("fault"), list(range(0, 1000, 100))),
        (asyncio.CancelledError(), list(range(0, 1000, 100))),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_what_was_not_written_down_is_removed(
    request_: web.Request,
    photos: list[NewFile],
    storage: Storage,
    error: BaseException,
    left: list[int],
) -> None:
    async def ask(part: list[NewFile]) -> None:
        if part[0].filename == "500.jpg":
            raise error

    with pytest.raises(type(error)):
        await add(request_, photos, ask)
    assert await kept(storage) == left


@pytest.mark.parametrize("url", ["https://example.com/a?b=c#d", "HTTP://EXAMPLE.COM", "http://雪/"])
def test_what_may_be_fetched(url: str) -> None:
    must_be_urls([url])


@pytest.mark.parametrize(
    "url",
    ["", "a.jpg", "//x", "ftp://x/a", "https://", "https://x/a b", "https://x/\n", "x" * 5000],
)
def test_what_nobody_could_fetch(url: str) -> None:
    with pytest.raises(Problem):
        must_be_urls(["https://example.com/a.jpg", url])
