"""Cards that are printed again: of single subjects, or of those who came later."""

from pathlib import Path
from typing import Any

import pytest
from zxingcpp import BarcodeFormat

from tests.contract.cards import (
    ANSWERED,
    JOB,
    QR,
    REPRINT,
    codes,
    fetched,
    generated,
    reprint,
    subject,
    subjects,
)
from tests.contract.conftest import Client, Newcomer
from tests.contract.test_errors import is_error
from tests.contract.wallets import charges
from tests.unit.qr.pages import first_page, lines, read


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


@pytest.mark.parametrize(
    "look",
    [
        {"symbol": "datamatrix", "school_name": "Springfield Elementary", "name_in_code": True},
        {"symbol": "qr", "school_name": "", "name_in_code": False},
    ],
)
async def test_what_is_not_asked_for_is_as_it_was_printed(
    client: Client, tmp_path: Path, look: dict[str, Any]
) -> None:
    first = await generated(client, subjects=subjects(2), **look)
    (before, _) = read(first_page(await fetched(client, first["pdf_url"], tmp_path)))
    body = await reprinted(client, student_ids=["S0000"])
    pdf = await fetched(client, body["pdf_url"], tmp_path)
    (after,) = read(first_page(pdf))
    assert (after.text, after.format) == (before.text, before.format)
    assert ("Springfield Elementary" in lines(pdf)[0]) == bool(look["school_name"])


async def test_what_is_asked_for_is_printed_instead(client: Client, tmp_path: Path) -> None:
    await generated(client, subjects=subjects(1), school_name="Old")
    body = await reprinted(client, student_ids=["S0000"], school_name="", symbol="datamatrix")
    pdf = await fetched(client, body["pdf_url"], tmp_path)
    (code,) = read(first_page(pdf))
    assert (code.format, "Old" in lines(pdf)[0]) == (BarcodeFormat.DataMatrix, False)


async def test_cards_that_looked_different_are_printed_as_is_said(client: Client) -> None:
    await generated(client, subjects=[subject(1)], symbol="qr")
    await generated(client, subjects=[subject(2)], symbol="datamatrix")
    ids = ["S0001", "S0002"]
    answer = await reprint(client, student_ids=ids)
    is_error(answer, 422, "INVALID_REQUEST")
    assert "symbol" in answer.body["message"]
    assert await client.balance() == 98
    assert (await reprinted(client, student_ids=ids, symbol="qr"))["total_subjects"] == 2


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
    await client.ended(await _begun(client, subjects(201)))
    ids = [f"S{number:04}" for number in range(201)]
    answer = await reprint(client, student_ids=ids)
    assert (answer.status, answer.body["total_subjects"]) == (202, 201)
    job = await client.ended(answer.body["task_id"])
    assert (job["status"], job["results"][0]["total_subjects"]) == ("completed", 201)
    assert await client.balance() == 98


async def test_more_than_two_thousand_are_refused_rather_than_cut_off(newcomer: Newcomer) -> None:
    client = await newcomer(tokens=2001)
    await client.ended(await _begun(client, subjects(2000)))
    await generated(client, subjects=[subject(2000)])
    answer = await reprint(client, added_since="2020-01-01T00:00:00Z")
    is_error(answer, 422, "TOO_MANY_SUBJECTS")
    assert await client.balance() == 0


async def _begun(client: Client, whom: list[dict[str, Any]]) -> str:
    answer = await client.send("POST", f"{QR}/generate", json={"job_id": JOB, "subjects": whom})
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


async def test_an_id_that_is_asked_for_twice_is_printed_once(client: Client) -> None:
    await generated(client, subjects=subjects(2))
    body = await reprinted(client, student_ids=["S0001"] * 501)
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
    # also when nobody knows any more who had a card
    await client.send("DELETE", f"{QR}/jobs/{JOB}")
    late = await client.send("POST", REPRINT, json=body, headers=headers)
    assert (late.status, late.body) == (200, first.body)
    assert await client.balance() == 97
