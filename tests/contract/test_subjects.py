"""The subjects of an agency, and their reference photographs."""

import io
from typing import Any

import aiohttp
import openpyxl
import pytest

from tests.contract.conftest import Client, Elsewhere, another
from tests.contract.schools import NO_PICTURE, School, agency, form
from tests.contract.test_errors import is_error


@pytest.fixture
async def made(client: Client) -> School:
    return await agency(client)


def person(number: int, **rest: Any) -> dict[str, Any]:
    return {"student_id": f"S{number:04}", "name": f"Name {number}"} | rest


def roster(data: bytes, name: str = "list.csv", **fields: str) -> aiohttp.FormData:
    sent = aiohttp.FormData(fields, quote_fields=False)
    sent.add_field("file", data, filename=name, content_type="application/octet-stream")
    return sent


async def test_subjects_are_added_and_changed_by_their_student_id(made: School) -> None:
    one, two = await made.put(person(1, class_name="5A"), person(2))
    assert one == {
        "id": one["id"],
        "student_id": "S0001",
        "name": "Name 1",
        "class_name": "5A",
        "references": 0,
        "embeddings": 0,
        "created_at": one["created_at"],
    }
    again, three = await made.put(person(1, name="Another"), person(3))
    assert (again["id"], again["name"], again["class_name"]) == (one["id"], "Another", "5A")
    (blank,) = await made.put(person(1, name="Another", class_name=""))
    assert (blank["id"], blank["class_name"]) == (one["id"], "")
    listed = (await made.send("GET", "/subjects")).body
    assert [each["id"] for each in listed["subjects"]] == [one["id"], two["id"], three["id"]]
    assert listed["next_cursor"] is None
    assert (await made.shown())["subjects"] == 3


async def test_two_thousand_are_taken_at_once_and_listed_in_pages(made: School) -> None:
    await made.put(*(person(number, class_name=f"{number % 2}") for number in range(2000)))
    found: list[str] = []
    cursor = ""
    while True:
        query = {"limit": "500"} | ({"cursor": cursor} if cursor else {})
        page = (await made.send("GET", "/subjects", params=query)).body
        found += [each["student_id"] for each in page["subjects"]]
        if page["next_cursor"] is None:
            break
        cursor = page["next_cursor"]
    assert found == [f"S{number:04}" for number in range(2000)]
    of_class = await made.send("GET", "/subjects", params={"class_name": "1", "limit": "2"})
    assert [each["student_id"] for each in of_class.body["subjects"]] == ["S0001", "S0003"]
    named = await made.send("GET", "/subjects", params={"student_id": "S0007"})
    assert [each["name"] for each in named.body["subjects"]] == ["Name 7"]
    unknown = await made.send("GET", "/subjects", params={"student_id": "nobody"})
    assert unknown.body["subjects"] == []


@pytest.mark.parametrize(
    "people",
    [
        [],
        [{"name": "x"}],
        [{"student_id": "1"}],
        [person(1, student_id="")],
        [person(1, student_id="x" * 65)],
        [person(1, name="x" * 201)],
        [person(1, name="a\0b")],
        [person(1, class_name="x" * 101)],
        [person(1, reference_photo_url="ftp://example.com/a.jpg")],
        [person(1, reference_photo_url="a.jpg")],
        [person(1, reference_photo_url="https://example.com/" + "x" * 4096)],
        [person(1, reference_photo_urls=["https://example.com/a b"])],
        [person(1, reference_photo_urls=[""])],
        [person(1, reference_photo_urls=[f"https://example.com/{n}" for n in range(51)])],
        [person(n) for n in range(2001)],
    ],
    ids=lambda people: str(people)[:40],
)
async def test_what_are_no_subjects_is_refused_and_nobody_is_added(
    made: School, people: list[Any]
) -> None:
    sent = {"subjects": [person(9), *people] if people else []}
    is_error(await made.send("POST", "/subjects", json=sent), 422, "INVALID_REQUEST")
    assert (await made.shown())["subjects"] == 0


async def test_an_id_that_comes_twice_is_named(made: School) -> None:
    sent = {"subjects": [person(n) for n in range(600)] + [person(3)]}
    answer = await made.send("POST", "/subjects", json=sent)
    is_error(answer, 422, "DUPLICATE_STUDENT_ID")
    assert "S0003" in answer.body["message"]
    assert (await made.shown())["subjects"] == 0


