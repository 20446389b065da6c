"""Cards that are printed again: of single subjects, or of those who came later."""

from pathlib import Path
from typing import Any

import pytest

from tests.contract.conftest import Answer, Client, Newcomer
from tests.contract.test_errors import is_error
from tests.contract.test_qr_generate import (
    ANSWERED,
    QR,
    charges,
    codes,
    fetched,
    first_page,
    generated,
    lines,
    read,
    subject,
    subjects,
)

REPRINT = f"{QR}/reprint"
JOB = "JOB-2026-001"


async def reprint(client: Client, **body: Any) -> Answer:
    return await client.send("POST", REPRINT, json={"job_id": JOB} | body)


async def reprinted(client: Client, **body: Any) -> Any:
    answer = await reprint(client, **body)
    assert answer.status == 200, answer.body
    return answer.body


async def texts(client: Client, body: Any, folder: Path) -> dict[str, str]:
    """Return what the codes of the first page say, by id."""
    pdf = await fetched(client, body["pdf_url"], folder)
    found = [code.text for code in read(first_page(pdf))]
    return {id_: text for (_, id_), text in zip(codes(pdf), found, strict=True)}


async def added_at(client: Client, student_id: str, job: str = JOB) -> str:
    listed = (await client.send("GET", f"{QR}/jobs/{job}/subjects")).body["subjects"]
    (moment,) = [each["added_at"] for each in listed if each["student_id"] == student_id]
    return str(moment)


async def test_a_card_that_is_printed_again_is_the_same_card(
    client: Client, tmp_path: Path
) -> None:
    first = await generated(client, subjects=subjects(4, class_name="5A", lines=["Bus 7"]))
    before = await texts(client, first, tmp_path)
    body = await reprinted(client, student_ids=["S0002"])
    assert set(body) == ANSWERED
    assert (body["job_id"], body["total_subjects"], body["tokens_deducted"]) == (JOB, 1, 1)
    assert await texts(client, body, tmp_path) == {"S0002": before["S0002"]}
    (page,) = lines(await fetched(client, body["pdf_url"], tmp_path))
    for text in ("Name 2", "S0002", "5A", "Bus 7"):
        assert any(text in line for line in page), text
    assert await client.balance() == 95


async def test_a_card_may_be_printed_again_in_another_layout(
    client: Client, tmp_path: Path
) -> None:
    await generated(client, subjects=subjects(3))
    body = await reprinted(client, student_ids=["S0002", "S0000"], layout="single")
    assert (body["pages"], body["total_subjects"]) == (2, 2)
    assert body["pdf_url"].partition("?")[0].endswith("_single.pdf")


async def test_those_who_were_added_since_a_moment_are_printed(
    client: Client, tmp_path: Path
) -> None:
    await generated(client, subjects=subjects(2))
    await generated(client, subjects=[subject(1), subject(8), subject(9)])
    since = await added_at(client, "S0008")
    body = await reprinted(client, added_since=since)
    assert set(await texts(client, body, tmp_path)) == {"S0008", "S0009"}
    # printed again is not added again
    assert await added_at(client, "S0008") == since
    everybody = await reprinted(client, added_since="2020-01-01T00:00:00Z")
    assert everybody["total_subjects"] == 4


async def test_who_was_renamed_is_printed_under_the_new_name(
    client: Client, tmp_path: Path
) -> None:
    await generated(client, subjects=[subject(1, name="An Nguyen")])
    since = await added_at(client, "S0001")
    await generated(client, subjects=[subject(1, name="An Tran")])
    body = await reprinted(client, student_ids=["S0001"])
    (page,) = lines(await fetched(client, body["pdf_url"], tmp_path))
    assert any("An Tran" in line for line in page)
    assert not any("An Nguyen" in line for line in page)
    assert await added_at(client, "S0001") == since


