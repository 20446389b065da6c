"""Reference photographs, and embeddings that are made of them, free."""

import pytest

from tests.contract.conftest import Client, Elsewhere, another
from tests.contract.schools import (
    MATCHING,
    NO_PICTURE,
    agency,
    nobody,
    school,
    together,
)
from tests.contract.test_errors import is_error


async def test_references_are_built_as_the_contract_has_it_and_only_once(
    client: Client, astronaut_jpeg: bytes
) -> None:
    made = await school(client)
    for number in range(3):
        await made.person(f"S{number}", another(astronaut_jpeg, number))
    assert await made.build() == {
        "status": "completed",
        "agency_id": made.id,
        "embeddings_created": 3,
        "waiting": 0,
        "problems": [],
        "problems_total": 0,
    }
    assert (await made.build())["embeddings_created"] == 0
    await made.person("S9", another(astronaut_jpeg, 9))
    assert (await made.build())["embeddings_created"] == 1
    query = {"agency_id": str(made.id)}
    stand = (await client.send("GET", f"{MATCHING}/references", params=query)).body
    assert (stand["embeddings"], stand["waiting"], stand["problems"]) == (4, 0, [])
    assert await client.balance() == 100
    actions = (await made.send("GET", "/access-log")).body["entries"]
    assert sum(each["action"] == "references_built" for each in actions) >= 1


@pytest.mark.parametrize("count", [19, 20])
async def test_from_twenty_subjects_on_references_are_a_job(
    client: Client, elsewhere: Elsewhere, count: int
) -> None:
    made = await school(client)
    await made.put(
        *(
            {
                "student_id": f"S{n}",
                "name": "x",
                "reference_photo_url": f"{elsewhere.url}/{n}.jpg",
            }
            for n in range(count)
        )
    )
    body = {"agency_id": made.id}
    answer = await client.send("POST", f"{MATCHING}/references", json=body)
    if count < 20:
        assert (answer.status, answer.body["embeddings_created"]) == (200, count)
        return
    task = answer.body["task_id"]
    assert answer.status == 202
    assert answer.body == {
        "status": "queued",
        "task_id": task,
        "agency_id": made.id,
        "total": 20,
        "more": False,
    }
    ended = await client.ended(task)
    assert (ended["status"], ended["kind"], ended["succeeded"]) == (
        "completed",
        "face_reference",
        20,
    )
    assert (ended["tokens_deducted"], ended["tokens_refunded"]) == (0, 0)
    assert "wallet_transaction_id" not in ended
    assert (await made.shown())["embeddings"] == 20
    assert await client.balance() == 100


async def test_references_with_problems_are_listed_with_the_reason(
    client: Client, elsewhere: Elsewhere, astronaut: bytes
) -> None:
    made = await school(client)
    await made.person("EMPTY", nobody()[1])
    await made.person("TWICE", together(astronaut)[1])
    await made.person("TEXT", NO_PICTURE[1])
    urls = {"GONE": f"{elsewhere.url}/gone.jpg", "INSIDE": "http://127.0.0.1:1/a.jpg"}
    await made.put(
        *({"student_id": s, "name": "x", "reference_photo_url": url} for s, url in urls.items())
    )
    built = await made.build()
    assert built["embeddings_created"] == 0
    assert {each["student_id"]: each["code"] for each in built["problems"]} == {
        "EMPTY": "NO_FACE",
        "TWICE": "SEVERAL_FACES",
        "TEXT": "NOT_A_PICTURE",
        "GONE": "URL_REFUSED",
        "INSIDE": "URL_NOT_ALLOWED",
    }
    assert built["problems_total"] == 5


async def test_without_consent_no_face_is_compared(client: Client, astronaut_jpeg: bytes) -> None:
    made = await agency(client)
    await made.person("S1", astronaut_jpeg)
    job = await made.job(("a.jpg", astronaut_jpeg))
    body = {"agency_id": made.id}
    answer = await client.send("POST", f"{MATCHING}/references", json=body)
    is_error(answer, 409, "CONSENT_MISSING")
    # a match needs references first, whatever else is missing
    answer = await made.begin(job)
    is_error(answer, 400, "NO_REFERENCES")
    assert "agreed" in answer.body["message"]
    assert await client.balance() == 100