async def test_names_of_all_scripts_and_hostile_ones_stay_what_they_are(made: School) -> None:
    names = ["Nguyễn Thị Ánh", "'; DROP TABLE x; --", "=1+1", "<script>", "../..", "🙂" * 200]
    ids = ["Ж-1", "a/b", "%2e", "' OR 1=1", "0", "🙂" * 64]
    people = [
        {"student_id": id_, "name": name, "class_name": name[:100]}
        for id_, name in zip(ids, names, strict=True)
    ]
    found = await made.put(*people)
    assert [each["name"] for each in found] == names
    for id_ in ids:
        named = await made.send("GET", "/subjects", params={"student_id": id_})
        assert [each["student_id"] for each in named.body["subjects"]] == [id_]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "501"},
        {"class_name": "a\0b"},
        {"class_name": "x" * 101},
        {"student_id": ""},
        {"student_id": "a\0b"},
        {"cursor": "a\0b"},
    ],
)
async def test_queries_that_make_no_sense_are_refused(made: School, query: dict[str, str]) -> None:
    is_error(await made.send("GET", "/subjects", params=query), 422, "INVALID_REQUEST")


async def test_a_subject_is_shown_changed_and_removed(made: School) -> None:
    id_ = await made.person("S1")
    path = f"/subjects/{id_}"
    changed = await made.send("PATCH", path, json={"name": "Bo", "class_name": "6B"})
    assert (changed.body["name"], changed.body["class_name"]) == ("Bo", "6B")
    assert (await made.send("GET", path)).body == changed.body
    url = "https://example.com/bo.jpg"
    more = await made.send("PATCH", path, json={"reference_photo_url": url})
    assert (more.status, more.body) == (200, changed.body | {"references": 1})
    (reference,) = (await made.send("GET", f"{path}/references")).body["references"]
    assert (reference["source_url"], reference["state"]) == (url, "waiting")
    for wrong in (
        {"name": ""},
        {"name": None},
        {"class_name": "x" * 101},
        {"name": "Cy", "reference_photo_url": "bo.jpg"},
        {"name": "Cy", "reference_photo_url": ""},
        {"name": "Cy", "student_id": "S2"},
    ):
        is_error(await made.send("PATCH", path, json=wrong), 422, "INVALID_REQUEST")
    assert (await made.send("GET", path)).body == more.body
    assert (await made.send("DELETE", path)).status == 204
    for method in ("GET", "DELETE"):
        is_error(await made.send(method, path), 404, "NOT_FOUND")


async def test_a_change_of_what_cannot_be_changed_is_refused(made: School) -> None:
    subject, job = await made.person("S1"), await made.job()
    for path in ("", f"/jobs/{job}", f"/subjects/{subject}"):
        before = (await made.send("GET", path)).body
        answer = await made.send("PATCH", path, json={"name": "Other", "colour": "blue"})
        is_error(answer, 422, "INVALID_REQUEST")
        assert "colour" in answer.body["message"]
        assert (await made.send("GET", path)).body == before


async def test_many_subjects_are_refused_together_or_not_at_all(made: School) -> None:
    id_ = await made.person("S0550")
    urls = [f"https://example.com/{number}.jpg" for number in range(50)]
    path = f"/subjects/{id_}/references"
    assert (await made.send("POST", path, json={"image_urls": urls})).status == 201
    people = [person(number) for number in range(600)]
    people[550]["reference_photo_url"] = "https://example.com/more.jpg"
    is_error(
        await made.send("POST", "/subjects", json={"subjects": people}), 422, "INVALID_REQUEST"
    )
    assert (await made.shown())["subjects"] == 1
    people[550]["reference_photo_url"] = urls[0]
    assert len(await made.put(*people)) == 600


async def test_a_roster_without_classes_leaves_them_as_they_are(made: School) -> None:
    await made.put({"student_id": "S1", "name": "An", "class_name": "5A"})
    answer = await made.send("POST", "/subjects", data=roster(b"Student ID,Name\nS1,An Nguyen\n"))
    (found,) = answer.body["subjects"]
    assert (found["name"], found["class_name"]) == ("An Nguyen", "5A")
    data = b"Student ID,Name,Class\nS1,An Nguyen,\n"
    (found,) = (await made.send("POST", "/subjects", data=roster(data))).body["subjects"]
    assert found["class_name"] == ""


async def test_a_csv_of_subjects_with_reference_photographs_is_taken(made: School) -> None:
    data = (
        b"Student ID,Name,Class,Reference photo URL\n"
        b"S1,An Nguyen,5A,https://example.com/an.jpg\n"
        b"S2,Bo Tran,5A,\n"
        b"S2,Bo again,5A,\n"
        b"S3,Cy Le,5B,an.jpg\n"
    )
    answer = await made.send("POST", "/subjects", data=roster(data))
    assert answer.status == 200, answer.body
    found = [(each["student_id"], each["references"]) for each in answer.body["subjects"]]
    assert found == [("S1", 1), ("S3", 0)]
    problems = [(each["row"], each["code"]) for each in answer.body["problems"]]
    assert problems == [(3, "duplicate_id"), (4, "duplicate_id"), (5, "not_a_url")]
    assert answer.body["problems_total"] == 3


