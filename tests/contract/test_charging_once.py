"""Requests that are sent again: one charge, one answer. And quotes, which are what is charged."""

import asyncio
import json
from typing import Any

import aiohttp
import asyncpg
import pytest

from tests.contract.conftest import Answer, Client, Newcomer
from tests.contract.test_errors import is_error
from tests.running import RunningStack

CROP = "/v1/services/studio/face-crop"
QUOTES = "/v1/quotes"


async def keyed(client: Client, key: str, *files: tuple[str, bytes], **fields: str) -> Answer:
    return await client.instead(**client.headers, **{"Idempotency-Key": key}).upload(
        *files, **fields
    )


async def test_a_hundred_times_the_same_is_one_charge_and_one_answer(
    client: Client, astronaut: bytes
) -> None:
    sent = [keyed(client, "k-1", ("a.png", astronaut)) for _ in range(100)]
    answers = await asyncio.gather(*sent)
    assert {answer.status for answer in answers} <= {200, 409}
    assert all(
        answer.body["error"] == "IDEMPOTENCY_KEY_IN_USE"
        for answer in answers
        if answer.status == 409
    )
    later = await keyed(client, "k-1", ("a.png", astronaut))
    assert later.status == 200
    assert later.headers["Idempotent-Replayed"] == "true"
    done = [answer for answer in answers if answer.status == 200]
    assert done
    assert all(answer.body == later.body for answer in done)
    assert sum("Idempotent-Replayed" not in answer.headers for answer in done) == 1
    assert await client.balance() == 98


async def test_another_body_under_the_same_key_is_refused(
    client: Client, astronaut: bytes, astronaut_jpeg: bytes
) -> None:
    assert (await keyed(client, "k", ("a.png", astronaut))).status == 200
    for again in (
        keyed(client, "k", ("a.png", astronaut_jpeg)),
        keyed(client, "k", ("b.png", astronaut)),
        keyed(client, "k", ("a.png", astronaut), ("b.png", astronaut)),
        keyed(client, "k", ("a.png", astronaut), icp_type="sports"),
        keyed(client, "k", ("a.png", astronaut), enhance="true"),
    ):
        is_error(await again, 422, "IDEMPOTENCY_KEY_REUSED")
    body = {"image_url": "http://example.com/a.png", "icp_type": "school"}
    headers = {"Idempotency-Key": "k"}
    is_error(
        await client.send("POST", CROP, json=body, headers=headers), 422, "IDEMPOTENCY_KEY_REUSED"
    )
    assert await client.balance() == 98


async def test_json_requests_are_charged_once_as_well(client: Client) -> None:
    body = {"image_url": "http://no-such-host.invalid/a.png", "icp_type": "school"}
    headers = {"Idempotency-Key": "k"}
    first = await client.send("POST", CROP, json=body, headers=headers)
    again = await client.send("POST", CROP, json=body, headers=headers)
    assert (first.status, again.status) == (422, 422)
    assert first.body == again.body
    assert again.headers["Idempotent-Replayed"] == "true"
    lines = (await client.send("GET", "/v1/wallet/transactions")).body["transactions"]
    assert [line["state"] for line in lines] == ["refunded", "added"]


async def test_a_key_that_is_used_again_after_its_day_is_charged_again(
    stack: RunningStack, client: Client, astronaut: bytes
) -> None:
    await keyed(client, "daily", ("a.png", astronaut))
    connection = await asyncpg.connect(stack.links.database_url)
    await connection.execute(
        "UPDATE wallet.calls SET forget_at = now() WHERE account_id = $1", client.account
    )
    await connection.close()
    again = await keyed(client, "daily", ("other.png", astronaut))
    assert (again.status, again.body["tokens_deducted"]) == (200, 2)
    assert await client.balance() == 96


async def test_accounts_do_not_share_keys(newcomer: Newcomer, astronaut: bytes) -> None:
    for client in (await newcomer(), await newcomer()):
        answer = await keyed(client, "the same", ("a.png", astronaut))
        assert (answer.status, answer.body["tokens_deducted"]) == (200, 2)
        assert "Idempotent-Replayed" not in answer.headers


