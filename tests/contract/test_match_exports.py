"""What became of a match, as files: a list, an archive, a yearbook package."""

import asyncio
import csv
import io
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from PIL import Image

from tests.contract.conftest import JOBS, Client, Newcomer
from tests.contract.schools import (
    MATCHING,
    Matched,
    School,
    matched,
    nobody,
    portraits,
    school,
    together,
)
from tests.contract.test_errors import is_error
from tests.running import RunningStack

HEADINGS = ["file_id", "filename", "student_id", "name", "class_name", "score", "reviewed"]
HOSTILE = "../=Bo/\u202eNguyễn"


@pytest.fixture
async def made(client: Client, astronaut_jpeg: bytes) -> School:
    made = await school(client, name="Đồng Khởi School")
    await made.person("S-1", astronaut_jpeg, name="An Nguyen", class_name="5A")
    await made.person("=2+3", name=HOSTILE, class_name="@x")
    await made.build()
    return made


@pytest.fixture
async def match(made: School, astronaut: bytes) -> Matched:
    """Two photographs of An, one of them given to Bo as well."""
    one, two = portraits(astronaut, 2)
    match = await made.match(await made.job(one, ("b.JPEG", two[1]), nobody()))
    assert match.body["matched"] == 2
    return match


def rows(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


async def archive(match: Matched, **query: str) -> zipfile.ZipFile:
    answer = await match.send("GET", "/archive", params=query)
    assert answer.status == 200, answer.body
    assert answer.headers["Content-Type"] == "application/zip"
    found = zipfile.ZipFile(io.BytesIO(answer.body))
    assert found.testzip() is None
    return found


async def test_the_list_says_who_is_in_which_photograph(match: Matched) -> None:
    answer = await match.send("GET", "/export.csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert f"match-{match.body['id']}.csv" in answer.headers["Content-Disposition"]
    head, *lines = rows(answer.body)
    assert head == HEADINGS
    assert [line[1:5] + line[6:] for line in lines] == [
        ["IMG_0000.JPG", "S-1", "An Nguyen", "5A", "no"],
        ["b.JPEG", "S-1", "An Nguyen", "5A", "no"],
    ]
    assert all(0.85 <= float(line[5]) <= 1 for line in lines)


async def test_nothing_in_the_list_is_a_formula(match: Matched) -> None:
    one, *_ = await match.results()
    await match.decided(one["file_id"], action="reassign", student_id="=2+3")
    lines = rows((await match.send("GET", "/export.csv")).body)
    (line,) = [line for line in lines if "2+3" in line[2]]
    assert (line[2], line[4], line[6]) == ("'=2+3", "'@x", "yes")


async def test_photographs_are_archived_under_the_names_of_people(
    match: Matched, astronaut: bytes
) -> None:
    one, two = portraits(astronaut, 2)
    found = await archive(match)
    names = ["5A/S-1_An Nguyen_1.jpg", "5A/S-1_An Nguyen_2.jpeg"]
    assert found.namelist() == [*names, "assignments.csv"]
    assert [found.read(name) for name in names] == [one[1], two[1]]
    head, *lines = rows(found.read("assignments.csv"))
    assert (head, [line[0] for line in lines]) == (["entry", *HEADINGS], names)
    flat = await archive(match, pattern="{filename}-{n}")
    assert flat.namelist()[:2] == ["IMG_0000-1.jpg", "b-2.jpeg"]


async def test_no_name_leads_out_of_the_archive(match: Matched) -> None:
    for result in await match.results(state="matched"):
        await match.decided(result["file_id"], action="reassign", student_id="=2+3")
    found = await archive(match, pattern="{name}/{class}/{student_id}")
    assert found.namelist()[:2] == [
        "-=Bo-Nguyễn/@x/=2+3.jpg",
        "-=Bo-Nguyễn/@x/=2+3-2.jpeg",
    ]


@pytest.mark.parametrize("pattern", ["", "../{n}", "{school}", "x" * 201, "a//b", "{n}\0"])
async def test_what_is_no_pattern_is_refused(match: Matched, pattern: str) -> None:
    answer = await match.send("GET", "/archive", params={"pattern": pattern})
    is_error(answer, 422, "INVALID_REQUEST")


async def test_exports_stand_in_the_access_log_and_looking_does_not(
    match: Matched, made: School
) -> None:
    async def actions() -> list[str]:
        log = (await made.send("GET", "/access-log")).body["entries"]
        return [each["action"] for each in log if each["action"].endswith("exported")]

    assert (await match.send("HEAD", "/export.csv")).status == 200
    assert await actions() == []
    await match.send("GET", "/export.csv")
    await match.send("GET", "/archive")
    assert await actions() == ["results_exported", "results_exported"]


@pytest.fixture
async def held_back(stack: RunningStack, astronaut_jpeg: bytes) -> AsyncIterator[asyncio.Event]:
    """A site whose photographs come when this is set, and not before."""
    gate = asyncio.Event()

    async def serve(_: web.Request) -> web.Response:
        await gate.wait()
        return web.Response(body=astronaut_jpeg, content_type="image/jpeg")

    app = web.Application()
    app.router.add_get("/{name:.*}", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", stack.fetch_port).start()
    yield gate
    gate.set()
    await runner.cleanup()


async def test_what_has_not_ended_is_not_taken_along(
    made: School, held_back: asyncio.Event, stack: RunningStack
) -> None:
    job = await made.job()
    urls = {"image_urls": [f"http://127.0.0.1:{stack.fetch_port}/late.jpg"]}
    await made.send("POST", f"/jobs/{job}/files", json=urls)
    path = f"{MATCHING}/jobs/{(await made.begin(job)).body['match_job_id']}"
    for method, what in (("GET", "export.csv"), ("GET", "archive"), ("POST", "yearbook")):
        body = {"json": {}} if method == "POST" else {}
        is_error(await made.client.send(method, f"{path}/{what}", **body), 409, "JOB_NOT_ENDED")
    log = (await made.send("GET", "/access-log")).body["entries"]
    assert "results_exported" not in [each["action"] for each in log]
    held_back.set()
    match = await matched(made.client, int(path.rpartition("/")[2]))
    assert [line[1] for line in rows((await match.send("GET", "/export.csv")).body)[1:]] == [
        "late.jpg"
    ]
    assert len((await archive(match)).namelist()) == 2


async def test_a_match_in_which_nobody_is_gives_empty_files(made: School) -> None:
    match = await made.match(await made.job(nobody()))
    assert rows((await match.send("GET", "/export.csv")).body) == [HEADINGS]
    assert (await archive(match)).namelist() == ["assignments.csv"]


# yearbooks


async def cut(match: Matched, **body: Any) -> str:
    """Cut the portraits of a yearbook and return the task that did."""
    answer = await match.send("POST", "/yearbook", json=body)
    assert answer.status == 202, answer.body
    task = str(answer.body["task_id"])
    assert (await match.client.ended(task))["status"] == "completed"
    return task


async def yearbook(match: Matched, task: str, **query: str) -> zipfile.ZipFile:
    answer = await match.send("GET", "/yearbook", params={"task_id": task} | query)
    assert answer.status == 200, answer.body
    found = zipfile.ZipFile(io.BytesIO(answer.body))
    assert found.testzip() is None
    return found


async def test_a_yearbook_has_a_portrait_of_each_person_and_an_index(
    match: Matched, made: School
) -> None:
    before = await match.client.balance()
    task = await cut(match)
    assert await match.client.balance() == before - 2
    found = await yearbook(match, task)
    assert found.namelist() == ["PORTRAITS/S1.jpg", "INDEX.TXT"]
    picture = Image.open(io.BytesIO(found.read("PORTRAITS/S1.jpg")))
    assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (800, 1000))
    (line,) = csv.reader(io.StringIO(found.read("INDEX.TXT").decode(), newline=""), delimiter="\t")
    assert line == ["DONGKHOIS", "PORTRAITS", "S1.jpg", "5", "Nguyen", "An", "", "5A"]
    other = await yearbook(match, task, delimiter="comma", volume="SPRING26", names="family_first")
    (line,) = csv.reader(io.StringIO(other.read("INDEX.TXT").decode(), newline=""))
    assert line == ["SPRING26", "PORTRAITS", "S1.jpg", "5", "An", "Nguyen", "", "5A"]
    assert "yearbook_exported" in [
        each["action"] for each in (await made.send("GET", "/access-log")).body["entries"]
    ]


async def test_who_takes_the_portraits_from_their_job_stands_in_the_log(
    match: Matched, made: School, client: Client
) -> None:
    task = await cut(match)
    path = f"{JOBS}/{task}/archive"
    assert (await client.send("HEAD", path)).status == 200
    key = await client.with_key(scopes=["facecrop"])
    assert (await key.send("GET", path)).status == 200
    log = (await made.send("GET", "/access-log")).body["entries"]
    (entry,) = [each for each in log if each["action"] == "portraits_downloaded"]
    assert entry["by"].startswith("key:")
    details = {"match": str(match.body["id"]), "task": task}
    assert entry["details"] == details
    # who is shown their links, too, once an hour
    for _ in range(2):
        assert (await key.send("GET", f"{JOBS}/{task}")).status == 200
        assert (await key.send("GET", f"{JOBS}/{task}/events")).status == 200
    log = (await made.send("GET", "/access-log")).body["entries"]
    viewed = [each for each in log if each["action"] == "portraits_viewed"]
    # the first is of whoever waited until they were cut
    assert [each["by"][:4] for each in reversed(viewed)] == ["user", "key:"]
    assert [each["details"] for each in viewed] == [details, details]
    # of an agency that is gone nothing can be noted, and its portraits stay with their job
    assert (await made.send("DELETE")).status == 204
    assert (await client.send("GET", path)).status == 200


async def test_all_portraits_have_the_aspect_that_was_wished(match: Matched) -> None:
    found = await yearbook(match, await cut(match, icp_type="corporate"))
    picture = Image.open(io.BytesIO(found.read("PORTRAITS/S1.jpg")))
    assert picture.size == (800, 800)


async def test_who_was_erased_since_is_not_in_the_package(match: Matched, made: School) -> None:
    task = await cut(match)
    (found,) = (await made.send("GET", "/subjects", params={"student_id": "S-1"})).body["subjects"]
    await made.send("DELETE", f"/subjects/{found['id']}")
    assert (await yearbook(match, task)).namelist() == ["INDEX.TXT"]


async def test_no_portrait_is_cut_where_somebody_else_is_as_large(
    made: School, astronaut: bytes
) -> None:
    match = await made.match(await made.job(together(astronaut)))
    before = await match.client.balance()
    is_error(await match.send("POST", "/yearbook", json={}), 409, "NOTHING_TO_EXPORT")
    assert await match.client.balance() == before


async def test_a_yearbook_that_makes_no_sense_is_refused(
    match: Matched, made: School, astronaut_jpeg: bytes
) -> None:
    for body in ({"icp_type": "passport"}, {"icp_type": 5}):
        answer = await match.send("POST", "/yearbook", json=body)
        is_error(answer, 422, "INVALID_REQUEST")
    is_error(await match.send("GET", "/yearbook"), 422, "INVALID_REQUEST")
    task = await cut(match)
    for query in ({"delimiter": "semicolon"}, {"names": "x"}, {"volume": "a b"}, {"volume": ""}):
        answer = await match.send("GET", "/yearbook", params={"task_id": task} | query)
        is_error(answer, 422, "INVALID_REQUEST")
    # another match's portraits, and no job of portraits at all
    other = await made.match(await made.job(nobody()))
    for wrong in (task, match.body["task_id"], "x"):
        answer = await other.send("GET", "/yearbook", params={"task_id": wrong})
        is_error(answer, 404, "NOT_FOUND")


async def test_too_few_tokens_for_a_yearbook_are_told(
    newcomer: Newcomer, astronaut: bytes, astronaut_jpeg: bytes
) -> None:
    poor = await newcomer(tokens=7)
    made = await school(poor)
    await made.person("S1", astronaut_jpeg)
    await made.build()
    match = await made.match(await made.job(*portraits(astronaut, 1)))
    answer = await match.send("POST", "/yearbook", json={})
    assert (answer.status, answer.body["error"]) == (402, "INSUFFICIENT_TOKENS")


async def test_a_key_for_matching_sees_the_portraits_it_began(
    match: Matched, client: Client
) -> None:
    key = await client.with_key(scopes=["matching"])
    theirs = Matched(key, match.body)
    task = await cut(theirs)
    assert (await key.send("GET", f"{JOBS}/{task}")).status == 200
    assert (await yearbook(theirs, task)).namelist() == ["PORTRAITS/S1.jpg", "INDEX.TXT"]
    assert (await key.send("GET", f"{MATCHING}/jobs")).status == 200