async def test_a_workbook_is_taken_with_columns_that_were_chosen(made: School) -> None:
    book = openpyxl.Workbook()
    for row in (["a", "b"], ["S1", "An Nguyen"], ["S2", "Bo Tran"]):
        book.active.append(row)
    into = io.BytesIO()
    book.save(into)
    columns = '{"student_id": 0, "name": 1}'
    answer = await made.send(
        "POST", "/subjects", data=roster(into.getvalue(), "list.xlsx", columns=columns)
    )
    assert [each["name"] for each in answer.body["subjects"]] == ["An Nguyen", "Bo Tran"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "INVALID_REQUEST"),
        (b"%PDF-1.7", "INVALID_REQUEST"),
        (b"ID,Name\n,Ann\n", "NO_SUBJECTS"),
        (b"Pet,Colour\ncat,red\ndog,red\n", "NO_SUBJECTS"),
    ],
)
async def test_a_file_without_subjects_is_refused(made: School, data: bytes, code: str) -> None:
    is_error(await made.send("POST", "/subjects", data=roster(data)), 422, code)


# references


async def test_references_are_uploaded_listed_and_removed(
    made: School, astronaut_jpeg: bytes
) -> None:
    id_ = await made.person("S1")
    path = f"/subjects/{id_}/references"
    (shown,) = await made.refer(id_, ("an.jpg", astronaut_jpeg))
    assert shown == {
        "id": shown["id"],
        "subject_id": id_,
        "state": "waiting",
        "photo_url": shown["photo_url"],
        "source_url": None,
        "from_file_id": None,
        "error": None,
        "created_at": shown["created_at"],
    }
    picture = await made.client.picture(shown["photo_url"])
    assert picture.size == (512, 512)
    # the same photograph is one reference
    assert await made.refer(id_, ("again.jpg", astronaut_jpeg)) == [
        shown | {"photo_url": (await made.send("GET", path)).body["references"][0]["photo_url"]}
    ]
    assert (await made.send("DELETE", f"{path}/{shown['id']}")).status == 204
    assert (await made.send("GET", path)).body == {"references": []}
    is_error(await made.send("DELETE", f"{path}/{shown['id']}"), 404, "NOT_FOUND")
    gone = await made.client.send("GET", shown["photo_url"], headers={"Authorization": ""})
    assert gone.status == 404


async def test_references_by_url_wait_until_they_are_built(
    made: School, elsewhere: Elsewhere
) -> None:
    id_ = await made.person("S1")
    urls = [f"{elsewhere.url}/{number}.jpg" for number in range(2)]
    path = f"/subjects/{id_}/references"
    answer = await made.send("POST", path, json={"image_urls": urls})
    assert answer.status == 201
    assert [(each["source_url"], each["photo_url"]) for each in answer.body["references"]] == [
        (url, None) for url in urls
    ]


async def test_a_subject_has_fifty_references_and_no_more(
    made: School, astronaut_jpeg: bytes
) -> None:
    id_ = await made.person("S1")
    path = f"/subjects/{id_}/references"
    urls = [f"https://example.com/{number}.jpg" for number in range(51)]
    is_error(await made.send("POST", path, json={"image_urls": urls}), 422, "TOO_MANY_FILES")
    is_error(await made.send("POST", path, json={"image_urls": []}), 422, "INVALID_REQUEST")
    assert (await made.send("POST", path, json={"image_urls": urls[:50]})).status == 201
    one_more = await made.send("POST", path, data=form(("a.jpg", another(astronaut_jpeg, 1))))
    is_error(one_more, 422, "INVALID_REQUEST")
    assert len((await made.send("GET", path)).body["references"]) == 50


async def test_what_is_no_picture_is_told_when_references_are_built(
    made: School, astronaut_jpeg: bytes
) -> None:
    await made.send("PUT", "/consent", json={"statement": "yes"})
    await made.person("S1", astronaut_jpeg)
    await made.person("S2", NO_PICTURE[1])
    built = await made.build()
    assert (built["status"], built["agency_id"]) == ("completed", made.id)
    assert built["embeddings_created"] == 1
    (problem,) = built["problems"]
    assert (problem["student_id"], problem["code"]) == ("S2", "NOT_A_PICTURE")
