import csv
import io
import zipfile
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from msgspec.structs import replace

from kit.storage import ObjectNotFound, Storage
from proto.facecrop import DrawnFile
from proto.ids import JobId, StorageKey
from proto.jobs import Item
from services.gateway.archives import of_portraits
from services.gateway.ended import JobBody, ProgressBody
from services.gateway.portraits import receipt_of
from tests.unit.gateway.test_portraits import portrait

JOB = JobBody(
    task_id=JobId(UUID(int=9)),
    status="completed",
    progress=ProgressBody(current=2, total=2, percentage=100.0),
    kind="face_crop",
    total_files=2,
    succeeded=1,
    failed=1,
    cancelled=0,
    tokens_deducted=4,
    tokens_refunded=2,
    created_at=datetime(2026, 11, 21, tzinfo=UTC),
    receipt=receipt_of([portrait("a", flags=["padded"])]),
)


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    async with Storage.open(tmp_path.as_uri()) as storage:
        yield storage


async def store(storage: Storage, name: str, data: bytes = b"picture") -> None:
    for size in ("orig", "md"):
        key = StorageKey(f"outputs/x/{name}_{size}.jpg")
        await storage.put(key, data + size.encode(), "image/jpeg")


def succeeded(number: int, shown: str, name: str) -> Item:
    result = msgspec.msgpack.encode(portrait(name, warnings=["blurred", "head_cut"]))
    return Item(number=number, name=shown, state="succeeded", order=number + 1, result=result)


async def each(items: Iterable[Item]) -> AsyncIterator[Item]:
    for item in items:
        yield item


async def packed(storage: Storage, *items: Item) -> zipfile.ZipFile:
    pieces = [piece async for piece in of_portraits(storage, JOB, each(items))]
    return zipfile.ZipFile(io.BytesIO(b"".join(pieces)))


async def test_files_come_out_as_they_went_in_and_readable_by_all(storage: Storage) -> None:
    data = bytes(range(256)) * 20_000  # some pieces of storage
    await store(storage, "a", data)
    found = await packed(storage, succeeded(0, "a.jpg", "a"))
    assert found.testzip() is None
    assert found.namelist() == ["a_orig.jpg", "a_md.jpg", "receipt.csv", "receipt.json"]
    assert found.read("a_orig.jpg") == data + b"orig"
    assert {info.external_attr >> 16 for info in found.infolist()} == {0o644}
    assert {info.compress_type for info in found.infolist()} == {zipfile.ZIP_STORED}


async def test_a_file_of_two_photos_is_packed_once_and_both_have_a_line(storage: Storage) -> None:
    await store(storage, "a")
    found = await packed(storage, succeeded(0, "a.jpg", "a"), succeeded(1, "=b.jpg", "a"))
    assert found.namelist() == ["a_orig.jpg", "a_md.jpg", "receipt.csv", "receipt.json"]
    text = found.read("receipt.csv").decode()
    first, second = csv.DictReader(io.StringIO(text, newline=""))
    assert (first["filename"], second["filename"]) == ("a.jpg", "'=b.jpg")
    assert first["file"] == second["file"] == "a_orig.jpg"
    assert first["warnings"] == "blurred head_cut"
    # a number below zero is a number, and no formula
    assert first["roll"] == "-1.0"


async def test_a_line_says_how_large_each_file_is_and_whether_it_was_enlarged(
    storage: Storage,
) -> None:
    await store(storage, "a")
    drawn = {
        "original": DrawnFile(width=400, height=500, scale=1.0),
        "medium": DrawnFile(width=200, height=250, scale=0.5),
        "print": DrawnFile(width=2400, height=3000, scale=6.0, flags=["upscaled"]),
    }
    made = portrait("a")
    made = replace(made, receipt=replace(made.receipt, files=drawn, measured=False))
    item = replace(succeeded(0, "a.jpg", "a"), result=msgspec.msgpack.encode(made))
    found = await packed(storage, item)
    text = found.read("receipt.csv").decode()
    (line,) = csv.DictReader(io.StringIO(text, newline=""))
    assert line["sizes"] == "original=400x500 medium=200x250 print=2400x3000"
    assert line["scales"] == "original=1.0 medium=0.5 print=6.0"
    assert (line["upscaled"], line["measured"]) == ("print", "no")
    assert line["warnings"] == "not_measured"


async def test_what_failed_has_its_code_and_what_has_not_ended_no_line(storage: Storage) -> None:
    failed = Item(number=0, name="x", state="failed", order=1, code="NO_FACE", message="None.")
    open_ = Item(number=1, name="y", state="running", order=None)
    found = await packed(storage, failed, open_)
    text = found.read("receipt.csv").decode()
    (line,) = csv.DictReader(io.StringIO(text, newline=""))
    assert (line["filename"], line["status"], line["error"]) == ("x", "failed", "NO_FACE")
    assert line["eye_line"] == ""


async def test_what_is_told_of_the_job_lies_in_it(storage: Storage) -> None:
    told = msgspec.json.decode((await packed(storage)).read("receipt.json"))
    assert told == msgspec.to_builtins(JOB)
    assert (told["task_id"], told["succeeded"], told["failed"]) == (str(UUID(int=9)), 1, 1)
    assert told["receipt"]["eye_line"] == {"mean": 0.4, "deviation": 0.0}
    assert told["receipt"]["flag_shares"] == {"oversized": 0.0, "padded": 1.0, "upscaled": 0.0}


async def test_it_is_sent_in_pieces_and_not_kept_until_its_end(storage: Storage) -> None:
    for number in range(4):
        await store(storage, f"{number}", bytes(3_000_000))
    items = [succeeded(number, f"{number}.jpg", f"{number}") for number in range(4)]
    sizes = [len(piece) async for piece in of_portraits(storage, JOB, each(items))]
    assert sum(sizes) > 24_000_000
    assert max(sizes) < 4_000_000


async def test_a_file_that_is_gone_breaks_it_off(storage: Storage) -> None:
    await store(storage, "a")
    items = each([succeeded(0, "a", "a"), succeeded(1, "b", "b")])
    pieces = of_portraits(storage, JOB, items)
    with pytest.raises(ObjectNotFound):
        async for _ in pieces:
            pass
