"""Storage in a real folder, and links for a real object store."""

import asyncio
import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from kit.storage import BadKey, ObjectNotFound, ObjectTooLarge, Storage, StorageError
from proto.ids import StorageKey

KEY = StorageKey("outputs/account/a b é.jpg")


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    url = f"file://{tmp_path}/storage"
    async with Storage.open(url, public_url="http://x/", secrets=["s" * 32]) as storage:
        yield storage


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "storage"


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


async def chunks(count: int, size: int = 1_000_000) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * size


async def test_what_is_put_is_got(storage: Storage) -> None:
    await storage.put(KEY, b"picture", "image/jpeg")
    assert await storage.get(KEY, 7) == b"picture"
    size, pieces = await storage.stream(KEY)
    assert (size, b"".join([piece async for piece in pieces])) == (7, b"picture")


@pytest.mark.usefixtures("storage")
def test_the_folder_is_closed_to_other_users(folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_an_object_that_is_larger_than_allowed_is_not_read(storage: Storage) -> None:
    await storage.put(KEY, b"picture", "image/jpeg")
    with pytest.raises(ObjectTooLarge):
        await storage.get(KEY, 6)


async def test_what_is_not_there_is_not_found(storage: Storage) -> None:
    with pytest.raises(ObjectNotFound):
        await storage.get(KEY, 1)
    with pytest.raises(ObjectNotFound):
        await storage.stream(KEY)


@pytest.mark.parametrize("count", [0, 1, 12])
async def test_a_stream_is_written_whole(storage: Storage, count: int) -> None:
    size = await storage.put_stream(KEY, chunks(count), max_bytes=12_000_000)
    assert size == count * 1_000_000
    assert len(await storage.get(KEY, 12_000_000)) == size


async def test_a_stream_over_the_limit_leaves_nothing(storage: Storage, folder: Path) -> None:
    with pytest.raises(ObjectTooLarge):
        await storage.put_stream(KEY, chunks(12), max_bytes=11_999_999)
    assert files(folder) == []


async def test_a_stream_that_breaks_leaves_nothing(storage: Storage, folder: Path) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        async for chunk in chunks(8):
            yield chunk
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        await storage.put_stream(KEY, breaking(), max_bytes=10**9)
    assert files(folder) == []


async def test_a_stream_that_is_cancelled_leaves_nothing(storage: Storage, folder: Path) -> None:
    begun, never = asyncio.Event(), asyncio.Event()

    async def waiting() -> AsyncIterator[bytes]:
        async for chunk in chunks(8):
            yield chunk
        begun.set()
        await never.wait()

    writing = asyncio.create_task(storage.put_stream(KEY, waiting(), max_bytes=10**9))
    await begun.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    for _ in range(100):
        if files(folder) == []:
            break
        await asyncio.sleep(0.02)
    assert files(folder) == []


async def test_a_folder_is_removed_and_its_neighbours_are_not(
    storage: Storage, folder: Path
) -> None:
    for key in ("a/1/x", "a/1/y/z", "a/10/x", "b/1/x"):
        await storage.put(StorageKey(key), b"x", "image/jpeg")
    assert await storage.delete_folder(StorageKey("a/1")) == 2
    assert files(folder) == ["a/10/x", "b/1/x"]
    assert await storage.delete_folder(StorageKey("a/1")) == 0


async def test_only_what_is_old_is_swept(storage: Storage) -> None:
    await storage.put(StorageKey("uploads/a/0"), b"x", "image/jpeg")
    now = datetime.now(UTC)
    uploads = StorageKey("uploads")
    assert await storage.delete_older(uploads, now - timedelta(hours=1)) == 0
    assert await storage.delete_older(uploads, now + timedelta(hours=1)) == 1


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "/etc/passwd",
        "..",
        "a/../b",
        "a//b",
        "a/",
        "./a",
        "a/\x00",
        "a\nb",
        "a\\b",
        "x" * 256,
    ],
)
async def test_a_key_that_leaves_its_folder_is_refused(storage: Storage, key: str) -> None:
    for call in (
        storage.put(StorageKey(key), b"x", "image/jpeg"),
        storage.get(StorageKey(key), 1),
        storage.delete_folder(StorageKey(key)),
        storage.link_to_get(StorageKey(key), 60),
    ):
        with pytest.raises(BadKey):
            await call


async def test_a_link_to_a_local_file_is_good_for_this_key_and_time(storage: Storage) -> None:
    link = urlsplit(await storage.link_to_get(KEY, 60))
    assert f"{link.scheme}://{link.netloc}" == "http://x"
    key = unquote(link.path).removeprefix("/files/")
    assert storage.signer is not None
    grant = storage.signer.verify(
        "GET", key, dict(parse_qsl(link.query)), datetime.now(UTC).timestamp()
    )
    assert grant.key == KEY
    assert 0 < grant.expires - datetime.now(UTC).timestamp() <= 60


async def test_without_a_secret_there_are_no_links(tmp_path: Path) -> None:
    async with Storage.open(str(tmp_path)) as storage:
        with pytest.raises(StorageError, match="secret"):
            await storage.link_to_get(KEY, 60)


async def test_an_object_store_signs_its_own_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    async with Storage.open("s3://bucket/prefix", secrets=["s" * 32]) as storage:
        link = urlsplit(await storage.link_to_get(KEY, 60))
        put = await storage.link_to_put(KEY, 60, "image/jpeg", 5)
    assert storage.signer is None
    assert unquote(link.path).endswith("/prefix/outputs/account/a b é.jpg")
    query = dict(parse_qsl(link.query))
    assert query["X-Amz-Expires"] == "60"
    assert query["X-Amz-Signature"]
    assert put != link.geturl()


async def test_storage_that_cannot_make_links_is_refused() -> None:
    with pytest.raises(StorageError, match="memory"):
        async with Storage.open("memory:///"):
            pass
