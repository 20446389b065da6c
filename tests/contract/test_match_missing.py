"""Who is missing in an agency, over all its matches."""

import pytest

from tests.contract.conftest import Client, Newcomer
from tests.contract.schools import Matched, School, nobody, portraits, school
from tests.contract.test_errors import is_error


@pytest.fixture
async def made(client: Client, astronaut_jpeg: bytes) -> School:
    """A school of three, of whom one can be recognised."""
    made = await school(client)
    await made.person("S1", astronaut_jpeg, class_name="5A")
    await made.person("S2", name="Binh Tran", class_name="5A")
    await made.person("S3", class_name="5B")
    await made.build()
    return made


async def missing(made: School, **query: str) -> list[str]:
    answer = await made.send("GET", "/missing", params=query)
    assert answer.status == 200, answer.body
    assert answer.body["next_cursor"] is None
    return [each["student_id"] for each in answer.body["subjects"]]


async def given(match: Matched, student_id: str) -> None:
    """Give the only photograph of a match to somebody."""
    (result,) = await match.results()
    await match.decided(result["file_id"], action="reassign", student_id=student_id)


async def test_who_is_in_no_photograph_of_all_jobs_is_missing(
    made: School, astronaut: bytes
) -> None:
    assert await missing(made) == ["S1", "S2", "S3"]
    one, two = portraits(astronaut, 2)
    spring, autumn = await made.job(one), await made.job(two)
    await made.match(spring)
    assert await missing(made) == ["S2", "S3"]
    later = await made.match(autumn)
    await given(later, "S3")
    assert await missing(made) == ["S2"]
    assert await missing(made, job_id=str(spring)) == ["S2", "S3"]
    assert await missing(made, job_id=str(autumn), class_name="5A") == ["S1", "S2"]
    # the latest match of a photograph counts, and only that
    again = await made.match(autumn)
    assert await missing(made) == ["S2", "S3"]
    await given(again, "S2")
    assert await missing(made) == ["S3"]


async def test_it_comes_in_pages_and_as_subjects_do(made: School) -> None:
    await made.match(await made.job(nobody()))
    first = (await made.send("GET", "/missing", params={"limit": "2"})).body
    listed = (await made.send("GET", "/subjects")).body["subjects"]
    assert first == {"subjects": listed[:2], "next_cursor": "S2"}
    rest = await made.send("GET", "/missing", params={"cursor": "S2"})
    assert rest.body == {"subjects": listed[2:], "next_cursor": None}


async def test_what_makes_no_sense_is_refused(made: School, newcomer: Newcomer) -> None:
    for query in ({"limit": "0"}, {"limit": "501"}, {"class_name": "x" * 101}):
        is_error(await made.send("GET", "/missing", params=query), 422, "INVALID_REQUEST")
    beside = await school(made.client)
    job = await beside.job()
    for wrong in (str(job), "x", "0"):
        answer = await made.send("GET", "/missing", params={"job_id": wrong})
        is_error(answer, 404, "NOT_FOUND")
    stranger = await newcomer()
    is_error(await stranger.send("GET", f"{made.path}/missing"), 404, "NOT_FOUND")
    other = await made.client.with_key(scopes=["qr"])
    is_error(await other.send("GET", f"{made.path}/missing"), 403, "FORBIDDEN")
