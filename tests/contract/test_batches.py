"""Batches over HTTP: begun once with 202, done as asked, charged for what succeeded."""

import asyncio

import asyncpg

from tests.contract.batches import CROP, paths, tasks
from tests.contract.conftest import Answer, Client, Elsewhere, Newcomer, photographs, uploads_of
from tests.contract.test_errors import is_error
from tests.contract.test_facecrop import BADGE, PRESETS
from tests.running import RunningStack

QUOTES = "/v1/quotes"


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