async def test_more_than_two_hundred_are_a_job(newcomer: Newcomer) -> None:
    client = await newcomer(tokens=500)
    await client.ended(await _begun(client))
    ids = [f"S{number:04}" for number in range(201)]
    answer = await reprint(client, student_ids=ids)
    assert (answer.status, answer.body["total_subjects"]) == (202, 201)
    job = await client.ended(answer.body["task_id"])
    assert (job["status"], job["results"][0]["total_subjects"]) == ("completed", 201)
    assert await client.balance() == 98


async def _begun(client: Client) -> str:
    answer = await client.send(
        "POST", f"{QR}/generate", json={"job_id": JOB, "subjects": subjects(201)}
    )
    assert answer.status == 202, answer.body
    return str(answer.body["task_id"])


async def test_who_has_no_card_is_404_and_named(client: Client) -> None:
    await generated(client, subjects=subjects(2))
    answer = await reprint(client, student_ids=["S0001", "S0007"])
    is_error(answer, 404, "NOT_FOUND")
    assert "S0007" in answer.body["message"]
    is_error(await reprint(client, added_since="2100-01-01T00:00:00Z"), 404, "NOT_FOUND")
    is_error(await reprint(client, job_id="JOB-X", student_ids=["S0001"]), 404, "NOT_FOUND")
    assert await client.balance() == 98


async def test_the_cards_of_another_account_are_not_there(
    client: Client, newcomer: Newcomer
) -> None:
    await generated(client, subjects=subjects(2))
    stranger = await newcomer()
    is_error(await reprint(stranger, student_ids=["S0001"]), 404, "NOT_FOUND")
    # nor where the stranger has a job of the same name
    await generated(stranger, subjects=[subject(5)])
    is_error(await reprint(stranger, student_ids=["S0001"]), 404, "NOT_FOUND")
    assert (await reprinted(stranger, added_since="2020-01-01T00:00:00Z"))["total_subjects"] == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"student_ids": ["S0001"], "added_since": "2020-01-01T00:00:00Z"},
        {"student_ids": []},
        {"student_ids": ["S0001"] * 2001},
        {"student_ids": [""]},
        {"student_ids": ["S\x00"]},
        {"student_ids": "S0001"},
        {"added_since": "yesterday"},
        {"added_since": "2026-01-01T00:00:00"},
        {"student_ids": ["S0001"], "job_id": "../x"},
        {"student_ids": ["S0001"], "layout": "6up"},
    ],
    ids=[
        "neither",
        "both",
        "nobody",
        "2,001 ids",
        "empty id",
        "NUL",
        "no list",
        "no moment",
        "no zone",
        "a path",
        "unknown layout",
    ],
)
async def test_what_makes_no_sense_is_422(client: Client, body: dict[str, Any]) -> None:
    is_error(await reprint(client, **body), 422, "INVALID_REQUEST")
    assert await client.balance() == 100


async def test_an_id_that_is_asked_for_twice_is_printed_once(client: Client) -> None:
    await generated(client, subjects=subjects(2))
    body = await reprinted(client, student_ids=["S0001", "S0001"])
    assert (body["total_subjects"], body["tokens_deducted"]) == (1, 1)


async def test_what_takes_premium_takes_it_here_too(newcomer: Newcomer) -> None:
    client = await newcomer(plan="basic")
    await generated(client, subjects=subjects(2))
    answer = await reprint(client, student_ids=["S0001"], layout="9up")
    assert (answer.status, answer.body["error"]) == (402, "PREMIUM_REQUIRED")
    assert len(await charges(client)) == 1


async def test_a_reprint_that_is_sent_again_is_charged_once(client: Client) -> None:
    await generated(client, subjects=subjects(2))
    headers = {"Idempotency-Key": "again"}
    body = {"job_id": JOB, "student_ids": ["S0001"]}
    first = await client.send("POST", REPRINT, json=body, headers=headers)
    again = await client.send("POST", REPRINT, json=body, headers=headers)
    assert (first.status, again.body) == (200, first.body)
    assert await client.balance() == 97
