"""What people decide on what a match found, and how it is taken back."""

from typing import Any

import pytest

from tests.contract.conftest import Client, another
from tests.contract.schools import NO_PICTURE, Matched, School, nobody, portraits, school
from tests.contract.test_errors import is_error


@pytest.fixture
async def twins(client: Client, astronaut_jpeg: bytes) -> School:
    """A school with two people who cannot be told apart, and somebody without references."""
    made = await school(client)
    await made.person("S1", astronaut_jpeg, name="An")
    await made.person("S2", another(astronaut_jpeg, 1), name="Bo")
    await made.person("S3", name="Cy")
    await made.build()
    return made


@pytest.fixture
async def match(twins: School, astronaut: bytes) -> Matched:
    """Two photographs that need review, and one of nobody."""
    return await twins.match(await twins.job(*portraits(astronaut, 2), nobody()))


async def subjects(match: Matched, made: School) -> dict[str, int]:
    listed = (await made.send("GET", "/subjects")).body["subjects"]
    return {each["student_id"]: each["id"] for each in listed}


def counts(body: Any) -> tuple[int, int, int, int]:
    return body["matched"], body["needs_review"], body["unmatched"], body["reviewed"]


async def test_confirming_takes_the_best_candidate_and_is_counted(match: Matched) -> None:
    assert counts(match.body) == (0, 2, 1, 0)
    one, two, _ = await match.results()
    best = one["faces"][0]["candidates"][0]["subject_id"]
    decided = await match.decided(one["file_id"], action="confirm")
    assert (decided["state"], decided["reviewed"]) == ("matched", True)
    (face,) = decided["faces"]
    assert (face["state"], face["subject_id"], face["reviewed"]) == ("matched", best, True)
    assert (await match.send("GET", f"/results/{one['file_id']}")).body["state"] == "matched"
    now = await match.now()
    assert counts(now) == (1, 1, 1, 1)
    assert now["phases"]["review"] == {"current": 1, "total": 2, "percentage": 50.0}
    (left,) = await match.results(state="needs_review")
    assert left["file_id"] == two["file_id"]


async def test_a_face_is_given_to_somebody_by_either_id(match: Matched, twins: School) -> None:
    ids = await subjects(match, twins)
    one, two, wall = await match.results()
    by_student = await match.decided(one["file_id"], action="reassign", student_id="S3")
    assert by_student["faces"][0]["subject_id"] == ids["S3"]
    by_id = await match.decided(two["file_id"], action="reassign", face=0, subject_id=ids["S2"])
    assert by_id["faces"][0]["subject_id"] == ids["S2"]
    assert by_id["state"] == "matched"
    assert {each["file_id"] for each in await match.results(student_id="S3")} == {one["file_id"]}
    unmatched = await match.decided(two["file_id"], action="unmatch")
    assert (unmatched["state"], unmatched["faces"][0]["subject_id"]) == ("unmatched", None)
    is_error(await match.decide(wall["file_id"], action="confirm"), 422, "INVALID_REQUEST")


async def test_what_was_decided_is_taken_back_and_all_is_logged(
    match: Matched, twins: School
) -> None:
    (before, *_) = await match.results()
    file = before["file_id"]
    await match.decided(file, action="confirm")
    await match.decided(file, action="reassign", student_id="S3")
    undone = await match.decided(file, action="undo")
    assert undone["faces"][0]["candidates"][0]["subject_id"] == undone["faces"][0]["subject_id"]
    again = await match.decided(file, action="undo")
    kept = ("state", "reasons", "reviewed", "from_card")
    assert {name: again[name] for name in kept} == {name: before[name] for name in kept}
    assert again["faces"] == before["faces"]
    assert counts(await match.now()) == (0, 2, 1, 0)
    is_error(await match.decide(file, action="undo"), 422, "INVALID_REQUEST")
    log = (await match.send("GET", f"/results/{file}/decisions")).body["decisions"]
    decided = [(each["action"], each["undone"]) for each in log if each["action"] != "undo"]
    assert decided == [("reassign", True), ("confirm", True)]
    assert all(each["by"].startswith("user:") for each in log)
    ids = await subjects(match, twins)
    given = [each["faces"] for each in log if each["action"] == "reassign"]
    assert given == [[{"face": 0, "subject_id": ids["S3"]}]]


