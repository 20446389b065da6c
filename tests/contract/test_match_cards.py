"""Matches that go by what the cards of a shoot say, beside faces or without them."""

from pathlib import Path
from uuid import uuid4

import pytest

from tests.contract.cards import JOB
from tests.contract.conftest import Client, another
from tests.contract.schools import (
    MATCHING,
    School,
    agency,
    matched,
    portraits,
    school,
)
from tests.contract.shoots import SORT, shoot_of
from tests.contract.test_errors import is_error


@pytest.fixture
async def made(client: Client, astronaut_jpeg: bytes) -> School:
    """A school that knows one person."""
    made = await school(client)
    await made.person("S1", astronaut_jpeg, class_name="5A")
    await made.build()
    return made


async def test_an_agency_of_cards_is_matched_by_cards_alone_for_nothing(
    client: Client, astronaut: bytes, tmp_path: Path
) -> None:
    made = await agency(client, mode="cards")
    await made.person("S0000", name="An")
    await made.person("S0001", name="Bo")
    shoot = await shoot_of(client, astronaut, tmp_path)
    job = await made.job(shoot.card("S0000"), shoot.person(), shoot.card("S0001"), shoot.person())
    is_error(await made.begin(job), 422, "INVALID_REQUEST")
    wish = {"job_id": JOB, "files_of_job": job, "agency_id": made.id}
    sort = (await client.send("POST", SORT, json=wish)).body
    before = await client.balance()
    answer = await made.begin(job, sort_task_id=sort["task_id"])
    assert answer.status == 200, answer.body
    assert (answer.body["tokens_deducted"], answer.body["wallet_transaction_id"]) == (0, None)
    match = await matched(client, answer.body["match_job_id"])
    assert match.body["matched"] >= 2
    for result in await match.results(state="matched"):
        (face,) = result["faces"]
        assert (face["face"], face["face_box"], face["reasons"]) == (-1, None, ["card_only"])
    assert await client.balance() == before
    body = {"agency_id": made.id}
    refused = await client.send("POST", f"{MATCHING}/references", json=body)
    is_error(refused, 422, "INVALID_REQUEST")


async def test_cards_that_say_something_else_are_for_somebody_to_look_at(
    client: Client, astronaut: bytes, astronaut_jpeg: bytes, tmp_path: Path
) -> None:
    made = await school(client)
    await made.person("S0000", astronaut_jpeg)
    await made.person("S0001")
    await made.build()
    shoot = await shoot_of(client, astronaut, tmp_path)
    job = await made.job(
        shoot.card("S0000"),
        shoot.person(name="agree.jpg"),
        shoot.card("S0001"),
        shoot.person(name="other.jpg"),
    )
    wish = {"job_id": JOB, "files_of_job": job, "agency_id": made.id}
    sort = (await client.send("POST", SORT, json=wish)).body
    match = await made.match(job, sort_task_id=sort["task_id"])
    found = await match.by_name()
    assert found["agree.jpg"]["state"] == "matched"
    assert found["other.jpg"]["state"] == "needs_review"
    assert "sequence_conflict" in found["other.jpg"]["reasons"] + [
        reason for face in found["other.jpg"]["faces"] for reason in face["reasons"]
    ]


@pytest.mark.parametrize("mode", ["faces", "cards"])
async def test_a_sort_of_other_photographs_is_not_gone_by(
    made: School, astronaut: bytes, tmp_path: Path, mode: str
) -> None:
    client = made.client
    await made.send("PATCH", json={"mode": mode})
    shoot = await shoot_of(client, astronaut, tmp_path)
    others = await made.job(shoot.card("S0000"), shoot.person())
    wish = {"job_id": JOB, "files_of_job": others, "agency_id": made.id}
    sort = (await client.send("POST", SORT, json=wish)).body
    job = await made.job(shoot.card("S0001"), shoot.person())
    before = await client.balance()
    answer = await made.begin(job, sort_task_id=sort["task_id"])
    is_error(answer, 422, "INVALID_REQUEST")
    assert "files_of_job" in answer.body["message"]
    assert await client.balance() == before
    assert (await client.send("GET", f"{MATCHING}/jobs")).body["jobs"] == []


@pytest.mark.parametrize("task", ["unknown", "another kind"])
async def test_what_is_no_sort_is_not_gone_by(
    made: School, astronaut: bytes, astronaut_jpeg: bytes, task: str
) -> None:
    job = await made.job(*portraits(astronaut, 1))
    if task == "unknown":
        id_ = str(uuid4())
    else:
        id_ = await made.client.begin(*((f"{n}.jpg", another(astronaut_jpeg, n)) for n in range(9)))
    answer = await made.begin(job, sort_task_id=id_)
    assert answer.status in (404, 422), answer.body
    assert (await made.client.send("GET", f"{MATCHING}/jobs")).body["jobs"] == []
