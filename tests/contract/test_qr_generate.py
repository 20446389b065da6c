"""Sheets of cards as the Printcart Studio document has them, over real HTTP on the whole stack."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.contract.cards import (
    ANSWERED,
    EXAMPLE,
    GENERATE,
    fetched,
    generate,
    generated,
    picture,
    subject,
    subjects,
)
from tests.contract.conftest import JOBS, Answer, Client, Elsewhere, Newcomer
from tests.contract.test_errors import is_error
from tests.contract.wallets import charges, is_free
from tests.unit.qr.pages import lines


async def test_the_example_of_the_contract_is_answered_field_for_field(client: Client) -> None:
    body = await generated(client)
    assert set(body) == ANSWERED
    assert (body["job_id"], body["total_subjects"]) == ("JOB-2026-001", 2)
    assert body["pdf_url"].partition("?")[0].endswith("/qr_cards_JOB-2026-001_4up.pdf")
    assert body["tokens_deducted"] == 2
    assert body["wallet_transaction_id"].startswith("TX-")
    assert (body["pages"], body["missing_glyphs"]) == (1, [])
    assert await client.balance() == 98
    (line,) = await charges(client)
    assert (line["id"], line["operation"]) == (body["wallet_transaction_id"], "qr_card")


async def test_two_hundred_are_drawn_at_once_and_two_hundred_and_one_are_a_job(
    newcomer: Newcomer, tmp_path: Path
) -> None:
    client = await newcomer(tokens=500)
    at_once = await generated(client, subjects=subjects(200))
    assert (at_once["total_subjects"], at_once["pages"]) == (200, 50)
    answer = await generate(client, subjects=subjects(201))
    assert answer.status == 202
    task = answer.body["task_id"]
    assert answer.body == {
        "task_id": task,
        "status": "queued",
        "job_id": "JOB-2026-001",
        "total_subjects": 201,
        "tokens_deducted": 201,
        "wallet_transaction_id": answer.body["wallet_transaction_id"],
    }
    job = await client.ended(task)
    assert (job["status"], job["kind"]) == ("completed", "qr_sheet")
    assert job["progress"] == {"current": 201, "total": 201, "percentage": 100.0}
    assert (job["tokens_deducted"], job["tokens_refunded"]) == (201, 0)
    (sheet,) = job["results"]
    assert set(sheet) == ANSWERED - {"tokens_deducted", "wallet_transaction_id"}
    assert (sheet["job_id"], sheet["total_subjects"], sheet["pages"]) == ("JOB-2026-001", 201, 51)
    pdf = await fetched(client, sheet["pdf_url"], tmp_path)
    assert pdf.name == "qr_cards_JOB-2026-001_4up.pdf"
    assert any("S0200" in line for line in lines(pdf)[-1])
    assert await client.balance() == 500 - 200 - 201
    is_error(await client.send("GET", f"{JOBS}/{task}/archive"), 409, "NO_ARCHIVE")


async def test_the_end_of_a_sheet_is_told_as_an_event_with_its_links(newcomer: Newcomer) -> None:
    client = await newcomer(tokens=300)
    task = (await generate(client, subjects=subjects(201))).body["task_id"]
    events = (await client.send("GET", f"{JOBS}/{task}/events")).body.decode()
    assert "event: item\nid: 201\n" in events
    assert "event: completed\nid: 202\n" in events
    assert "/qr_cards_JOB-2026-001_4up.pdf?" in events


async def test_the_widest_roster_of_two_thousand_is_taken(newcomer: Newcomer) -> None:
    client = await newcomer(tokens=2000)
    widest = {"name": "雪" * 200, "class_name": "雪" * 100, "lines": ["雪" * 100] * 4}
    body = msgspec.json.encode(EXAMPLE | {"subjects": subjects(2000, **widest)})
    headers = {"Content-Type": "application/json"}
    answer = await client.send("POST", GENERATE, data=io.BytesIO(body), headers=headers)
    assert (answer.status, answer.body.get("total_subjects")) == (202, 2000), answer.body
    job = await client.ended(answer.body["task_id"])
    assert (job["status"], job["succeeded"]) == ("completed", 2000), job
    assert await client.balance() == 0


async def test_an_id_that_stands_twice_is_named(client: Client) -> None:
    twice = [subject(1), subject(2), subject(1, name="Somebody else")]
    answer = await generate(client, subjects=twice)
    is_error(answer, 422, "DUPLICATE_STUDENT_ID")
    assert "S0001" in answer.body["message"]
    await is_free(client)


async def with_idempotency(client: Client, key: str, **body: Any) -> Answer:
    return await generate(client.instead(**client.headers, **{"Idempotency-Key": key}), **body)


async def test_a_request_that_is_sent_again_is_charged_once(client: Client) -> None:
    first = await with_idempotency(client, "k")
    again = await with_idempotency(client, "k")
    assert (first.status, again.status) == (200, 200)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.body == first.body
    is_error(await with_idempotency(client, "k", layout="9up"), 422, "IDEMPOTENCY_KEY_REUSED")
    assert await client.balance() == 98


async def test_a_large_sheet_that_is_sent_again_is_one_job(newcomer: Newcomer) -> None:
    client = await newcomer(tokens=500)
    first = await with_idempotency(client, "k", subjects=subjects(201))
    again = await with_idempotency(client, "k", subjects=subjects(201))
    assert (first.status, again.status) == (202, 202)
    assert again.body == first.body
    await client.ended(first.body["task_id"])
    assert len((await client.send("GET", JOBS)).body["jobs"]) == 1
    assert await client.balance() == 299


async def test_after_a_bad_logo_the_same_key_may_be_used(
    client: Client, elsewhere: Elsewhere
) -> None:
    url = f"{elsewhere.url}/logo"
    is_error(await with_idempotency(client, "k", logo_url=url), 400, "LOGO_UNUSABLE")
    elsewhere.files["logo"] = picture("PNG"), "image/png"
    assert (await with_idempotency(client, "k", logo_url=url)).status == 200
    assert await client.balance() == 98


@pytest.mark.parametrize(("scopes", "status"), [(["qr"], 200), (["facecrop", "jobs"], 403)])
async def test_a_key_makes_cards_if_it_has_the_scope(
    newcomer: Newcomer, scopes: Sequence[str], status: int
) -> None:
    client = await newcomer(tokens=300)
    key = await client.with_key(scopes=scopes)
    assert (await generate(key)).status == status
    assert (await client.balance()) == (298 if status == 200 else 300)
    if status == 200:
        task = (await generate(key, subjects=subjects(201))).body["task_id"]
        assert (await key.ended(task))["status"] == "completed"
