"""The wallet over HTTP: the statement and its filters, usage, thresholds, and payments."""

import asyncio
import csv
import hashlib
import hmac
import io
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from kit.bus import Bus
from proto.wallet import Grant, TopUp
from tests.conftest import STRIPE_SECRET
from tests.contract.conftest import Answer, Client, Newcomer
from tests.contract.test_errors import is_error

LINES = "/v1/wallet/transactions"


async def statement(client: Client, **query: str) -> list[dict[str, Any]]:
    answer = await client.send("GET", LINES, params=query)
    assert answer.status == 200, answer.body
    return list(answer.body["transactions"])


async def test_a_line_says_what_was_asked_held_used_and_given_back(
    client: Client, astronaut: bytes
) -> None:
    answer = await client.upload(("a.png", astronaut), ("b.png", b"broken"))
    line = (await statement(client))[0]
    assert line["id"] == answer.body["wallet_transaction_id"]
    assert line["request_id"] == answer.headers["X-Request-Id"]
    assert (line["operation"], line["units"], line["state"]) == ("face_crop", 2, "settled")
    assert (line["tokens_reserved"], line["tokens_consumed"], line["tokens_refunded"]) == (4, 2, 2)


async def test_of_a_hundred_and_twenty_the_seven_that_failed_are_given_back_once(
    newcomer: Newcomer, astronaut_jpeg: bytes
) -> None:
    client = await newcomer(tokens=240)
    good = [(f"good {n}.jpg", astronaut_jpeg) for n in range(113)]
    bad = [(f"bad {n}.jpg", b"broken") for n in range(7)]
    job = await client.ended(await client.begin(*bad, *good))
    assert (job["tokens_deducted"], job["tokens_refunded"]) == (240, 14)
    assert sum("error" in result for result in job["results"]) == 7
    assert await client.balance() == 14
    line = (await statement(client))[0]
    assert (line["units"], line["tokens_consumed"], line["tokens_refunded"]) == (120, 226, 14)


async def test_filters_by_kind_key_and_date(
    client: Client, operator: Bus, astronaut: bytes
) -> None:
    made = (await client.api_key()).body
    key = client.instead(**{"X-Api-Key": made["key"]})
    await client.upload(("a.png", astronaut))
    await key.upload(("a.png", astronaut))
    lapse = datetime.now(UTC) + timedelta(days=1)
    await operator.request(
        Grant(account=client.account, tokens=7, key="g", expires_at=lapse, reason="welcome")
    )
    assert [line["kind"] for line in await statement(client)] == [
        "grant",
        "charge",
        "charge",
        "top_up",
    ]
    assert len(await statement(client, kind="charge")) == 2
    (grant,) = await statement(client, kind="grant")
    assert (grant["tokens_added"], grant["operation"]) == (7, "welcome")
    (charged,) = await statement(client, key=made["id"])
    assert charged["api_key_id"] == made["id"]
    now = datetime.now(UTC)
    assert await statement(client, since=(now + timedelta(hours=1)).isoformat()) == []
    assert len(await statement(client, since=(now - timedelta(hours=1)).isoformat())) == 4
    assert await statement(client, until=now.strftime("%Y-%m-%d")) == []


@pytest.mark.parametrize(
    "query", ["kind=gift", "key=7", "since=yesterday", "until=2026-02-30", "limit=0"]
)
async def test_a_filter_that_makes_no_sense_is_refused(client: Client, query: str) -> None:
    is_error(await client.send("GET", f"{LINES}?{query}"), 422, "INVALID_REQUEST")
    if "limit" not in query:
        answer = await client.send("GET", f"{LINES}.csv?{query}")
        is_error(answer, 422, "INVALID_REQUEST")


async def test_pages_follow_each_other_without_gap(client: Client, operator: Bus) -> None:
    for number in range(6):
        await operator.request(TopUp(account=client.account, tokens=1, key=f"n{number}"))
    seen, cursor = [], ""
    while True:
        answer = await client.send("GET", f"{LINES}?limit=3{cursor}")
        seen += [line["id"] for line in answer.body["transactions"]]
        if answer.body["next_cursor"] is None:
            break
        cursor = f"&cursor={answer.body['next_cursor']}"
    assert seen == [line["id"] for line in await statement(client)]
    assert len(seen) == 7


