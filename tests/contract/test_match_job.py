"""Match jobs: photographs matched, failed ones refunded."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from kit.bus import Bus
from proto.agencies import AgencyId, ShootId
from proto.ids import JobId
from proto.matching.matches import PrepareMatch
from tests.contract.conftest import JOBS, Client, Elsewhere, Newcomer, another
from tests.contract.schools import (
    MATCHING,
    NO_PICTURE,
    School,
    matched,
    nobody,
    portraits,
    school,
    states,
    together,
)
from tests.contract.test_errors import is_error


@pytest.fixture
async def made(client: Client, astronaut_jpeg: bytes) -> School:
    """A school that knows one person."""
    made = await school(client)
    await made.person("S1", astronaut_jpeg, class_name="5A")
    await made.build()
    return made


async def test_a_match_is_as_the_contract_has_it(made: School, astronaut: bytes) -> None:
    client = made.client
    job = await made.job(*portraits(astronaut, 3), nobody(), NO_PICTURE)
    answer = await made.begin(job, threshold=0.85)
    assert answer.status == 200
    match, task = answer.body["match_job_id"], answer.body["task_id"]
    assert answer.body == {
        "match_job_id": match,
        "task_id": task,
        "total_files": 5,
        "tokens_deducted": 30,
        "wallet_transaction_id": answer.body["wallet_transaction_id"],
    }
    assert answer.body["wallet_transaction_id"].startswith("TX-")
    found = (await matched(client, match)).body
    assert found["status"] == "completed"
    counts = {name: found[name] for name in ("matched", "needs_review", "unmatched", "failed")}
    assert counts == {"matched": 3, "needs_review": 0, "unmatched": 1, "failed": 1}
    assert found["progress"] == {"current": 5, "total": 5, "percentage": 100.0}
    assert (found["id"], found["total_files"], found["faces"]) == (match, 5, 3)
    assert (found["task_id"], found["job_id"], found["threshold"]) == (task, job, 0.85)
    # what could not be read was given back
    ended = await client.ended(task)
    assert (ended["kind"], ended["match_job_id"], ended["agency_id"]) == (
        "face_match",
        match,
        made.id,
    )
    assert (ended["tokens_deducted"], ended["tokens_refunded"]) == (30, 6)
    assert await client.balance() == 100 - 24
    listed = (await client.send("GET", f"{MATCHING}/jobs")).body
    assert listed == {"jobs": [found], "next_cursor": None}
    events = (await client.send("GET", f"{JOBS}/{task}/events")).body.decode()
    assert events.count("event: item\n") == 5


async def test_results_say_who_it_is_and_how_sure(made: School, astronaut: bytes) -> None:
    match = await made.match(await made.job(*portraits(astronaut, 1), nobody(), NO_PICTURE))
    found = await match.by_name()
    (face,) = found["IMG_0000.JPG"]["faces"]
    (best,) = face["candidates"]
    assert (face["state"], face["face"], face["subject_id"]) == ("matched", 0, best["subject_id"])
    assert (best["student_id"], best["class_name"]) == ("S1", "5A")
    assert 0.85 <= best["score"] <= 1
    assert face["face_box"]["w"] > 50
    assert found["wall.jpg"]["state"] == "unmatched"
    assert found["wall.jpg"]["reasons"] == ["no_face"]
    assert found["notes.jpg"]["state"] == "failed"
    assert found["notes.jpg"]["error"]["code"] == "NOT_A_PICTURE"
    for state in ("matched", "unmatched", "failed"):
        (only,) = await match.results(state=state)
        assert only["state"] == state
    assert await match.results(state="needs_review") == []
    first = (await match.send("GET", "/results", params={"limit": "1"})).body
    rest = await match.send("GET", "/results", params={"cursor": first["next_cursor"]})
    assert [each["file_id"] for each in (*first["results"], *rest.body["results"])] == sorted(
        each["file_id"] for each in found.values()
    )
    of_class = await match.results(class_name="5A")
    assert [each["filename"] for each in of_class] == ["IMG_0000.JPG"]
    assert await match.results(class_name="5B") == []
    assert len(await match.results(student_id="S1")) == 1
    of_id = await match.results(subject_id=str(best["subject_id"]))
    assert [each["filename"] for each in of_id] == ["IMG_0000.JPG"]
    for none in (str(2**62), "x"):
        answer = await match.send("GET", "/results", params={"subject_id": none})
        is_error(answer, 404, "NOT_FOUND")
    unknown = await match.send("GET", "/results", params={"student_id": "S7"})
    is_error(unknown, 404, "NOT_FOUND")


async def test_people_who_cannot_be_told_apart_are_for_somebody_to_look_at(
    made: School, astronaut: bytes, astronaut_jpeg: bytes
) -> None:
    await made.person("S2", another(astronaut_jpeg, 5), class_name="5B")
    await made.build()
    job = await made.job(*portraits(astronaut, 1))
    match = await made.match(job)
    (result,) = await match.results()
    (face,) = result["faces"]
    assert (result["state"], face["reasons"]) == ("needs_review", ["low_margin"])
    assert {each["student_id"] for each in face["candidates"]} == {"S1", "S2"}
    # a class narrows whom it is given to; that somebody else is as near stays a reason to look
    of_class = await made.match(job, class_name="5B")
    (result,) = await of_class.results()
    assert (result["state"], result["reasons"]) == ("needs_review", ["low_margin"])
    assert [each["student_id"] for each in result["faces"][0]["candidates"]] == ["S2"]
    assert of_class.body["options"]["class_name"] == "5B"


async def test_nobody_is_in_a_photograph_twice(made: School, astronaut: bytes) -> None:
    (result,) = await (await made.match(await made.job(together(astronaut)))).results()
    assert result["state"] == "needs_review"
    assert sorted(face["state"] for face in result["faces"]) == ["matched", "needs_review"]
    assert any("same_subject_twice" in face["reasons"] for face in result["faces"])


async def test_single_files_of_several_jobs_are_matched(made: School, astronaut: bytes) -> None:
    one, two, three = portraits(astronaut, 3)
    first, second = await made.job(), await made.job()
    ids = [each["id"] for each in await made.add(first, one, two)]
    ids += [each["id"] for each in await made.add(second, three)]
    match = await made.match(file_ids=[ids[0], ids[2]])
    assert (match.body["matched"], match.body["job_id"]) == (2, None)
    assert [each["file_id"] for each in await match.results()] == [ids[0], ids[2]]
    assert await made.client.balance() == 100 - 12


async def test_photographs_by_url_are_fetched_and_kept(made: School, elsewhere: Elsewhere) -> None:
    job = await made.job()
    urls = [f"{elsewhere.url}/{name}" for name in ("a.jpg", "gone.jpg", "page.html", "inwards")]
    await made.send("POST", f"/jobs/{job}/files", json={"image_urls": urls})
    match = await made.match(job)
    assert states(await match.results()) == {
        "a.jpg": "matched",
        "gone.jpg": "failed",
        "page.html": "failed",
        "inwards": "failed",
    }
    files = (await made.send("GET", f"/jobs/{job}/files")).body["files"]
    assert [each["photo_url"] is not None for each in files] == [True, False, False, False]
    assert files[0]["size"] > 0
    assert await made.client.balance() == 100 - 6


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"job_id": None, "file_ids": None},
        {"job_id": 1, "file_ids": [1]},
        {"file_ids": []},
        {"file_ids": [1] * 10_001},
        {"file_ids": ["1"]},
        {"job_id": "1"},
        {"job_id": 1, "threshold": 0.499},
        {"job_id": 1, "threshold": 0.991},
        {"job_id": 1, "threshold": 1},
        {"job_id": 1, "threshold": "0.85"},
        {"job_id": 1, "threshold": None},
        {"job_id": 1, "class_name": "x" * 101},
        {"job_id": 1, "sort_task_id": "no"},
        {"job_id": 1, "bursts": "yes"},
        {"job_id": 2**63},
        {"job_id": -(2**63) - 1},
        {"job_id": 0},
        {"job_id": 1, "agency_id": -(2**63) - 1},
        {"file_ids": [1, -(2**63) - 1]},
        {"job_id": 1, "treshold": 0.99},
        {"job_id": 1, "class": "5A"},
    ],
    ids=lambda body: str(body)[:50],
)
async def test_a_match_that_makes_no_sense_is_refused(made: School, body: dict[str, Any]) -> None:
    is_error(await made.begin(**body), 422, "INVALID_REQUEST")
    assert await made.client.balance() == 100


async def test_what_clients_send_besides_does_no_harm(made: School, astronaut: bytes) -> None:
    match = await made.match(await made.job(*portraits(astronaut, 1)), client_version="7.1")
    assert match.body["status"] == "completed"


@pytest.mark.parametrize("threshold", [0.5, 0.99])
async def test_both_ends_of_the_threshold_are_taken(
    made: School, astronaut: bytes, threshold: float
) -> None:
    match = await made.match(await made.job(*portraits(astronaut, 1)), threshold=threshold)
    assert match.body["threshold"] == threshold


async def test_refusals_of_a_match_cost_nothing(client: Client, astronaut_jpeg: bytes) -> None:
    made = await school(client)
    photo = ("a.jpg", astronaut_jpeg)
    job = await made.job(photo)
    is_error(await made.begin(job), 400, "NO_REFERENCES")
    await made.person("S1", astronaut_jpeg)
    is_error(await made.begin(job), 400, "NO_REFERENCES")
    await made.build()
    is_error(await made.begin(await made.job()), 422, "INVALID_REQUEST")
    is_error(await made.begin(job + 1_000_000), 404, "NOT_FOUND")
    (file,) = (await made.send("GET", f"/jobs/{job}/files")).body["files"]
    is_error(await made.begin(file_ids=[file["id"], 2**50]), 404, "NOT_FOUND")
    wrong = await client.send("POST", f"{MATCHING}/match-job", json={"job_id": job})
    is_error(wrong, 422, "INVALID_REQUEST")
    assert await client.balance() == 100
    assert (await client.send("GET", f"{MATCHING}/jobs")).body["jobs"] == []


async def test_a_file_that_is_named_twice_is_paid_for_once(made: School, astronaut: bytes) -> None:
    one, two = portraits(astronaut, 2)
    # the same picture sent twice is one file, and its id is answered twice
    ids = [each["id"] for each in await made.add(await made.job(), one, two, ("again.jpg", one[1]))]
    assert ids[0] == ids[2] != ids[1]
    answer = await made.begin(file_ids=ids)
    assert (answer.status, answer.body["total_files"]) == (200, 2), answer.body
    assert answer.body["tokens_deducted"] == 12
    match = await matched(made.client, answer.body["match_job_id"])
    assert [each["file_id"] for each in await match.results()] == sorted(ids[:2])
    assert await made.client.balance() == 100 - 12


async def test_who_has_too_few_tokens_is_told_and_may_begin_when_there_are_more(
    newcomer: Newcomer, astronaut: bytes, astronaut_jpeg: bytes
) -> None:
    poor = await newcomer(tokens=11)
    made = await school(poor)
    await made.person("S1", astronaut_jpeg)
    await made.build()
    files = portraits(astronaut, 2)
    job = await made.job(*files)
    answer = await made.begin(job)
    assert answer.status == 402
    assert answer.body == {
        "error": "INSUFFICIENT_TOKENS",
        "balance": 11,
        "shortfall": 1,
        "top_up_url": answer.body["top_up_url"],
    }
    # nothing is left that stands in the way
    (file, _) = (await made.send("GET", f"/jobs/{job}/files")).body["files"]
    assert (await made.send("DELETE", f"/jobs/{job}/files/{file['id']}")).status == 204
    assert (await made.match(job)).body["matched"] == 1


async def test_a_job_is_matched_by_one_at_a_time(made: School, astronaut: bytes) -> None:
    job = await made.job(*portraits(astronaut, 6))
    answers = await asyncio.gather(*(made.begin(job) for _ in range(4)))
    assert sorted(each.status for each in answers) == [200, 409, 409, 409]
    for answer in answers:
        if answer.status == 409:
            is_error(answer, 409, "MATCH_RUNNING")
        else:
            await matched(made.client, answer.body["match_job_id"])
    assert await made.client.balance() == 100 - 36
    again = await made.match(job)
    assert again.body["matched"] == 6


async def test_a_match_sent_again_under_its_key_is_charged_once(
    made: School, astronaut: bytes
) -> None:
    client, job = made.client, await made.job(*portraits(astronaut, 2))
    key = {"Idempotency-Key": str(uuid4())}
    body = {"agency_id": made.id, "job_id": job}

    async def begin() -> Any:
        return await client.send("POST", f"{MATCHING}/match-job", json=body, headers=key)

    first = await begin()
    await matched(client, first.body["match_job_id"])
    second = await begin()
    assert (second.status, second.body) == (200, first.body)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert await client.balance() == 100 - 12
    other = await client.send(
        "POST", f"{MATCHING}/match-job", json=body | {"threshold": 0.9}, headers=key
    )
    is_error(other, 422, "IDEMPOTENCY_KEY_REUSED")


async def test_a_match_is_cancelled_and_what_was_not_begun_is_given_back(
    made: School, astronaut: bytes
) -> None:
    client, job = made.client, await made.job(*portraits(astronaut, 16))
    answer = await made.begin(job)
    path = f"{MATCHING}/jobs/{answer.body['match_job_id']}"
    cancelled = await client.send("DELETE", path)
    assert cancelled.status in (200, 409)  # it may have been quicker
    found = (await matched(client, answer.body["match_job_id"])).body
    done = await client.ended(answer.body["task_id"])
    assert await client.balance() == 100 - 6 * done["succeeded"]
    counted = sum(found[name] for name in ("matched", "needs_review", "unmatched", "failed"))
    assert counted == 16
    if cancelled.status == 200:
        assert found["status"] == "cancelled"
        results = await client.send("GET", f"{path}/results", params={"state": "failed"})
        codes = {each["error"]["code"] for each in results.body["results"]}
        assert codes <= {"CANCELLED"}


async def test_what_has_not_begun_is_not_cancelled(
    made: School, astronaut: bytes, operator: Bus
) -> None:
    job = await made.job(*portraits(astronaut, 1))
    # as it stands between a match and the beginning of its job
    drafting = PrepareMatch(
        account=made.client.account,
        by="somebody",
        agency=AgencyId(made.id),
        shoot=ShootId(job),
        job=JobId(uuid4()),
    )
    draft = await operator.request(drafting)
    path = f"{MATCHING}/jobs/{draft.id}"
    is_error(await made.client.send("DELETE", path), 409, "MATCH_NOT_BEGUN")
    assert (await made.client.send("GET", path)).body["status"] == "queued"


async def test_what_has_ended_is_not_cancelled(made: School, astronaut: bytes) -> None:
    match = await made.match(await made.job(*portraits(astronaut, 1)))
    is_error(await match.send("DELETE"), 409, "JOB_ENDED")


async def test_deleting_in_the_middle_leaves_a_match_that_ends(
    made: School, astronaut: bytes
) -> None:
    client, job = made.client, await made.job()
    files = await made.add(job, *portraits(astronaut, 12))
    answer = await made.begin(job)
    gone = {"file_ids": [each["id"] for each in files[6:]]}
    assert (await made.send("DELETE", f"/jobs/{job}/files", json=gone)).status == 204
    ended = await client.ended(answer.body["task_id"])
    assert ended["succeeded"] + ended["failed"] == 12
    match = await matched(client, answer.body["match_job_id"])
    assert match.body["matched"] == 6
    assert [each["file_id"] for each in await match.results()] == [each["id"] for each in files[:6]]
    assert await client.balance() == 100 - 6 * ended["succeeded"]


async def test_a_key_for_matching_sees_its_jobs_and_no_others(
    made: School, astronaut: bytes
) -> None:
    key = await made.client.with_key(scopes=["matching"])
    other = await made.client.with_key(scopes=["facecrop"])
    theirs = School(key, made.id)
    answer = await theirs.begin(await theirs.job(*portraits(astronaut, 1)))
    task = answer.body["task_id"]
    assert (await key.ended(task))["status"] == "completed"
    is_error(await other.send("GET", f"{JOBS}/{task}"), 403, "FORBIDDEN")
    is_error(await other.send("GET", f"{MATCHING}/jobs"), 403, "FORBIDDEN")