async def test_a_request_that_was_refused_before_any_work_may_be_sent_again(
    newcomer: Newcomer, operator: Any, astronaut: bytes
) -> None:
    from proto.wallet import TopUp

    poor = await newcomer(tokens=1)
    assert (await keyed(poor, "k", ("a.png", astronaut))).status == 402
    await operator.request(TopUp(account=poor.account, tokens=1, key="second"))
    answer = await keyed(poor, "k", ("a.png", astronaut))
    assert answer.status == 200
    assert await poor.balance() == 0


@pytest.mark.parametrize("key", ["x" * 256, "é"])
async def test_a_key_that_is_none_is_refused(client: Client, astronaut: bytes, key: str) -> None:
    is_error(await keyed(client, key, ("a.png", astronaut)), 422, "INVALID_REQUEST")
    assert await client.balance() == 100


async def quoted(client: Client, operation: str = "face_crop", **asked: Any) -> Answer:
    body = {"operation": operation, "input": {"icp_type": "school", **asked}}
    return await client.send("POST", QUOTES, json=body)


async def with_quote(client: Client, quote: str, *files: tuple[str, bytes]) -> Answer:
    return await client.instead(**client.headers, **{"Quote-Id": quote}).upload(*files)


async def test_what_was_quoted_is_charged(client: Client, astronaut: bytes) -> None:
    quote = await quoted(client, files=2)
    assert quote.status == 200
    assert (quote.body["units"], quote.body["unit_tokens"], quote.body["tokens"]) == (2, 2, 4)
    assert await client.balance() == 100
    answer = await with_quote(
        client, quote.body["quote_id"], ("a.png", astronaut), ("b.png", astronaut)
    )
    assert (answer.status, answer.body["tokens_deducted"]) == (200, quote.body["tokens"])


async def test_urls_are_quoted_as_they_would_be_sent(client: Client) -> None:
    urls = [f"https://example.com/{n}.jpg" for n in range(3)]
    quote = await quoted(client, image_urls=urls, enhance=True)
    assert (quote.body["operation"], quote.body["tokens"]) == ("face_crop_enhanced", 18)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"files": 0},
        {"files": 2001},
        {"files": 1, "image_url": "https://example.com/a.jpg"},
        {"image_urls": []},
        {"image_urls": ["https://example.com/a.jpg"] * 2001},
        {"image_url": "https://example.com/a.jpg", "icp_type": "wedding"},
        {"files": "two"},
    ],
)
async def test_what_could_not_be_sent_is_not_quoted(client: Client, asked: dict[str, Any]) -> None:
    assert (await quoted(client, **asked)).status == 422


async def test_a_quote_is_for_one_account_and_one_request(
    client: Client, newcomer: Newcomer, astronaut: bytes
) -> None:
    quote = (await quoted(client, files=1)).body["quote_id"]
    two = ("a.png", astronaut), ("b.png", astronaut)
    is_error(await with_quote(client, quote, *two), 422, "QUOTE_MISMATCH")
    stranger = await newcomer()
    is_error(await with_quote(stranger, quote, two[0]), 422, "QUOTE_NOT_VALID")
    is_error(await with_quote(client, "quote_x", two[0]), 422, "QUOTE_NOT_VALID")
    assert await client.balance() == 100
    assert await stranger.balance() == 100


async def test_the_stored_answer_is_the_very_bytes(
    stack: RunningStack, client: Client, session: aiohttp.ClientSession
) -> None:
    body = json.dumps({"image_url": "http://no-such-host.invalid/a.png", "icp_type": "school"})
    headers = {**client.headers, "Idempotency-Key": "b", "Content-Type": "application/json"}
    seen = []
    for _ in range(2):
        async with session.post(f"{stack.url}{CROP}", data=body, headers=headers) as answer:
            seen.append(await answer.read())
    assert seen[0] == seen[1]