async def test_the_statement_as_csv_computes_nothing(client: Client, operator: Bus) -> None:
    formula = "=HYPERLINK(1)"
    top_up = TopUp(account=client.account, tokens=5, key="f", reason=formula)
    await operator.request(top_up)
    answer = await client.send("GET", f"{LINES}.csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    lines = list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))
    assert [line["tokens_added"] for line in lines] == ["5", "100"]
    assert lines[0]["operation"] == "'" + formula
    assert set(lines[0]) == set((await statement(client))[0])


async def test_the_csv_has_more_than_one_page(client: Client, operator: Bus) -> None:
    adding = (
        operator.request(TopUp(account=client.account, tokens=1, key=f"n{number}"), 30.0)
        for number in range(1005)
    )
    await asyncio.gather(*adding)
    body = (await client.send("GET", f"{LINES}.csv")).body.decode()
    assert len(body.splitlines()) == 1 + 1005 + 1


async def test_a_month_is_summed_up_by_key_and_operation(client: Client, astronaut: bytes) -> None:
    made = (await client.api_key()).body
    key = client.instead(**{"X-Api-Key": made["key"]})
    await client.upload(("a.png", astronaut))
    await key.upload(("a.png", astronaut), ("b.png", astronaut))
    await key.upload(("a.png", astronaut), enhance="true")
    usage = (await client.send("GET", "/v1/wallet/usage")).body
    assert usage["month"] == datetime.now(UTC).strftime("%Y-%m")
    found = {
        (line["api_key_id"], line["operation"]): (line["units"], line["tokens_consumed"])
        for line in usage["lines"]
    }
    assert found == {
        (made["id"], "face_crop_enhanced"): (1, 6),
        (made["id"], "face_crop"): (2, 4),
        (None, "face_crop"): (1, 2),
    }
    assert usage["tokens_consumed"] == 12
    before = (await client.send("GET", "/v1/wallet/usage?month=2024-01")).body
    assert before == {"month": "2024-01", "lines": [], "tokens_consumed": 0}


async def test_granted_tokens_are_spent_first_and_shown(
    client: Client, operator: Bus, astronaut: bytes
) -> None:
    lapse = datetime.now(UTC) + timedelta(days=1)
    await operator.request(Grant(account=client.account, tokens=3, key="g", expires_at=lapse))
    owned = (await client.send("GET", "/v1/wallet")).body
    assert owned == {"balance": 103, "promotional": 3, "held": 0}
    await client.upload(("a.png", astronaut))
    owned = (await client.send("GET", "/v1/wallet")).body
    assert owned == {"balance": 101, "promotional": 1, "held": 0}


async def test_a_threshold_is_kept(client: Client) -> None:
    path = "/v1/wallet/threshold"
    assert (await client.send("GET", path)).body == {"tokens": None}
    assert (await client.send("PUT", path, json={"tokens": 20})).body == {"tokens": 20}
    assert (await client.send("GET", path)).body == {"tokens": 20}
    is_error(await client.send("PUT", path, json={"tokens": 0}), 422, "INVALID_REQUEST")
    assert (await client.send("PUT", path, json={"tokens": None})).body == {"tokens": None}


def stripe_event(client: Client, **session: Any) -> dict[str, Any]:
    about = {
        "id": f"cs_{uuid4().hex}",
        "payment_status": "paid",
        "client_reference_id": str(client.account),
        "metadata": {"tokens": "500"},
    }
    return {
        "id": f"evt_{uuid4().hex}",
        "type": "checkout.session.completed",
        "data": {"object": about | session},
    }


async def told(client: Client, event: dict[str, Any], secret: str = STRIPE_SECRET) -> Answer:
    body = json.dumps(event).encode()
    now = int(time.time())
    signature = hmac.new(secret.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {"Stripe-Signature": f"t={now},v1={signature}", "Content-Type": "application/json"}
    return await client.instead().send("POST", "/v1/payments/stripe", data=body, headers=headers)


async def test_a_payment_adds_its_tokens_once(client: Client) -> None:
    event = stripe_event(client)
    answers = await asyncio.gather(*(told(client, event) for _ in range(10)))
    assert {answer.status for answer in answers} == {200}
    assert await client.balance() == 600
    # the same checkout, told again under another event
    await told(
        client, event | {"id": "evt_other", "type": "checkout.session.async_payment_succeeded"}
    )
    assert await client.balance() == 600
    line = (await statement(client))[0]
    assert (line["kind"], line["tokens_added"]) == ("top_up", 500)
    assert line["operation"].startswith("Stripe cs_")


async def test_nobody_but_stripe_adds_tokens(client: Client) -> None:
    event = stripe_event(client)
    is_error(await told(client, event, "whsec_of_somebody"), 400, "SIGNATURE_NOT_VALID")
    unsigned = await client.send("POST", "/v1/payments/stripe", json=event)
    is_error(unsigned, 400, "SIGNATURE_NOT_VALID")
    assert await client.balance() == 100


async def test_a_checkout_that_is_not_paid_adds_nothing(client: Client) -> None:
    answer = await told(client, stripe_event(client, payment_status="unpaid"))
    assert (answer.status, answer.body) == (200, {"received": True, "tokens_added": 0})
    assert await client.balance() == 100


async def test_a_payment_for_nobody_is_refused(client: Client, newcomer: Newcomer) -> None:
    event = stripe_event(client, client_reference_id=str(uuid4()))
    is_error(await told(client, event), 404, "NOT_FOUND")
    event = stripe_event(client, metadata={})
    is_error(await told(client, event), 422, "INVALID_REQUEST")


async def test_a_payment_counts_for_one_account(client: Client, newcomer: Newcomer) -> None:
    other = await newcomer()
    event = stripe_event(client)
    await told(client, event)
    moved = stripe_event(other, id=event["data"]["object"]["id"])
    is_error(await told(other, moved), 409, "IDEMPOTENCY_CONFLICT")
    assert await other.balance() == 100
