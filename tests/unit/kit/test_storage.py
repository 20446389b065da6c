"""What a local folder does at its edges; the rest is in the integration tests of storage."""

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.signing import LinkExpired
from kit.storage import BadKey, ObjectNotFound, Storage, is_key
from proto.errors import Unavailable
from proto.ids import StorageKey

KEY = StorageKey("outputs/a.jpg")
NOW = datetime.now(UTC)


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    async with Storage.open(
        str(tmp_path), public_url="http://x", secrets=["s" * 32], clock=lambda: 1000.9
    ) as storage:
        yield storage


async def keys_in(storage: Storage, folder: str) -> list[str]:
    return sorted([key async for key, _ in storage.list(StorageKey(folder))])


def put_file(path: Path, written: datetime) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    os.utime(path, (written.timestamp(), written.timestamp()))


def files_below(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


async def test_the_size_is_told_without_reading(storage: Storage) -> None:
    await storage.put(KEY, b"picture", "image/jpeg")
    assert await storage.size_of(KEY) == 7
    with pytest.raises(ObjectNotFound):
        await storage.size_of(StorageKey("outputs/b.jpg"))


async def test_what_is_deleted_is_gone_and_may_be_deleted_again(storage: Storage) -> None:
    other = StorageKey("outputs/b.jpg")
    for key in (KEY, other):
        await storage.put(key, b"picture", "image/jpeg")
    for _ in range(2):
        await storage.delete(KEY)
        assert await keys_in(storage, "outputs") == [other]


async def test_of_many_to_be_deleted_some_may_be_gone(storage: Storage) -> None:
    names = [StorageKey(f"outputs/{number}.jpg") for number in range(100)]
    for key in (*names[::3], KEY):
        await storage.put(key, b"picture", "image/jpeg")
    await storage.delete_all(names[::-1])
    assert await keys_in(storage, "outputs") == [KEY]
    await storage.delete_all(names)
    await storage.delete_all([])
    with pytest.raises(BadKey):
        await storage.delete_all([KEY, StorageKey("../b.jpg")])
    assert await keys_in(storage, "outputs") == [KEY]


async def test_no_empty_folder_stays_behind_what_is_deleted(
    storage: Storage, tmp_path: Path
) -> None:
    for key in ("jobs/1/a/x", "jobs/2/y"):
        await storage.put(StorageKey(key), b"picture", "image/jpeg")
    await storage.delete(StorageKey("jobs/1/a/x"))
    assert [path.name for path in (tmp_path / "jobs").iterdir()] == ["2"]


async def test_a_second_write_replaces_the_first(storage: Storage) -> None:
    await storage.put(KEY, b"first, and longer", "image/jpeg")
    await storage.put(KEY, b"second", "image/jpeg")
    assert await storage.get(KEY, 100) == b"second"


async def test_a_folder_that_is_not_there_is_empty(storage: Storage) -> None:
    assert await keys_in(storage, "outputs") == []
    assert await storage.delete_folder(StorageKey("outputs")) == 0
    assert await storage.delete_older(StorageKey("outputs"), NOW) == 0


async def test_a_sweep_also_clears_what_a_killed_writer_left(
    storage: Storage, tmp_path: Path
) -> None:
    long_ago = NOW - timedelta(days=2)
    for name in ("done", "done#1", "a/b#27"):
        put_file(tmp_path / "uploads" / name, long_ago)
    put_file(tmp_path / "uploads" / "being-written#1", NOW)
    put_file(tmp_path / "outputs" / "elsewhere#1", long_ago)
    assert await storage.delete_older(StorageKey("uploads"), NOW - timedelta(days=1)) == 1
    assert files_below(tmp_path) == ["being-written#1", "elsewhere#1"]


async def test_a_link_expires_by_the_clock_given(storage: Storage) -> None:
    link = urlsplit(await storage.link_to_put(KEY, 60, "image/png", 5))
    query = dict(parse_qsl(link.query))
    assert query["expires"] == "1060"
    assert storage.signer is not None
    assert storage.signer.verify("PUT", KEY, query, 1059).max_bytes == 5
    with pytest.raises(LinkExpired):
        storage.signer.verify("PUT", KEY, query, 1060)


async def test_a_storage_that_fails_is_unavailable(storage: Storage) -> None:
    await storage.put(KEY, b"a file where a folder should be", "image/jpeg")
    beneath = StorageKey(f"{KEY}/x")

    async def chunks() -> AsyncIterator[bytes]:
        yield b"x"

    for call in (
        storage.put(beneath, b"x", "image/jpeg"),
        storage.put_stream(beneath, chunks(), max_bytes=1),
        storage.get(beneath, 1),
        storage.size_of(beneath),
    ):
        with pytest.raises(Unavailable) as caught:
            await call
        assert str(KEY) not in str(caught.value)


@pytest.mark.parametrize(
    "key",
    [
        "a#1",
        "a#1/b",
        "#1",
        "C:",
        "a/0c|",
        "a/\x85",
        "\x9b",
        "\ud800",
        "é" * 121,
        "/".join(["x" * 200] * 6),
    ],
    ids=ascii,
)
async def test_a_key_that_not_every_storage_takes_is_refused(storage: Storage, key: str) -> None:
    assert not is_key(key)
    with pytest.raises(BadKey):
        await storage.put(StorageKey(key), b"x", "image/jpeg")
    with pytest.raises(BadKey):
        await storage.delete_older(StorageKey(key), NOW)


@settings(deadline=None)  # it writes files, on a machine that does other things too
@given(st.lists(st.text(min_size=1, max_size=240), min_size=1, max_size=4).map("/".join))
async def test_a_key_is_refused_or_kept_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, key: str
) -> None:
    folder = tmp_path_factory.mktemp("storage")
    async with Storage.open(str(folder / "inside")) as storage:
        try:
            await storage.put(StorageKey(f"k/{key}"), b"x", "image/jpeg")
        except BadKey:
            assert list((folder / "inside").iterdir()) == []
            return
        assert await keys_in(storage, "k") == [f"k/{key}"]
        assert await storage.get(StorageKey(f"k/{key}"), 1) == b"x"
    assert [path.name for path in folder.iterdir()] == ["inside"]


@pytest.mark.parametrize(
    "key", ["a#b", "a#", "a:b", "1:", "1#x", "a%2fb", "%2e%2e", "...", "a b", " ", "é" * 120]
)
async def test_other_odd_keys_are_kept_as_they_are(storage: Storage, key: str) -> None:
    assert is_key(f"k/{key}")
    await storage.put(StorageKey(f"k/{key}"), b"x", "image/jpeg")
    assert await keys_in(storage, "k") == [f"k/{key}"]
