"""A shoot that is sorted: at once or as a job, charged once, given back where it failed."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.contract.cards import JOB, QR, subject
from tests.contract.conftest import JOBS, Client, Newcomer, uploads_of
from tests.contract.shoots import Shoot, owners, roles, shoot_of, sort, sorted_
from tests.contract.test_errors import is_error
from tests.contract.wallets import charges
from tests.running import RunningStack


@pytest.fixture
async def shoot(client: Client, astronaut: bytes, tmp_path: Path) -> Shoot:
    """Cards of S0000 to S0003, for which 4 of 100 tokens were paid."""
    return await shoot_of(client, astronaut, tmp_path)


async def test_a_small_shoot_is_sorted_at_once(client: Client, shoot: Shoot) -> None:
    files = [
        shoot.card("S0000"),
        shoot.person(),
        shoot.person(),
        shoot.card("S0001"),
        shoot.person(),
        shoot.person(),
        shoot.person(),
    ]
    body = await sorted_(client, *files)
    assert (body["status"], body["kind"], body["total_files"]) == ("completed", "card_read", 7)
    assert (body["people"], body["photos"], body["unassigned"]) == (2, 5, 0)
    assert (body["tokens_deducted"], body["tokens_refunded"]) == (7, 0)
    assert body["reasons"] == []
    assert "next_cursor" not in body
    assert roles(body) == ["card", "photo", "photo", "card", "photo", "photo", "photo"]
    assert owners(body) == ["S0000"] * 3 + ["S0001"] * 4
    assert body["results"][4] == {
        "number": 4,
        "filename": "IMG_0005.JPG",
        "role": "photo",
        "people": [{"kind": "subject", "student_id": "S0001", "name": "Name 1", "class_name": ""}],
        "reasons": [],
        "file_id": None,
        "code": "",
        "message": "",
    }
    assert await client.balance() == 96 - 7
    line = (await charges(client))[0]
    assert (line["id"], line["operation"]) == (body["wallet_transaction_id"], "qr_sort")
    # and it is a job like any other
    assert await client.job(body["task_id"]) == body


async def test_more_than_eight_files_are_a_job(
    client: Client, shoot: Shoot, stack: RunningStack
) -> None:
    files = [
        each
        for id_ in ("S0000", "S0001", "S0002", "S0003")
        for each in (shoot.card(id_), shoot.person(), shoot.person())
    ]
    answer = await sort(client, *files)
    assert answer.status == 202
    task = answer.body["task_id"]
    assert answer.body == {
        "task_id": task,
        "status": "queued",
        "total_files": 12,
        "tokens_deducted": 12,
        "wallet_transaction_id": answer.body["wallet_transaction_id"],
    }
    job = await client.ended(task)
    assert (job["status"], job["people"], job["photos"]) == ("completed", 4, 8)
    assert owners(job) == [id_ for id_ in ("S0000", "S0001", "S0002", "S0003") for _ in range(3)]
    assert uploads_of(stack, client) == []
    first = await client.job(task, limit="5")
    second = await client.job(task, limit="7", cursor=first["next_cursor"])
    assert [each["number"] for each in (*first["results"], *second["results"])] == [*range(12)]
    assert "next_cursor" not in second
    assert (second["people"], second["photos"]) == (4, 8)
    assert (await client.job(task, cursor="1000"))["results"] == []
    events = (await client.send("GET", f"{JOBS}/{task}/events")).body.decode()
    assert events.count("event: item\n") == 12
    assert "event: completed\n" in events
    assert await client.balance() == 96 - 12


async def test_who_is_not_in_the_roster_any_more_is_told(
    client: Client, shoot: Shoot, astronaut: bytes, tmp_path: Path
) -> None:
    await client.send("DELETE", f"{QR}/jobs/{JOB}")
    await shoot_of(client, astronaut, tmp_path, subjects=[subject(0, name="Somebody")])
    body = await sorted_(client, shoot.card("S0003"), shoot.person(), shoot.card("S0000"))
    assert owners(body) == ["S0003", "S0003", "S0000"]
    assert body["results"][0]["reasons"] == ["unknown_id"]
    assert [each["people"][0]["name"] for each in body["results"]] == ["", "", "Somebody"]


async def test_what_is_no_photograph_is_told_and_given_back(client: Client, shoot: Shoot) -> None:
    files = [shoot.card("S0000"), ("notes.txt", b"no photograph"), shoot.person()]
    body = await sorted_(client, *files, order="sent")
    # what was never a photograph says nothing of those about it
    assert roles(body) == ["card", "failed", "photo"]
    failed = body["results"][1]
    assert (failed["filename"], failed["code"]) == ("notes.txt", "NOT_A_PICTURE")
    assert failed["message"]
    assert (body["succeeded"], body["failed"]) == (2, 1)
    assert (body["tokens_deducted"], body["tokens_refunded"]) == (3, 1)
    assert await client.balance() == 96 - 2


async def test_where_nothing_is_a_photograph_everything_is_given_back(client: Client) -> None:
    answer = await sort(client, *((f"{number}.jpg", f"{number}".encode()) for number in range(3)))
    assert answer.status == 200
    assert (answer.body["status"], answer.body["error"]["code"]) == ("failed", "NOT_A_PICTURE")
    assert answer.body["tokens_refunded"] == 3
    assert await client.balance() == 100


async def test_a_shoot_that_is_sent_again_is_charged_once(client: Client, shoot: Shoot) -> None:
    files = [shoot.card("S0000"), shoot.person()]
    keyed = client.instead(**client.headers, **{"Idempotency-Key": "k"})
    first, again = await sort(keyed, *files), await sort(keyed, *files)
    assert (first.status, again.body) == (200, first.body)
    assert again.headers["Idempotent-Replayed"] == "true"
    is_error(await sort(keyed, *files, card="last"), 422, "IDEMPOTENCY_KEY_REUSED")
    assert await client.balance() == 96 - 2


@pytest.mark.parametrize(("scopes", "status"), [(["qr"], 200), (["facecrop", "jobs"], 403)])
async def test_a_key_sorts_if_it_has_the_scope(
    client: Client, shoot: Shoot, scopes: Sequence[str], status: int
) -> None:
    key = await client.with_key(scopes=scopes)
    answer = await sort(key, shoot.card("S0000"), shoot.person())
    assert answer.status == status
    assert await client.balance() == (94 if status == 200 else 96)


async def test_the_shoot_of_another_account_is_not_there(
    client: Client, newcomer: Newcomer, shoot: Shoot
) -> None:
    body = await sorted_(client, shoot.card("S0000"), shoot.person())
    stranger = await newcomer()
    is_error(await stranger.send("GET", f"{JOBS}/{body['task_id']}"), 404, "NOT_FOUND")
    answer = await sort(client.instead(), shoot.person())
    is_error(answer, 401, "UNAUTHENTICATED")


async def test_what_follows_a_photograph_that_cannot_be_read_is_nobodys(
    client: Client, shoot: Shoot
) -> None:
    _, card = shoot.card("S0001")
    files = [shoot.card("S0000"), shoot.person(), ("IMG_3.jpg", card[:500]), shoot.person()]
    body = await sorted_(client, *files, order="sent")
    assert roles(body) == ["card", "photo", "failed", "unassigned"]
    assert body["results"][3]["reasons"] == ["unreadable_file"]
