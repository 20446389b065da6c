"""The archive of a job: one ZIP that any tool opens, with a receipt that computes nothing."""

import csv
import io
import json
import zipfile

import aiohttp
import pytest
from PIL import Image

from tests.contract.conftest import JOBS, Client, Newcomer, another, photographs
from tests.contract.test_errors import is_error
from tests.running import RunningStack


async def archive(client: Client, task: str) -> zipfile.ZipFile:
    answer = await client.send("GET", f"{JOBS}/{task}/archive")
    assert answer.status == 200, answer.body
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{task}.zip"'
    return zipfile.ZipFile(io.BytesIO(answer.body))


def receipt_of(found: zipfile.ZipFile) -> list[dict[str, str]]:
    text = found.read("receipt.csv").decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


async def test_an_archive_has_every_file_once_and_a_line_for_every_photo(
    client: Client, astronaut_jpeg: bytes
) -> None:
    names = ["a.jpg", "a.jpg", "A.JPG", "=cmd.jpg", "b/../c.jpg", "雪.jpg", "twin.jpg"]
    files = [(name, another(astronaut_jpeg, number)) for number, name in enumerate(names)]
    files += [("twin again.jpg", files[6][1]), ("none.jpg", b"no photo"), ("+1.jpg", b"none")]
    task = await client.begin(*files)
    job = await client.ended(task)
    found = await archive(client, task)
    assert found.testzip() is None
    entries = found.namelist()
    assert len(entries) == len({entry.lower() for entry in entries}) == 2 * 7 + 2
    assert all("/" not in entry and not entry.startswith(".") for entry in entries)
    linked = {
        url.partition("?")[0].rpartition("/")[2]
        for result in job["results"]
        for url in result.get("output_urls", {}).values()
    }
    assert {*linked, "receipt.csv", "receipt.json"} == set(entries)
    for result in job["results"][:7]:
        url = result["output_urls"]["medium"]
        name = url.partition("?")[0].rpartition("/")[2]
        served = await client.send("GET", url, headers={"Authorization": ""})
        assert found.read(name) == served.body
        assert Image.open(io.BytesIO(served.body)).size == (800, 1000)

    lines = receipt_of(found)
    assert [line["filename"] for line in lines] == [
        "a.jpg",
        "a.jpg",
        "A.JPG",
        "'=cmd.jpg",
        "c.jpg",
        "雪.jpg",
        "twin.jpg",
        "twin again.jpg",
        "none.jpg",
        "'+1.jpg",
    ]
    assert [line["status"] for line in lines] == ["succeeded"] * 8 + ["failed"] * 2
    assert [line["error"] for line in lines] == [""] * 8 + ["NOT_A_PICTURE"] * 2
    assert lines[6]["file"] == lines[7]["file"] == "twin_orig.jpg"
    for line, result in zip(lines[:8], job["results"][:8], strict=True):
        assert line["file"] in entries
        for measure in ("eye_line", "head", "eye_distance", "roll", "print_dpi"):
            assert float(line[measure]) == pytest.approx(result["receipt"][measure])
        assert line["warnings"] == " ".join(result.get("warnings", []))
        assert line["measured"] == "yes"
        drawn = result["receipt"]["files"]
        sizes = [f"{name}={file['width']}x{file['height']}" for name, file in drawn.items()]
        assert line["sizes"] == " ".join(sizes)
        assert line["upscaled"] == "medium"


async def test_before_the_end_there_is_no_archive(
    newcomer: Newcomer, astronaut_jpeg: bytes
) -> None:
    client = await newcomer(tokens=300)
    task = await client.begin(*photographs(astronaut_jpeg, 40), enhance="true")
    is_error(await client.send("GET", f"{JOBS}/{task}/archive"), 409, "JOB_NOT_ENDED")
    await client.send("DELETE", f"{JOBS}/{task}")
    job = await client.ended(task)
    found = await archive(client, task)
    assert found.testzip() is None
    assert len(found.namelist()) == 2 * job["succeeded"] + 2
    lines = receipt_of(found)
    assert len(lines) == 40
    assert sum(line["status"] == "cancelled" for line in lines) == job["cancelled"]


async def test_the_receipt_of_a_job_lies_in_its_archive_as_the_job_tells_it(
    client: Client, astronaut_jpeg: bytes
) -> None:
    task = await client.begin(*photographs(astronaut_jpeg, 8), ("none.jpg", b"no photo"))
    job = await client.ended(task)
    told = json.loads((await archive(client, task)).read("receipt.json"))
    assert told == {name: value for name, value in job.items() if name != "results"}
    assert (told["task_id"], told["succeeded"], told["failed"]) == (task, 8, 1)
    receipt = told["receipt"]
    assert receipt["portraits"] == 8
    for measure in ("eye_line", "head", "eye_distance", "roll"):
        assert set(receipt[measure]) == {"mean", "deviation"}
    for flag, count in receipt["flags"].items():
        assert receipt["flag_shares"][flag] == pytest.approx(count / 8)


async def test_a_job_that_failed_has_an_archive_of_its_receipts_only(client: Client) -> None:
    task = await client.begin(*((f"{n}.jpg", f"{n}".encode()) for n in range(9)))
    await client.ended(task)
    found = await archive(client, task)
    assert found.namelist() == ["receipt.csv", "receipt.json"]
    assert len(receipt_of(found)) == 9
    told = json.loads(found.read("receipt.json"))
    assert (told["status"], told["failed"]) == ("failed", 9)
    assert "receipt" not in told


async def test_a_head_tells_what_would_come(client: Client, astronaut_jpeg: bytes) -> None:
    task = await client.begin(*photographs(astronaut_jpeg, 9))
    await client.ended(task)
    answer = await client.send("HEAD", f"{JOBS}/{task}/archive")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Type"] == "application/zip"


async def test_an_archive_that_lacks_a_file_breaks_off_instead_of_looking_whole(
    client: Client, stack: RunningStack, astronaut_jpeg: bytes
) -> None:
    task = await client.begin(*photographs(astronaut_jpeg, 9))
    await client.ended(task)
    outputs = stack.home / "storage" / "outputs" / str(client.account)
    (gone,) = outputs.rglob("7_md.jpg")
    gone.unlink()
    with pytest.raises(aiohttp.ClientError):
        await client.send("GET", f"{JOBS}/{task}/archive")
    # the connections of others go on
    assert (await client.job(task))["status"] == "completed"