async def test_nobody_is_given_a_photograph_that_was_not_read(twins: School) -> None:
    match = await twins.match(await twins.job(NO_PICTURE))
    (result,) = await match.results()
    for wish in ({"action": "reassign", "student_id": "S3"}, {"action": "unmatch"}):
        is_error(await match.decide(result["file_id"], **wish), 422, "INVALID_REQUEST")
    assert ((await match.now())["failed"], counts(await match.now())) == (1, (0, 0, 0, 0))


async def test_a_confirmed_photograph_becomes_a_reference_where_that_is_wished(
    match: Matched, twins: School
) -> None:
    ids = await subjects(match, twins)
    one, two, _ = await match.results()
    wish = {"action": "reassign", "student_id": "S3", "as_reference": True}
    await match.decided(one["file_id"], **wish)
    await match.decided(two["file_id"], action="reassign", student_id="S3")
    path = f"/subjects/{ids['S3']}/references"
    (reference,) = (await twins.send("GET", path)).body["references"]
    assert (reference["from_file_id"], reference["state"]) == (one["file_id"], "waiting")
    assert (await twins.build())["embeddings_created"] == 1
    await match.decided(one["file_id"], action="undo")
    assert (await twins.send("GET", path)).body["references"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": "delete"},
        {"action": "reassign"},
        {"action": "confirm", "face": 7},
        {"action": "confirm", "face": 2**40},
        {"action": "confirm", "face": "0"},
        {"action": "reassign", "subject_id": 1, "student_id": "S1"},
        {"action": "reassign", "student_id": ""},
        {"action": "reassign", "subject_id": -(2**63) - 1},
        {"action": "reassign", "subject_id": 0},
        {"action": "undo"},
        {"action": "confirm", "face_number": 0},
    ],
)
async def test_decisions_that_make_no_sense_are_refused(
    match: Matched, body: dict[str, Any]
) -> None:
    (before, *_) = await match.results()
    is_error(await match.decide(before["file_id"], **body), 422, "INVALID_REQUEST")
    assert counts(await match.now()) == (0, 2, 1, 0)


async def test_what_is_not_there_is_not_found(match: Matched, twins: School) -> None:
    (one, *_) = await match.results()
    other = await twins.add(await twins.job(), nobody())
    for file in (other[0]["id"], 2**62, "x"):
        is_error(await match.send("GET", f"/results/{file}"), 404, "NOT_FOUND")
        is_error(await match.send("GET", f"/results/{file}/decisions"), 404, "NOT_FOUND")
        answer = await match.send("POST", f"/results/{file}", json={"action": "confirm"})
        is_error(answer, 404, "NOT_FOUND")
    for whom in ({"student_id": "S9"}, {"subject_id": 2**62}):
        answer = await match.decide(one["file_id"], action="reassign", **whom)
        is_error(answer, 404, "NOT_FOUND")


@pytest.mark.parametrize(
    "query",
    [
        {"state": "done"},
        {"limit": "0"},
        {"limit": "501"},
        {"cursor": "x"},
        {"class_name": "a\0b"},
        {"student_id": "a\0b"},
        {"student_id": "S1", "subject_id": "1"},
    ],
)
async def test_queries_that_make_no_sense_are_refused(
    match: Matched, query: dict[str, str]
) -> None:
    is_error(await match.send("GET", "/results", params=query), 422, "INVALID_REQUEST")


async def test_who_is_in_no_photograph_is_listed(match: Matched, twins: School) -> None:
    async def missing(**query: str) -> list[str]:
        answer = await match.send("GET", "/missing", params=query)
        return [each["student_id"] for each in answer.body["subjects"]]

    assert await missing() == ["S1", "S2", "S3"]
    one, two, _ = await match.results()
    await match.decided(one["file_id"], action="reassign", student_id="S2")
    assert await missing() == ["S1", "S3"]
    await match.decided(two["file_id"], action="reassign", student_id="S1")
    assert await missing() == ["S3"]
    first = (await match.send("GET", "/missing", params={"limit": "1"})).body
    assert [each["student_id"] for each in first["subjects"]] == ["S3"]
