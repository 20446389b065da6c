"""Jobs over HTTP: polled, paged, listed, cancelled, told of; seen by those who may."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest

from tests.contract.batches import tasks
from tests.contract.conftest import JOBS, Client, Elsewhere, Newcomer, photographs, uploads_of
from tests.contract.test_account import invited
from tests.contract.test_errors import is_error
from tests.contract.test_webhooks import signed
from tests.contract.wallets import charges
from tests.running import RunningStack


async def test_a_job_is_polled_until_it_has_the_results_that_a_waiting_caller_gets(
    client: Client, astronaut_jpeg: bytes, stack: RunningStack
) -> None:
    files = photographs(astronaut_jpeg, 10)
    files[3] = ("none.jpg", b"no photo")
    waited = (await client.upload(*files[2:5])).body
    began = (await client.upload(*files)).body
    task, seen = began["task_id"], []
    async with asyncio.timeout(60):
        while (job := await client.job(task))["status"] in ("queued", "running"):
            assert "results" not in job
            seen.append(job["progress"])
            await asyncio.sleep(0.05)
    assert seen
    for progress in seen:
        assert progress["total"] == 10
        assert progress["percentage"] == 10 * progress["current"]
    assert [p["current"] for p in seen] == sorted(p["current"] for p in seen)
    assert job["status"] == "completed"
    assert job["progress"] == {"current": 10, "total": 10, "percentage": 100.0}
    assert [result["filename"] for result in job["results"]] == [name for name, _ in files]
    for result, like in zip(job["results"][2:5], waited["results"], strict=True):
        assert set(result) == set(like)
        for same in ("face_box", "receipt", "flags", "warnings", "error"):
            assert result.get(same) == like.get(same)
    medium = await client.picture(job["results"][9]["output_urls"]["medium"])
    assert medium.size == (800, 1000)
    assert (job["succeeded"], job["failed"], job["cancelled"]) == (9, 1, 0)
    assert (job["tokens_deducted"], job["tokens_refunded"]) == (20, 2)
    assert job["receipt"]["portraits"] == 9
    assert set(job["receipt"]) == set(waited["receipt"])
    assert job["receipt"]["eye_line"]["mean"] == pytest.approx(
        waited["receipt"]["eye_line"]["mean"]
    )
    assert job["created_at"] <= job["started_at"] <= job["ended_at"]
    # the uploads are not needed any more
    assert uploads_of(stack, client) == []
    (line, _) = await charges(client)
    assert line["id"] == began["wallet_transaction_id"]
    assert (line["state"], line["units"]) == ("settled", 10)
    assert (line["tokens_consumed"], line["tokens_refunded"]) == (18, 2)
    assert await client.balance() == 100 - 4 - 18


async def test_a_job_of_bad_photos_only_has_failed_and_costs_nothing(client: Client) -> None:
    files = [(f"{number}.jpg", f"broken {number}".encode()) for number in range(9)]
    job = await client.ended(await client.begin(*files))
    assert job["status"] == "failed"
    assert job["error"]["code"] == "NOT_A_PICTURE"
    assert set(job["error"]) == {"code", "message"}
    assert {result["error"]["code"] for result in job["results"]} == {"NOT_A_PICTURE"}
    assert (job["tokens_deducted"], job["tokens_refunded"]) == (18, 18)
    assert "receipt" not in job
    assert await client.balance() == 100
    assert [line["state"] for line in await charges(client)] == ["refunded"]


@pytest.mark.parametrize("task", [str(uuid4()), "no-id", "%00", "a" * 500])
async def test_a_job_that_is_not_there_is_404_on_every_path(client: Client, task: str) -> None:
    for method, tail in (("GET", ""), ("DELETE", ""), ("GET", "/events"), ("GET", "/archive")):
        is_error(await client.send(method, f"{JOBS}/{task}{tail}"), 404, "NOT_FOUND")


async def test_the_jobs_of_another_account_are_not_there(
    client: Client, newcomer: Newcomer, astronaut_jpeg: bytes
) -> None:
    stranger = await newcomer()
    task = await client.begin(*photographs(astronaut_jpeg, 9))
    for method, tail in (("GET", ""), ("DELETE", ""), ("GET", "/events"), ("GET", "/archive")):
        is_error(await stranger.send(method, f"{JOBS}/{task}{tail}"), 404, "NOT_FOUND")
    assert await tasks(stranger) == []
    assert (await client.ended(task))["status"] == "completed"
    assert await client.balance() == 82


async def test_without_credentials_there_are_no_jobs(client: Client) -> None:
    for path in ("", f"/{uuid4()}", f"/{uuid4()}/events", f"/{uuid4()}/archive"):
        answer = await client.send("GET", JOBS + path, headers={"Authorization": ""})
        is_error(answer, 401, "UNAUTHENTICATED")


async def test_results_come_in_pages_without_gap(client: Client, astronaut_jpeg: bytes) -> None:
    files = photographs(astronaut_jpeg, 11)
    task = await client.begin(*files)
    whole = await client.ended(task)
    assert "next_cursor" not in whole
    pages, query = [], {"limit": "4"}
    while True:
        page = await client.job(task, **query)
        pages.append([result["filename"] for result in page["results"]])
        if "next_cursor" not in page:
            break
        query["cursor"] = page["next_cursor"]
    assert [len(page) for page in pages] == [4, 4, 3]
    assert [name for page in pages for name in page] == [name for name, _ in files]
    assert (await client.job(task, cursor="1000"))["results"] == []


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=x", "cursor=-1", "cursor=x", "cursor=99999999999", "limit="],
)
async def test_a_page_of_results_that_makes_no_sense_is_422(client: Client, query: str) -> None:
    task = await client.begin(*((f"{n}.jpg", f"{n}".encode()) for n in range(9)))
    is_error(await client.send("GET", f"{JOBS}/{task}?{query}"), 422, "INVALID_REQUEST")


async def test_the_list_shows_the_newest_first_in_pages_and_by_status(
    newcomer: Newcomer, astronaut_jpeg: bytes
) -> None:
    client = await newcomer(tokens=1000)
    bad = [(f"{number}.jpg", f"{number}".encode()) for number in range(9)]
    begun = [await client.begin(*bad) for _ in range(4)]
    begun.append(await client.begin(*photographs(astronaut_jpeg, 9)))
    for task in begun:
        await client.ended(task)
    newest_first = begun[::-1]
    assert await tasks(client) == newest_first
    first = (await client.send("GET", f"{JOBS}?limit=2")).body
    second = (await client.send("GET", f"{JOBS}?limit=3&cursor={first['next_cursor']}")).body
    seen = [job["task_id"] for job in first["jobs"] + second["jobs"]]
    assert seen == newest_first
    assert second["next_cursor"] is None
    assert all("results" not in job for job in first["jobs"])
    assert await tasks(client, status="completed") == newest_first[:1]
    assert await tasks(client, status="failed") == newest_first[1:]
    assert await tasks(client, status="running") == []


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "cursor=x", "cursor=0", "status=done", "status=draft"]
)
async def test_a_list_that_makes_no_sense_is_422(client: Client, query: str) -> None:
    is_error(await client.send("GET", f"{JOBS}?{query}"), 422, "INVALID_REQUEST")


async def first_has_ended(client: Client, task: str) -> None:
    async with asyncio.timeout(60):
        while True:
            if (await client.job(task))["progress"]["current"]:
                return
            await asyncio.sleep(0.05)


async def cancelled(client: Client, task: str) -> Any:
    """Cancel a job, which gives back what has not been begun, and return how it ended."""
    answer = await client.send("DELETE", f"{JOBS}/{task}")
    assert answer.status == 200, answer.body
    assert answer.body["status"] in ("cancelled", "running")
    assert answer.body["cancelled"] > 0
    return await client.ended(task)


async def test_cancelling_gives_back_what_was_not_begun(
    newcomer: Newcomer, stack: RunningStack, astronaut_jpeg: bytes
) -> None:
    client = await newcomer(tokens=300)
    task = await client.begin(*photographs(astronaut_jpeg, 40), enhance="true")
    await first_has_ended(client, task)
    job = await cancelled(client, task)
    assert job["status"] == "cancelled"
    assert job["error"]["code"] == "CANCELLED"
    assert job["progress"]["current"] == 40
    made = [result for result in job["results"] if "output_urls" in result]
    given_up = [result for result in job["results"] if "error" in result]
    assert (len(made), len(given_up)) == (job["succeeded"], job["cancelled"])
    assert len(made) > 0
    assert len(made) + len(given_up) == 40
    assert {result["error"]["code"] for result in given_up} == {"CANCELLED"}
    assert job["tokens_refunded"] == 6 * len(given_up)
    assert await client.balance() == 300 - 6 * len(made)
    (line,) = await charges(client)
    assert (line["state"], line["tokens_consumed"]) == ("settled", 6 * len(made))
    assert uploads_of(stack, client) == []
    again = await client.send("DELETE", f"{JOBS}/{task}")
    assert (again.status, again.body["status"]) == (200, "cancelled")


async def test_a_job_that_is_over_cannot_be_cancelled(
    client: Client, astronaut_jpeg: bytes
) -> None:
    good = await client.begin(*photographs(astronaut_jpeg, 9))
    bad = await client.begin(*((f"{n}.jpg", f"{n}".encode()) for n in range(9)))
    for task, status in ((good, "completed"), (bad, "failed")):
        assert (await client.ended(task))["status"] == status
        is_error(await client.send("DELETE", f"{JOBS}/{task}"), 409, "JOB_ENDED")
    assert await client.balance() == 82


@pytest.mark.parametrize(
    ("scopes", "status"), [(["facecrop"], 200), (["jobs"], 200), (["qr"], 403), (["images"], 403)]
)
async def test_a_key_sees_jobs_if_it_may_begin_or_see_jobs(
    client: Client, astronaut_jpeg: bytes, scopes: list[str], status: int
) -> None:
    task = await client.begin(*photographs(astronaut_jpeg, 9))
    key = await client.with_key(scopes=scopes)
    listed = await key.send("GET", JOBS)
    # a key for cards may list jobs, and sees those of cards
    assert listed.status == (200 if scopes == ["qr"] else status)
    assert [job["task_id"] for job in listed.body.get("jobs", [])] == [task] * (status == 200)
    for path in (f"/{task}", f"/{task}/events"):
        assert (await key.send("GET", JOBS + path)).status == status
    await client.ended(task)
    assert (await key.send("GET", f"{JOBS}/{task}/archive")).status == status
    cancelling = await key.send("DELETE", f"{JOBS}/{task}")
    assert cancelling.status == (409 if status == 200 else 403)


async def test_who_may_only_read_sees_jobs_and_cannot_cancel_them(
    client: Client, astronaut_jpeg: bytes
) -> None:
    reader = await invited(client, "read_only")
    task = await client.begin(*photographs(astronaut_jpeg, 9))
    assert await tasks(reader) == [task]
    is_error(await reader.send("DELETE", f"{JOBS}/{task}"), 403, "FORBIDDEN")
    assert (await reader.ended(task))["status"] == "completed"
    assert (await reader.send("GET", f"{JOBS}/{task}/archive")).status == 200
    assert await client.balance() == 82


@pytest.mark.parametrize(("photo", "event"), [("good", "job.completed"), ("bad", "job.failed")])
async def test_the_end_of_a_job_is_told_signed_to_a_webhook(
    client: Client, elsewhere: Elsewhere, astronaut_jpeg: bytes, photo: str, event: str
) -> None:
    body = {"url": f"{elsewhere.url}/events", "events": ["job.completed", "job.failed"]}
    made = await client.send("POST", "/v1/webhooks", json=body)
    assert made.status == 201, made.body
    files = photographs(astronaut_jpeg, 9)
    if photo == "bad":
        files = [(name, data[:100]) for name, data in files]
    task = await client.begin(*files)
    headers, told = await asyncio.wait_for(elsewhere.told.get(), 60)
    assert headers["webhook-signature"] == signed(made.body["secret"], headers, told)
    job = await client.ended(task)
    said = json.loads(told)
    assert said["type"] == event
    facts = said["data"]
    assert (facts["task_id"], facts["status"]) == (task, job["status"])
    for same in ("succeeded", "failed", "tokens_deducted", "tokens_refunded"):
        assert facts[same] == job[same]
    assert facts["wallet_transaction_id"] == job["wallet_transaction_id"]
