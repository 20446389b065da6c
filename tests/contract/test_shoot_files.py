"""The photographs of an agency's job, and reading the cards in them."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from tests.contract.cards import JOB
from tests.contract.conftest import Client, Elsewhere, another
from tests.contract.schools import School, agency, form
from tests.contract.shoots import SORT, owners, shoot_of
from tests.contract.test_errors import is_error
from tests.running import RunningStack


@pytest.fixture
async def made(client: Client) -> School:
    return await agency(client)


def kept(stack: RunningStack, made: School) -> list[Path]:
    """Return the photographs of an agency that are in storage."""
    folder = stack.home / "storage" / "photos" / str(made.client.account) / str(made.id)
    return sorted(path for path in folder.rglob("*") if path.is_file())


async def files_of(made: School, job: int) -> list[Any]:
    return list((await made.send("GET", f"/jobs/{job}/files")).body["files"])


async def test_photographs_are_added_listed_and_removed(
    made: School, stack: RunningStack, astronaut_jpeg: bytes
) -> None:
    job = await made.job()
    sent = [(f"IMG_{n}.JPG", another(astronaut_jpeg, n)) for n in range(3)]
    added = await made.add(job, *sent)
    first = added[0]
    assert first == {
        "id": first["id"],
        "job_id": job,
        "filename": "IMG_0.JPG",
        "size": len(sent[0][1]),
        "photo_url": first["photo_url"],
        "source_url": None,
        "created_at": first["created_at"],
    }
    photo = await made.client.send("GET", first["photo_url"], headers={"Authorization": ""})
    assert photo.body == sent[0][1]
    assert [each["filename"] for each in await files_of(made, job)] == [name for name, _ in sent]
    assert (await made.send("GET", f"/jobs/{job}")).body["files"] == 3
    assert len(kept(stack, made)) == 3
    assert (await made.send("DELETE", f"/jobs/{job}/files/{first['id']}")).status == 204
    others = {"file_ids": [each["id"] for each in added[1:]]}
    assert (await made.send("DELETE", f"/jobs/{job}/files", json=others)).status == 204
    assert await files_of(made, job) == []
    assert kept(stack, made) == []
    again = await made.send("DELETE", f"/jobs/{job}/files", json=others)
    is_error(again, 404, "NOT_FOUND")


async def test_removing_some_that_are_not_there_removes_none(
    made: School, astronaut_jpeg: bytes
) -> None:
    job, other = await made.job(), await made.job()
    (here,) = await made.add(job, ("a.jpg", astronaut_jpeg))
    (there,) = await made.add(other, ("a.jpg", astronaut_jpeg))
    sent = {"file_ids": [here["id"], there["id"]]}
    is_error(await made.send("DELETE", f"/jobs/{job}/files", json=sent), 404, "NOT_FOUND")
    assert len(await files_of(made, job)) == 1
    for wrong in ({"file_ids": []}, {"file_ids": ["1"]}, {"file_ids": [1] * 501}, {}):
        answer = await made.send("DELETE", f"/jobs/{job}/files", json=wrong)
        is_error(answer, 422, "INVALID_REQUEST")


async def test_one_that_is_there_already_is_answered_as_that(
    made: School, stack: RunningStack, astronaut_jpeg: bytes
) -> None:
    job = await made.job()
    one, two, three = await made.add(
        job,
        ("a.jpg", astronaut_jpeg),
        ("b.jpg", another(astronaut_jpeg, 1)),
        ("c.jpg", astronaut_jpeg),
    )
    assert (one["id"], three["filename"]) == (three["id"], "a.jpg")
    (again,) = await made.add(job, ("d.jpg", another(astronaut_jpeg, 1)))
    assert again["id"] == two["id"]
    assert (await made.send("GET", f"/jobs/{job}")).body["files"] == 2
    assert len(kept(stack, made)) == 2
    # another job has its own
    (other,) = await made.add(await made.job(), ("a.jpg", astronaut_jpeg))
    assert other["id"] != one["id"]


async def test_photographs_by_url_are_noted_and_come_once(
    made: School, elsewhere: Elsewhere
) -> None:
    job = await made.job()
    urls = [f"{elsewhere.url}/{n}.jpg?x=%20" for n in (1, 2, 1)]
    answer = await made.send("POST", f"/jobs/{job}/files", json={"image_urls": urls})
    assert answer.status == 201
    one, two, again = answer.body["files"]
    assert (one["id"], one["filename"], one["source_url"]) == (again["id"], "1.jpg", urls[0])
    assert (two["photo_url"], two["size"]) == (None, 0)
    assert len(await files_of(made, job)) == 2


async def test_more_than_a_message_holds_are_added_in_order(made: School) -> None:
    job = await made.job()
    long = "x" * 1200
    urls = [f"https://example.com/{long}/{n}.jpg" for n in range(600)]
    answer = await made.send("POST", f"/jobs/{job}/files", json={"image_urls": urls})
    assert answer.status == 201, answer.body
    assert [each["source_url"] for each in answer.body["files"]] == urls
    found: list[str] = []
    cursor = "0"
    while cursor is not None:
        query = {"limit": "500"} | ({"cursor": cursor} if cursor != "0" else {})
        page = (await made.send("GET", f"/jobs/{job}/files", params=query)).body
        found += [each["source_url"] for each in page["files"]]
        cursor = page["next_cursor"]
    assert found == urls


@pytest.mark.parametrize(
    ("urls", "code"),
    [
        ([], "INVALID_REQUEST"),
        (["ftp://example.com/a.jpg"], "INVALID_REQUEST"),
        (["https://example.com/a b.jpg"], "INVALID_REQUEST"),
        (["https://example.com/\0"], "INVALID_REQUEST"),
        (["https://example.com/" + "x" * 4096], "INVALID_REQUEST"),
        (["https://example.com/" + "雪" * 4000], "INVALID_REQUEST"),
        ([""], "INVALID_REQUEST"),
        ([5], "INVALID_REQUEST"),
        ([f"https://example.com/{n}" for n in range(2001)], "TOO_MANY_FILES"),
    ],
    ids=["none", "ftp", "space", "nul", "long", "long in bytes", "empty", "number", "too many"],
)
async def test_what_nobody_could_fetch_is_refused(made: School, urls: list[Any], code: str) -> None:
    job = await made.job()
    sent = ["https://example.com/good.jpg", *urls] if urls else []
    answer = await made.send("POST", f"/jobs/{job}/files", json={"image_urls": sent})
    is_error(answer, 422, code)
    assert await files_of(made, job) == []


async def test_forms_that_make_no_sense_are_refused_and_leave_nothing(
    made: School, stack: RunningStack, astronaut_jpeg: bytes
) -> None:
    job = await made.job()
    path = f"/jobs/{job}/files"
    other = aiohttp.FormData()
    other.add_field("photo", astronaut_jpeg[:100], filename="a.jpg")
    is_error(await made.send("POST", path, data=other), 422, "INVALID_REQUEST")
    is_error(
        await made.send("POST", path, data=b"x", headers={"Content-Type": "image/jpeg"}),
        415,
        "UNSUPPORTED_MEDIA_TYPE",
    )
    broken = b'--b\r\nContent-Disposition: form-data; name="file[]"; filename="a"\r\n\r\n' + b"x"
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await made.send("POST", path, data=broken, headers=headers)
    assert answer.status == 400, answer.body
    # nothing is stored for a job that is not there
    missing = await made.send("POST", "/jobs/99999999/files", data=form(("a.jpg", astronaut_jpeg)))
    is_error(missing, 404, "NOT_FOUND")
    assert kept(stack, made) == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\a.jpg", "a.jpg"),
        ("Ánh 雪 🙂.jpg", "Ánh 雪 🙂.jpg"),
        ("x" * 300 + ".jpg", "x" * 255),
        ("..", ".."),
    ],
)
async def test_names_are_shown_without_folders_and_decide_nothing(
    made: School, stack: RunningStack, astronaut_jpeg: bytes, name: str, shown: str
) -> None:
    (added,) = await made.add(await made.job(), (name, astronaut_jpeg))
    assert added["filename"] == shown
    (path,) = kept(stack, made)
    assert path.name == "0"


async def test_what_is_removed_with_its_job_is_gone_from_storage(
    made: School, stack: RunningStack, astronaut_jpeg: bytes
) -> None:
    job = await made.job(("a.jpg", astronaut_jpeg))
    assert kept(stack, made)
    await made.send("DELETE", f"/jobs/{job}")
    assert kept(stack, made) == []


# cards


async def test_the_photographs_of_a_job_are_sorted_by_their_cards(
    client: Client, astronaut: bytes, tmp_path: Path
) -> None:
    made = await agency(client)
    shoot = await shoot_of(client, astronaut, tmp_path)
    job = await made.job(shoot.card("S0000"), shoot.person(), shoot.card("S0001"), shoot.person())
    ids = [each["id"] for each in await files_of(made, job)]
    wish = {"job_id": JOB, "files_of_job": job, "agency_id": made.id}
    answer = await client.send("POST", SORT, json=wish)
    assert answer.status == 200, answer.body
    assert owners(answer.body) == ["S0000", "S0000", "S0001", "S0001"]
    assert [each["file_id"] for each in answer.body["results"]] == ids
    assert answer.body["tokens_deducted"] == 4
    # they stay where they are when the job has closed
    assert len(await files_of(made, job)) == 4
    assert (await client.picture((await files_of(made, job))[0]["photo_url"])).size == (1500, 1000)


@pytest.mark.parametrize(
    ("wish", "status", "code"),
    [
        ({}, 422, "INVALID_REQUEST"),
        ({"files_of_job": 1}, 422, "INVALID_REQUEST"),
        ({"agency_id": 1}, 422, "INVALID_REQUEST"),
        (
            {"files_of_job": 1, "agency_id": 1, "image_urls": ["https://example.com/a.jpg"]},
            422,
            "INVALID_REQUEST",
        ),
        ({"files_of_job": "1", "agency_id": 1}, 422, "INVALID_REQUEST"),
        ({"files_of_job": 2**63, "agency_id": 1}, 422, "INVALID_REQUEST"),
        ({"files_of_job": 2**62, "agency_id": 2**62}, 404, "NOT_FOUND"),
    ],
)
async def test_a_sort_names_its_photographs_in_one_way(
    client: Client, wish: dict[str, Any], status: int, code: str
) -> None:
    is_error(await client.send("POST", SORT, json={"job_id": JOB} | wish), status, code)


async def test_a_job_without_photographs_is_not_sorted(client: Client, made: School) -> None:
    wish = {"job_id": JOB, "files_of_job": await made.job(), "agency_id": made.id}
    key = {"Idempotency-Key": str(uuid4())}
    answer = await client.send("POST", SORT, json=wish, headers=key)
    is_error(answer, 422, "INVALID_REQUEST")
    assert await client.balance() == 100
