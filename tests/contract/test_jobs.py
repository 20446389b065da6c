"""Batches over HTTP: begun with 202, polled, paged, cancelled; charged for what succeeded."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.contract.conftest import (
    JOBS,
    Answer,
    Client,
    Elsewhere,
    Newcomer,
    photographs,
    uploads_of,
)
from tests.contract.test_account import invited
from tests.contract.test_errors import is_error
from tests.contract.test_facecrop import BADGE, PRESETS
from tests.contract.test_webhooks import signed
from tests.running import RunningStack

CROP = "/v1/services/studio/face-crop"
QUOTES = "/v1/quotes"


def paths(result: dict[str, Any]) -> dict[str, str]:
    """Return the links of a result without their signatures."""
    return {name: url.partition("?")[0] for name, url in result["output_urls"].items()}


async def lines(client: Client) -> list[dict[str, Any]]:
    """Return what was charged, newest first."""
    answer = await client.send("GET", "/v1/wallet/transactions", params={"kind": "charge"})
    return list(answer.body["transactions"])


async def tasks(client: Client, **query: str) -> list[str]:
    answer = await client.send("GET", JOBS, params=query)
    assert answer.status == 200, answer.body
    return [job["task_id"] for job in answer.body["jobs"]]


async def test_eight_uploads_are_answered_at_once_and_nine_are_a_job(
    client: Client, astronaut_jpeg: bytes
) -> None:
    assert (await client.upload(*photographs(astronaut_jpeg, 8))).status == 200
    answer = await client.upload(*photographs(astronaut_jpeg, 9))
    assert answer.status == 202
    task = answer.body["task_id"]
    assert answer.body == {
        "task_id": task,
        "status": "queued",
        "total_files": 9,
        "tokens_deducted": 18,
        "wallet_transaction_id": answer.body["wallet_transaction_id"],
    }
    assert answer.body["wallet_transaction_id"].startswith("TX-")
    assert await tasks(client) == [task]
    assert (await client.ended(task))["status"] == "completed"
    assert await client.balance() == 100 - 16 - 18


async def test_nine_urls_are_a_job_as_well(client: Client, elsewhere: Elsewhere) -> None:
    urls = [f"{elsewhere.url}/student%20{number}.jpg" for number in range(8)]
    body = {"icp_type": "corporate", "image_urls": [*urls, f"{elsewhere.url}/gone.jpg"]}
    answer = await client.send("POST", CROP, json=body)
    assert (answer.status, answer.body["total_files"]) == (202, 9)
    job = await client.ended(answer.body["task_id"])
    assert [result["filename"] for result in job["results"][:2]] == [
        "student 0.jpg",
        "student 1.jpg",
    ]
    assert job["results"][8]["error"]["code"] == "URL_REFUSED"
    assert (job["tokens_deducted"], job["tokens_refunded"]) == (18, 2)


async def test_enhanced_photos_of_a_job_cost_six_each(
    client: Client, astronaut_jpeg: bytes
) -> None:
    # the same photo nine times is sharpened once
    files = [(f"{number}.jpg", astronaut_jpeg) for number in range(9)]
    answer = await client.upload(*files, enhance="true")
    assert (answer.status, answer.body["tokens_deducted"]) == (202, 54)
    job = await client.ended(answer.body["task_id"])
    assert (job["status"], job["tokens_refunded"]) == ("completed", 0)
    original = await client.picture(job["results"][0]["output_urls"]["original"])
    assert original.size == (2400, 3000)
    assert await client.balance() == 46


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
    (line, _) = await lines(client)
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
    assert [line["state"] for line in await lines(client)] == ["refunded"]


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


async def test_the_same_file_under_other_names_is_done_once_and_charged_each_time(
    client: Client, stack: RunningStack, astronaut_jpeg: bytes
) -> None:
    files = photographs(astronaut_jpeg, 9)
    files += [("again.jpg", files[4][1]), ("and again.jpg", files[4][1])]
    job = await client.ended(await client.begin(*files))
    assert job["status"] == "completed"
    assert [result["filename"] for result in job["results"]] == [name for name, _ in files]
    assert paths(job["results"][9]) == paths(job["results"][10]) == paths(job["results"][4])
    outputs = (stack.home / "storage" / "outputs" / str(client.account)).rglob("*")
    assert sum(path.is_file() for path in outputs) == 2 * 9
    assert (job["succeeded"], job["receipt"]["portraits"]) == (11, 9)
    assert await client.balance() == 100 - 22


async def test_the_same_url_is_done_once_and_charged_each_time(
    client: Client, elsewhere: Elsewhere
) -> None:
    urls = [f"{elsewhere.url}/{number % 5}.jpg" for number in range(10)]
    answer = await client.send("POST", CROP, json={"icp_type": "school", "image_urls": urls})
    job = await client.ended(answer.body["task_id"])
    for number in range(5):
        assert paths(job["results"][number]) == paths(job["results"][number + 5])
    assert len({paths(result)["original"] for result in job["results"]}) == 5
    assert await client.balance() == 80


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
    (line,) = await lines(client)
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


async def keyed(client: Client, key: str, *files: tuple[str, bytes]) -> Answer:
    return await client.instead(**client.headers, **{"Idempotency-Key": key}).upload(*files)


async def test_a_batch_sent_again_under_its_key_is_one_job_and_one_charge(
    client: Client, stack: RunningStack, astronaut_jpeg: bytes
) -> None:
    files = photographs(astronaut_jpeg, 12)
    first = await keyed(client, "batch", *files)
    again = await keyed(client, "batch", *files)
    assert (first.status, again.status) == (202, 202)
    assert first.body == again.body
    assert again.headers["Idempotent-Replayed"] == "true"
    # what the second attempt uploaded is gone; the first one's folder may still be needed
    assert len({path.parent for path in uploads_of(stack, client)}) <= 1
    assert (await client.ended(first.body["task_id"]))["status"] == "completed"
    assert uploads_of(stack, client) == []
    assert await tasks(client) == [first.body["task_id"]]
    assert await client.balance() == 76
    other = await keyed(client, "batch", *files[:11])
    is_error(other, 422, "IDEMPOTENCY_KEY_REUSED")


async def test_a_batch_whose_answer_was_lost_is_found_again_and_not_begun_twice(
    client: Client, stack: RunningStack, astronaut_jpeg: bytes
) -> None:
    files = photographs(astronaut_jpeg, 12)
    first = await keyed(client, "lost", *files)
    connection = await asyncpg.connect(stack.links.database_url)
    await connection.execute(
        "UPDATE wallet.calls SET status = NULL, content_type = NULL, body = NULL,"
        " lease_ends = now() WHERE account_id = $1",
        client.account,
    )
    await connection.close()
    again = await keyed(client, "lost", *files)
    assert (again.status, again.body) == (202, first.body)
    assert len({path.parent for path in uploads_of(stack, client)}) <= 1
    assert (await client.ended(first.body["task_id"]))["succeeded"] == 12
    assert uploads_of(stack, client) == []
    assert await tasks(client) == [first.body["task_id"]]
    assert await client.balance() == 76


async def test_ten_times_the_same_batch_at_once_is_one_job(
    client: Client, stack: RunningStack, astronaut_jpeg: bytes
) -> None:
    files = photographs(astronaut_jpeg, 9)
    answers = await asyncio.gather(*(keyed(client, "at once", *files) for _ in range(10)))
    assert {answer.status for answer in answers} <= {202, 409}
    assert len({answer.body["task_id"] for answer in answers if answer.status == 202}) == 1
    (task,) = await tasks(client)
    assert (await client.ended(task))["status"] == "completed"
    assert await client.balance() == 82
    assert uploads_of(stack, client) == []


async def test_what_was_quoted_for_twelve_files_is_charged(
    client: Client, astronaut_jpeg: bytes
) -> None:
    asked = {"operation": "face_crop", "input": {"icp_type": "school", "files": 12}}
    quote = (await client.send("POST", QUOTES, json=asked)).body
    assert quote["tokens"] == 24
    quoting = client.instead(**client.headers, **{"Quote-Id": quote["quote_id"]})
    is_error(await quoting.upload(*photographs(astronaut_jpeg, 11)), 422, "QUOTE_MISMATCH")
    assert await tasks(client) == []
    answer = await quoting.upload(*photographs(astronaut_jpeg, 12))
    assert (answer.status, answer.body["tokens_deducted"]) == (202, 24)


async def test_too_few_tokens_for_a_batch_are_402_and_nothing_is_begun(
    newcomer: Newcomer, stack: RunningStack, astronaut_jpeg: bytes
) -> None:
    client = await newcomer(tokens=17)
    answer = await client.upload(*photographs(astronaut_jpeg, 9))
    assert answer.status == 402
    assert set(answer.body) == {"error", "balance", "shortfall", "top_up_url"}
    assert (answer.body["error"], answer.body["shortfall"]) == ("INSUFFICIENT_TOKENS", 1)
    assert await tasks(client) == []
    assert uploads_of(stack, client) == []
    assert await client.balance() == 17


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


def raw_form(names: list[bytes], photo: bytes) -> bytes:
    """Return a form with file names that no well-behaved client would send."""
    parts = [b'--b\r\nContent-Disposition: form-data; name="icp_type"\r\n\r\nschool\r\n']
    for number, name in enumerate(names):
        head = b'--b\r\nContent-Disposition: form-data; name="file[]"; filename' + name
        parts.append(head + b"\r\n\r\n" + photo + b"%d" % number + b"\r\n")
    return b"".join(parts) + b"--b--\r\n"


async def test_names_that_mean_harm_do_none_in_a_batch(
    client: Client, stack: RunningStack, astronaut_jpeg: bytes
) -> None:
    names = [
        b'="../../../etc/passwd"',
        b'="..\\\\..\\\\boot.ini"',
        b"*=UTF-8''a%00b.jpg",
        '="\U0001f600.jpg"'.encode(),
        b'="' + b"x" * 300 + b'.jpg"',
        b'=""',
        b'="."',
        b'=".."',
        b'="\xff\xfe.jpg"',
        b'="' + "é".encode() * 300 + b'"',
        b"*=UTF-8''%0d%0aSet-Cookie%3a%20a",
        b'="a.jpg"',
    ]
    answer = await client.send(
        "POST",
        f"{CROP}/upload",
        data=raw_form(names, astronaut_jpeg),
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )
    assert answer.status == 202, answer.body
    job = await client.ended(answer.body["task_id"])
    assert job["status"] == "completed"
    shown = [result["filename"] for result in job["results"]]
    assert shown[0] == "passwd"
    assert shown[2] == "ab.jpg"
    assert shown[3] == "\U0001f600.jpg"
    assert shown[4] == "x" * 255
    assert all(name and name.isprintable() and "/" not in name for name in shown)
    folders = {paths(result)["original"].rpartition("/")[0] for result in job["results"]}
    assert len(folders) == 1
    outputs = (stack.home / "storage" / "outputs" / str(client.account)).rglob("*")
    assert sum(path.is_file() for path in outputs) == 2 * len(names)
    assert (await client.picture(job["results"][4]["output_urls"]["medium"])).size == (800, 1000)


async def test_the_longest_urls_go_into_a_batch_and_longer_ones_into_no_request(
    client: Client, elsewhere: Elsewhere
) -> None:
    room = 4096 - len(f"{elsewhere.url}/0.jpg")
    for letters in ("x" * room, "雪" * (room // 3)):
        urls = [f"{elsewhere.url}/{number}{letters}.jpg" for number in range(9)]
        answer = await client.send("POST", CROP, json={"icp_type": "school", "image_urls": urls})
        assert answer.status == 202, answer.body
        assert len((await client.ended(answer.body["task_id"]))["results"]) == 9
    before = await client.balance()
    too_long = f"{elsewhere.url}/{'雪' * (room // 3)}xxx.jpg"
    for body in ({"image_url": too_long}, {"image_urls": [too_long] * 9}):
        answer = await client.send("POST", CROP, json={"icp_type": "school", **body})
        is_error(answer, 422, "INVALID_REQUEST")
    assert await client.balance() == before


async def test_options_hold_for_every_photo_of_a_batch(
    client: Client, astronaut_jpeg: bytes
) -> None:
    files = photographs(astronaut_jpeg, 9)
    answer = await client.upload(*files, background="transparent", format="jpeg")
    is_error(answer, 422, "INVALID_REQUEST")
    is_error(await client.upload(*files, icp_type="passport"), 422, "INVALID_REQUEST")
    assert await client.balance() == 100
    job = await client.ended(await client.begin(*files, background="#00ff00", format="webp"))
    assert job["status"] == "completed"
    for result in job["results"]:
        assert paths(result)["medium"].endswith("_md.webp")
    picture = await client.picture(job["results"][0]["output_urls"]["medium"])
    red, green, blue = picture.convert("RGB").getpixel((3, 3))
    assert green > 200
    assert max(red, blue) < 60


async def test_a_preset_of_ones_own_holds_for_a_batch_though_it_is_removed_meanwhile(
    client: Client, astronaut_jpeg: bytes
) -> None:
    assert (await client.send("POST", PRESETS, json=BADGE)).status == 201
    task = await client.begin(*photographs(astronaut_jpeg, 12), icp_type="badge")
    assert (await client.send("DELETE", f"{PRESETS}/badge")).status == 204
    job = await client.ended(task)
    assert (job["status"], job["succeeded"]) == ("completed", 12)
    for result in job["results"]:
        assert result["icp_type"] == "badge"
        assert set(result["output_urls"]) == {"original", "medium", "card"}
    assert (await client.picture(job["results"][11]["output_urls"]["card"])).size == (240, 320)


async def test_many_batches_side_by_side_all_end(newcomer: Newcomer, astronaut_jpeg: bytes) -> None:
    clients = [await newcomer() for _ in range(3)]
    begun = [(client, await client.begin(*photographs(astronaut_jpeg, 9))) for client in clients]
    for client, task in begun:
        assert (await client.ended(task))["succeeded"] == 9
        assert await client.balance() == 82
